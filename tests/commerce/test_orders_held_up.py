"""Somebody sits on rows that orders need: those orders may come again, all others go, and nobody waits for it twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from sqlalchemy import Column, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import await_only

from commerce import errors, shelf
from commerce.order_locks import StuckRows
from commerce.order_request import Request
from commerce.orders import Placed
from commerce.tables import customers, products
from core.database import is_away
from core.errors import Unavailable
from core.failures import failed
from core.identity import Person
from recording import kinds, sessions
from recording.chain import GENESIS
from recording.tables import trail_heads
from tests.commerce.conftest import BOND, C5, HOST, MIXED, Market
from tests.commerce.core_bank import open_bank


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    return postgresql_url


def hold(column: Column[Any], *keys: str) -> Any:
    return select(column).where(column.in_(keys)).with_for_update()


@asynccontextmanager
async def held(market: Market, *rows: tuple[Column[Any], str]) -> AsyncIterator[AsyncConnection]:
    """Somebody else's transaction that holds these rows and does nothing more."""
    async with market.db.engine.begin() as tx:
        for column, key in rows:
            await tx.execute(hold(column, key))
        yield tx


@contextmanager
def counting_waits(market: Market) -> Iterator[list[str]]:
    """Each statement that waited for a row until its patience was at an end."""
    waited: list[str] = []

    def failed(context: Any) -> None:
        if getattr(context.original_exception, "sqlstate", None) == "55P03":
            waited.append(context.statement)

    event.listen(market.db.engine.sync_engine, "handle_error", failed)
    yield waited
    event.remove(market.db.engine.sync_engine, "handle_error", failed)


class Ground:
    """What an order rests on: a row of its own."""

    held: Column[Any] = products.c.id

    def __init__(self, key: str) -> None:
        self.key = key

    async def stands(self, _tx: object) -> None:
        """It always does."""

    def entry(self, _order_id: str) -> None:
        """Nothing is said of it."""

    async def taken(self, _tx: object, _order: object) -> None:
        """Nothing changes."""

    async def told(self) -> None:
        """It concerns nobody."""


def code(outcome: Placed | BaseException) -> str:
    if isinstance(outcome, Placed):
        return "placed"
    assert isinstance(outcome, Unavailable), outcome
    return outcome.problem.code


async def people(market: Market, count: int, *sessions: str) -> list[Person]:
    made = [await market.customer(f"buyer-{n:02d}") for n in range(count)]
    for person in made:
        for session in sessions:
            await market.confirm(person, session=session)
            await market.confirm(person, MIXED, session=session)
    return made


async def test_rows_that_are_stuck_hold_up_nobody_elses_orders(market: Market) -> None:
    """A customer, a session, a product and what one rests on at once: one wait finds them all, and the next group has none."""
    other = await market.open_session()
    someone = await people(market, 10, market.session, other)
    ground = "prd-r4-equity"

    def group() -> list[Any]:
        wishes = [
            market.desk.place(someone[0], market.wish()),
            *(market.desk.place(person, market.wish(session=other)) for person in someone[1:3]),
            *(market.desk.place(person, market.wish(product=MIXED)) for person in someone[3:5]),
            market.desk.place(someone[5], market.wish(), basis=Ground(ground)),
        ]
        return [*wishes, *(market.desk.place(person, market.wish(), basis=Ground(BOND)) for person in someone[6:])]

    rows = [(customers.c.person_id, someone[0].id), (trail_heads.c.session_id, other), (products.c.id, MIXED)]
    async with held(market, *rows, (products.c.id, ground)):
        for waits in (1, 0):
            with counting_waits(market) as waited:
                outcomes = await asyncio.gather(*group(), return_exceptions=True)
            assert list(map(code, outcomes)) == [errors.DESK_BUSY.code] * 6 + ["placed"] * 4
            assert len(waited) == waits
    outcomes = await asyncio.gather(*group(), return_exceptions=True)
    assert Counter(map(code, outcomes)) == {"placed": 10}
    assert len(await market.entries(kinds.ORDER_PLACED)) == 4 + 4 + 8
    assert len(await market.entries(kinds.ORDER_PLACED, session=other)) == 2


