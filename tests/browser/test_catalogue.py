"""The operator's day: a price changed while a show is on, a file with wrong lines corrected and taken in."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import People
from tests.browser.steps import until

EQUITY, BOND = "prd-r4-equity", "prd-r2-bond"


@pytest.mark.timeout(180)
async def test_an_operator_changes_a_price_and_imports_a_file(people: People) -> None:
    page = await people.open("operator-1", "/catalogue")
    shelf, customer = await _watched(people, page)
    await page.get_by_test_id("filter-risk_max").select_option("4")
    await page.locator(f'[data-product="{EQUITY}"] a').click()
    value = page.get_by_test_id("field-price_value")
    await value.fill("1.40 yuan")
    await page.get_by_test_id("save").click()
    await expect(page.get_by_test_id("fault-price_value")).to_contain_text("“1.40 yuan” is not a price")
    await expect(value).to_be_focused()
    await expect(value).to_have_value("1.40 yuan")  # what was typed is kept
    await _first_is_another(people, page)
    await value.fill("1.4021")
    await page.get_by_test_id("save").click()
    await expect(page.get_by_test_id("conflict")).to_contain_text("Step")
    await expect(value).to_have_value("1.4021")
    await page.get_by_test_id("save").click()
    await expect(page.get_by_test_id("revision")).to_have_text("Revision 3")
    await page.get_by_test_id("tab-history").click()
    await expect(page.get_by_test_id("change").first).to_contain_text("1.4021")

    async def seen_by_customers() -> bool:
        session = await people.api(customer, "GET", f"/api/sessions/{shelf}")
        return any(one["id"] == EQUITY and one["price"]["value"] == "1.4021" for one in session["shelf"])

    await until(seen_by_customers, "the new price stands on the shelf")
    await _unsaved_is_guarded(page)
    await _imports(people, page)


async def _watched(people: People, page: Page) -> tuple[str, Page]:
    """A session that offers the product, and a customer who looks at it."""
    shows = await people.api(page, "GET", "/api/shows")
    for show in shows["upcoming"]:
        offered = await people.api(page, "GET", f"/api/shows/{show['id']}/shelf")
        if EQUITY in {one["id"] for one in offered["products"]}:
            return show["session"], await people.open("customer-c5", f"/watch/{show['session']}")
    raise AssertionError("no show of the demo offers it")


async def _first_is_another(people: People, page: Page) -> None:
    """Somebody else saves the same product meanwhile."""
    item = await people.api(page, "GET", f"/api/catalogue/{EQUITY}")
    names = ("class", "name_en", "name_zh", "rate_text_en", "rate_text_zh", "issuer_risk", "bank_risk", "term_days", "currency")
    more = ("minimum", "cap", "quota", "price", "sale_from", "sale_until")
    terms = {name: item[name] for name in (*names, *more)} | {"step": 10_000}
    await people.api(page, "PUT", f"/api/catalogue/{EQUITY}", {"revision": item["revision"], "terms": terms})


async def _unsaved_is_guarded(page: Page) -> None:
    await page.get_by_test_id("tab-terms").click()
    await page.get_by_test_id("field-minimum").fill("777")
    await page.locator(f'[data-product="{BOND}"] a').click()
    await expect(page.locator("dialog")).to_contain_text("Minimum")
    await page.get_by_role("button", name="Stay here").click()
    await expect(page.get_by_test_id("field-minimum")).to_have_value("777")
    await page.get_by_test_id("discard").click()
    await expect(page.get_by_test_id("save-state")).to_have_text("Nothing to save")


async def _imports(people: People, page: Page) -> None:
    answer = await page.context.request.get(people.url + "/api/catalogue.csv")
    good = (await answer.text()).splitlines(keepends=True)
    lines = {one.split(",")[0]: number for number, one in enumerate(good, start=1)}
    bond, certificate = lines[BOND], lines["prd-r1-certificate"]
    good[bond - 1] = good[bond - 1].replace(",1.0126,", ",1.0200,").replace("稳享纯债", "保本纯债")
    wrong = list(good)
    wrong[bond - 1] = wrong[bond - 1].replace(",1.0200,", ",a lot,")
    wrong[certificate - 1] = wrong[certificate - 1].replace(",200000.00,", ",200000.001,")
    await page.get_by_test_id("import").click()
    await _choose(page, "".join(wrong))
    errors = page.get_by_test_id("line-error")
    await expect(errors).to_have_count(2)
    for line, column in ((bond, "price_value"), (certificate, "minimum")):
        row = page.locator(f'[data-testid="line-error"][data-line="{line}"]')
        await expect(row).to_contain_text(column)
    await expect(page.get_by_test_id("do-import")).to_have_count(0)
    await _choose(page, "".join(good))
    await expect(errors).to_have_count(0)
    await expect(page.get_by_test_id("sum-changed")).to_have_text("1")
    await expect(page.get_by_test_id("line-warning").first).to_have_attribute("data-line", str(bond))
    await page.get_by_test_id("do-import").click()
    await expect(page.get_by_test_id("imported")).to_be_visible()
    item = await people.api(page, "GET", f"/api/catalogue/{BOND}")
    assert (item["price"]["value"], item["revision"]) == ("1.0200", 2)


async def _choose(page: Page, text: str) -> None:
    file = {"name": "products.csv", "mimeType": "text/csv", "buffer": text.encode()}
    await page.get_by_test_id("file").set_input_files(file)  # type: ignore[arg-type]
