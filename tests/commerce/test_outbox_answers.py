"""What an answer of the core counts for, and an attempt without one: once, by its own lease, whatever goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from commerce import order_book, outbox_queue, signing
from commerce.lifecycle import Event
from commerce.outbox import Outbox, OutboxLimits
from commerce.outbox_courier import Verdict
from commerce.outbox_post import Address, Reply
from commerce.tables import products
from core.clock import ManualClock
from tests.commerce.conftest import BOND, C3, MIXED, YUAN, Market
from tests.commerce.core_bank import LIMITS, SECRET, Bank, open_bank


@pytest.fixture
async def bank(market: Market) -> AsyncIterator[Bank]:
    async with open_bank(market) as opened:
        yield opened


async def test_an_answer_nobody_understands_changes_nothing(bank: Bank) -> None:
    async def odd(_request: web.Request) -> web.Response:
        return web.json_response({"state": "perhaps"})

    app = web.Application()
    app.router.add_post("/", odd)
    market = bank.market
    order_id = await bank.buy()
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        await Outbox(market.db, market.trail, market.clock, bank.http, url, SECRET, limits=LIMITS).deliver_due()
    assert (await bank.order(order_id)).state == "sent"
    assert [row.state for row in await bank.rows()] == ["dead"]


async def test_the_order_moves_only_along_its_table(bank: Bank) -> None:
    market = bank.market
    order_id = await bank.buy()
    async with market.db.write() as tx:
        assert await order_book.move(tx, market.trail, market.clock, order_id, Event.SEND, actor="core") is not None
        assert await order_book.move(tx, market.trail, market.clock, order_id, Event.SEND, actor="core") is None


def test_a_signature_is_over_time_event_and_body(clock: ManualClock) -> None:
    now = int(clock.now().timestamp())
    headers = signing.sign(SECRET, "obx_1", now, b"{}")
    assert signing.verify(SECRET, headers, b"{}", now + 299) == "obx_1"
    assert signing.verify(SECRET, headers, b"{} ", now) is None
    assert signing.verify(b"other", headers, b"{}", now) is None
    assert signing.verify(SECRET, headers, b"{}", now + 301) is None
    assert signing.verify(SECRET, headers | {signing.EVENT: "obx_2"}, b"{}", now) is None
    assert signing.verify(SECRET, headers | {signing.TIME: str(now + 1)}, b"{}", now) is None
    assert signing.verify(SECRET, headers | {signing.TIME: "٣"}, b"{}", now) is None
    assert signing.verify(SECRET, {}, b"{}", now) is None


async def test_a_core_that_is_away_is_asked_by_one_event_at_a_time(bank: Bank) -> None:
    market, core = bank.market, bank.core
    core.mood = "fail"
    for number in range(12):
        await market.buy(await market.customer(f"buyer-{number}"))
    assert await bank.outbox.deliver_due() == 12
    for _ in range(3):
        market.clock.advance(700)
        assert await bank.outbox.deliver_due() == 1
        assert await bank.outbox.deliver_due() == 0  # not before the next pause is over
    assert sum(core.seen.values()) == 15
    core.mood = "confirm"
    market.clock.advance(700)
    assert await bank.outbox.deliver_due() == 1
    assert await bank.outbox.deliver_due() == 11
    assert (await bank.outbox.counts())["delivered"] == 12


async def test_an_answer_that_contradicts_our_books_spoils_no_other(bank: Bank) -> None:
    market = bank.market
    bank.core.mood = "reject"
    wrong, well = await bank.buy(), (await market.buy(C3, product=MIXED)).order.id
    async with market.db.read() as tx:
        quota = (await tx.execute(select(products.c.quota).where(products.c.id == BOND))).scalar_one()
    await market.product(BOND, left=quota)  # as if the order had never taken anything: it can't be given back
    await bank.outbox.deliver_due()
    assert (await bank.order(well)).state == "rejected"
    assert (await bank.order(wrong)).state == "sent"
    for _ in range(LIMITS.attempts):
        await bank.later()
    [row] = [row for row in await bank.rows() if row.order_id == wrong]
    assert (row.state, row.error) == ("dead", "not written down: IntegrityError")
    await market.product(BOND, left=quota - 10_000 * YUAN)
    await bank.outbox.requeue(row.id)
    await bank.outbox.deliver_due()
    assert (await bank.order(wrong)).state == "rejected"


async def test_a_failure_counts_only_from_the_lease_it_belongs_to_and_an_answer_from_any(bank: Bank) -> None:
    market, db, clock = bank.market, bank.market.db, bank.market.clock
    await bank.buy()
    async with db.write() as tx:
        await outbox_queue.take_up(tx, clock, 10)
        [slow] = await outbox_queue.lease(tx, clock, "core", 10, LIMITS.lease_s)
    clock.advance(LIMITS.lease_s)
    async with db.write() as tx:
        [fast] = await outbox_queue.lease(tx, clock, "core", 10, LIMITS.lease_s)
    failed = outbox_queue.Result(slow, clock.now(), 1, delivered=False, error="status 500", retry_at=clock.now())
    async with db.write() as tx:
        assert await outbox_queue.settle(tx, [failed]) == []
        assert await outbox_queue.lease(tx, clock, "core", 10, LIMITS.lease_s) == []  # the other's lease still holds
        answered = outbox_queue.Result(slow, clock.now(), 1, delivered=True, said="confirmed")
        assert await outbox_queue.settle(tx, [answered]) == [answered]
        assert await outbox_queue.settle(tx, [outbox_queue.Result(fast, clock.now(), 1, delivered=True)]) == []
    [row] = await bank.rows()
    assert (row.state, len(row.recent)) == ("delivered", 1)
    assert market.told[-1].order.state == "placed"


async def test_an_answer_to_what_was_given_up_meanwhile_counts(bank: Bank) -> None:
    order_id, db, clock = await bank.buy(), bank.market.db, bank.market.clock
    async with db.write() as tx:
        await outbox_queue.take_up(tx, clock, 10)
        [slow] = await outbox_queue.lease(tx, clock, "core", 10, LIMITS.lease_s)
    clock.advance(LIMITS.lease_s)
    async with db.write() as tx:
        [fast] = await outbox_queue.lease(tx, clock, "core", 10, LIMITS.lease_s)
        refused = outbox_queue.Result(fast, clock.now(), 1, delivered=False, error="status 400")
        assert await outbox_queue.settle(tx, [refused]) == [refused]
    answered = outbox_queue.Result(slow, clock.now(), 1, delivered=True, said="confirmed")
    late = outbox_queue.Result(slow, clock.now(), 1, delivered=False, error="status 500", retry_at=clock.now())
    async with db.write() as tx:
        assert await outbox_queue.settle(tx, [late]) == []
        assert await outbox_queue.settle(tx, [answered]) == [answered]
        assert await outbox_queue.settle(tx, [answered]) == []
    [row] = await bank.rows()
    assert (row.order_id, row.state, row.error) == (order_id, "delivered", None)


class Broken(Outbox):
    """Its own code fails, where the address is looked up or where the answer is read."""

    where = "address"

    def address(self) -> Address | None:
        if self._under_way and self.where == "address":
            raise KeyError("nobody expects it")
        return super().address()

    def judge(self, leased: outbox_queue.Leased, reply: Reply) -> Verdict:
        if reply.status is not None:
            raise RecursionError("nor this")
        return super().judge(leased, reply)


@pytest.mark.parametrize(("where", "error"), [("address", "KeyError"), ("answer", "RecursionError")])
async def test_an_error_of_ours_is_an_attempt_that_failed(bank: Bank, where: str, error: str) -> None:
    market = bank.market
    worker = Broken(market.db, market.trail, market.clock, bank.http, bank.url, SECRET, limits=LIMITS)
    worker.where = where
    await bank.buy()
    for attempt in range(1, LIMITS.attempts + 1):
        assert await worker.deliver_due() == 1
        [row] = await bank.rows()
        assert (row.attempts, row.error) == (attempt, f"unexpected {error}")
        market.clock.advance(700)
    assert row.state == "dead"


async def test_only_the_last_attempts_are_remembered(bank: Bank) -> None:
    market = bank.market
    many = OutboxLimits(attempts=9)
    worker = Outbox(market.db, market.trail, market.clock, bank.http, bank.url, SECRET, limits=many)
    bank.core.mood = "fail"
    await bank.buy()
    for _ in range(8):
        await worker.deliver_due()
        market.clock.advance(700)
    [row] = await bank.rows()
    assert (row.state, row.attempts, len(row.recent)) == ("waiting", 8, outbox_queue.REMEMBERED)
    assert {(attempt["status"], attempt["error"]) for attempt in row.recent} == {(500, "status 500")}


PATIENCE = {"30": 30, "100000": 600, "Wed, 21 Oct 2026 07:28:00 GMT": 1}


async def test_a_core_may_ask_for_patience_within_limits(bank: Bank) -> None:
    asked: list[str] = []

    async def busy(_request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": asked[-1]})

    app = web.Application()
    app.router.add_post("/", busy)
    market = bank.market
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        for number, (asked_s, waits_s) in enumerate(PATIENCE.items()):
            asked.append(asked_s)
            order_id = (await market.buy(await market.customer(f"buyer-{number}"))).order.id
            await Outbox(market.db, market.trail, market.clock, bank.http, url, SECRET, limits=LIMITS).deliver_due()
            [row] = [row for row in await bank.rows() if row.order_id == order_id]
            assert waits_s / 2 <= (row.next_at - market.clock.now()).total_seconds() <= waits_s, asked_s
