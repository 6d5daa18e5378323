"""What a report of the media process does to the database: rows of streams and fragments, and entries on the trail.

Every function runs inside the caller's transaction and answers with the changes to tell others of once it has committed.
A report about a sealed session goes to the after trail and is a finding: nothing should have come any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from recording import kinds, sessions
from recording.coverage import CLOSED, FAILED, HOLE_MS, LEFT, LOST, PUBLISHING
from recording.reports import FragmentSealed, Malformed, MediaStarted, PublisherReport, SessionClosed, StreamClosed
from recording.sessions import Session
from recording.tables import fragments, streams
from recording.trail import Draft, Trail, after_trail

log = structlog.get_logger("recording.journal")

ACTOR = "media"
_MAX_REASON = 64  # the column's width


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened in `session_id`: `kind` is the report's kind, or "finding" for what a person has to look at."""

    session_id: str
    kind: str
    data: dict[str, Any]


class Journal:
    """Writes reports down."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    async def media_started(self, tx: AsyncConnection, report: MediaStarted, kind: str) -> list[Change]:
        """A new media process: whoever was publishing is lost, in every session."""
        query = select(streams).where(streams.c.status.in_((PUBLISHING, FAILED))).order_by(streams.c.session_id, streams.c.name)
        changes = [Change("", kind, {"boot": report.boot})]
        for row in (await tx.execute(query)).all():
            session = await sessions.lock(tx, row.session_id)
            data = {"stream": row.name, "epoch": row.epoch, "reason": "media_restarted"}
            await self._write(tx, session, Draft(kinds.PUBLISHER_LOST, ACTOR, data))
            await _set(tx, session.id, row.name, status=LOST, reason="media_restarted")
            changes.append(Change(session.id, kinds.PUBLISHER_LOST, data))
        return changes

    async def publisher_joined(self, tx: AsyncConnection, report: PublisherReport, kind: str) -> list[Change]:
        """Someone publishes. What was safe before says nothing of this publisher: nothing is sold until a fragment of it is."""
        session = await _started(tx, report.session)
        row = await _stream(tx, session.id, report.stream)
        if row is None:
            await _add(tx, session.id, report.stream, report.epoch)
        elif report.epoch >= row.epoch:
            # Why it was gone stays in `reason` until the next fragment: that is the reason of the gap.
            fresh = {"watermark_at": None} if report.epoch > row.epoch else {}
            await _set(tx, session.id, report.stream, status=PUBLISHING, epoch=report.epoch, **fresh)
        return await self._note(tx, session, report, kind, {})

    async def publisher_gone(self, tx: AsyncConnection, report: PublisherReport, kind: str) -> list[Change]:
        """publisher_lost and publisher_left."""
        session = await _started(tx, report.session)
        row = await _stream(tx, session.id, report.stream)
        if row is not None and row.epoch == report.epoch and row.status != CLOSED:
            status = LOST if kind == kinds.PUBLISHER_LOST else LEFT
            await _set(tx, session.id, report.stream, status=status, reason=(report.reason or kind)[:_MAX_REASON])
        return await self._note(tx, session, report, kind, {"reason": report.reason})

    async def recording_failed(self, tx: AsyncConnection, report: PublisherReport, kind: str) -> list[Change]:
        """What is published is not written. It stays failed until it recovers or someone publishes anew."""
        session = await _started(tx, report.session)
        row = await _stream(tx, session.id, report.stream)
        if row is None:
            await _add(tx, session.id, report.stream, report.epoch)
        if row is None or (row.epoch <= report.epoch and row.status == PUBLISHING):
            await _set(tx, session.id, report.stream, status=FAILED, reason=(report.reason or kind)[:_MAX_REASON])
        return await self._note(tx, session, report, kind, {"reason": report.reason})

    async def recording_recovered(self, tx: AsyncConnection, report: PublisherReport, kind: str) -> list[Change]:
        """Writing works again; the sale opens when the next fragment moves the watermark."""
        session = await _started(tx, report.session)
        row = await _stream(tx, session.id, report.stream)
        if row is not None and row.epoch == report.epoch and row.status == FAILED:
            await _set(tx, session.id, report.stream, status=PUBLISHING)
        return await self._note(tx, session, report, kind, {})

    async def fragment_sealed(self, tx: AsyncConnection, report: FragmentSealed, kind: str) -> list[Change]:
        """A fragment: its row, its entry, the gaps before and within it, the watermark. Announced twice, taken once."""
        session = await _started(tx, report.session)
        row = await _stream(tx, session.id, report.stream)
        known = await _known(tx, report)
        if known is not None:
            if known != report.sha256:
                raise Malformed(f"{report.path} was announced with two different hashes")
            return []
        recorded = await _recorded_ms(tx, report)
        await tx.execute(
            insert(fragments).values(
                session_id=session.id,
                stream=report.stream,
                epoch=report.epoch,
                index=report.index,
                start_ms=report.start_ms,
                end_ms=report.end_ms,
                bytes=report.bytes,
                sha256=report.sha256,
                path=report.path,
            )
        )
        drafts = _gap_before(session, row, recorded, report)
        data = msgspec.to_builtins(report)
        del data["session"], data["holes"]
        drafts.append(Draft(kinds.FRAGMENT, ACTOR, data, media_ms=report.start_ms))
        drafts += _gaps_within(report)
        findings = await self._write(tx, session, *drafts)
        if row is None:
            await _add(tx, session.id, report.stream, report.epoch)
        await _advance(tx, session, row, report)
        return [Change(session.id, kind, data), *findings]

    async def stream_closed(self, tx: AsyncConnection, report: StreamClosed, kind: str) -> list[Change]:
        """The last fragment of one publisher was announced: the count must be ours."""
        session = await _started(tx, report.session)
        row = await _stream(tx, session.id, report.stream)
        if row is not None and row.epoch == report.epoch and row.status in {PUBLISHING, FAILED}:
            await _set(tx, session.id, report.stream, status=LEFT, reason=kind)
        query = (
            select(func.count())
            .select_from(fragments)
            .where(
                fragments.c.session_id == session.id,
                fragments.c.stream == report.stream,
                fragments.c.epoch == report.epoch,
            )
        )
        ours = int((await tx.execute(query)).scalar_one())
        data = {"stream": report.stream, "epoch": report.epoch, "fragments": report.fragments, "known": ours}
        changes = [Change(session.id, kind, data)]
        if ours < report.fragments:
            log.error("fragments_missing", session=session.id, **data)
            changes.append(Change(session.id, "finding", {"finding": "fragments_missing", **data}))
        return changes

    async def session_closed(self, tx: AsyncConnection, report: SessionClosed, kind: str) -> list[Change]:
        """Nothing more will come: every stream is closed, those that never came too. That is what closing waits for."""
        session = await _started(tx, report.session)
        query = select(streams.c.name).where(streams.c.session_id == session.id)
        present = set((await tx.execute(query)).scalars())
        await tx.execute(update(streams).where(streams.c.session_id == session.id).values(status=CLOSED))
        for name in session.required:
            if name not in present:
                await _add(tx, session.id, name, 0, CLOSED)
        return [Change(session.id, kind, {})]

    async def _note(
        self, tx: AsyncConnection, session: Session, report: PublisherReport, kind: str, more: dict[str, Any]
    ) -> list[Change]:
        data = {"stream": report.stream, "epoch": report.epoch, **more}
        findings = await self._write(tx, session, Draft(kind, ACTOR, data, media_ms=report.media_ms))
        return [Change(session.id, kind, data), *findings]

    async def _write(self, tx: AsyncConnection, session: Session, *drafts: Draft) -> list[Change]:
        if session.sealed_at is None:
            await self._trail.append(tx, session.id, *drafts)
            return []
        await self._trail.append(tx, after_trail(session.id), *drafts)
        late = [draft.kind for draft in drafts]
        log.error("media_after_seal", session=session.id, kinds=late)
        return [Change(session.id, "finding", {"finding": "media_after_seal", "kinds": late})]


Handler = Callable[[Journal, AsyncConnection, Any, str], Awaitable[list[Change]]]

# One row for each kind in reports.SHAPES.
HANDLERS: dict[str, Handler] = {
    "media_started": Journal.media_started,
    "publisher_joined": Journal.publisher_joined,
    "publisher_lost": Journal.publisher_gone,
    "publisher_left": Journal.publisher_gone,
    "recording_failed": Journal.recording_failed,
    "recording_recovered": Journal.recording_recovered,
    "fragment_sealed": Journal.fragment_sealed,
    "stream_closed": Journal.stream_closed,
    "session_closed": Journal.session_closed,
}


def _gap_before(session: Session, row: Row[Any] | None, recorded: int | None, report: FragmentSealed) -> list[Draft]:
    """The entry of the hole between what is recorded so far and this fragment; a stream that must be there owes from 0 on.

    Here any track counts; what one of them lacks the fragment says itself.
    """
    if recorded is not None:
        end, reason = recorded, (row is not None and row.reason) or "no_media"
    elif report.stream in session.required:
        end, reason = 0, "not_started"
    else:
        return []
    if report.start_ms - end <= HOLE_MS:
        return []
    data = {"stream": report.stream, "from_ms": end, "to_ms": report.start_ms, "reason": reason}
    return [Draft(kinds.GAP, ACTOR, data, media_ms=end)]


def _gaps_within(report: FragmentSealed) -> list[Draft]:
    """One entry for each hole of one track; `track` tells it from a gap of the whole stream."""
    stream = report.stream
    return [
        Draft(kinds.GAP, ACTOR, {"stream": stream, **msgspec.to_builtins(hole)}, media_ms=hole.from_ms) for hole in report.holes
    ]


async def _started(tx: AsyncConnection, session_id: str) -> Session:
    """The session, locked. Raises Refused(NOT_FOUND) and Malformed: media time has no meaning before the start."""
    session = await sessions.lock(tx, session_id)
    if session.started_at is None:
        raise Malformed(f"{session_id} has not started")
    return session


async def _stream(tx: AsyncConnection, session_id: str, name: str) -> Row[Any] | None:
    query = select(streams).where(streams.c.session_id == session_id, streams.c.name == name).with_for_update()
    return (await tx.execute(query)).one_or_none()


async def _known(tx: AsyncConnection, report: FragmentSealed) -> str | None:
    query = select(fragments.c.sha256).where(
        fragments.c.session_id == report.session,
        fragments.c.stream == report.stream,
        fragments.c.epoch == report.epoch,
        fragments.c.index == report.index,
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def _recorded_ms(tx: AsyncConnection, report: FragmentSealed) -> int | None:
    """Up to where anything of the stream is recorded."""
    query = select(func.max(fragments.c.end_ms)).where(
        fragments.c.session_id == report.session, fragments.c.stream == report.stream
    )
    end: int | None = (await tx.execute(query)).scalar_one()
    return end


async def _add(tx: AsyncConnection, session_id: str, name: str, epoch: int, status: str = PUBLISHING) -> None:
    await tx.execute(insert(streams).values(session_id=session_id, name=name, status=status, epoch=epoch))


async def _set(tx: AsyncConnection, session_id: str, name: str, **values: Any) -> None:
    await tx.execute(update(streams).where(streams.c.session_id == session_id, streams.c.name == name).values(**values))


async def _advance(tx: AsyncConnection, session: Session, row: Row[Any] | None, report: FragmentSealed) -> None:
    """Move the watermark on, never back: a fragment found again after a crash may come late.

    It stands where the track that is recorded least stands: a sound without its picture must not keep the sale open.
    """
    values: dict[str, Any] = {}
    if row is None or row.first_ms is None or report.start_ms < row.first_ms:
        values["first_ms"] = report.start_ms
    recorded = report.end_ms if report.recorded_ms is msgspec.UNSET else report.recorded_ms
    if recorded is not None and (row is None or row.watermark_ms is None or recorded > row.watermark_ms):
        if session.started_at is None:
            raise Malformed(f"{session.id} has not started")
        values["watermark_ms"] = recorded
        if row is None or report.epoch >= row.epoch:  # one of an earlier publisher, found late, does not speak for this one
            values["watermark_at"] = session.started_at + timedelta(milliseconds=recorded)
    if row is not None and row.status == PUBLISHING and row.reason is not None:
        values["reason"] = None
    if values:
        await _set(tx, session.id, report.stream, **values)
