"""What the bank's core must hear, it hears: at least once, signed, in order, until it answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from commerce import order_book, outbox_queue, outbox_rows, signing
from commerce.lifecycle import Event
from commerce.outbox import Outbox, OutboxLimits
from commerce.outbox_courier import Verdict
from commerce.outbox_post import Address, Reply
from commerce.sandbox_core import PATH, SandboxCore
from commerce.tables import outbox, products
from core.clock import ManualClock
from core.errors import Refused
from recording import kinds
from tests.commerce.conftest import BOND, C3, C5, MIXED, YUAN, Market

SECRET = b"of the demo only"
# Small, so that a test that waits for the core's timeout waits no longer than this.
LIMITS = OutboxLimits(timeout_s=0.5, attempts=4)


@dataclass
class Bank:
    """The market, the core's stand-in on a real port, and our outbox towards it."""

    market: Market
    core: SandboxCore
    outbox: Outbox
    http: aiohttp.ClientSession
    url: str

    async def buy(self, yuan: int = 10_000) -> str:
        return (await self.market.buy(amount=yuan * YUAN)).order.id

    async def later(self) -> int:
        """Past any wait, then one round."""
        self.market.clock.advance(700)
        return await self.outbox.deliver_due()

    async def order(self, order_id: str) -> order_book.OrderRecord:
        async with self.market.db.read() as tx:
            return await order_book.get(tx, order_id)

    async def rows(self) -> list[Any]:
        async with self.market.db.read() as tx:  # placed before cancelled
            return list((await tx.execute(select(outbox).order_by(outbox.c.kind.desc(), outbox.c.id))).all())


@pytest.fixture
async def bank(market: Market) -> AsyncIterator[Bank]:
    core = SandboxCore(SECRET, market.clock)
    async with TestServer(core.app()) as server, aiohttp.ClientSession() as http:
        url = str(server.make_url(PATH))
        worker = Outbox(market.db, market.trail, market.clock, http, url, SECRET, on_change=market.on_order, limits=LIMITS)
        yield Bank(market, core, worker, http, url)
        core.closing.set()


async def test_the_core_confirms(bank: Bank) -> None:
    order_id = await bank.buy()
    assert await bank.outbox.deliver_due() == 1
    assert (await bank.order(order_id)).state == "confirmed"
    assert [change.order.state for change in bank.market.told] == ["placed", "sent", "confirmed"]
    entries = await bank.market.entries(kinds.ORDER_PLACED, kinds.ORDER_SENT, kinds.ORDER_CONFIRMED)
    assert [entry.kind for entry in entries] == ["order_placed", "order_sent", "order_confirmed"]
    assert [entry.actor for entry in entries] == ["customer", "core", "core"]
    assert await bank.outbox.deliver_due() == 0
    assert await bank.outbox.counts() == {"waiting": 0, "delivered": 1, "dead": 0}


async def test_the_core_rejects_and_the_stock_comes_back(bank: Bank) -> None:
    before = await bank.market.left()
    order_id = await bank.buy(10_013)
    await bank.outbox.deliver_due()
    order = await bank.order(order_id)
    assert (order.state, order.reason) == ("rejected", "insufficient funds")
    assert await bank.market.left() == before
    [entry] = await bank.market.entries(kinds.ORDER_REJECTED)
    assert entry.data["reason"] == "insufficient funds"
    with pytest.raises(Refused) as caught:
        await bank.market.desk.cancel(C5, order_id)
    assert caught.value.problem.code == "order_not_cancellable"


@pytest.mark.parametrize(
    ("yuan", "error"), [(10_050, "status 500"), (10_021, "not decided yet"), (10_077, "no answer within 0.5 s")]
)
async def test_it_is_asked_again_with_the_same_event(bank: Bank, yuan: int, error: str) -> None:
    order_id = await bank.buy(yuan)
    await bank.outbox.deliver_due()
    assert (await bank.order(order_id)).state == "sent"
    [row] = await bank.rows()
    assert (row.state, row.attempts, row.error) == ("waiting", 1, error)
    assert row.next_at > bank.market.clock.now()
    assert await bank.outbox.deliver_due() == 0
    assert await bank.later() == 1
    assert (await bank.order(order_id)).state == "confirmed"
    assert list(bank.core.seen.values()) == [2]
    assert len(await bank.market.entries(kinds.ORDER_SENT)) == 1


async def test_nobody_home_ends_as_a_dead_letter_that_can_be_sent_again(bank: Bank) -> None:
    market = bank.market
    order_id = await bank.buy()
    nowhere = Outbox(market.db, market.trail, market.clock, bank.http, "http://127.0.0.1:9/", SECRET, limits=LIMITS)
    for _ in range(LIMITS.attempts):
        market.clock.advance(700)
        assert await nowhere.deliver_due() == 1
    market.clock.advance(700)
    assert await nowhere.deliver_due() == 0
    [row] = await bank.rows()
    assert (row.state, row.attempts) == ("dead", 4)
    assert row.error
    assert (await bank.order(order_id)).state == "sent"
    await bank.outbox.requeue(row.id)
    await bank.outbox.deliver_due()
    assert (await bank.order(order_id)).state == "confirmed"
    with pytest.raises(Refused):
        await bank.outbox.requeue(row.id)


async def test_a_wrong_secret_is_no_reason_to_repeat(bank: Bank) -> None:
    market = bank.market
    await bank.buy()
    stranger = Outbox(market.db, market.trail, market.clock, bank.http, bank.url, b"wrong", limits=LIMITS)
    await stranger.deliver_due()
    [row] = await bank.rows()
    assert (row.state, row.error) == ("dead", "status 401")
    assert bank.core.seen == {}


