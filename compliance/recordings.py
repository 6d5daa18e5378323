"""Finding and opening recordings: the list with its counts, one recording with its seal and copies, and where a copy lies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.tables import cases, hits
from core.clock import Clock, from_text, media_ms
from recording import kinds, register
from recording.register import Seal
from recording.tables import derived, sessions, streams, trail_entries
from recording.trail import Trail, after_trail

MOST_LISTED: Final = 100

# Names of hosts by id, from the floor above; an id without a name is shown as it is.
Names = Callable[[AsyncConnection, Sequence[str]], Awaitable[dict[str, str]]]

# Between going live and the first picture lies a moment in every session; canonical JSON says so in exactly these characters.
_BEGINNING: Final = '"reason":"not_started"'
_COUNTED: Final = {kinds.ORDER_PLACED: "orders", kinds.COMMENT: "comments", kinds.GAP: "gaps"}


@dataclass(frozen=True, slots=True)
class Filters:
    """What to look for: `kind` "show" or "call", `text` in title, session or host, `since` and `until` of the start."""

    kind: str | None = None
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """One session as the list shows it. Counts are of the trail's entries; `hits` are known once it was screened.

    `gaps` leaves out the moment before the first picture, which every session has.
    """

    session: str
    kind: str
    state: str
    title: str
    host_id: str
    host_name: str
    started_at: datetime | None
    ended_at: datetime | None
    sealed_at: datetime | None
    duration_ms: int
    orders: int = 0
    comments: int = 0
    gaps: int = 0
    hits: int = 0
    case_id: str | None = None
    case_state: str | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """A stream's playable copy: `offset_ms` is the media time of its position 0. `state` "" when none was asked for."""

    stream: str
    state: str
    offset_ms: int | None
    duration_ms: int | None
    path: str | None


@dataclass(frozen=True, slots=True)
class Checked:
    """The last verification on the record."""

    at: datetime
    ok: bool


async def find(tx: AsyncConnection, clock: Clock, filters: Filters, names: Names) -> list[Recording]:
    """The latest `MOST_LISTED` sessions that went live and fit, newest first."""
    query = select(sessions).where(sessions.c.started_at.is_not(None))
    if filters.kind is not None:
        query = query.where(sessions.c.kind == filters.kind)
    if filters.since is not None:
        query = query.where(sessions.c.started_at >= filters.since)
    if filters.until is not None:
        query = query.where(sessions.c.started_at <= filters.until)
    if filters.text:
        columns = (sessions.c.title, sessions.c.id, sessions.c.host_id)
        query = query.where(or_(*(column.icontains(filters.text, autoescape=True) for column in columns)))
    query = query.order_by(sessions.c.started_at.desc(), sessions.c.id).limit(MOST_LISTED)
    return await _with_counts(tx, clock, (await tx.execute(query)).all(), names)


async def one(tx: AsyncConnection, clock: Clock, session_id: str, names: Names) -> Recording | None:
    """One session as the list shows it, whether it went live or not; None when there is none."""
    rows = (await tx.execute(select(sessions).where(sessions.c.id == session_id))).all()
    found = await _with_counts(tx, clock, rows, names)
    return found[0] if found else None


async def _with_counts(tx: AsyncConnection, clock: Clock, rows: Sequence[Any], names: Names) -> list[Recording]:
    ids = [row.id for row in rows]
    if not ids:
        return []
    known = await names(tx, sorted({row.host_id for row in rows}))
    found = {row.id: _recording(row, clock, known) for row in rows}
    entries = trail_entries.c
    counts = (
        select(entries.session_id, entries.kind, func.count().label("n"))
        .where(entries.session_id.in_(ids), entries.kind.in_(sorted(_COUNTED)))
        .where(not_(and_(entries.kind == kinds.GAP, entries.body.contains(_BEGINNING, autoescape=True))))
        .group_by(entries.session_id, entries.kind)
    )
    for row in await tx.execute(counts):
        found[row.session_id] = replace(found[row.session_id], **{_COUNTED[row.kind]: row.n})
    hit_counts = (
        select(hits.c.session_id, func.count().label("n")).where(hits.c.session_id.in_(ids)).group_by(hits.c.session_id)
    )
    for row in await tx.execute(hit_counts):
        found[row.session_id] = replace(found[row.session_id], hits=row.n)
    for row in await tx.execute(select(cases.c.session_id, cases.c.id, cases.c.state).where(cases.c.session_id.in_(ids))):
        found[row.session_id] = replace(found[row.session_id], case_id=row.id, case_state=row.state)
    return [found[session_id] for session_id in ids]


def _recording(row: Any, clock: Clock, names: dict[str, str]) -> Recording:
    length = 0 if row.started_at is None else max(0, media_ms(row.started_at, row.ended_at or clock.now()))
    return Recording(
        session=row.id,
        kind=row.kind,
        state=row.state,
        title=row.title,
        host_id=row.host_id,
        host_name=names.get(row.host_id, row.host_id),
        started_at=row.started_at,
        ended_at=row.ended_at,
        sealed_at=row.sealed_at,
        duration_ms=length,
    )


async def copies(tx: AsyncConnection, session_id: str) -> list[Copy]:
    """Every stream of the session with its playable copy, by name."""
    joined = streams.outerjoin(
        derived,
        (derived.c.session_id == streams.c.session_id) & (derived.c.stream == streams.c.name) & (derived.c.kind == "playable"),
    )
    query = (
        select(streams.c.name, derived.c.state, derived.c.offset_ms, derived.c.duration_ms, derived.c.path)
        .select_from(joined)
        .where(streams.c.session_id == session_id)
        .order_by(streams.c.name)
    )
    return [Copy(row.name, row.state or "", row.offset_ms, row.duration_ms, row.path) for row in await tx.execute(query)]


async def seal_and_check(tx: AsyncConnection, trail: Trail, session_id: str) -> tuple[Seal | None, Checked | None]:
    """The session's seal and the last time somebody verified it here."""
    seal = await register.seal_of(tx, session_id)
    query = select(func.max(trail_entries.c.seq)).where(
        trail_entries.c.session_id == after_trail(session_id), trail_entries.c.kind == kinds.VERIFIED
    )
    last = (await tx.execute(query)).scalar_one()
    if last is None:
        return seal, None
    [entry] = await trail.entries(tx, after_trail(session_id), last - 1, 1)
    return seal, Checked(entry.at, bool(entry.data.get("ok")))


def file_of(copy: Copy, root: Path) -> Path | None:
    """The copy's file, only if it lies under `root`; None when it is not ready or not there."""
    if copy.state != "ready" or copy.path is None:
        return None
    path = (root / copy.path).resolve()
    return path if path.is_relative_to(root.resolve()) and path.is_file() else None


def read_moment(text: str | None) -> datetime | None:
    """A time of the query string; a bare date is its first moment in UTC. Raises ValueError."""
    if not text:
        return None
    return from_text(text if "T" in text else f"{text}T00:00:00Z")
