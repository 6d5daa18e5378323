"""A receipt says what was agreed, what became of it, and where the record has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from commerce import order_book, receipts, wire
from commerce.lifecycle import Event
from core.canonical import sha256_hex
from core.errors import NOT_FOUND, Refused
from core.identity import Person
from recording import kinds, seal
from recording.keys import SigningKeys
from recording.trail import after_trail
from tests.commerce.conftest import BOND, C3, C5, MIXED, Market
from tests.commerce.test_routes import Client, call, client

__all__ = ["client"]


async def receipt(market: Market, order_id: str, person: Person = C5, lang: str = "en") -> wire.Receipt:
    async with market.db.read() as tx:
        order = await order_book.get(tx, order_id, customer_id=person.id)
        return await receipts.of_order(tx, order, lang)


async def move(market: Market, order_id: str, event: Event, reason: str | None = None) -> None:
    async with market.db.write() as tx:
        await order_book.move(tx, market.trail, market.clock, order_id, event, actor="core", reason=reason)


async def test_it_has_the_terms_of_its_moment_and_the_hash_of_its_entry(market: Market) -> None:
    order = (await market.buy(C5)).order
    async with market.db.read() as tx:
        [stored] = await market.trail.stored(tx, market.session, order.trail_seq - 1, 1)
    await market.product(BOND, price={"kind": "nav", "value": "9.9999", "date": "2026-11-24", "fee_bps": 500})
    made = await receipt(market, order.id)
    assert made.entry_hash == stored.hash == sha256_hex(stored.body.encode())
    [entry] = await market.entries(kinds.ORDER_PLACED)
    assert made.price.value == entry.data["price"]["value"] != "9.9999"
    assert (made.disclosure.version, made.disclosure.sha256) == (1, entry.data["disclosure"]["sha256"])
    assert (made.customer, made.session_title, made.channel, made.product_class) == ("赵敏", "年终理财专场", "show", "wealth")
    assert made.seal is None
    assert made.media_ms == entry.media_ms


async def test_it_tells_the_orders_life_and_no_others(market: Market) -> None:
    first, second = (await market.buy(C5)).order, (await market.buy(C3, product=MIXED)).order
    for order in (first, second):
        await move(market, order.id, Event.SEND)
    await move(market, first.id, Event.CONFIRM)
    await move(market, second.id, Event.REJECT, "no funds")
    await market.desk.cancel(C5, first.id)
    steps = (await receipt(market, first.id)).history
    assert [step.state for step in steps] == ["placed", "sent", "confirmed", "cancelled"]
    assert [step.seq for step in steps] == sorted(step.seq for step in steps)
    other = (await receipt(market, second.id, C3)).history
    assert [(step.state, step.reason) for step in other][-1] == ("rejected", "no funds")


async def test_of_the_sessions_trail_nothing_is_read_behind_the_orders_last_entry(market: Market) -> None:
    order = (await market.buy(C5)).order
    await move(market, order.id, Event.SEND)
    async with market.db.write() as tx:  # as the order's own number has it, this is none of its steps
        record = await order_book.get(tx, order.id)
        await order_book.note(tx, market.trail, record, Event.CONFIRM, actor="core", reason=None)
    assert [step.state for step in (await receipt(market, order.id)).history] == ["placed", "sent"]


async def test_what_comes_after_the_seal_stands_in_the_other_trail(market: Market, tmp_path: Path) -> None:
    order = (await market.buy(C5)).order
    await market.set_state("ended")
    async with market.db.write() as tx:
        signer = SigningKeys(tmp_path).signer()
        sealed = await seal.seal_session(tx, market.clock, market.trail, signer, market.session)
    await move(market, order.id, Event.CONFIRM)
    made = await receipt(market, order.id)
    assert made.seal is not None
    assert (made.seal.number, made.seal.entries) == (sealed.number, sealed.entries)
    assert [(step.state, step.after_seal) for step in made.history] == [("placed", False), ("confirmed", True)]
    [entry] = await market.entries(kinds.ORDER_CONFIRMED, session=after_trail(market.session))
    assert made.history[-1].seq == entry.seq


async def test_it_is_its_customers_alone(client: Client, market: Market) -> None:
    order = (await market.buy(C5)).order
    status, mine = await call(client, "GET", f"/api/orders/{order.id}?lang=zh", C5)
    assert status == 200
    assert mine["entry_hash"] == (await receipt(market, order.id)).entry_hash
    assert mine["customer"] == "赵敏"
    status, refusal = await call(client, "GET", f"/api/orders/{order.id}", C3)
    assert (status, refusal["code"]) == (404, "not_found")
    with pytest.raises(Refused) as refused:
        await receipt(market, order.id, C3)
    assert refused.value.problem is NOT_FOUND


def test_a_price_from_before_prices_had_kinds_is_read() -> None:
    kept = {"unit_price": "1.0000", "fee_bps": 15}
    assert receipts.price_of(kept) == wire.Price(kind="price", value="1.0000", date=None, fee_bps=15)