async def test_cancelled_before_it_was_sent_the_core_hears_both_in_order(bank: Bank) -> None:
    order_id = await bank.buy()
    await bank.market.desk.cancel(C5, order_id)
    assert await bank.outbox.deliver_due() == 1
    assert [row.state for row in await bank.rows()] == ["delivered", "new"]
    assert await bank.outbox.deliver_due() == 1
    assert (await bank.order(order_id)).state == "cancelled"
    [late] = await bank.market.entries(kinds.ORDER_CONFIRMED)
    assert late.data["late"] is True
    assert [row.kind for row in await bank.rows()] == [outbox_rows.PLACED, outbox_rows.CANCELLED]


@dataclass
class Ledger:
    """A core that keeps books: it takes each event once, and what it heard last of an order is what the order is to it.

    `mood` is "well"; "refuses" what it is asked, without taking it; or "mute": takes it, but its answer is lost.
    """

    core: SandboxCore
    mood: str = "well"
    orders: dict[str, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        event = await request.json()
        if self.mood == "refuses":
            return web.json_response({}, status=400)
        if event["event"] not in self.taken:
            self.taken[event["event"]] = event["kind"]
            self.orders[event["order"]] = event["kind"]
        return web.json_response({}, status=500) if self.mood == "mute" else await self.core.take(request)


STEPS = [steps for fails in ("refuses", "mute") for steps in itertools.permutations((fails, "well", "cancel", "requeue"))]


async def test_whenever_a_dead_letter_is_sent_again_a_cancelled_order_is_not_bought(bank: Bank) -> None:
    market, ledger = bank.market, Ledger(bank.core)
    app = web.Application()
    app.router.add_post(PATH, ledger.take)
    hasty = OutboxLimits(timeout_s=5, attempts=1)  # whatever fails is a dead letter

    async def requeue(worker: Outbox) -> None:
        for row in await bank.rows():
            if row.state == outbox_rows.DEAD:
                await worker.requeue(row.id)

    async with TestServer(app) as server:
        url = str(server.make_url(PATH))
        worker = Outbox(market.db, market.trail, market.clock, bank.http, url, SECRET, limits=hasty)
        for steps in STEPS:
            market.clock.advance(700)
            await market.record()
            order_id = await bank.buy()
            for step in steps:
                match step:
                    case "cancel":
                        await market.desk.cancel(C5, order_id)
                    case "requeue":
                        await requeue(worker)
                    case mood:
                        ledger.mood = mood
                        await worker.deliver_due()
            ledger.mood = "well"
            await requeue(worker)
            while await worker.deliver_due():
                pass
            assert (await bank.order(order_id)).state == "cancelled"
            assert ledger.orders[order_id] == outbox_rows.CANCELLED, steps
    assert {row.state for row in await bank.rows()} == {"delivered"}


async def test_a_cancellation_waits_for_the_order_that_is_a_dead_letter(bank: Bank) -> None:
    market = bank.market
    order_id = await bank.buy()
    stranger = Outbox(market.db, market.trail, market.clock, bank.http, bank.url, b"wrong", limits=LIMITS)
    await stranger.deliver_due()
    await market.desk.cancel(C5, order_id)
    assert await bank.later() == 0
    assert await bank.outbox.counts() == {"waiting": 1, "delivered": 0, "dead": 1}
    [placed, cancelled] = await bank.rows()
    await bank.outbox.requeue(placed.id)
    assert [await bank.later(), await bank.later()] == [1, 1]
    assert list(bank.core.seen) == [placed.id, cancelled.id]
    assert (await bank.order(order_id)).state == "cancelled"


async def test_cancelled_after_it_was_confirmed(bank: Bank) -> None:
    before = await bank.market.left()
    order_id = await bank.buy()
    await bank.outbox.deliver_due()
    await bank.market.desk.cancel(C5, order_id)
    await bank.outbox.deliver_due()
    assert (await bank.order(order_id)).state == "cancelled"
    assert await bank.market.left() == before
    assert {row.state for row in await bank.rows()} == {"delivered"}


async def test_many_workers_deliver_each_event_once(bank: Bank) -> None:
    market = bank.market
    for _ in range(8):
        await bank.buy()
    workers = [Outbox(market.db, market.trail, market.clock, bank.http, bank.url, SECRET, limits=LIMITS) for _ in range(4)]
    tried = await asyncio.gather(*(worker.deliver_due() for worker in workers))
    assert sum(tried) == 8
    assert list(bank.core.seen.values()) == [1] * 8
    assert {order.state for order in await market.orders(C5)} == {"confirmed"}


async def test_a_worker_that_died_leaves_its_lease_to_the_next(bank: Bank) -> None:
    order_id = await bank.buy()
    async with bank.market.db.write() as tx:
        await outbox_queue.take_up(tx, bank.market.clock, 10)
        assert len(await outbox_queue.lease(tx, bank.market.clock, "core", 10, LIMITS.lease_s)) == 1  # and never seen again
    assert await bank.outbox.deliver_due() == 0
    bank.market.clock.advance(LIMITS.timeout_s * 2)
    assert await bank.outbox.deliver_due() == 1
    assert (await bank.order(order_id)).state == "confirmed"


async def test_the_loop_wakes_for_a_new_order(bank: Bank) -> None:
    confirmed = asyncio.Event()

    async def on_change(change: order_book.OrderChanged) -> None:
        if change.order.state == "confirmed":
            confirmed.set()

    market = bank.market
    patient = OutboxLimits(poll_s=60)
    worker = Outbox(market.db, market.trail, market.clock, bank.http, bank.url, SECRET, on_change=on_change, limits=patient)
    task = asyncio.create_task(worker.run())
    await bank.buy()
    worker.wake()
    await asyncio.wait_for(confirmed.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


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
    many = OutboxLimits(timeout_s=0.5, attempts=9)
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
