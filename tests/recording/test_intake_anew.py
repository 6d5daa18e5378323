"""A media process that lost its feed and numbers anew is followed, whether its numbers are behind the cursor or beyond it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from recording.tables import feed_cursors
from stream.errors import FEED_AHEAD
from tests.recording.web_side import LocalFeed, World


@pytest.fixture
def world(database: Database, clock: ManualClock, tmp_path: Path) -> World:
    return World(database, clock, tmp_path)


async def cursor(world: World) -> int:
    async with world.db.read() as tx:
        return int((await tx.execute(select(feed_cursors.c.n))).scalar_one())


async def test_a_feed_that_was_lost_and_numbers_anew_is_followed(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    data = world.fragment(session, 0, 0, 3000)
    await world.intake.follow()

    class Reborn(LocalFeed):
        async def ack(self, upto: int, feed: str) -> None:
            if upto > self.last:
                raise Refused(FEED_AHEAD, after=upto, last=self.last)
            await super().ack(upto, feed)

    world.feed = reborn = Reborn()
    reborn.append("fragment_sealed", **data)
    await world.new_intake().follow()
    assert ("", "finding", {"finding": "feed_numbered_anew", "cursor": 2}) in world.told
    world.fragment(session, 1, 3000, 6000)
    await world.new_intake().follow()
    assert await world.kinds(session) == ["session_started", "publisher_joined", "fragment", "fragment"]
    assert await cursor(world) == reborn.acked == 2


async def test_a_feed_begun_anew_that_has_outrun_the_cursor_is_followed_from_its_start(world: World) -> None:
    world.feed = LocalFeed("f1")
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    world.fragment(session, 0, 0, 3000)
    await world.new_intake().follow()

    world.feed = LocalFeed("f2")
    for index in range(1, 5):  # its number 2 is not the number 2 of before
        world.fragment(session, index, index * 3000, index * 3000 + 3000)
    await world.new_intake().follow()
    assert ("", "finding", {"finding": "feed_numbered_anew", "cursor": 2}) in world.told
    assert await world.kinds(session) == ["session_started", "publisher_joined"] + ["fragment"] * 5
    assert await cursor(world) == world.feed.acked == 4

    world.told.clear()
    world.fragment(session, 5, 15_000, 18_000)
    await world.new_intake().follow()
    assert [kind for _session, kind, _data in world.told] == ["fragment_sealed"]