async def test_a_row_that_changes_hands_is_busy_and_not_stuck(market: Market) -> None:
    """Another process's orders take a hot product again and again: ours wait for it, whatever else is stuck."""
    request = Request("ord_1", C5.id, market.wish(), "show", "")
    first, second = market.db.engine.connect(), market.db.engine.connect()
    async with first as one, second as two:
        await one.execute(hold(products.c.id, BOND))
        await one.execute(hold(customers.c.person_id, C5.id))

        async def handed_on() -> None:
            await one.rollback()
            await two.execute(hold(products.c.id, BOND))

        busy = StuckRows(market.db, handed_on)
        await busy.find([request])
        assert await busy.resting_on([request]) == set()

        async def nothing() -> None:
            """It stays where it is."""

        stuck = StuckRows(market.db, nothing)
        await stuck.find([request])
        assert await stuck.resting_on([request]) == {"ord_1"}
        await two.rollback()
        assert await stuck.resting_on([request]) == set()


async def test_a_stuck_product_is_known_whoever_confirms_its_disclosure_meanwhile(market: Market) -> None:
    """Who refers to a row joins those who hold it: to PostgreSQL the holders are others each time, and the one is the same."""
    request = Request("ord_1", C5.id, market.wish(), "show", "")
    readers = await people(market, 4)
    async with market.db.engine.begin() as tx:
        await tx.execute(select(products.c.id).where(products.c.id == BOND).with_for_update(key_share=True))

        async def confirmed() -> None:
            await market.confirm(readers.pop())

        stuck = StuckRows(market.db, confirmed)
        await confirmed()
        await stuck.find([request])
        await confirmed()
        assert await stuck.resting_on([request]) == {"ord_1"}
        async with market.db.engine.begin() as refers:
            await refers.execute(select(products.c.id).where(products.c.id == BOND).with_for_update(read=True, key_share=True))
            assert await stuck.resting_on([request]) == {"ord_1"}
            await tx.rollback()
            assert await stuck.resting_on([request]) == set()


