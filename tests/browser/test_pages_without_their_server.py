"""Pages that can't go on by themselves say so: no such session, a sign-in that has ended, a page brought back."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import PHONE, People
from tests.browser.server import Server


@pytest.mark.timeout(120)
async def test_a_page_that_cannot_go_on_says_so(server: Server, people: People) -> None:
    await _nothing_to_talk_or_buy_in(await people.open("customer-c3", "/watch/no-such-session", viewport=PHONE))
    customer = await people.open("customer-c3", "/call")
    await _begins_anew_when_brought_back(customer)
    desk = await people.open("adviser-1", "/desk")
    for page in (customer, desk):
        await page.context.clear_cookies()
    server.kill("web")  # whoever is connected has to sign in again
    for page in (customer, desk):
        asked = page.get_by_test_id("signed-out")
        await expect(asked.get_by_test_id("door")).to_have_attribute(
            "href", f"/login?next=%2F{page.url.rsplit('/', 1)[1]}", timeout=20_000
        )


async def _nothing_to_talk_or_buy_in(watch: Page) -> None:
    await expect(watch.get_by_test_id("refusal")).to_be_visible()
    for name in ("comment-input", "shelf-open", "comment-list", "live"):
        await expect(watch.get_by_test_id(name)).to_be_hidden()


async def _begins_anew_when_brought_back(page: Page) -> None:
    await expect(page.get_by_test_id("topic")).to_be_visible()
    async with page.expect_navigation():
        await page.evaluate("""() => window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))""")
    await expect(page.get_by_test_id("topic")).to_be_visible()
