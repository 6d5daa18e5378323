"""The feed into the database: exactly once, gaps said, nothing wedged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.clock import ManualClock
from core.database import Database
from recording import coverage, sessions
from recording.chain import check_chain
from recording.intake import Intake
from recording.tables import feed_cursors, fragments, streams
from recording.trail import after_trail
from stream.feed import Feed
from tests.recording.web_side import LocalFeed, World


@pytest.fixture
def world(database: Database, clock: ManualClock, tmp_path: Path) -> World:
    return World(database, clock, tmp_path)


async def status(world: World, session_id: str, name: str = "host") -> tuple[str, str | None]:
    async with world.db.read() as tx:
        row = (await tx.execute(select(streams).where(streams.c.session_id == session_id, streams.c.name == name))).one()
    return row.status, row.reason


async def cursor(world: World) -> int:
    async with world.db.read() as tx:
        return int((await tx.execute(select(feed_cursors.c.n))).scalar_one())


async def test_a_recording_becomes_rows_entries_and_a_watermark(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 100)
    first = world.fragment(session, 0, 120, 3100)
    world.fragment(session, 1, 3120, 6100)
    await world.intake.follow()
    assert await world.kinds(session) == ["session_started", "publisher_joined", "fragment", "fragment"]
    del first["session"]
    assert (await world.data(session, "fragment"))[0] == first
    async with world.db.read() as tx:
        begun = (await sessions.get(tx, session)).started_at
        marks = await coverage.watermarks(tx, session)
        assert await coverage.spans(tx, session, "host") == [(120, 6100)]
    assert begun is not None
    assert marks["host"] == coverage.Watermark("host", "publishing", 6100, begun + timedelta(seconds=6.1))
    assert world.feed.acked == await cursor(world) == 3
    assert [kind for _session, kind, _data in world.told] == ["publisher_joined", "fragment_sealed", "fragment_sealed"]


async def test_a_hole_within_and_across_publishers_is_said_with_its_reason(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 900)
    world.fragment(session, 0, 1000, 3000)
    world.fragment(session, 1, 3250, 5000)  # 250 ms: not a hole
    world.fragment(session, 2, 5251, 7000)
    world.publisher("publisher_lost", session, 7000, reason="ice_timeout")
    world.publisher("publisher_joined", session, 9000, epoch=2)
    world.fragment(session, 0, 9100, 11_000, epoch=2)
    world.fragment(session, 1, 12_000, 13_000, epoch=2)
    await world.intake.follow()
    assert await world.data(session, "gap") == [
        {"stream": "host", "from_ms": 0, "to_ms": 1000, "reason": "not_started"},
        {"stream": "host", "from_ms": 5000, "to_ms": 5251, "reason": "no_media"},
        {"stream": "host", "from_ms": 7000, "to_ms": 9100, "reason": "ice_timeout"},
        {"stream": "host", "from_ms": 11_000, "to_ms": 12_000, "reason": "no_media"},
    ]


async def test_a_new_publisher_is_not_covered_by_what_the_last_one_left(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    world.fragment(session, 0, 0, 3000)
    world.publisher("publisher_lost", session, 3100, reason="ice_timeout")
    world.publisher("publisher_joined", session, 3500, epoch=2)
    await world.intake.follow()

    async def at() -> coverage.Watermark:
        async with world.db.read() as tx:
            return (await coverage.watermarks(tx, session))["host"]

    joined = await at()
    assert (joined.status, joined.at) == ("publishing", None)
    assert coverage.sale_blocker(["host"], {"host": joined}, world.clock.now()) == "recording_not_started"
    world.fragment(session, 1, 3000, 3300)  # of the first publisher, found late
    await world.intake.follow()
    assert (await at()).at is None
    world.fragment(session, 0, 3600, 5600, epoch=2)
    await world.intake.follow()
    assert (await at()).at is not None


async def test_a_stream_nobody_requires_owes_nothing_before_it_begins(world: World) -> None:
    session = await world.live("host")
    world.fragment(session, 0, 60_000, 63_000, stream="screen")
    await world.intake.follow()
    assert await world.kinds(session) == ["session_started", "fragment"]


async def test_replayed_records_change_nothing(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    world.fragment(session, 0, 0, 3000)
    again = list(world.feed.records)
    await world.intake.follow()
    before = await world.kinds(session)
    for record in again:
        assert await world.new_intake().take(record["n"], record) == []
    assert await world.kinds(session) == before


async def test_killed_between_commit_and_acknowledgement(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    world.fragment(session, 0, 0, 3000)

    class Dying(LocalFeed):
        async def ack(self, upto: int, feed: str) -> None:
            raise ConnectionResetError("killed")

    dying = Dying()
    dying.records, dying.last = world.feed.records, world.feed.last
    world.intake._client = dying
    for _ in range(3):  # the next life acknowledges first what the one before committed, and dies again
        with pytest.raises(ConnectionResetError):
            await world.intake.follow()
    assert await cursor(world) == 1
    await world.new_intake().follow()
    assert await world.kinds(session) == ["session_started", "publisher_joined", "fragment"]
    assert (world.feed.acked, world.feed.records) == (2, [])


async def test_several_processes_on_one_feed_take_each_record_once(world: World) -> None:
    session = await world.live("host")
    for index in range(20):
        world.fragment(session, index, index * 3000, index * 3000 + 3000)
    await asyncio.gather(*(world.new_intake().follow() for _ in range(3)))
    assert await world.kinds(session) == ["session_started"] + ["fragment"] * 20
    assert len(world.told) == 20
    async with world.db.read() as tx:
        assert check_chain(session, await world.trail.bodies(tx, session)) == []


async def test_a_fragment_found_again_after_a_crash_is_taken_once(world: World) -> None:
    session = await world.live("host")
    data = world.fragment(session, 0, 0, 3000)
    world.feed.append("fragment_sealed", **data)
    world.feed.append("fragment_sealed", **{**data, "sha256": "0" * 64})
    await world.intake.follow()
    assert await world.kinds(session) == ["session_started", "fragment"]
    assert [kind for _s, kind, _d in world.told] == ["fragment_sealed", "finding"]
    assert world.feed.records == []


async def test_an_older_fragment_never_moves_the_watermark_back(world: World) -> None:
    session = await world.live("host")
    world.fragment(session, 1, 3000, 6000)
    world.fragment(session, 0, 0, 3000)
    await world.intake.follow()
    async with world.db.read() as tx:
        assert (await coverage.watermarks(tx, session))["host"].media_ms == 6000
        assert await coverage.spans(tx, session, "host") == [(0, 6000)]


async def test_a_new_media_process_loses_every_publisher_of_the_old_one(world: World) -> None:
    one, two = await world.live("host"), await world.live("adviser")
    world.publisher("publisher_joined", one, 0)
    world.publisher("publisher_joined", two, 0, stream="adviser")
    world.publisher("publisher_joined", two, 0, stream="customer")
    world.publisher("publisher_left", two, 5, stream="customer")
    world.feed.append("media_started", boot="b2")
    await world.intake.follow()
    assert await status(world, one) == ("lost", "media_restarted")
    assert await status(world, two, "adviser") == ("lost", "media_restarted")
    assert (await status(world, two, "customer"))[0] == "left"
    assert await world.data(one, "publisher_lost") == [{"stream": "host", "epoch": 1, "reason": "media_restarted"}]
    assert ("", "media_started", {"boot": "b2"}) in world.told


async def test_failure_recovery_and_departure(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    world.fragment(session, 0, 0, 3000)
    world.publisher("recording_failed", session, 3000, reason="disk_full")
    await world.intake.follow()
    assert await status(world, session) == ("failed", "disk_full")
    world.publisher("recording_recovered", session, 9000)
    await world.intake.follow()
    assert (await status(world, session))[0] == "publishing"
    world.fragment(session, 1, 9000, 12_000)
    await world.intake.follow()
    assert await status(world, session) == ("publishing", None)
    assert (await world.data(session, "gap"))[0]["reason"] == "disk_full"
    world.publisher("publisher_left", session, 12_000)
    world.feed.append("stream_closed", session=session, stream="host", epoch=1, end_ms=12_000, fragments=2)
    await world.intake.follow()
    assert await status(world, session) == ("left", "publisher_left")


async def test_news_of_an_old_publisher_do_not_touch_the_new_one(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0, epoch=1)
    world.publisher("publisher_joined", session, 10, epoch=2)
    world.publisher("publisher_lost", session, 11, epoch=1)
    world.feed.append("stream_closed", session=session, stream="host", epoch=1, fragments=0)
    await world.intake.follow()
    assert (await status(world, session))[0] == "publishing"


async def test_fragments_that_never_came_are_a_finding(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    world.fragment(session, 0, 0, 3000)
    world.feed.append("stream_closed", session=session, stream="host", epoch=1, end_ms=6000, fragments=2)
    await world.intake.follow()
    assert world.told[-1][2]["finding"] == "fragments_missing"
    assert (await status(world, session))[0] == "left"


BAD_RECORDS: list[dict[str, Any]] = [
    {"kind": "from_the_future"},
    {},
    {"kind": "fragment_sealed", "session": "ses_x"},
    {"kind": "publisher_joined", "session": "ses_nobody", "stream": "host", "epoch": 1, "media_ms": 0},
    {"kind": "publisher_joined", "session": "../../etc", "stream": "host", "epoch": 1, "media_ms": 0},
    {"kind": "publisher_joined", "session": 7, "stream": "host", "epoch": 1, "media_ms": 0},
    {"kind": "session_closed", "session": None},
]


@pytest.mark.parametrize("bad", BAD_RECORDS)
async def test_a_bad_record_is_left_out_and_does_not_wedge_the_feed(world: World, bad: dict[str, Any]) -> None:
    session = await world.live("host")
    world.feed.last += 1
    world.feed.records.append({"n": world.feed.last, **bad})
    world.publisher("publisher_joined", session, 0)
    await world.intake.follow()
    assert await world.kinds(session) == ["session_started", "publisher_joined"]
    assert world.told[0][1:] == ("finding", {"finding": "record_rejected", "n": 1, "kind": str(bad.get("kind"))})
    assert (world.feed.acked, world.feed.records) == (2, [])


@pytest.mark.parametrize(
    "change",
    [{"path": "../secret.mp4"}, {"path": "/etc/passwd"}, {"end_ms": -1}, {"sha256": "xyz"}, {"stream": "a/b"}, {"bytes": -1}],
)
async def test_a_fragment_that_lies_about_itself_is_left_out(world: World, change: dict[str, Any]) -> None:
    session = await world.live("host")
    data = world.fragment(session, 0, 0, 3000)
    world.feed.records[-1] |= change
    await world.intake.follow()
    assert await world.kinds(session) == ["session_started"]
    async with world.db.read() as tx:
        assert (await tx.execute(select(fragments))).all() == []
    assert data["index"] == 0


async def test_a_session_that_has_not_started_has_no_media_time(world: World, clock: ManualClock) -> None:
    async with world.db.write() as tx:
        made = await sessions.create(tx, clock, kind="show", title="t", host_id="h", required=["host"])
    world.fragment(made.id, 0, 0, 3000)
    await world.intake.follow()
    assert await world.kinds(made.id) == []
    assert world.feed.records == []


async def test_records_without_a_number_are_passed_over(world: World) -> None:
    session = await world.live("host")
    world.feed.records.append({"n": True, "kind": "session_closed", "session": session})
    await world.intake._handle({"kind": "session_closed", "session": session})
    await world.intake._handle({"n": True, "kind": "session_closed", "session": session})
    assert world.told == []


async def test_a_database_that_is_away_keeps_the_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)

    def away() -> object:
        raise ConnectionRefusedError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.db, "write", away)
        with pytest.raises(ConnectionRefusedError):
            await world.intake.follow()
    assert world.feed.acked == 0
    await world.intake.follow()
    assert await world.kinds(session) == ["session_started", "publisher_joined"]


async def test_media_after_the_seal_goes_to_the_after_trail_and_is_a_finding(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    world.fragment(session, 0, 0, 3000)
    world.feed.append("session_closed", session=session)
    await world.intake.follow()
    world.clock.advance(3)
    await world.end(session)
    [sealed] = await world.closer.sweep()
    world.fragment(session, 1, 3000, 6000)
    await world.intake.follow()
    assert await world.kinds(after_trail(session)) == ["fragment"]
    assert world.told[-1] == (session, "finding", {"finding": "media_after_seal", "kinds": ["fragment"]})
    async with world.db.read() as tx:
        assert await world.trail.last(tx, session) == sealed.entries


async def test_the_loop_comes_back_after_the_media_process_went_away(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    waits: list[float] = []
    done = asyncio.Event()

    class Flaky(LocalFeed):
        tries = 0

        async def feed(self, after: int, feed: str) -> AsyncIterator[dict[str, Any]]:
            self.tries += 1
            if self.tries < 8:
                raise ConnectionRefusedError("away")
            async for record in super().feed(after, feed):
                yield record

    flaky = Flaky()
    flaky.records, flaky.last = world.feed.records, world.feed.last

    async def pause(seconds: float) -> None:
        waits.append(seconds)
        if flaky.tries == 8:
            done.set()
            await asyncio.Event().wait()

    intake = Intake(world.db, world.trail, world.clock, flaky, world.on_change, pause=pause)
    task = asyncio.create_task(intake.run())
    async with asyncio.timeout(60):
        await done.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 0.25]
    assert await world.kinds(session) == ["session_started", "publisher_joined"]
    assert not intake.connected


async def test_a_callback_that_fails_stops_nothing(world: World) -> None:
    session = await world.live("host")

    async def broken(_session: str, _kind: str, _data: dict[str, Any]) -> None:
        raise RuntimeError("nobody listens")

    world.intake._on_change = broken
    world.publisher("publisher_joined", session, 0)
    await world.intake.follow()
    assert world.feed.acked == 1


async def test_the_real_feed_is_taken_in(world: World, tmp_path: Path) -> None:
    """The media process's own feed file, read as its HTTP side reads it."""
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    data = world.fragment(session, 0, 0, 3000)
    feed = Feed(tmp_path / "feed.jsonl", world.clock)
    try:
        feed.append("media_started", {"boot": "b1"})
        feed.append("publisher_joined", {"session": session, "stream": "host", "epoch": 1, "media_ms": 0})
        feed.append("fragment_sealed", data)
        feed.append("session_closed", {"session": session})
        for _n, line in feed.lines(0):
            await world.intake._handle(json.loads(line))
    finally:
        feed.close()
    assert await world.kinds(session) == ["session_started", "publisher_joined", "fragment"]
    assert (await status(world, session))[0] == "closed"


async def test_every_hole_within_a_fragment_has_an_entry(world: World) -> None:
    session = await world.live("host")
    data = world.fragment(session, 0, 0, 3000)
    hole = {"track": "video", "from_ms": 900, "to_ms": 1700, "reason": "packets_lost"}
    world.feed.records[-1]["holes"] = [hole, {**hole, "track": "audio"}]
    await world.intake.follow()
    assert await world.kinds(session) == ["session_started", "fragment", "gap", "gap"]
    assert await world.data(session, "gap") == [{"stream": "host", **hole}, {"stream": "host", **hole, "track": "audio"}]
    del data["session"]
    assert await world.data(session, "fragment") == [data]
    async with world.db.read() as tx:
        assert (await world.trail.entries(tx, session, kinds={"gap"}))[0].media_ms == 900
