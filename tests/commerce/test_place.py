"""An order: bound to the recording, once for each key, never more than there is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, text, update

from commerce import catalogue, errors, order_book, outbox_rows, sale, tally
from commerce.gate import RULES
from commerce.orders import OrderDesk, Placed
from commerce.tables import assessments, customers, disclosure_confirmations, holdings, outbox
from commerce.wire import DisclosureVersion, PlaceOrder
from core.errors import FORBIDDEN, NOT_FOUND, Refused, Unavailable
from core.identity import Person, Role
from recording import kinds
from recording.tables import trail_heads
from recording.trail import after_trail
from tests.commerce.conftest import BOND, C1, C3, C5, ELDER, HOST, MIXED, YUAN, Market


async def refused(market: Market, person: Person, *, channel: str = "show", **changes: object) -> Refused:
    with pytest.raises(Refused) as caught:
        await market.desk.place(person, market.wish(**changes), channel=channel)
    return caught.value


async def test_an_order_is_bound_to_its_moment(market: Market) -> None:
    market.clock.advance(3.2)
    placed = await market.buy()
    assert placed.created
    assert placed.order.state == "placed"
    assert placed.order.media_ms == 3200
    assert placed.order.receipt_url == f"/receipt/{placed.order.id}"
    [entry] = await market.entries(kinds.ORDER_PLACED)
    assert (entry.seq, entry.media_ms) == (placed.seq, 3200)
    assert entry.data["order"] == placed.order.id
    assert entry.data["streams"]["host"]["media_ms"] == 0
    assert entry.data["gate"]["verdict"] == {
        "allowed": True,
        "code": None,
        "refused_by": None,
        "passed": [rule.name for rule in RULES],
    }
    assert entry.data["price"] == {"kind": "nav", "value": "1.0126", "date": "2026-11-21", "fee_bps": 0}
    assert len(entry.data["disclosure"]["sha256"]) == 64
    assert C5.id not in entry.body.decode()
    async with market.db.read() as tx:
        texts = await market.trail.texts(tx, market.session)
        [row] = (await tx.execute(select(outbox))).all()
        assert await tally.of_session(tx, market.session) == [tally.Tally(count=1, amount=10_000 * YUAN, currency="CNY")]
    assert texts[entry.seq, "customer"] == C5.id
    assert (row.order_id, row.kind, row.state) == (placed.order.id, outbox_rows.PLACED, outbox_rows.NEW)
    assert await market.left() == 120_000_000 * YUAN - 10_000 * YUAN
    assert [(change.order.id, change.seq) for change in market.told] == [(placed.order.id, placed.seq)]


async def test_the_same_key_is_the_same_order(market: Market) -> None:
    wish = market.wish()
    await market.confirm(C5)
    first = await market.desk.place(C5, wish)
    again = await market.desk.place(C5, wish, lang="zh")
    assert (again.created, again.order.id, again.seq) == (False, first.order.id, first.seq)
    assert again.order.product.name == "稳享纯债 180 天持有期理财"
    assert len(await market.orders(C5)) == 1
    assert len(market.told) == 1


async def test_the_same_key_with_another_body_is_a_conflict(market: Market) -> None:
    first = await market.buy(key="same-key-1")
    refusal = await refused(market, C5, key="same-key-1", amount=11_000 * YUAN)
    assert refusal.problem is errors.IDEMPOTENCY_CONFLICT
    assert [order.id for order in await market.orders(C5)] == [first.order.id]


async def test_a_key_belongs_to_its_customer(market: Market) -> None:
    mine = await market.buy(C5, key="same-key-1")
    yours = await market.buy(C3, key="same-key-1")
    assert yours.created
    assert mine.order.id != yours.order.id


async def test_many_at_once_with_one_key_place_one_order(market: Market) -> None:
    wish = market.wish()
    await market.confirm(C5)
    placed = await asyncio.gather(*(market.desk.place(C5, wish) for _ in range(20)))
    assert len({one.order.id for one in placed}) == 1
    assert sum(one.created for one in placed) == 1
    assert await market.left() == (120_000_000 - 10_000) * YUAN


async def _until_answered(market: Market, person: Person, wish: PlaceOrder) -> Placed:
    """As a client does it: while the desk is too busy to answer, the same order is sent again."""
    while True:
        try:
            return await market.desk.place(person, wish)
        except Unavailable:
            continue


async def test_two_hundred_want_fifty(market: Market) -> None:
    amount = 1_000 * YUAN
    await market.product(BOND, left=50 * amount)
    people = [await market.customer(f"buyer-{n:03d}") for n in range(200)]
    for person in people:
        await market.confirm(person)
    wishes = [(person, market.wish(amount=amount)) for person in people]
    outcomes = await asyncio.gather(*(_until_answered(market, *each) for each in wishes), return_exceptions=True)
    bought = [one for one in outcomes if not isinstance(one, BaseException)]
    codes = {one.problem.code for one in outcomes if isinstance(one, Refused)}
    assert len(bought) == 50
    assert codes == {"out_of_stock"}
    assert len(outcomes) == 200
    assert await market.left() == 0
    placed = await market.entries(kinds.ORDER_PLACED)
    assert [entry.data["gate"]["inputs"]["product"]["left"] for entry in placed] == [n * amount for n in range(50, 0, -1)]


async def test_nobody_exceeds_the_cap_however_many_at_once(market: Market) -> None:
    await market.product(BOND, cap=30_000 * YUAN)
    await market.confirm(C5)
    wishes = [market.wish() for _ in range(8)]
    outcomes = await asyncio.gather(*(market.desk.place(C5, wish) for wish in wishes), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in outcomes) == 3
    assert {one.problem.code for one in outcomes if isinstance(one, Refused)} == {"cap_exceeded"}
    refusal = next(one for one in outcomes if isinstance(one, Refused))
    assert refusal.to_json("en")["next"] == "You can still order CNY 0.00."


async def test_the_price_is_the_same_for_everyone(market: Market) -> None:
    for person in (C5, C3):
        await market.buy(person)
    prices = [entry.data["price"] for entry in await market.entries(kinds.ORDER_PLACED)]
    assert prices == [{"kind": "nav", "value": "1.0126", "date": "2026-11-21", "fee_bps": 0}] * 2


async def test_a_refusal_leaves_one_entry_and_nothing_else(market: Market) -> None:
    refusal = await refused(market, C1, product="prd-r5-strategy", amount=50_000 * YUAN, key="try-again")
    assert refusal.problem is errors.RISK_TOO_HIGH
    for _ in range(5):
        await refused(market, C1, product="prd-r5-strategy", amount=50_000 * YUAN)
    [entry] = await market.entries(kinds.ORDER_REFUSED)
    assert (entry.data["code"], entry.data["params"]["risk"]) == ("risk_too_high", "R5")
    assert await market.orders(C1) == []
    assert market.told == []
    market.clock.advance(10)
    await market.record()
    await refused(market, C1, product="prd-r5-strategy", amount=50_000 * YUAN)
    assert len(await market.entries(kinds.ORDER_REFUSED)) == 2
    bought = await market.buy(C1, product="prd-r1-structured", key="try-again")
    assert bought.created


async def test_the_gate_does_not_believe_the_sales_row(market: Market) -> None:
    await market.confirm(C5)
    market.clock.advance(5.001)
    refusal = await refused(market, C5)
    assert (refusal.problem, refusal.params["reason"]) == (errors.SALE_CLOSED, "recording_stale")
    await _told_of_sales(market, ["recording_stale"])  # closed for all, at once
    await market.record()
    assert (await refused(market, C5)).problem is errors.SALE_CLOSED  # nor does it sell while the record says closed
    await _told_of_sales(market, ["recording_stale", None])
    assert (await market.desk.place(C5, market.wish())).created


async def _told_of_sales(market: Market, reasons: list[str | None]) -> None:
    """The answer does not wait for it."""
    async with asyncio.timeout(10):
        while len(market.sales) < len(reasons):
            await asyncio.sleep(0)
    assert [change.reason for change in market.sales] == reasons


async def test_only_customers_place_orders(market: Market) -> None:
    assert (await refused(market, HOST)).problem is FORBIDDEN
    assert await market.entries(kinds.ORDER_REFUSED) == []


async def test_no_such_session_and_no_such_product(market: Market) -> None:
    assert (await refused(market, C5, session="ses_nowhere")).problem is NOT_FOUND
    assert (await refused(market, C5, product="prd-nothing")).problem is errors.PRODUCT_NOT_ON_SHELF
    async with market.db.read() as tx:
        heads = select(func.count()).select_from(trail_heads).where(trail_heads.c.session_id == "ses_nowhere")
        assert (await tx.execute(heads)).scalar_one() == 0


async def test_a_stranger_to_the_bank_is_sent_to_an_adviser(market: Market) -> None:
    assert (await refused(market, Person("nobody", Role.CUSTOMER, "某"))).problem is errors.IDENTITY_MISSING


async def test_a_new_disclosure_version_counts_at_once(market: Market) -> None:
    await market.confirm(C5)
    async with market.db.write() as tx:
        await catalogue.publish_disclosure(tx, market.clock, BOND, "second", "第二版")
    refusal = await refused(market, C5)
    assert (refusal.problem, refusal.params["current"], refusal.params["confirmed"]) == (errors.DISCLOSURE_OUTDATED, 2, 1)
    with pytest.raises(Refused) as caught:
        await market.confirm(C5, version=1)
    assert caught.value.problem is errors.DISCLOSURE_OUTDATED
    await market.confirm(C5, version=2)
    assert (await refused(market, C5)).problem is errors.DISCLOSURE_OUTDATED  # the order itself names version 1
    placed = await market.desk.place(C5, market.wish(disclosure=DisclosureVersion(2)))
    assert placed.created


async def test_a_confirmation_counts_in_its_session_only_and_is_trailed_once(market: Market) -> None:
    other = await market.open_session()
    await market.confirm(C5, session=other)
    assert (await refused(market, C5)).problem is errors.DISCLOSURE_MISSING
    await market.confirm(C5)
    await market.confirm(C5)
    [entry] = await market.entries(kinds.DISCLOSURE_CONFIRMED)
    async with market.db.read() as tx:
        rows = (await tx.execute(select(disclosure_confirmations.c.trail_seq).order_by("session_id"))).scalars().all()
    assert entry.seq in rows
    assert 0 not in rows


async def test_the_elder_buys_risk_only_in_a_call_and_after_the_explanation(market: Market) -> None:
    await market.confirm(ELDER, MIXED)
    assert (await refused(market, ELDER, product=MIXED)).problem is errors.ELDER_NEEDS_CALL
    call = await market.open_session(kind="call", required=("adviser", "customer"))
    await market.confirm(ELDER, MIXED, session=call)
    changes = {"session": call, "product": MIXED, "proposal": "prp_1"}
    assert (await refused(market, ELDER, channel="call", **changes)).problem is errors.EXPLANATION_MISSING
    await market.explain(ELDER, MIXED, session=call)
    placed = await market.desk.place(ELDER, market.wish(**changes), channel="call")
    assert placed.created
    assert [entry.actor for entry in await market.entries(kinds.RISK_EXPLAINED, session=call)] == [HOST.id]


async def test_a_call_is_no_place_for_an_order_over_http(market: Market) -> None:
    call = await market.open_session(kind="call")
    await market.confirm(C5, session=call)
    assert (await refused(market, C5, session=call)).problem is errors.PROPOSAL_MISSING
    assert (await refused(market, C5, session=call, channel="call")).problem is errors.PROPOSAL_MISSING
    assert (await refused(market, C5, channel="call", proposal="prp_1")).problem is errors.PROPOSAL_MISSING


async def test_a_made_up_proposal_gets_on_no_record(market: Market) -> None:
    await market.confirm(C5)
    assert (await refused(market, C5, proposal="prp_of-someone-else")).problem is errors.PROPOSAL_OUTSIDE_CALL
    assert await market.orders(C5) == []
    [entry] = await market.entries(kinds.ORDER_PLACED, kinds.ORDER_REFUSED)
    assert entry.data["code"] == "proposal_outside_call"
    assert "prp_of" not in entry.body.decode()


async def test_a_refusal_is_told_though_the_database_fails_to_note_it(market: Market) -> None:
    await market.confirm(C5)
    async with market.db.write() as tx:
        await tx.execute(text("ALTER TABLE refusals RENAME TO refusals_away"))
    try:
        assert (await refused(market, C5, amount=1)).problem is errors.BELOW_MINIMUM
    finally:
        async with market.db.write() as tx:
            await tx.execute(text("ALTER TABLE refusals_away RENAME TO refusals"))
    assert await market.entries(kinds.ORDER_REFUSED) == []


async def test_too_many_orders_in_a_short_time(market: Market) -> None:
    for _ in range(10):
        await market.buy()
    refusal = await refused(market, C5)
    assert (refusal.problem, refusal.params["rule"]) == (errors.RISK_REVIEW, "velocity")
    market.clock.advance(601)
    await market.record()
    await market.sale.check(market.session)
    assert (await market.buy()).created


async def test_an_amount_far_above_all_that_is_known_goes_to_a_call(market: Market) -> None:
    stranger = await market.customer("newcomer")
    await market.confirm(stranger)
    refusal = await refused(market, stranger, amount=600_000 * YUAN)
    assert (refusal.problem.door, refusal.params["rule"]) == ("call", "unusual_amount")
    assert (await market.buy(stranger, amount=400_000 * YUAN)).created


async def test_cancelling_gives_the_stock_back_once(market: Market) -> None:
    placed = await market.buy()
    change = await market.desk.cancel(C5, placed.order.id)
    again = await market.desk.cancel(C5, placed.order.id)
    assert change.order.state == again.order.state == "cancelled"
    assert await market.left() == 120_000_000 * YUAN
    assert len(await market.entries(kinds.ORDER_CANCELLED)) == 1
    assert [told.order.state for told in market.told] == ["placed", "cancelled"]
    async with market.db.read() as tx:
        kinds_out = (await tx.execute(select(outbox.c.kind).order_by(outbox.c.id))).scalars().all()
        changed = await order_book.of_customer(tx, C5.id, session_id=market.session, changed_after_seq=placed.seq)
        assert await tally.of_session(tx, market.session) == []
    assert sorted(kinds_out) == ["order_cancelled", "order_placed"]
    assert [order.id for order in changed] == [placed.order.id]


async def test_many_cancel_at_once(market: Market) -> None:
    placed = await market.buy()
    await asyncio.gather(*(market.desk.cancel(C5, placed.order.id) for _ in range(8)))
    assert await market.left() == 120_000_000 * YUAN


async def test_cancelling_has_its_time_and_its_owner(market: Market) -> None:
    placed = await market.buy()
    with pytest.raises(Refused) as caught:
        await market.desk.cancel(C3, placed.order.id)
    assert caught.value.problem is NOT_FOUND
    market.clock.advance(timedelta(hours=24).total_seconds() + 0.001)
    with pytest.raises(Refused) as caught:
        await market.desk.cancel(C5, placed.order.id)
    assert caught.value.problem is errors.COOLING_OFF_OVER


async def test_after_the_seal_the_second_trail_takes_over(market: Market) -> None:
    placed = await market.buy()
    async with market.db.write() as tx:
        await tx.execute(update(trail_heads).where(trail_heads.c.session_id == market.session).values(sealed=1))
    await market.desk.cancel(C5, placed.order.id)
    assert await market.entries(kinds.ORDER_CANCELLED) == []
    [entry] = await market.entries(kinds.ORDER_CANCELLED, session=after_trail(market.session))
    assert entry.data["order"] == placed.order.id


async def test_an_announcement_that_fails_does_not_undo_the_order(market: Market) -> None:
    async def broken(_change: order_book.OrderChanged) -> None:
        raise OSError("nobody listens")

    desk = OrderDesk(market.db, market.trail, market.clock, market.sale, on_change=broken)
    await market.confirm(C5)
    assert (await desk.place(C5, market.wish())).created
    assert len(await market.orders(C5)) == 1


async def test_all_products_sold_at_once_across_sessions_never_wait_for_each_other(market: Market) -> None:
    """Many customers, two sessions, two products, crossing each other: no deadlock, no error, all placed."""
    other = await market.open_session()
    people = [await market.customer(f"cross-{n}") for n in range(6)]
    wishes = []
    for person in people:
        for session in (market.session, other):
            for product in (BOND, MIXED):
                await market.confirm(person, product, session=session)
                wishes.append((person, market.wish(session=session, product=product)))
    placed = await asyncio.gather(*(market.desk.place(*each) for each in wishes))
    assert all(one.created for one in placed)
    assert len(placed) == 24


async def test_nobody_without_a_row_anywhere_is_forgotten(market: Market) -> None:
    """An unassessed, then an unidentified customer: each learns what is missing."""
    fresh = await market.customer("fresh")
    async with market.db.write() as tx:
        await tx.execute(delete(assessments).where(assessments.c.customer_id == fresh.id))
        await tx.execute(delete(holdings).where(holdings.c.customer_id == fresh.id))
    assert (await refused(market, fresh)).problem is errors.ASSESSMENT_MISSING
    async with market.db.write() as tx:
        await tx.execute(update(customers).where(customers.c.person_id == fresh.id).values(real_name=None))
    assert (await refused(market, fresh)).problem is errors.IDENTITY_MISSING
    async with market.db.read() as tx:
        assert await sale.reason(tx, market.session) is None