async def test_a_product_that_is_sold_again_and_again_is_not_stuck(market: Market) -> None:
    """Each look comes upon a sale that commits before it is asked whose it is: that nobody holds it is no holder."""
    request = Request("ord_1", C5.id, market.wish(), "show", "")
    sold = 0

    async def sale(tx: AsyncConnection) -> None:
        await tx.execute(update(products).where(products.c.id == BOND).values(left=products.c.left - 1))

    async with market.db.engine.connect() as rival:

        def asked(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            nonlocal sold
            if "xmax" in statement:
                sold += 1
                await_only(rival.commit())

        async def again() -> None:
            await sale(rival)

        await sale(rival)
        event.listen(market.db.engine.sync_engine, "before_cursor_execute", asked)
        try:
            busy = StuckRows(market.db, again)
            await busy.find([request])
        finally:
            event.remove(market.db.engine.sync_engine, "before_cursor_execute", asked)
        await sale(rival)
        assert sold == 2
        assert await busy.resting_on([request]) == set()
        await rival.rollback()


async def test_a_whole_table_that_is_locked_is_answered_and_waited_for_no_longer(market: Market) -> None:
    """Somebody changes it: nothing can be told apart, so that all may come again."""
    someone = await people(market, 2, market.session)
    async with market.db.engine.begin() as tx:
        await tx.execute(text("LOCK TABLE products"))
        placing = [market.desk.place(person, market.wish()) for person in someone]
        outcomes = await asyncio.gather(*placing, return_exceptions=True)
    assert Counter(map(code, outcomes)) == {errors.DESK_BUSY.code: 2}
    assert (await market.desk.place(someone[0], market.wish())).created


async def others_order(market: Market, person: Person) -> None:
    """Of the same session, another product: it is taken, however often the desk had to look who sits on what."""
    assert code(await market.desk.place(person, market.wish(product=MIXED))) == "placed"


async def test_a_cancellation_waits_for_a_stuck_product_no_longer_than_an_order(market: Market) -> None:
    """It holds its session's trail meanwhile: nobody else's order fails for it."""
    [other] = await people(market, 1, market.session)
    placed = await market.buy(C5)
    async with held(market, (products.c.id, BOND)):
        with counting_waits(market) as waited:
            cancelling = asyncio.create_task(market.desk.cancel(C5, placed.order.id))
            await others_order(market, other)
            with pytest.raises(Unavailable) as busy:
                await cancelling
        assert busy.value.problem is errors.DESK_BUSY
        assert len([sql for sql in waited if sql.startswith("UPDATE products")]) == 1
    assert (await market.desk.cancel(C5, placed.order.id)).order.state == "cancelled"


async def test_a_rejection_that_cannot_give_the_stock_back_stays_leased(market: Market) -> None:
    [other] = await people(market, 1, market.session)
    async with open_bank(market) as bank:
        order_id = await bank.buy(10_013)  # the core says no
        async with held(market, (products.c.id, BOND)):
            with counting_waits(market) as waited:
                delivering = asyncio.create_task(bank.outbox.deliver_due())
                await others_order(market, other)
                await delivering
            assert len([sql for sql in waited if "FROM products" in sql]) == 2  # with its group, and by itself
            assert (await bank.order(order_id)).state == "sent"
        await bank.later()
        assert (await bank.order(order_id)).state == "rejected"


async def test_a_shelf_that_offers_a_stuck_product_may_be_saved_again(market: Market) -> None:
    [other] = await people(market, 1, market.session)

    async def offer() -> None:
        async with market.db.write() as tx:
            await shelf.put(tx, market.trail, market.session, HOST, [BOND, MIXED])

    async with held(market, (products.c.id, BOND)):
        offering = asyncio.create_task(offer())
        await others_order(market, other)
        with pytest.raises(DBAPIError) as stuck:
            await offering
        assert is_away(stuck.value)
    await offer()


async def test_who_confirms_beside_a_stuck_trail_keeps_no_connection_for_long(market: Market) -> None:
    """Everybody who watches does so at once: all connections would wait with them, and whoever needs one in another session."""
    someone = [await market.customer(f"reader-{n:02d}") for n in range(3)]
    async with held(market, (trail_heads.c.session_id, market.session)):
        with counting_waits(market) as waited:
            outcomes = await asyncio.gather(*map(market.confirm, someone), return_exceptions=True)
        assert len(waited) == len(someone)
        assert [failed(one, "confirm").problem.code for one in outcomes if isinstance(one, Exception)] == ["database_away"] * 3
    await market.confirm(someone[0])


async def test_a_stuck_trail_keeps_no_other_sessions_sale_open(market: Market) -> None:
    other = await market.open_session()
    market.clock.advance(10)
    async with held(market, (trail_heads.c.session_id, market.session)):
        with counting_waits(market) as waited:
            await market.sale.check_all()
        assert len(waited) == 1
        assert [(change.session_id, change.reason) for change in market.sales] == [(other, "recording_stale")]
    await market.sale.check_all()
    assert {change.session_id for change in market.sales} == {market.session, other}


async def test_a_head_that_nobody_sees_yet_holds_up_its_sessions_orders_alone(market: Market) -> None:
    """Somebody makes the first entry of a session's trail and does not end: there is no row yet that could be found stuck."""
    async with market.db.write() as tx:
        new = (await sessions.create(tx, market.clock, kind="show", title="新", host_id=HOST.id, required=())).id
    someone = await people(market, 2, market.session)
    async with market.db.engine.begin() as tx:
        await tx.execute(insert(trail_heads).values(session_id=new, seq=0, hash=GENESIS, sealed=0))
        placing = [market.desk.place(someone[0], market.wish(session=new)), market.desk.place(someone[1], market.wish())]
        outcomes = await asyncio.gather(*placing, return_exceptions=True)
        assert list(map(code, outcomes)) == [errors.DESK_BUSY.code, "placed"]
        await tx.rollback()


async def test_patience_ends_with_the_transaction_and_idle_ones_are_ended(market: Market) -> None:
    await market.buy(C5)
    async with market.db.read() as tx:
        assert (await tx.execute(text("SHOW lock_timeout"))).scalar_one() == "0"
        assert (await tx.execute(text("SHOW idle_in_transaction_session_timeout"))).scalar_one() == "30s"
