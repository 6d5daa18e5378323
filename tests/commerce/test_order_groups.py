"""Orders in groups: what becomes of each is what would have become of it alone, and a whole group costs one commit."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Column, event, select, text

from commerce import errors
from commerce.orders import OrderDesk, Placed
from commerce.risk import RiskLimits
from commerce.tables import orders, outbox, products, refusals
from core.database import Database
from core.errors import Refused
from core.identity import Person
from recording import kinds
from recording.seal import check_session
from recording.trail import after_trail, lock_head
from tests.commerce.conftest import BOND, C1, C3, C5, ELDER, MIXED, YUAN, Market

PEOPLE = 24


def desk(market: Market, **options: Any) -> OrderDesk:
    """Another desk at the same market, as another web process would have one."""
    return OrderDesk(market.db, market.trail, market.clock, market.sale, on_change=market.on_order, **options)


async def at_once(desk: OrderDesk, *asked: tuple[Person, Any]) -> list[Placed | BaseException]:
    return await asyncio.gather(*(desk.place(person, wish) for person, wish in asked), return_exceptions=True)


def code(outcome: Placed | BaseException) -> str:
    if isinstance(outcome, Placed):
        return "placed" if outcome.created else "again"
    assert isinstance(outcome, Refused), outcome
    return outcome.problem.code


async def chain_is_whole(market: Market, session: str = "") -> bool:
    async with market.db.read() as tx:
        return await check_session(tx, market.trail, [], session or market.session) == ["not sealed"]


async def test_a_hundred_at_once_take_one_commit(market: Market) -> None:
    people = [await market.customer(f"buyer-{n:03d}") for n in range(100)]
    for person in people:
        await market.confirm(person)
    commits = 0

    @event.listens_for(market.db.engine.sync_engine, "commit")
    def on_commit(_connection: object) -> None:
        nonlocal commits
        commits += 1

    outcomes = await at_once(market.desk, *((person, market.wish()) for person in people))
    assert Counter(map(code, outcomes)) == {"placed": 100}
    assert commits == 1
    seqs = [one.seq for one in outcomes if isinstance(one, Placed)]
    assert seqs == list(range(seqs[0], seqs[0] + 100))  # in the order in which they came
    assert await chain_is_whole(market)


@pytest.mark.parametrize("seed", range(3))
async def test_together_is_as_one_after_the_other(market: Market, seed: int) -> None:
    """The same wishes, once in groups and once each alone, with stock and caps that do not suffice and keys used twice."""
    dice = random.Random(seed)  # noqa: S311 - a test repeats itself
    people = [await market.customer(f"buyer-{n:02d}", answers=dice.choice(("dddddddd", "aaaaaaaa"))) for n in range(PEOPLE)]
    people += [C1, C3, C5, ELDER]
    for person in people:
        if dice.random() < 0.9:
            await market.confirm(person)
        await market.confirm(person, MIXED)
    terms: dict[str, dict[str, Any]] = {
        BOND: {"left": 90_000 * YUAN, "cap": 20_000 * YUAN},
        MIXED: {"left": 60_000 * YUAN, "cap": None},
    }
    asked: list[tuple[Person, Any]] = []
    for person in people:
        wish = market.wish(product=dice.choice((BOND, MIXED)), amount=dice.choice((1, 10_000 * YUAN, 25_000 * YUAN)))
        asked += [(person, wish)] * dice.choice((1, 1, 2))
        if dice.random() < 0.2:
            asked.append((person, replace_amount(wish, 20_000 * YUAN)))
    dice.shuffle(asked)

    told: list[list[str]] = []
    lefts = []
    for way, group_max in (("together", 100), ("alone", 1)):
        for product, values in terms.items():
            await market.product(product, **values)
        wishes = [(person, replace_key(wish, f"{way}-{wish.key}")) for person, wish in asked]
        at_the_desk = desk(market, group_max=group_max)
        told.append([code(one) for one in await at_once(at_the_desk, *wishes)])
        lefts.append((await market.left(BOND), await market.left(MIXED)))
        await cancel_all(market, at_the_desk, people)
        market.clock.advance(601)  # past what the velocity rule and the notes of refusals look back to
        await market.record()
    assert told[0] == told[1]
    assert lefts[0] == lefts[1]
    assert {"placed", "again", "out_of_stock"} <= set(told[0])
    assert await chain_is_whole(market)


def replace_key(wish: Any, key: str) -> Any:
    return type(wish)(**{name: getattr(wish, name) for name in wish.__struct_fields__} | {"key": key})


def replace_amount(wish: Any, amount: int) -> Any:
    return type(wish)(**{name: getattr(wish, name) for name in wish.__struct_fields__} | {"amount": amount})


async def cancel_all(market: Market, at_the_desk: OrderDesk, people: list[Person]) -> None:
    for person in people:
        for order in await market.orders(person):
            if order.state.value == "placed":
                await at_the_desk.cancel(person, order.id)


async def test_every_refusal_in_a_group_is_noted_beside_what_was_taken(market: Market) -> None:
    for person in (C3, C5):
        await market.confirm(person)
    before = await market.desk.place(C3, market.wish())  # so that those below go in one group
    wishes = [(C1, market.wish()), (C5, market.wish()), (C3, market.wish(amount=1)), (ELDER, market.wish(session="ses_none"))]
    outcomes = await at_once(market.desk, (C5, market.wish()), *wishes)
    assert [code(one) for one in outcomes] == ["placed", "risk_too_high", "placed", "amount_below_minimum", "not_found"]
    noted = await market.entries(kinds.ORDER_PLACED, kinds.ORDER_REFUSED)
    # In the order in which they came; the second of the same customer went with the group after.
    assert [entry.data.get("code") for entry in noted] == [None, None, "risk_too_high", "amount_below_minimum", None]
    assert before.seq == noted[0].seq
    assert await chain_is_whole(market)


async def test_one_group_sells_in_several_sessions_and_trails(market: Market) -> None:
    other = await market.open_session()
    people = [await market.customer(f"buyer-{n}") for n in range(6)]
    for person in people:
        await market.confirm(person)
        await market.confirm(person, session=other)
    wishes = [(person, market.wish(session=(market.session, other)[n % 2])) for n, person in enumerate(people)]
    outcomes = await at_once(market.desk, *wishes)
    assert Counter(map(code, outcomes)) == {"placed": 6}
    for session in (market.session, other):
        assert len(await market.entries(kinds.ORDER_PLACED, session=session)) == 3
        assert await chain_is_whole(market, session)


class Broken:
    """What an order rests on, with a fault of our own in its check."""

    held: Column[Any] = products.c.id
    key = BOND

    async def stands(self, _tx: object) -> None:
        raise RuntimeError("a fault of our own")

    def entry(self, _order_id: str) -> None:
        """Nothing is said of it."""

    async def taken(self, _tx: object, _order: object) -> None:
        """Nothing changes."""

    async def told(self) -> None:
        """It concerns nobody."""


async def test_an_order_whose_check_breaks_spoils_nobody_elses(market: Market) -> None:
    people = [await market.customer(f"buyer-{n}") for n in range(5)]
    for person in people:
        await market.confirm(person)

    first = market.desk.place(people[0], market.wish())
    bad = market.desk.place(people[1], market.wish(), basis=Broken())
    rest = [market.desk.place(person, market.wish()) for person in people[2:]]
    outcomes = await asyncio.gather(first, bad, *rest, return_exceptions=True)
    assert isinstance(outcomes[1], RuntimeError)
    assert [code(one) for one in outcomes[:1] + outcomes[2:]] == ["placed"] * 4
    assert len(await market.entries(kinds.ORDER_PLACED)) == 4
    async with market.db.read() as tx:
        told = list((await tx.execute(select(outbox.c.order_id))).scalars())
        placed = list((await tx.execute(select(orders.c.id))).scalars())
    assert sorted(told) == sorted(placed)


class Fallen:
    """What an order rested on, and does no more."""

    held: Column[Any] = products.c.id
    key = BOND

    async def stands(self, _tx: object) -> None:
        raise Refused(errors.PROPOSAL_MISSING)

    def entry(self, _order_id: str) -> None:
        """Nothing is said of it."""

    async def taken(self, _tx: object, _order: object) -> None:
        """Nothing changes."""

    async def told(self) -> None:
        """It concerns nobody."""


async def test_a_refusal_after_the_seal_goes_to_the_second_trail_with_the_group(market: Market) -> None:
    over = await market.open_session()
    await market.set_state("sealed", session=over)
    async with market.db.write() as tx:
        await tx.exec_driver_sql(f"UPDATE trail_heads SET sealed = 1 WHERE session_id = '{over}'")  # noqa: S608 - our own id
    await market.confirm(C5)
    placing = [
        market.desk.place(C1, market.wish()),
        market.desk.place(C3, market.wish(session=over), basis=Fallen()),
        market.desk.place(ELDER, market.wish(session=over)),
        market.desk.place(C5, market.wish()),
    ]
    outcomes = await asyncio.gather(*placing, return_exceptions=True)
    assert [code(one) for one in outcomes] == ["risk_too_high", "proposal_missing", "session_not_live", "placed"]
    [entry] = await market.entries(kinds.ORDER_REFUSED, session=after_trail(over))
    assert entry.data["code"] == "proposal_missing"
    assert await market.entries(kinds.ORDER_REFUSED, session=over) == []


async def test_what_was_refused_long_ago_is_kept_by_the_trail_alone(market: Market) -> None:
    """Whoever sends orders to a session again and again leaves no more behind than its entries; after the seal nothing."""
    for person in (C1, C3, ELDER):
        await at_once(market.desk, (person, market.wish(product="prd-r5-strategy", amount=50_000 * YUAN)))
        market.clock.advance(11)
        await market.record()
    assert len(await market.entries(kinds.ORDER_REFUSED)) == 3
    async with market.db.read() as tx:
        assert list((await tx.execute(select(refusals.c.customer_id))).scalars()) == [ELDER.id]


async def test_who_writes_beside_a_rush_of_orders_gets_a_turn(market: Market) -> None:
    """On SQLite there is one writer: orders without a pause must not keep the recording's watermark from being written."""
    people = [await market.customer(f"buyer-{n:02d}") for n in range(40)]
    for person in people:
        await market.confirm(person)
    done: list[str] = []
    busy = desk(market, group_max=2)

    async def order(person: Person) -> None:
        await busy.place(person, market.wish())
        done.append("order")

    async def watermark() -> None:
        await market.record()
        done.append("watermark")

    await asyncio.gather(*(order(person) for person in people[:20]), watermark(), *(order(person) for person in people[20:]))
    assert done.index("watermark") < len(people) / 2


