"""What a customer finds on the pages of their own: assessments with their table, and a call that knows what it is about."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.people import PHONE, People


async def test_assessments_are_kept_and_a_refused_order_goes_along_to_the_call(people: People) -> None:
    page = await people.open("customer-c3", "/assessment", viewport=PHONE)
    past = page.get_by_test_id("past-assessment")
    await expect(past).to_have_count(1)
    await expect(page.get_by_test_id("allowance")).to_contain_text("Today 2 of 2 left")
    await page.get_by_test_id("scoring").locator("summary").click()
    await expect(page.get_by_test_id("scoring")).to_contain_text("C1 at most")
    for left in ("1", "0"):
        await _answer(page)
        await expect(page.get_by_test_id("assessment-result")).to_have_attribute("data-grade", "C5")
        await page.goto(page.url)
        await expect(page.get_by_test_id("allowance")).to_contain_text(f"Today {left} of 2 left")
    await expect(page.get_by_test_id("assessment-begin")).to_be_disabled()
    await expect(page.get_by_test_id("allowance")).to_contain_text("You can answer again from")
    assert [await one.get_attribute("data-standing") for one in await past.all()] == ["current", "replaced", "replaced"]

    await page.goto(people.url + "/call?product=prd-r3-mixed&amount=1000000")
    await expect(page.get_by_test_id("topic-wealth").locator("input")).to_be_checked()
    await expect(page.get_by_test_id("topic-own")).to_have_value("I would like to buy Ruixuan mixed wealth product, closed for "
                                                                 "365 days for ¥10,000.")  # fmt: skip
    await expect(page.get_by_test_id("request-call")).to_be_enabled()
    await page.goto(people.url + "/call?product=no-such&amount=1")
    await expect(page.get_by_test_id("topic-own")).to_have_value("")


async def _answer(page: Page) -> None:
    """The boldest answer to each of the eight questions."""
    await page.get_by_test_id("assessment-begin").click()
    for number in range(1, 9):
        await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", str(number))
        await page.get_by_test_id("question").locator("input").last.check()
        await page.get_by_test_id("assessment-next").click()
