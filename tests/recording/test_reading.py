"""What is read in one go is of one moment, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from core.clock import ManualClock
from core.database import Database
from recording import sessions
from recording.trail import Trail


async def test_a_reader_sees_one_moment(database: Database, clock: ManualClock) -> None:
    trail = Trail(clock)
    async with database.write() as tx:
        made = await sessions.create(tx, clock, kind="show", title="晨会", host_id="adviser-1", required=["host"])
    async with database.read() as reader:
        assert (await sessions.get(reader, made.id)).state == "scheduled"
        async with database.write() as tx:
            await sessions.move(tx, clock, trail, made.id, "start", "adviser-1")
        # A later number beside an earlier state would be told as the newest there is.
        assert await trail.last(reader, made.id) == 0
        assert (await sessions.get(reader, made.id)).state == "scheduled"
    async with database.read() as reader:
        assert (await sessions.get(reader, made.id)).state == "live"
    async with database.read() as reader:
        with pytest.raises(DBAPIError):
            await sessions.create(reader, clock, kind="show", title="晨会", host_id="adviser-1", required=["host"])
    async with database.write() as tx:  # the same pool: nothing of a reader's ways stays with its connection
        await sessions.create(tx, clock, kind="show", title="晨会", host_id="adviser-1", required=["host"])