async def test_a_key_in_use_is_answered_though_the_same_wish_would_be_refused_now(market: Market) -> None:
    await market.confirm(C5)
    wish = market.wish()
    first = await market.desk.place(C5, wish)
    await market.product(BOND, left=0)
    [again] = await at_once(market.desk, (C5, wish))
    assert isinstance(again, Placed)
    assert (again.order.id, again.created) == (first.order.id, False)
    [refused] = await at_once(market.desk, (C5, market.wish()))
    assert isinstance(refused, Refused)
    assert refused.problem is errors.OUT_OF_STOCK


async def test_keys_used_before_are_looked_up_together(market: Market) -> None:
    """However many of a group repeat themselves, it costs the same."""
    people = [await market.customer(f"buyer-{n}") for n in range(6)]
    wishes = [market.wish() for _ in people]
    for person, wish in zip(people, wishes, strict=True):
        await market.confirm(person)
        await market.desk.place(person, wish)
    said: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(market.db.engine.sync_engine, "before_cursor_execute", hear)
    told = []
    for count in (1, 6):
        said.clear()
        outcomes = await at_once(market.desk, *zip(people[:count], wishes[:count], strict=True))
        assert Counter(map(code, outcomes)) == {"again": count}
        told.append(list(said))
    event.remove(market.db.engine.sync_engine, "before_cursor_execute", hear)
    assert told[0] == told[1]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one lock
