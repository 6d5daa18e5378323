"""Closing says what is missing, seals once, and goes on after a kill."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import ManualClock
from core.database import Database
from core.errors import Unavailable
from recording import register, seal, sessions
from recording.closing import ASK_MEDIA_S, Closer, holes
from recording.coverage import HOLE_MS, merge
from recording.tables import derived
from recording.trail import Draft
from stream.errors import MEDIA_UNAVAILABLE
from tests.recording.web_side import World


@pytest.fixture
def world(database: Database, clock: ManualClock, tmp_path: Path) -> World:
    return World(database, clock, tmp_path)


async def recorded(world: World, seconds: int = 9) -> str:
    """A show of 3-second fragments from its start, still live, its clock at the end of the last one."""
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    for index in range(seconds // 3):
        world.fragment(session, index, index * 3000, index * 3000 + 3000)
    world.clock.advance(seconds)
    await world.intake.follow()
    return session


async def closed_by_media(world: World, session: str) -> None:
    world.feed.append("session_closed", session=session)
    await world.intake.follow()


async def test_a_whole_recording_closes_without_a_word(world: World) -> None:
    session = await recorded(world)
    await world.order(session, "ord_1")
    await world.end(session)
    assert await world.closer.sweep() == []  # the media process has not said that it is done
    await closed_by_media(world, session)
    [made] = await world.closer.sweep()
    assert (await world.kinds(session))[-2:] == ["order_placed", "session_ended"]
    assert (made.entries, made.fragments) == (7, 3)
    assert world.told[-1] == (session, "sealed", {"number": 1, "entries": 7, "uncovered": []})
    assert world.found == []
    async with world.db.read() as tx:
        rows = (await tx.execute(select(derived).order_by(derived.c.kind))).all()
        assert await seal.check_session(tx, world.trail, world.keys.public(), session) == []
    assert [(row.stream, row.kind, row.state) for row in rows] == [
        ("host", "playable", "waiting"),
        ("host", "poster", "waiting"),
    ]


async def test_what_is_missing_at_the_end_is_a_gap(world: World) -> None:
    session = await recorded(world)
    world.publisher("publisher_lost", session, 9000, reason="ice_timeout")
    world.clock.advance(4)
    await world.end(session)
    await closed_by_media(world, session)
    await world.closer.sweep()
    assert await world.data(session, "gap") == [{"stream": "host", "from_ms": 9000, "to_ms": 13_000, "reason": "ice_timeout"}]


async def test_a_stream_that_never_came_is_one_gap(world: World) -> None:
    session = await world.live("adviser", "customer")
    world.clock.advance(10)
    await world.end(session)
    await closed_by_media(world, session)
    await world.closer.sweep()
    assert await world.data(session, "gap") == [
        {"stream": name, "from_ms": 0, "to_ms": 10_000, "reason": "never_published"} for name in ("adviser", "customer")
    ]


async def test_orders_no_fragment_shows_are_found_and_handed_on(world: World) -> None:
    session = await recorded(world)
    await world.order(session, "ord_seen")
    world.clock.advance(2)
    await world.order(session, "ord_unseen")
    async with world.db.write() as tx:
        await world.trail.append(
            tx, session, Draft("order_placed", "c", {"order": "ord_call", "streams": ["host", "customer"]}, media_ms=100)
        )
    world.clock.advance(1)
    await world.end(session)
    await closed_by_media(world, session)
    await world.closer.sweep()
    assert world.found == [(session, ["ord_unseen", "ord_call"])]
    first, second = await world.data(session, "order_uncovered")
    assert (first["order"], first["streams"]) == ("ord_unseen", ["host"])
    assert (second["order"], second["streams"]) == ("ord_call", ["customer"])


async def test_a_silent_media_process_is_waited_for_and_then_named(world: World) -> None:
    session = await recorded(world)
    await world.end(session)
    world.clock.advance(29.9)
    assert await world.closer.sweep() == []
    world.clock.advance(0.1)
    [made] = await world.closer.sweep()
    assert (await world.kinds(session))[-1] == "recording_failed"
    assert await world.data(session, "recording_failed") == [{"reason": "media_silent", "waited_s": 30}]
    assert made.session_id == session
    assert await world.closer.sweep() == []


async def test_a_cancelled_session_is_sealed_at_once(world: World) -> None:
    async with world.db.write() as tx:
        made = await sessions.create(tx, world.clock, kind="show", title="t", host_id="h", required=["host"])
        await sessions.move(tx, world.clock, world.trail, made.id, "cancel", "h")
    assert [one.session_id for one in await world.closer.sweep()] == [made.id]
    assert await world.kinds(made.id) == ["session_ended"]


async def test_a_hole_that_was_never_said_is_said_at_the_end(world: World) -> None:
    session = await recorded(world, 3)
    # As if the record of the gap itself had been rejected: two fragments whose hole no entry speaks of.
    world.fragment(session, 5, 3000, 3100)
    world.fragment(session, 7, 6000, 9000)
    await world.intake.follow()
    world.fragment(session, 6, 5000, 6000)  # a part of the hole is found later: it stays explained
    world.clock.advance(6)
    await world.intake.follow()
    await world.end(session)
    await closed_by_media(world, session)
    await world.closer.sweep()
    assert [(gap["from_ms"], gap["to_ms"]) for gap in await world.data(session, "gap")] == [(3100, 6000)]


async def test_several_processes_seal_once(world: World) -> None:
    names = [await recorded(world, 3) for _ in range(4)]
    for name in names:
        await world.end(name)
        await closed_by_media(world, name)
    results = await asyncio.gather(*(world.new_closer().sweep() for _ in range(4)))
    assert sorted(made.session_id for batch in results for made in batch) == sorted(names)
    async with world.db.read() as tx:
        assert [made.number for made in await register.read(tx)] == [1, 2, 3, 4]
        assert await register.check(tx, world.keys.public()) == []


async def test_a_kill_in_the_middle_leaves_nothing_and_the_next_life_does_all(world: World) -> None:
    session = await recorded(world)
    world.clock.advance(5)
    await world.order(session, "ord_unseen")
    await world.end(session)
    await closed_by_media(world, session)
    before = await world.kinds(session)

    async def killed(_tx: AsyncConnection, _session: str, _orders: list[str]) -> None:
        raise SystemExit

    dying = world.new_closer()
    dying._on_finding = killed
    with pytest.raises(SystemExit):
        await dying.sweep()
    assert await world.kinds(session) == before
    async with world.db.read() as tx:
        assert await register.read(tx) == []
        assert (await tx.execute(select(derived))).all() == []
    [made] = await world.new_closer().sweep()
    assert (made.number, world.found) == (1, [(session, ["ord_unseen"])])


async def test_one_that_can_not_be_closed_keeps_nobody_from_their_turn(world: World) -> None:
    bad, good = await recorded(world, 3), await recorded(world, 3)
    world.clock.advance(5)
    await world.order(bad, "ord_unseen")
    for name in (bad, good):
        await world.end(name)
        await closed_by_media(world, name)

    async def broken(_tx: AsyncConnection, _session: str, _orders: list[str]) -> None:
        raise RuntimeError("no case could be opened")

    closer = world.new_closer()
    closer._on_finding = broken
    assert [made.session_id for made in await closer.sweep()] == [good]
    assert [due.session_id for due in await closer.due()] == []
    world.clock.advance(61)
    assert [due.session_id for due in await closer.due()] == [bad]
    assert [made.session_id for made in await world.closer.sweep()] == [bad]


async def test_the_loop_closes_when_woken(world: World) -> None:
    session = await recorded(world)
    done = asyncio.Event()

    async def on_change(_session: str, kind: str, _data: object) -> None:
        if kind == "sealed":
            done.set()

    world.closer._on_change = on_change
    task = asyncio.create_task(world.closer.run())
    await world.end(session)
    await closed_by_media(world, session)
    world.closer.wake()
    async with asyncio.timeout(20):
        await done.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


pieces = st.lists(st.tuples(st.integers(-500, 20_000), st.integers(0, 4000)).map(lambda p: (p[0], p[0] + p[1])), max_size=12)


@given(pieces, st.integers(0, 20_000))
def test_runs_and_holes_make_up_the_whole(parts: list[tuple[int, int]], end_ms: int) -> None:
    runs = merge(parts)
    missing = holes(runs, end_ms)
    assert all(start >= 0 and end <= end_ms and end - start > HOLE_MS for start, end in missing)
    for moment in range(0, end_ms, 97):
        seen = any(start <= moment <= end for start, end in runs)
        said = any(start < moment < end for start, end in missing)
        assert not (seen and said)
        if not seen and not said:
            edges = [0, end_ms, *(edge for run in runs for edge in run)]
            assert min(abs(moment - edge) for edge in edges) <= HOLE_MS


async def test_a_hole_of_one_track_explains_no_hole_of_the_stream(world: World) -> None:
    session = await recorded(world)
    world.fragment(session, 3, 9000, 9500)
    world.feed.records[-1]["holes"] = [{"track": "audio", "from_ms": 9000, "to_ms": 20_000, "reason": "nothing_sent"}]
    world.clock.advance(4)
    await world.intake.follow()
    await world.end(session)
    await closed_by_media(world, session)
    await world.closer.sweep()
    assert [gap.get("track") for gap in await world.data(session, "gap")] == ["audio", None]


async def test_an_order_in_a_hole_of_one_track_is_not_covered(world: World) -> None:
    session = await world.live("host")
    world.publisher("publisher_joined", session, 0)
    world.fragment(session, 0, 0, 9000)
    world.feed.records[-1]["holes"] = [{"track": "video", "from_ms": 3000, "to_ms": 5000, "reason": "nothing_sent"}]
    for name in ("ord_2", "ord_4", "ord_6"):
        world.clock.advance(2)
        await world.order(session, name)
    world.clock.advance(3)
    await world.end(session)
    await world.intake.follow()
    await closed_by_media(world, session)
    await world.closer.sweep()
    assert world.found == [(session, ["ord_4"])]


async def test_what_was_left_running_is_ended_by_the_sweep(world: World) -> None:
    """The web process died between the end of the session and telling the media process."""
    session = await recorded(world)
    asked: list[str] = []

    async def end_media(ended: str) -> None:
        asked.append(ended)
        if len(asked) == 1:
            raise Unavailable(MEDIA_UNAVAILABLE)
        world.feed.append("session_closed", session=ended)

    closer = Closer(
        world.db,
        world.trail,
        world.clock,
        world.keys,
        on_finding=world.on_finding,
        on_change=world.on_change,
        end_media=end_media,
    )
    await world.end(session)
    assert await closer.sweep() == []
    assert asked == []  # whoever ended it is about to ask
    world.clock.advance(ASK_MEDIA_S)
    await closer.sweep()
    await closer.sweep()
    assert asked == [session]
    world.clock.advance(ASK_MEDIA_S)
    await closer.sweep()
    await world.intake.follow()
    [made] = await closer.sweep()
    assert made.session_id == session
    assert await world.data(session, "recording_failed") == []  # not for want of an answer
    world.clock.advance(60)
    await closer.sweep()
    assert asked == [session, session]


async def test_a_session_sealed_in_silence_says_nothing_more(world: World) -> None:
    session = await recorded(world)
    await world.end(session)
    world.clock.advance(31)
    assert len(await world.closer.sweep()) == 1
    world.feed.append("media_started", boot="b2")
    await world.intake.follow()
    assert [kind for _session, kind, _data in world.told[-1:]] == ["media_started"]
    async with world.db.read() as tx:
        assert await world.trail.last(tx, f"{session}/after") == 0
