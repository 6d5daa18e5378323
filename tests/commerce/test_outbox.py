"""What the bank's core must hear, it hears: at least once, signed, in order, until it answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from commerce import order_book, outbox_queue, outbox_rows
from commerce.outbox import Outbox, OutboxLimits
from commerce.sandbox_core import PATH, SandboxCore
from core.errors import Refused
from recording import kinds
from tests.commerce.conftest import C5, Market
from tests.commerce.core_bank import LIMITS, SECRET, Bank, open_bank


@pytest.fixture
async def bank(market: Market) -> AsyncIterator[Bank]:
    async with open_bank(market) as opened:
        yield opened


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
    ("yuan", "timeout_s", "error"),
    [
        (10_050, LIMITS.timeout_s, "status 500"),
        (10_021, LIMITS.timeout_s, "not decided yet"),
        (10_077, 0.5, "no answer within 0.5 s"),
    ],
)
async def test_it_is_asked_again_with_the_same_event(bank: Bank, yuan: int, timeout_s: float, error: str) -> None:
    order_id = await bank.buy(yuan)
    limits, market = replace(LIMITS, timeout_s=timeout_s), bank.market
    await Outbox(market.db, market.trail, market.clock, bank.http, bank.url, SECRET, limits=limits).deliver_due()
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
