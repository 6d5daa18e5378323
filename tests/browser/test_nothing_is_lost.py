"""What people chose, wrote or ordered is not lost by a refusal, a break or a key pressed twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.media_files import Devices
from tests.browser.people import People
from tests.browser.steps import confirm_disclosure, end_show, live_session, sale_open
from tests.browser.wires import Wire


@pytest.mark.timeout(180)
async def test_refusals_and_breaks_cost_nothing(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await _a_shelf_that_was_not_saved_does_not_go_live(studio)
    wire = Wire()
    buyer = await people.open("customer-c3", f"/watch/{session}", wire=wire)
    await sale_open(buyer, session)
    await _a_shelf_refused_on_air_comes_back(studio)
    await _an_order_under_way_is_not_closed_by_escape(buyer)
    await _an_order_without_an_answer_is_asked_for_after_the_show(buyer, studio, wire)
    orders = (await people.api(buyer, "GET", "/api/orders"))["orders"]
    assert len({order["product"]["id"] for order in orders}) == len(orders) == 2
    await _a_note_survives_refusal_and_language(await people.open("reviewer-1", f"/console?session={session}"))


async def _a_shelf_that_was_not_saved_does_not_go_live(studio: Page) -> str:
    await studio.get_by_test_id("show-item").first.click()
    await studio.route("**/shelf", _refuse_saving)
    await studio.locator('[data-testid^="shelf-"][type="checkbox"]:checked').last.uncheck()
    await studio.get_by_test_id("go-live").click()
    await expect(studio.locator(".before-go").get_by_test_id("refusal")).to_be_visible()
    await expect(studio.get_by_test_id("go-live")).to_be_enabled()
    await studio.unroute("**/shelf")
    await studio.get_by_test_id("go-live").click()
    await expect(studio.get_by_test_id("end-show")).to_be_visible()
    return await live_session(studio)


async def _a_shelf_refused_on_air_comes_back(studio: Page) -> None:
    await studio.route("**/shelf", _refuse_saving)
    await studio.get_by_test_id("shelf-edit").click()
    sheet = studio.get_by_test_id("shelf-picker")
    await sheet.locator('[type="checkbox"]:not(:checked)').first.check()
    await studio.keyboard.press("Escape")
    await expect(sheet.get_by_test_id("refusal")).to_be_visible()
    await studio.unroute("**/shelf")
    await sheet.get_by_test_id("door").click()
    await expect(sheet.get_by_test_id("refusal")).to_be_hidden()
    await studio.keyboard.press("Escape")
    await expect(sheet).to_be_hidden()


async def _an_order_under_way_is_not_closed_by_escape(buyer: Page) -> None:
    answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await answer.wait()
        await route.continue_()

    await buyer.route("**/disclosures", hold)
    await _open_sheet(buyer, "R1")
    await buyer.get_by_test_id("confirm-order").click()
    await expect(buyer.get_by_test_id("confirm-order")).to_have_attribute("aria-busy", "true")
    for _ in range(4):
        await buyer.keyboard.press("Escape")
    await expect(buyer.get_by_test_id("sheet")).to_be_visible()
    answer.set()
    await expect(buyer.get_by_test_id("receipt")).to_be_visible()
    await buyer.unroute("**/disclosures")
    await buyer.get_by_test_id("receipt-close").click()


async def _an_order_without_an_answer_is_asked_for_after_the_show(buyer: Page, studio: Page, wire: Wire) -> None:
    """The server took the order and its answer got lost; when a sheet opened anew asks for it again, nothing can be
    bought any more."""
    await _open_sheet(buyer, "R2")
    amount = buyer.get_by_test_id("amount")
    await buyer.get_by_role("button", name="More").click()
    chosen = await amount.input_value()
    wire.cut_after = '"ok":true,"order"'
    await buyer.get_by_test_id("confirm-order").click()
    refusal = buyer.get_by_test_id("sheet").get_by_test_id("refusal")
    await expect(refusal).to_have_attribute("data-code", "offline")
    assert len(wire.lost) == 1
    await buyer.keyboard.press("Escape")
    await _view(buyer, "R2")
    await expect(amount).to_have_value(chosen)
    await expect(amount).not_to_be_editable()
    await _a_refused_end_stands_beside_its_button(studio)
    await expect(buyer.get_by_test_id("live")).not_to_have_text("Live", timeout=20_000)
    await expect(buyer.get_by_test_id("confirm-order")).to_contain_text("again")
    await buyer.get_by_test_id("confirm-order").click()
    await expect(buyer.get_by_test_id("receipt")).to_be_visible(timeout=20_000)


async def _a_refused_end_stands_beside_its_button(studio: Page) -> None:
    await studio.route("**/end", _refuse)
    await end_show(studio)
    await expect(studio.get_by_test_id("live-refused").get_by_test_id("refusal")).to_contain_text("Try again")
    await studio.unroute("**/end")
    await studio.get_by_test_id("live-refused").get_by_test_id("door").click()
    await expect(studio.get_by_test_id("summary")).to_be_visible(timeout=20_000)


async def _a_note_survives_refusal_and_language(console: Page) -> None:
    reason, claim = console.get_by_test_id("case-reason"), console.get_by_test_id("case-claim")
    await expect(reason.or_(claim)).to_be_visible(timeout=20_000)
    if await reason.is_visible():  # no rule has opened a case by itself
        await reason.fill("The rate was promised")
        await console.get_by_test_id("case-open").click()
    await claim.click()
    await console.get_by_test_id("case-note").fill("At minute two")
    await console.get_by_test_id("case-serious").check()
    await console.route("**/decide", _refuse)
    await console.get_by_test_id("case-decide").click()
    case = console.get_by_test_id("case")
    await expect(case.get_by_test_id("refusal")).to_be_visible()
    await _written(case)
    await console.unroute("**/decide")
    await console.get_by_test_id("language").click()
    await expect(console.get_by_test_id("case-decide")).not_to_have_text("Decide")
    await _written(case)
    await console.get_by_test_id("case-decide").click()
    await expect(console.get_by_test_id("case-verdict-note")).to_have_text("At minute two")


async def _written(case: Locator) -> None:
    await expect(case.get_by_test_id("case-note")).to_have_value("At minute two")
    await expect(case.get_by_test_id("case-serious")).to_be_checked()
    await expect(case.get_by_test_id("case-decide")).to_be_enabled()


async def _open_sheet(buyer: Page, risk: str) -> None:
    await _view(buyer, risk)
    await confirm_disclosure(buyer)


async def _view(buyer: Page, risk: str) -> None:
    await buyer.get_by_role("tab", name="Products").click()
    card = buyer.get_by_test_id("product-card").filter(has_text=risk).first
    await expect(card.get_by_test_id("buy")).to_have_attribute("aria-disabled", "false")
    await card.get_by_test_id("buy").click()


async def _refuse_saving(route: Route) -> None:
    if route.request.method == "PUT":
        await _refuse(route)
    else:
        await route.continue_()


async def _refuse(route: Route) -> None:
    body: dict[str, Any] = {"code": "order_desk_busy", "title": "Busy", "next": "Try again", "door": "retry"}
    await route.fulfill(status=503, json=body)
