"""The trail in a real database: contiguous under concurrency, closed to changes, forgetting only what it may."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from recording import sessions
from recording.chain import GENESIS, check_chain
from recording.errors import TrailSealed
from recording.tables import trail_heads
from recording.trail import PAGE, Draft, Trail, after_trail

SESSION = "ses_trail"


async def test_entries_chain_from_64_zeros(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)
    async with database.write() as tx:
        first, second = await trail.append(
            tx, SESSION, Draft("viewed", "reviewer-1"), Draft("searched", "reviewer-1", {"q": "保本"})
        )
        [third] = await trail.append(tx, SESSION, Draft("viewed", "reviewer-2", media_ms=7))
    assert [first.seq, second.seq, third.seq] == [1, 2, 3]
    assert (first.prev, second.prev, third.prev) == (GENESIS, first.hash, second.hash)
    assert first.hash == hashlib.sha256(first.body).hexdigest()
    assert (first.media_ms, third.media_ms) == (None, 7)
    async with database.read() as tx:
        assert await trail.entries(tx, SESSION) == [first, second, third]
        assert await trail.entries(tx, SESSION, after=1, limit=1) == [second]
        assert await trail.entries(tx, SESSION, kinds={"viewed"}) == [first, third]
        assert await trail.last(tx, SESSION) == 3
        assert await trail.last(tx, "ses_other") == 0
        assert await trail.count(tx, SESSION, {"viewed"}) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer, who sees everything before
async def test_an_entry_that_waited_for_the_start_of_its_session_has_its_media_time(
    database: Database, clock: ManualClock
) -> None:
    trail = Trail(clock)
    async with database.write() as tx:
        session = await sessions.create(tx, clock, kind="show", title="x", host_id="a", required=("host",))
        await trail.append(tx, session.id, Draft("shelf_changed", "adviser-1"))

    async def append() -> int | None:
        async with database.write() as tx:
            [entry] = await trail.append(tx, session.id, Draft("viewed", "reviewer-1"))
            return entry.media_ms

    waits = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    async with database.write() as tx:
        await sessions.move(tx, clock, trail, session.id, "start", "adviser-1")
        appending = asyncio.create_task(append())
        async with asyncio.timeout(10), database.engine.connect() as look:
            while not (await look.execute(waits)).scalar_one():
                await look.rollback()
    assert await appending == 0


async def test_many_at_once_leave_no_gap(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)

    async def write(number: int) -> None:
        async with database.write() as tx:
            await trail.append(tx, SESSION, *(Draft("comment", f"c{number}", {"i": i}) for i in range(3)))

    await asyncio.gather(*(write(number) for number in range(40)))
    async with database.read() as tx:
        bodies = await trail.bodies(tx, SESSION)
        entries = [entry async for entry in trail.stream(tx, SESSION)]
    assert [entry.seq for entry in entries] == list(range(1, 121))
    assert check_chain(SESSION, bodies) == []
    # What one transaction appends stands together.
    assert all(len({entry.actor for entry in entries[i : i + 3]}) == 1 for i in range(0, 120, 3))


async def test_a_transaction_that_fails_takes_its_numbers_with_it(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)

    async def fail() -> None:
        async with database.write() as tx:
            await trail.append(tx, SESSION, Draft("viewed", "a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.write() as tx:
        [entry] = await trail.append(tx, SESSION, Draft("viewed", "b"))
    assert (entry.seq, entry.prev) == (1, GENESIS)


async def test_reading_goes_in_pages(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)
    async with database.write() as tx:
        await trail.append(tx, SESSION, *(Draft("comment", "c", {"i": i}) for i in range(2 * PAGE + 1)))
    async with database.read() as tx:
        assert len(await trail.entries(tx, SESSION)) == PAGE
        assert [entry.seq async for entry in trail.stream(tx, SESSION, after=PAGE)] == list(range(PAGE + 1, 2 * PAGE + 2))
        assert await trail.append(tx, SESSION) == []


async def test_personal_text_is_committed_to_and_can_be_forgotten(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)
    async with database.write() as tx:
        [one] = await trail.append(tx, SESSION, Draft("comment", "c1", {"host": False}, {"text": "年化多少?"}))
        [two] = await trail.append(tx, SESSION, Draft("comment", "c1", {}, {"text": "年化多少?"}))
    assert one.data["text"] != two.data["text"]  # the salt keeps equal texts apart
    assert "年化" not in one.body.decode()
    async with database.read() as tx:
        assert await trail.texts(tx, SESSION) == {(1, "text"): "年化多少?", (2, "text"): "年化多少?"}
        assert await trail.texts(tx, SESSION, first=2, last=2) == {(2, "text"): "年化多少?"}
        salt, said = (await trail.openings(tx, SESSION))[1, "text"]
    assert hashlib.sha256(salt + said.encode()).hexdigest() == one.data["text"]["sha256"]
    async with database.write() as tx:
        await trail.erase(tx, SESSION, 1, "text")
    async with database.read() as tx:
        assert await trail.texts(tx, SESSION) == {(2, "text"): "年化多少?"}
        assert check_chain(SESSION, await trail.bodies(tx, SESSION)) == []
    with pytest.raises(Refused, match="not_found"):
        async with database.write() as tx:
            await trail.erase(tx, SESSION, 9, "text")


async def test_a_field_is_either_data_or_private(database: Database, clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="both"):
        async with database.write() as tx:
            await Trail(clock).append(tx, SESSION, Draft("comment", "c", {"text": 1}, {"text": "x"}))


async def test_a_sealed_trail_takes_nothing_but_its_after_trail_does(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)
    async with database.write() as tx:
        await trail.append(tx, SESSION, Draft("viewed", "a"))
        await tx.execute(update(trail_heads).where(trail_heads.c.session_id == SESSION).values(sealed=1))
    with pytest.raises(TrailSealed):
        async with database.write() as tx:
            await trail.append(tx, SESSION, Draft("viewed", "a"))
    async with database.write() as tx:
        [entry] = await trail.append(tx, after_trail(SESSION), Draft("viewed", "a"))
        [late] = await trail.append(tx, after_trail(SESSION), Draft("order_confirmed", "core"))
    assert (entry.session, entry.seq) == (f"{SESSION}/after", 1)
    assert (late.session, late.seq, late.prev) == (f"{SESSION}/after", 2, entry.hash)


async def test_media_time_counts_from_the_sessions_start(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)
    async with database.write() as tx:
        session = await sessions.create(tx, clock, kind="call", title="t", host_id="h", required=[])
        await sessions.move(tx, clock, trail, session.id, "start", "h")
    clock.advance(1.234)
    async with database.write() as tx:
        [entry] = await trail.append(tx, session.id, Draft("viewed", "a"))
        [later] = await trail.append(tx, after_trail(session.id), Draft("viewed", "a"))
    assert (entry.media_ms, later.media_ms) == (1234, None)


@pytest.mark.parametrize("statement", ["UPDATE trail_entries SET kind = 'x'", "DELETE FROM trail_entries"])
async def test_the_database_itself_refuses_changes(database: Database, clock: ManualClock, statement: str) -> None:
    async with database.write() as tx:
        await Trail(clock).append(tx, SESSION, Draft("viewed", "a"))
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.write() as tx:
            await tx.execute(text(statement))


async def test_postgresql_refuses_truncation_too(database: Database) -> None:
    if database.is_sqlite:
        return  # SQLite has no TRUNCATE
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.write() as tx:
            await tx.execute(text("TRUNCATE trail_entries"))
