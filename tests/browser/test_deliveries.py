"""An operator adds a partner, sees what was given up and why, and sends it again, by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from sqlalchemy import insert, select, update

from commerce import order_book, outbox_rows
from commerce.tables import orders, outbox
from core.clock import SystemClock
from core.database import Database
from recording.tables import sessions
from tests.browser.people import PHONE, People
from tests.browser.server import Server


async def _give_up(server: Server) -> None:
    """An order whose delivery to the core was given up, as if the core had refused our signature."""
    db, clock = Database(f"sqlite+aiosqlite:///{server.folder / 'var' / 'tellercast.db'}"), SystemClock()
    now = clock.now()
    try:
        async with db.write() as tx:
            session = (await tx.execute(select(sessions.c.id).limit(1))).scalar_one()
            row = {
                **{"id": "ord_1", "customer_id": "customer-c5", "key": "key-00000001", "request_hash": "h"},
                **{"session_id": session, "product_id": "prd-r2-bond", "amount": 1_000_000, "currency": "CNY"},
                **{"channel": "show", "state": "sent", "placed_at": now, "cancellable_until": now, "changed_at": now},
                **{"media_ms": 0, "trail_seq": 1, "changed_seq": 1},
                "snapshot": {"inputs": {"product": {"issuer_risk": 2, "bank_risk": 2}}},
            }
            await tx.execute(insert(orders).values(row))
            # Dead from the first moment: the server's own outbox is at work.
            await outbox_rows.add(tx, clock, await order_book.get(tx, "ord_1"), outbox_rows.PLACED)
            await tx.execute(update(outbox).values(state=outbox_rows.DEAD, attempts=18, error="status 401"))
    finally:
        await db.close()


@pytest.mark.timeout(120)
async def test_an_operator_sends_again_what_was_given_up(people: People, server: Server) -> None:
    await _give_up(server)
    page = await people.open("operator-1", "/deliveries", viewport=PHONE)
    row = page.get_by_test_id("delivery")
    await expect(row).to_have_attribute("data-state", "dead")
    await expect(row).to_contain_text("It did not accept our signature (401)")
    await page.get_by_test_id("mood-confirm").click()
    await page.get_by_test_id("delivery-open").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("delivery-detail")).to_contain_text("ord_1")
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("delivery-open")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_test_id("again")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.get_by_test_id("state-delivered").click()
    await expect(row).to_have_attribute("data-state", "delivered", timeout=20_000)

    await page.get_by_test_id("receiver-add").click()
    await page.get_by_test_id("receiver-name").fill("Harbour Funds")
    await page.get_by_test_id("receiver-url").fill("https://user:word@partner.example/hook")
    await page.get_by_test_id("receiver-save").click()
    await expect(page.get_by_test_id("refusal")).to_have_attribute("data-code", "receiver_url_unfit")
    await page.get_by_test_id("receiver-url").fill("https://partner.example/hook")
    await page.get_by_test_id("receiver-save").click()
    secret = await page.get_by_test_id("secret").input_value()
    assert secret.startswith("whs_")
    await page.keyboard.press("Escape")  # not before it was passed on
    await expect(page.get_by_test_id("secret")).to_be_visible()
    await page.get_by_test_id("secret-done").click()
    await expect(page.get_by_test_id("receiver")).to_have_count(2)
    assert secret not in await page.content()
    seen = await people.api(page, "GET", "/api/deliveries")
    assert [one["order"] for one in seen["deliveries"]] == ["ord_1"]