async def test_the_trail_after_the_seal_is_held_before_the_product(market: Market) -> None:
    """As by who answers for the bank's core: in the other order the two would wait for each other."""
    async with market.db.write() as tx:
        await tx.exec_driver_sql(f"UPDATE trail_heads SET sealed = 1 WHERE session_id = '{market.session}'")  # noqa: S608 - ours
        await lock_head(tx, after_trail(market.session))
    waits = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    free = select(products.c.id).where(products.c.id == BOND).with_for_update(skip_locked=True)
    async with market.db.write() as tx:
        await lock_head(tx, after_trail(market.session))
        placing = asyncio.create_task(market.desk.place(C5, market.wish()))
        async with asyncio.timeout(10), market.db.engine.connect() as look:
            while not (await look.execute(waits)).scalar_one():
                await look.rollback()
            assert (await look.execute(free)).scalar_one_or_none() == BOND
    await asyncio.gather(placing, return_exceptions=True)


async def test_what_one_customer_may_do_holds_across_sessions_products_and_processes(market: Market) -> None:
    """Neither trail, product nor group is shared: only the lock on the customer keeps each from not seeing the others."""
    other = await market.open_session()
    limits = RiskLimits(velocity_orders=3)
    second = market.db if market.db.is_sqlite else Database(market.db.url.render_as_string(hide_password=False))
    desks = [OrderDesk(db, market.trail, market.clock, market.sale, limits=limits) for db in (market.db, second)]
    ways = [(desks[0], market.session, BOND), (desks[1], other, MIXED)]
    try:
        for _desk, session, product in ways:
            await market.confirm(C5, product, session=session)
        placing = [desk.place(C5, market.wish(session=session, product=product)) for desk, session, product in ways * 4]
        outcomes = await asyncio.gather(*placing, return_exceptions=True)
    finally:
        if second is not market.db:
            await second.close()
    assert Counter(map(code, outcomes)) == {"placed": 3, "risk_review": 5}
