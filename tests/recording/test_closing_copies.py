"""Derived copies: made once, tried thrice, taken up again after a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from core.clock import ManualClock
from core.database import Database
from recording.derived import ATTEMPTS, RETRY_S, STALE_S, Copies, Made
from recording.tables import derived
from tests.recording.web_side import World


@dataclass(frozen=True)
class Copy:
    offset_ms: int
    duration_ms: int


class Workshop:
    """Makers that write down what they were asked for."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.asked: list[tuple[list[Path], Path]] = []
        self.error: BaseException | None = None

    async def playable(self, pieces: Sequence[Path], out: Path) -> Made:
        self.asked.append((list(pieces), out))
        if self.error is not None:
            raise self.error
        assert out.parent.is_dir()
        return Copy(0, 6000)

    async def poster(self, source: Path, out: Path) -> None:
        self.asked.append(([source], out))

    def copies(self) -> Copies:
        return Copies(
            self.world.db,
            self.world.clock,
            archive=self.folder / "archive",
            folder=self.folder / "copies",
            make_playable=self.playable,
            make_poster=self.poster,
            on_change=self.world.on_change,
        )


@pytest.fixture
async def shop(database: Database, clock: ManualClock, tmp_path: Path) -> Workshop:
    """A sealed show of two fragments, its copies queued."""
    world = World(database, clock, tmp_path)
    session = await world.live("host")
    world.fragment(session, 1, 3000, 6000)
    world.fragment(session, 0, 0, 3000)
    world.feed.append("session_closed", session=session)
    await world.intake.follow()
    clock.advance(6)
    await world.end(session)
    assert len(await world.closer.sweep()) == 1
    world.told.clear()
    return Workshop(world, tmp_path)


async def rows(shop: Workshop) -> list[tuple[str, str, int]]:
    async with shop.world.db.read() as tx:
        found = await tx.execute(select(derived).order_by(derived.c.kind))
        return [(row.kind, row.state, row.attempts) for row in found]


async def test_copies_are_made_from_the_fragments_in_order(shop: Workshop) -> None:
    copies = shop.copies()
    assert [await copies.work() for _ in range(3)] == [True, True, False]
    assert await rows(shop) == [("playable", "ready", 1), ("poster", "ready", 1)]
    pieces, out = shop.asked[0]
    assert [piece.name for piece in pieces] == ["0000000000001-000000.mp4", "0000000000001-000001.mp4"]
    assert all(piece.is_relative_to(shop.folder / "archive") for piece in pieces)
    assert (out.name, shop.asked[1][1].name) == ("host.mp4", "host.jpg")
    async with shop.world.db.read() as tx:
        row = (await tx.execute(select(derived).where(derived.c.kind == "playable"))).one()
    assert (shop.folder / "copies" / row.path, row.offset_ms, row.duration_ms, row.error) == (out, 0, 6000, None)
    assert [data["kind"] for _session, _kind, data in shop.world.told] == ["playable", "poster"]


async def test_several_workers_make_each_copy_once(shop: Workshop) -> None:
    await asyncio.gather(*(shop.copies().work() for _ in range(6)))
    while await shop.copies().work():
        pass
    assert await rows(shop) == [("playable", "ready", 1), ("poster", "ready", 1)]
    assert len(shop.asked) == 2


async def test_a_failure_is_tried_again_after_a_rest_and_recorded_in_the_end(shop: Workshop) -> None:
    shop.error = ValueError("no keyframe")
    copies = shop.copies()
    for attempt in range(1, ATTEMPTS + 1):
        while await copies.work():
            pass
        assert len([ask for ask in shop.asked if ask[1].suffix == ".mp4"]) == attempt
        shop.world.clock.advance(RETRY_S)
    assert not await copies.work()
    assert await rows(shop) == [("playable", "failed", 3), ("poster", "ready", 1)]
    async with shop.world.db.read() as tx:
        row = (await tx.execute(select(derived).where(derived.c.kind == "playable"))).one()
    assert row.error == "ValueError('no keyframe')"
    assert shop.world.told[-1][2] == {"stream": "host", "kind": "playable", "state": "failed"}


async def test_a_worker_that_was_killed_leaves_its_copy_to_the_next(shop: Workshop) -> None:
    shop.error = SystemExit()
    with pytest.raises(SystemExit):
        await shop.copies().work()
    shop.error = None
    while await shop.copies().work():
        pass
    assert (await rows(shop))[0] == ("playable", "working", 1)
    shop.world.clock.advance(STALE_S + 1)
    assert await shop.copies().work()
    assert (await rows(shop))[0] == ("playable", "ready", 2)


async def test_a_copy_that_kills_every_worker_is_given_up(shop: Workshop) -> None:
    shop.error = SystemExit()

    async def live_and_die() -> None:
        while await shop.copies().work():
            pass

    for _ in range(ATTEMPTS):
        with pytest.raises(SystemExit):
            await live_and_die()
        shop.world.clock.advance(STALE_S + 1)
    assert not await shop.copies().work()
    assert await rows(shop) == [("playable", "failed", 3), ("poster", "ready", 1)]


async def test_the_loop_works_when_woken(shop: Workshop) -> None:
    done = asyncio.Event()

    async def on_change(_session: str, _kind: str, data: dict[str, object]) -> None:
        if data["kind"] == "poster":
            done.set()

    copies = shop.copies()
    copies._on_change = on_change
    task = asyncio.create_task(copies.run())
    copies.wake()
    async with asyncio.timeout(20):
        await done.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
