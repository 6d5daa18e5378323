"""kill -9 of web, media or one of PostgreSQL's processes while everybody buys: what was acknowledged exists, once, with all
that belongs to it: its entry, its stock and its effect at the bank's core.

`TELLERCAST_TEST_KILLS` is how many rounds (without it each is killed once), `TELLERCAST_TEST_SEED` repeats the victims and
moments of an earlier run.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from bench.postgresql import postgresql
from tests.scenarios.core import Core
from tests.scenarios.town import AMOUNT, Phone, Town, until
from tests.scenarios.victims import Victim, victims

ROUNDS = int(os.environ.get("TELLERCAST_TEST_KILLS", "0"))
SEED = int(os.environ.get("TELLERCAST_TEST_SEED") or secrets.randbelow(1_000_000))
BUYERS, IN_A_ROW, PAUSE_S, TWICE = 18, 8, 0.6, 0.1
# A kill comes after so many more answers at most, and then so many turns of our own loop.
ANSWERS, TURNS = 40, 40
ASKED_AGAIN = 200


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """PostgreSQL is one that may be killed, and with its own defaults: the other tests' keeps nothing it has not flushed."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"
        return
    folder = Path(tempfile.mkdtemp(prefix="tellercast-kills-"))
    try:
        with postgresql(folder) as url:
            yield url.rpartition("/")[0]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    core = Core()
    await core.start()
    yield core
    await core.stop()


@pytest.fixture
def environ(core: Core) -> dict[str, str]:
    """The few who buy here buy without end; nobody else's order in a show looks like that."""
    return {**core.environ, "TELLERCAST_RISK_VELOCITY_ORDERS": "1000000"}


@dataclass
class Buying:
    """What customers were told: for each customer and key the order's id."""

    town: Town
    dice: random.Random
    acknowledged: dict[tuple[str, str], str] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _wanted: int = 0

    async def buyer(self, name: str, phone: Phone | None) -> None:
        """Several orders in a row, a pause, and so on; now and then one is sent twice at once."""
        for number in itertools.count(1):
            key = f"{name}-{number:06d}"
            ways = [phone, None] if self.dice.random() < TWICE else [phone]
            told = await asyncio.gather(*(self.town.order_at_last(name, key, way) for way in ways))
            ids = [order["id"] for order in told]
            assert len(set(ids)) == 1, f"one key, two orders: {ids}"
            self.acknowledged[name, key] = ids[0]
            if len(self.acknowledged) >= self._wanted:
                self._reached.set()
            if number % IN_A_ROW == 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.enough.wait(), self.dice.uniform(0, PAUSE_S))
            if self.enough.is_set():
                return

    async def until_more(self, more: int) -> None:
        """Until so many more orders are acknowledged; answers in the turn of the loop after that."""
        self._wanted = len(self.acknowledged) + more
        self._reached.clear()
        async with asyncio.timeout(60):
            await self._reached.wait()


@pytest.mark.timeout(300 + 60 * ROUNDS)
async def test_an_acknowledged_order_survives_sigkill_and_is_never_doubled(town: Town, core: Core) -> None:
    await town.start_show()
    names = await town.crowd(BUYERS)
    stock = await town.left()
    await town.camera()
    await town.sale_open()
    buying = Buying(town, random.Random(SEED))  # noqa: S311 - any moment will do
    async with asyncio.TaskGroup() as everybody:
        for number, name in enumerate(names):
            everybody.create_task(buying.buyer(name, await town.phone(name) if number % 3 == 0 else None))
        await _kill_now_and_then(buying)
        buying.enough.set()
    acknowledged = buying.acknowledged

    rows = await town.ordered()
    there = {(row.customer_id, row.key): row.id for row in rows}
    assert acknowledged.items() - there.items() == set(), "acknowledged, and missing or another"
    assert there.items() - acknowledged.items() == set(), "nobody was told of it, though everybody asked until he was"
    assert len(rows) == len(acknowledged), "a key made more than one order"
    assert await town.left() == stock - len(rows) * AMOUNT
    assert Counter(str(entry.data["order"]) for entry in await town.entries("order_placed")) == Counter(acknowledged.values())
    assert await town.deliveries() == dict.fromkeys(acknowledged.values(), 1)
    assert await town.chain_findings() == []

    asked = buying.dice.sample(sorted(acknowledged.items()), min(ASKED_AGAIN, len(acknowledged)))
    for (name, key), order_id in asked:
        assert (await town.order_at_last(name, key))["id"] == order_id
    assert len(await town.ordered()) == len(acknowledged)
    await _each_has_its_effect_once(town, core, acknowledged)
    verdict = await town.end_and_verify()
    assert (verdict["ok"], verdict["orders"]) == (True, len(acknowledged)), verdict
    print(f"{len(acknowledged)} orders; the core heard {sum(core.arrivals.values()) - len(core.arrivals)} events again")


async def _each_has_its_effect_once(town: Town, core: Core, acknowledged: dict[tuple[str, str], str]) -> None:
    """At the core, and by the core's answer here: confirmed, and entered as confirmed."""
    await town.leases_over()

    async def all_confirmed() -> bool:
        return {row.state for row in await town.ordered()} == {"confirmed"}

    await until(all_confirmed, "the core has confirmed every order", 60)
    once = Counter(acknowledged.values())
    assert Counter({order: len(events) for order, events in core.effects.items()}) == once
    assert Counter(str(entry.data["order"]) for entry in await town.entries("order_confirmed")) == once


async def _kill_now_and_then(buying: Buying) -> None:
    """At moments chosen by chance, each as soon as customers are given answers again after the one before.

    Every other one comes with an answer: what that says must be on disk by then.
    """
    town, dice, began = buying.town, random.Random(SEED), time.monotonic()  # noqa: S311 - any moment will do
    print(f"\nTELLERCAST_TEST_KILLS={ROUNDS} TELLERCAST_TEST_SEED={SEED}")
    for number, victim in enumerate(victims(town, ROUNDS, dice)):
        killed = await _kill(buying, victim, dice, turns=dice.randrange(TURNS) if number % 2 else 0)
        at, orders = time.monotonic(), len(buying.acknowledged)
        await victim.recover(town, killed)
        await buying.until_more(1)
        again_s, in_all_s = time.monotonic() - at, time.monotonic() - began
        print(f"round {number + 1}: {victim.name} after {orders} orders, {again_s:.1f} s until all was well, {in_all_s:.0f} s")


async def _kill(buying: Buying, victim: Victim, dice: random.Random, turns: int) -> psutil.Process:
    """After so many more answers as the dice say, and then so many turns of our own loop."""
    more = dice.randint(1, ANSWERS)
    while True:
        with contextlib.suppress(psutil.NoSuchProcess):  # the pool has closed this connection since we looked
            found = await victim.find(buying.town, dice)
            await buying.until_more(more)
            for _ in range(turns):
                await asyncio.sleep(0)
            found.kill()
            return found
        more = 1
