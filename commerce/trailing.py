"""Where commerce writes into a session's record: its trail while that is open, the trail after the seal from then on."""

from __future__ import annotations

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recording.errors import TrailSealed
from recording.trail import Draft, Entry, Trail, after_trail


async def append_or_after(tx: AsyncConnection, trail: Trail, session_id: str, draft: Draft) -> Entry:
    """One entry; what comes after the seal goes to `after_trail(session_id)`, as late answers of the core do."""
    try:
        [entry] = await trail.append(tx, session_id, draft)
    except TrailSealed:
        [entry] = await trail.append(tx, after_trail(session_id), draft)
    return entry


def insert_or(tx: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT of this database's dialect: only those know ON CONFLICT."""
    return sqlite.insert(table) if tx.dialect.name == "sqlite" else postgresql.insert(table)


async def insert_new(tx: AsyncConnection, table: Table, **values: object) -> bool:
    """Insert unless its key is taken; whether it was inserted. One that is being inserted elsewhere is waited for."""
    statement: Insert = insert_or(tx, table).values(**values).on_conflict_do_nothing()
    return (await tx.execute(statement)).rowcount == 1
