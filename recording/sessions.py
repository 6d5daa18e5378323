"""Sessions as the recording knows them: what must be recorded, since when, until when. Shows and calls hang on these."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock
from core.database import among
from core.errors import NOT_FOUND, Refused
from core.ids import new_id
from recording import kinds, lifecycle
from recording.lifecycle import Event, State
from recording.tables import sessions
from recording.trail import Draft, Entry, Trail


@dataclass(frozen=True, slots=True)
class Session:
    """One live run of a show or a call. `required` names the streams without which nothing is sold.

    `started_at` is media time 0; `ended_at` stands for a cancelled session too; `sealed_at` when its trail was signed.
    """

    id: str
    kind: str
    state: State
    title: str
    host_id: str
    required: tuple[str, ...]
    started_at: datetime | None = None
    ended_at: datetime | None = None
    sealed_at: datetime | None = None

    @property
    def running(self) -> bool:
        """Live or paused: its streams may publish."""
        return self.state in {State.LIVE, State.PAUSED}


_KIND_AFTER = {
    Event.START: kinds.SESSION_STARTED,
    Event.PAUSE: kinds.SESSION_PAUSED,
    Event.RESUME: kinds.SESSION_RESUMED,
    Event.END: kinds.SESSION_ENDED,
    Event.CANCEL: kinds.SESSION_ENDED,
}


async def create(
    tx: AsyncConnection,
    clock: Clock,
    *,
    kind: str,
    title: str,
    host_id: str,
    required: Sequence[str],
    session_id: str | None = None,
) -> Session:
    """A scheduled session of kind "show" or "call"."""
    session = Session(session_id or new_id("ses"), kind, State.SCHEDULED, title, host_id, tuple(required))
    await tx.execute(
        insert(sessions).values(
            id=session.id,
            kind=kind,
            state=session.state.value,
            title=title,
            host_id=host_id,
            required=list(session.required),
            created_at=clock.now(),
        )
    )
    return session


async def get(tx: AsyncConnection, session_id: str) -> Session:
    """The session as it stands. Raises Refused(NOT_FOUND)."""
    return _session((await tx.execute(select(sessions).where(sessions.c.id == session_id))).one_or_none())


async def several(tx: AsyncConnection, session_ids: Collection[str]) -> dict[str, Session]:
    """These sessions as they stand, by id; those that don't exist are left out."""
    return {row.id: _session(row) for row in await tx.execute(_SEVERAL, {"ids": session_ids})}


async def lock(tx: AsyncConnection, session_id: str) -> Session:
    """The session, held still until the transaction ends. Raises Refused(NOT_FOUND).

    Whoever locks both takes the session before its trail (`Trail.append`), so that no two wait for each other. Its key stays
    free for rows that refer to it: those who hold the trail and write such rows would wait for one who waits for the trail.
    """
    query = select(sessions).where(sessions.c.id == session_id).with_for_update(key_share=True)
    return _session((await tx.execute(query)).one_or_none())


async def by_state(tx: AsyncConnection, *states: str) -> list[Session]:
    """All sessions in these states, oldest first."""
    query = select(sessions).where(sessions.c.state.in_(states)).order_by(sessions.c.created_at, sessions.c.id)
    return [_session(row) for row in await tx.execute(query)]


async def move(
    tx: AsyncConnection, clock: Clock, trail: Trail, session_id: str, event: str, actor: str
) -> tuple[Session, Entry]:
    """One step of the lifecycle, with its entry. Raises Refused(NOT_FOUND), Refused(WRONG_STATE)."""
    session = await lock(tx, session_id)
    step = lifecycle.after(session.state, event)
    now = clock.now()
    changed = replace(session, state=step)
    if event == Event.START:
        changed = replace(changed, started_at=now)
    if step in lifecycle.FINAL:
        changed = replace(changed, ended_at=now)
    values = {"state": step.value, "started_at": changed.started_at, "ended_at": changed.ended_at}
    await tx.execute(update(sessions).where(sessions.c.id == session_id).values(values))
    data: dict[str, Any] = {"state": step.value}
    if event == Event.START:
        data |= {"kind": session.kind, "required": list(session.required)}
    [entry] = await trail.append(tx, session_id, Draft(_KIND_AFTER[Event(event)], actor, data))
    return changed, entry


_SEVERAL = select(sessions).where(among(sessions.c.id, "ids"))


def _session(row: Row[Any] | None) -> Session:
    if row is None:
        raise Refused(NOT_FOUND)
    return Session(
        id=row.id,
        kind=row.kind,
        state=State(row.state),
        title=row.title,
        host_id=row.host_id,
        required=tuple(row.required),
        started_at=row.started_at,
        ended_at=row.ended_at,
        sealed_at=row.sealed_at,
    )
