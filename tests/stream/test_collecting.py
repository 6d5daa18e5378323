"""Full collections come when nobody is there, or when there is too much garbage, and never by themselves."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from stream import collecting
from stream.collecting import Collecting
from stream.metrics import MediaMetrics
from tests.stream.clients import until

SOME = 60_000
MANY = 1_100_000


class Knot:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self


@dataclass
class Process:
    """What `Collecting` is to look after: `there` peers, and blocks of memory."""

    registry: CollectorRegistry
    there: int = 1
    asked: int = 0
    blocks: list[object] = field(default_factory=list)

    def peers(self) -> int:
        self.asked += 1
        return self.there

    async def looked_at(self) -> None:
        """Until it has been looked at several times from now on."""
        enough = self.asked + 10
        await until(lambda: self.asked > enough)

    def grow(self, count: int) -> None:
        self.blocks += [[] for _ in range(count)]

    def full(self) -> float:
        """Full collections that were told."""
        return self.registry.get_sample_value("tellercast_media_collection_seconds_count", {"generation": "2"}) or 0


def old_knot() -> weakref.ref[Knot]:
    """Garbage that young collections look at no more."""
    knot = Knot()
    gc.collect(0)
    gc.collect(1)
    return weakref.ref(knot)


@pytest.fixture
async def process(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Process]:
    monkeypatch.setattr(collecting, "_LOOK_EVERY_S", 0.01)
    process = Process(CollectorRegistry())
    task = asyncio.create_task(Collecting(MediaMetrics(process.registry), process.peers).run())
    await until(lambda: process.full() == 1)
    yield process
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_stands_at_the_start_is_looked_at_no_more(process: Process) -> None:
    later = Process(process.registry)
    seen = {id(looked_at) for looked_at in gc.get_objects()}
    assert id(process) not in seen
    assert id(later) in seen


async def test_none_comes_by_itself_while_somebody_is_there(process: Process) -> None:
    made = gc.get_stats()[2]["collections"]
    process.grow(10 * SOME)
    knot = old_knot()
    await process.looked_at()
    assert knot() is not None
    assert gc.get_stats()[2]["collections"] == made


async def test_it_comes_when_nobody_is_there_any_more(process: Process) -> None:
    knot = old_knot()
    process.grow(SOME)
    process.there = 0
    await until(lambda: knot() is None)
    await until(lambda: process.full() == 2)


async def test_it_comes_for_much_garbage_while_somebody_is_there(process: Process) -> None:
    knot = old_knot()
    process.grow(MANY)
    await until(lambda: knot() is None)
    await process.looked_at()
    assert process.full() == 2  # what has grown and is no garbage is found out once


async def test_what_belongs_to_peers_is_no_garbage(process: Process) -> None:
    made = gc.get_stats()[2]["collections"]
    process.there = 1500
    process.grow(MANY)
    await process.looked_at()
    assert gc.get_stats()[2]["collections"] == made


async def test_pythons_own_ways_are_back_when_it_is_over() -> None:
    ways, callbacks = gc.get_threshold(), list(gc.callbacks)
    task = asyncio.create_task(Collecting(MediaMetrics(CollectorRegistry()), lambda: 1).run())
    await until(lambda: gc.get_threshold() != ways)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (gc.get_threshold(), gc.callbacks, gc.get_freeze_count()) == (ways, callbacks, 0)
