"""Everything at once: nothing waits for itself, nothing is lost, the sums agree."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from commerce import catalogue, errors, tally
from commerce.outbox import Outbox
from commerce.sandbox_core import PATH, SandboxCore
from core.errors import Refused, Unavailable
from recording import kinds
from recording.chain import GENESIS
from tests.commerce.conftest import BOND, YUAN, Market

SECRET = b"of the demo only"
START = 120_000_000 * YUAN


async def test_buying_cancelling_delivering_and_closing_together(market: Market) -> None:
    people = [await market.customer(f"rush-{n}") for n in range(12)]
    core = SandboxCore(SECRET, market.clock)
    async with TestServer(core.app()) as server, aiohttp.ClientSession() as http:
        box = Outbox(market.db, market.trail, market.clock, http, str(server.make_url(PATH)), SECRET)

        async def life(n: int) -> str:
            placed = await market.buy(people[n], amount=(10_013 if n % 3 == 0 else 10_000) * YUAN)
            if n % 3 == 1:
                await market.desk.cancel(people[n], placed.order.id)
            return placed.order.id

        async def new_version() -> None:
            async with market.db.write() as tx:
                await catalogue.publish_disclosure(tx, market.clock, "prd-r4-equity", "second", "第二版")

        lives = [life(n) for n in range(12)]
        rounds = [box.deliver_due() for _ in range(4)]
        checks = [market.sale.check(market.session) for _ in range(4)]
        everything: list[Awaitable[object]] = [*lives, *rounds, *checks, new_version()]
        await asyncio.gather(*everything)
        while await box.deliver_due():
            pass
    states: dict[str, int] = {}
    for person in people:
        for order in await market.orders(person):
            states[order.state] = states.get(order.state, 0) + 1
    assert sum(states.values()) == 12
    assert states["confirmed"] == 4
    assert states["rejected"] == 4
    assert states["cancelled"] == 4
    assert await market.left() == START - 4 * 10_000 * YUAN
    async with market.db.read() as tx:
        assert await tally.of_session(tx, market.session) == [tally.Tally(count=4, amount=40_000 * YUAN, currency="CNY")]
    prev = GENESIS
    for number, entry in enumerate(await market.entries(), start=1):
        assert (entry.seq, entry.prev) == (number, prev)
        prev = entry.hash


async def test_one_key_raced_with_two_bodies_gives_one_order_and_one_conflict(market: Market) -> None:
    person = await market.customer("racer")
    await market.confirm(person)
    wishes = [market.wish(key="one-key-1", amount=amount * YUAN) for amount in (10_000, 11_000)] * 4
    outcomes = await asyncio.gather(*(market.desk.place(person, wish) for wish in wishes), return_exceptions=True)
    codes = [one.problem.code for one in outcomes if isinstance(one, Refused)]
    assert codes == ["idempotency_conflict"] * 4
    assert len(await market.entries(kinds.ORDER_PLACED)) == 1
    assert await market.entries(kinds.ORDER_REFUSED) == []


class _Undone(Exception):  # noqa: N818 - stands for asyncpg's
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(("failures", "outcome"), [(2, "done"), (99, "busy")])
async def test_a_deadlock_is_tried_again_a_few_times(market: Market, failures: int, outcome: str) -> None:
    tries = 0

    async def work() -> str:
        nonlocal tries
        tries += 1
        if tries <= failures:
            raise DBAPIError("UPDATE", {}, _Undone("40P01"))
        return "done"

    if outcome == "done":
        assert await market.desk._again(work) == "done"
        return
    with pytest.raises(Unavailable) as caught:
        await market.desk._again(work)
    assert caught.value.problem is errors.DESK_BUSY
    assert tries == 5


async def test_a_database_that_does_not_answer_says_so(market: Market) -> None:
    for failure in (PoolTimeout(), TimeoutError(), DBAPIError("COMMIT", {}, OSError("gone"), connection_invalidated=True)):

        async def work(error: Exception = failure) -> None:
            raise error

        with pytest.raises(Unavailable):
            await market.desk._again(work)
    broken = DBAPIError("UPDATE", {}, _Undone("23514"))

    async def work() -> None:
        raise broken

    with pytest.raises(DBAPIError):
        await market.desk._again(work)
    assert (await market.buy(await market.customer("after"), product=BOND)).created


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of PostgreSQL several processes are the rule
async def test_a_sqlite_file_that_another_process_holds_says_so(market: Market) -> None:
    person = await market.customer("patient")
    await market.confirm(person)
    async with market.db.engine.connect() as writer:
        await writer.exec_driver_sql("PRAGMA busy_timeout=1")
    other = sqlite3.connect(str(market.db.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(Unavailable) as caught:
            await market.desk.place(person, market.wish(key="while-held-1"))
    finally:
        other.close()
    assert caught.value.problem is errors.DESK_BUSY
    assert (await market.desk.place(person, market.wish(key="while-held-1"))).created
