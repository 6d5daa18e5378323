"""Sessions move by their table, and every move is on the trail."""

from __future__ import annotations

import asyncio

import pytest

from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from recording import sessions
from recording.lifecycle import State
from recording.trail import Trail


async def scheduled(database: Database, clock: ManualClock) -> str:
    async with database.write() as tx:
        session = await sessions.create(tx, clock, kind="show", title="晨会", host_id="adviser-1", required=["host"])
    return session.id


async def test_a_whole_life(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)
    session_id = await scheduled(database, clock)
    for event in ("start", "pause", "resume", "end"):
        clock.advance(10)
        async with database.write() as tx:
            moved, entry = await sessions.move(tx, clock, trail, session_id, event, "adviser-1")
        assert entry.actor == "adviser-1"
    assert moved.state is State.ENDED
    assert moved.started_at is not None
    assert moved.ended_at is not None
    assert (moved.ended_at - moved.started_at).total_seconds() == 30
    async with database.read() as tx:
        assert await sessions.get(tx, session_id) == moved
        entries = await trail.entries(tx, session_id)
        assert [s.id for s in await sessions.by_state(tx, "ended", "live")] == [session_id]
    assert [(entry.kind, entry.media_ms) for entry in entries] == [
        ("session_started", 0),
        ("session_paused", 10_000),
        ("session_resumed", 20_000),
        ("session_ended", 30_000),
    ]


async def test_an_illegal_move_changes_nothing(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)
    session_id = await scheduled(database, clock)
    with pytest.raises(Refused, match="wrong_state"):
        async with database.write() as tx:
            await sessions.move(tx, clock, trail, session_id, "resume", "adviser-1")
    async with database.read() as tx:
        assert (await sessions.get(tx, session_id)).state is State.SCHEDULED
        assert await trail.entries(tx, session_id) == []


async def test_a_cancelled_session_has_an_end_but_no_start(database: Database, clock: ManualClock) -> None:
    session_id = await scheduled(database, clock)
    async with database.write() as tx:
        moved, entry = await sessions.move(tx, clock, Trail(clock), session_id, "cancel", "adviser-1")
    assert (moved.state, moved.started_at, moved.ended_at) == (State.CANCELLED, None, clock.now())
    assert (entry.kind, entry.media_ms, entry.data) == ("session_ended", None, {"state": "cancelled"})


async def test_of_two_who_start_at_once_one_is_refused(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)
    session_id = await scheduled(database, clock)

    async def start() -> str:
        try:
            async with database.write() as tx:
                await sessions.move(tx, clock, trail, session_id, "start", "adviser-1")
        except Refused as refused:
            return refused.problem.code
        return "started"

    assert sorted(await asyncio.gather(*(start() for _ in range(5)))) == ["started"] + ["wrong_state"] * 4


async def test_an_unknown_session_is_not_found(database: Database) -> None:
    async with database.read() as tx:
        with pytest.raises(Refused, match="not_found"):
            await sessions.get(tx, "ses_nobody")
