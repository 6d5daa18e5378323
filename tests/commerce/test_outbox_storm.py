"""Through two hundred failures of every kind the core's books and ours end the same, with every effect exactly once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import func, select, true

from commerce import outbox_queue, outbox_rows, signing
from commerce.outbox import Outbox, OutboxLimits
from commerce.tables import orders, outbox
from core.errors import Refused
from core.identity import Person
from recording import kinds
from tests.commerce.conftest import Market
from tests.ports import free_port

SECRET = b"of the test only"
FAILURES, ORDERS, SEED = 200, 60, 20261125
# A real timeout; what a slow machine answers later than that is only more storm.
LIMITS = OutboxLimits(timeout_s=0.25, attempts=6, batch=24)
ROUNDS_MAX = 600
KINDS = ("silence", "500", "429", "202", "reset", "half an answer", "answer lost", "core restarts", "outbox is killed")


@dataclass
class Core:
    """A receiver on a real port that dedupes by event id, keeps books, and fails as the dice say until `left` is used up."""

    dice: random.Random
    clock_s: float = 0.0
    port: int = field(default_factory=free_port)
    left: int = FAILURES
    failed: Counter[str] = field(default_factory=Counter)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    effects: dict[str, list[str]] = field(default_factory=dict)
    killing: asyncio.Event = field(default_factory=asyncio.Event)
    restarting: asyncio.Event = field(default_factory=asyncio.Event)
    runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/", self.take)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        assert self.runner is not None
        await self.runner.cleanup()

    def apply(self, event: dict[str, str]) -> dict[str, str]:
        """What is done once for an event, however often it comes."""
        if event["event"] not in self.answers:
            done = self.effects.setdefault(event["order"], [])
            word = "cancelled" if event["kind"] == outbox_rows.CANCELLED else self.dice.choice(("confirmed", "rejected"))
            done.append(word)
            self.answers[event["event"]] = {"state": word}
        return self.answers[event["event"]]

    async def take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        event = await request.json()
        assert signing.verify(SECRET, request.headers, raw, self.clock_s) == event["event"]
        kind = self.dice.choice(KINDS) if self.left and self.dice.random() < 0.77 else ""
        if not kind:
            return web.json_response(self.apply(event))
        self.left -= 1
        self.failed[kind] += 1
        if self.dice.random() < 0.5 or kind == "answer lost":  # it fails after the effect, the worse half
            self.apply(event)
        return await self.fail(request, kind)

    async def fail(self, request: web.Request, kind: str) -> web.StreamResponse:
        match kind:
            case "500" | "429" | "202":
                return web.json_response({"state": "pending"}, status=int(kind), headers={"Retry-After": "3"})
            case "silence":
                await asyncio.Event().wait()
            case "core restarts":
                self.restarting.set()
                await asyncio.Event().wait()
            case "outbox is killed":
                self.killing.set()
                await asyncio.Event().wait()
            case "half an answer":
                answer = web.StreamResponse(headers={"Content-Length": "1000"})
                await answer.prepare(request)
                await answer.write(b'{"state": "conf')
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


@dataclass
class Storm:
    """The market, the core, and an outbox that is killed and begun anew."""

    market: Market
    core: Core
    http: aiohttp.ClientSession

    async def round(self) -> None:
        """One round of deliveries, which the outbox may not survive."""
        self.core.clock_s = self.market.clock.now().timestamp()
        self.core.killing.clear()
        url = f"http://127.0.0.1:{self.core.port}/"
        market = self.market
        worker = Outbox(market.db, market.trail, market.clock, self.http, url, SECRET, limits=LIMITS)
        delivering = asyncio.create_task(worker.deliver_due())
        killing = asyncio.create_task(self.core.killing.wait())
        await asyncio.wait({delivering, killing}, return_when=asyncio.FIRST_COMPLETED)
        if not delivering.done():
            await _kill()
        killing.cancel()
        await asyncio.gather(delivering, killing, return_exceptions=True)
        if self.core.restarting.is_set():
            self.core.restarting.clear()
            await self.core.stop()
            await self.core.start()

    async def send_dead_again(self) -> None:
        async with self.market.db.write() as tx:
            await outbox_queue.send_again(tx, self.market.clock, true(), 100)

    async def open(self) -> int:
        async with self.market.db.read() as tx:
            query = select(func.count()).select_from(outbox).where(outbox.c.state != outbox_rows.DELIVERED)
            return int((await tx.execute(query)).scalar_one())


async def _kill() -> None:
    """Whatever the outbox is doing ends where it stands, transactions included."""
    ours = [task for task in asyncio.all_tasks() if _name(task).startswith(("Courier.", "Outbox.", "Grouping."))]
    for task in ours:
        task.cancel()
    await asyncio.gather(*ours, return_exceptions=True)


def _name(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", "")


@pytest.fixture
async def storm(market: Market) -> AsyncIterator[Storm]:
    core = Core(random.Random(SEED))  # noqa: S311 - a storm, not a secret
    await core.start()
    async with aiohttp.ClientSession() as http:
        yield Storm(market, core, http)
    await core.stop()


async def test_effects_are_exactly_once_through_two_hundred_failures(storm: Storm) -> None:
    market, core = storm.market, storm.core
    dice = random.Random(SEED + 1)  # noqa: S311 - likewise
    buyers: dict[str, Person] = {}
    for number in range(ORDERS):
        person = await market.customer(f"buyer-{number}")
        buyers[(await market.buy(person)).order.id] = person
    to_cancel = [(order_id, person) for order_id, person in buyers.items() if dice.random() < 0.3]
    for _round in range(ROUNDS_MAX):
        await storm.round()
        if to_cancel and dice.random() < 0.5:
            order_id, person = to_cancel.pop()
            try:
                await market.desk.cancel(person, order_id)
            except Refused as refusal:
                assert refusal.problem.code == "order_not_cancellable"  # noqa: PT017 - rejected meanwhile
        await storm.send_dead_again()
        market.clock.advance(700)
        if not to_cancel and not await storm.open():
            break
    assert await storm.open() == 0
    assert core.failed.total() == FAILURES
    assert set(core.failed) == set(KINDS)
    await _books_agree(market, core, set(buyers))


async def _books_agree(market: Market, core: Core, bought: set[str]) -> None:
    async with market.db.read() as tx:
        states = {row.id: row.state for row in await tx.execute(select(orders.c.id, orders.c.state))}
    assert set(states) == set(core.effects) == bought
    for order_id, effects in core.effects.items():
        assert effects in (["confirmed"], ["rejected"], ["confirmed", "cancelled"], ["rejected", "cancelled"]), effects
        assert states[order_id] == effects[-1]
    assert {"confirmed", "rejected", "cancelled"} == set(states.values())
    for told in ((kinds.ORDER_CONFIRMED, kinds.ORDER_REJECTED), (kinds.ORDER_SENT,)):
        entries = await market.entries(*told)
        times = Counter(entry.data["order"] for entry in entries)
        assert set(times.values()) == {1}, told
    assert {entry.data["order"] for entry in await market.entries(kinds.ORDER_CONFIRMED, kinds.ORDER_REJECTED)} == bought
