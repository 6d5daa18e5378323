"""Closing a session: what was not recorded is said, orders without a picture are found, the trail is sealed, copies are queued.

The life of a closing, one transaction, so that a kill at any moment leaves either nothing or all of it:
1. the session is over, and the media process has said that nothing more will come (every stream is `closed`), or has been
   silent for `silence_s` after the end: then an entry says so;
2. every hole in what is recorded of a required stream, from 0 to the end, gets a gap entry unless it has one;
3. every order must be shown by every track of every stream it required: the others get an `order_uncovered` entry;
4. the seal; 5. seal and findings are handed on inside the transaction (a case is opened or nothing is closed); 6. copies are
   queued.
Who closes is whoever locks the session first; the others find it sealed.

Whoever ended a session told the media process so, unless one of the two was away at that moment. So every sweep asks again for
what is over and not closed: else a sender who does not notice would be recorded on, and every such session sealed as silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock, media_ms
from core.database import Database
from core.errors import Refused, Unavailable
from recording import kinds, seal, sessions
from recording.coverage import CLOSED, HOLE_MS, shown, spans, uncovered
from recording.keys import SigningKeys, UnusableKey
from recording.lifecycle import State
from recording.merkle import Frontier
from recording.register import Seal
from recording.sessions import Session
from recording.tables import derived, fragments, streams
from recording.tables import sessions as sessions_table
from recording.trail import Draft, Trail

log = structlog.get_logger("recording.closing")

SEALED = Counter("tellercast_sessions_sealed", "Sessions sealed", ["forced"])
CLOSING_FAILED = Counter("tellercast_closing_failures", "Attempts to close a session that raised")

ACTOR = "recording"
SILENCE_S = 30.0
SWEEP_S = 5.0
# A session that can't be closed waits this long, so that it never keeps others from their turn.
POSTPONED_S = 60.0
_BATCH = 50
_CALLBACK_TIMEOUT_S = 5.0
# Whoever ended the session has asked the media process already; the sweep asks later, and not more often than this.
ASK_MEDIA_S = 5.0

# (transaction, session id, ids of the orders that no fragment shows)
OnFinding = Callable[[AsyncConnection, str, list[str]], Awaitable[None]]
# (transaction, seal): whoever outside is to hear of it, inside the transaction, so that none is entered and not told
OnSealed = Callable[[AsyncConnection, Seal], Awaitable[None]]
# Ends a session's media; may be asked again. `stream.client.MediaClient.close_session` is it.
EndMedia = Callable[[str], Awaitable[None]]
# (session id, kind, data), after the commit
OnChange = Callable[[str, str, dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Due:
    """A session to close; `silent` when the media process never said that it was done."""

    session_id: str
    silent: bool


@dataclass(frozen=True, slots=True)
class _Said:
    """The holes (from_ms, to_ms) that have an entry, by stream: of the whole stream, and of one of its tracks.

    One of a track explains no hole of the stream, but what happened in it was not recorded whole.
    """

    streams: dict[str, list[tuple[int, int]]]
    tracks: dict[str, list[tuple[int, int]]]


class Closer:
    """Seals what is over. Any number of processes may run one."""

    def __init__(
        self,
        db: Database,
        trail: Trail,
        clock: Clock,
        keys: SigningKeys,
        *,
        on_finding: OnFinding,
        on_change: OnChange,
        on_sealed: OnSealed | None = None,
        end_media: EndMedia | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._keys = keys
        self._on_finding = on_finding
        self._on_change = on_change
        self._on_sealed = on_sealed
        self._end_media = end_media
        self._silence = timedelta(seconds=silence_s)
        self._wake = asyncio.Event()
        self._postponed: dict[str, datetime] = {}
        self._asked: dict[str, datetime] = {}

    def wake(self) -> None:
        """Look now: a `session_closed` has come in, or a session was cancelled."""
        self._wake.set()

    async def run(self) -> None:
        """Sweep whenever woken and every `SWEEP_S`, until cancelled."""
        while True:
            try:
                await self.sweep()
            except Exception:  # the database is away, most likely; what is due stays due
                CLOSING_FAILED.inc()
                log.exception("sweep_failed")
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def sweep(self) -> list[Seal]:
        """Close everything that is due; one that fails is logged and stays due, the others go on."""
        sealed: list[Seal] = []
        await self._end_left_over()
        for due in await self.due():
            try:
                result = await self.close(due.session_id, silent=due.silent)
            except UnusableKey as error:  # it says what the operator has to do
                CLOSING_FAILED.inc()
                log.error("closing_failed", session=due.session_id, error=str(error))
                self._postponed[due.session_id] = self._clock.now() + timedelta(seconds=POSTPONED_S)
                continue
            except Exception:
                CLOSING_FAILED.inc()
                log.exception("closing_failed", session=due.session_id)
                self._postponed[due.session_id] = self._clock.now() + timedelta(seconds=POSTPONED_S)
                continue
            if result is not None:
                sealed.append(result)
        return sealed

    async def _end_left_over(self) -> None:
        """Ask the media process again to end what is over; it answers in the feed, and while it is away the next sweep asks."""
        if self._end_media is None:
            return
        table, now = sessions_table, self._clock.now()
        before = now - timedelta(seconds=ASK_MEDIA_S)
        self._asked = {session: at for session, at in self._asked.items() if at > before}
        closed = select(streams.c.name).where(streams.c.session_id == table.c.id, streams.c.status == CLOSED).exists()
        open_yet = select(streams.c.name).where(streams.c.session_id == table.c.id, streams.c.status != CLOSED).exists()
        query = (
            select(table.c.id)
            .where(
                table.c.state == State.ENDED.value,
                table.c.sealed_at.is_(None),
                table.c.ended_at <= before,
                table.c.id.not_in(sorted(self._asked)),
                or_(open_yet, ~closed),
            )
            .order_by(table.c.ended_at, table.c.id)
            .limit(_BATCH)
        )
        async with self._db.read() as tx:
            left_over = list((await tx.execute(query)).scalars())
        for session_id in left_over:
            self._asked[session_id] = now
            try:
                async with asyncio.timeout(_CALLBACK_TIMEOUT_S):
                    await self._end_media(session_id)
            except (Unavailable, TimeoutError) as error:
                log.warning("media_not_ended", session=session_id, error=repr(error))
                return  # it would not answer for the others either; sealing must not wait for it
            except Refused as refusal:
                log.warning("media_not_ended", session=session_id, code=refusal.problem.code)

    async def due(self) -> list[Due]:
        """What is over, unsealed, and has nothing more to wait for; longest over first."""
        table = sessions_table
        now = self._clock.now()
        late = now - self._silence
        self._postponed = {session: until for session, until in self._postponed.items() if until > now}
        no_media_left = ~select(streams.c.name).where(streams.c.session_id == table.c.id, streams.c.status != CLOSED).exists()
        any_closed = select(streams.c.name).where(streams.c.session_id == table.c.id, streams.c.status == CLOSED).exists()
        done = (table.c.state == State.CANCELLED.value) | (no_media_left & any_closed)
        query = (
            select(table.c.id, done.label("done"))
            .where(
                table.c.state.in_((State.ENDED.value, State.CANCELLED.value)),
                table.c.sealed_at.is_(None),
                table.c.id.not_in(sorted(self._postponed)),
                or_(done, table.c.ended_at <= late),
            )
            .order_by(table.c.ended_at, table.c.id)
            .limit(_BATCH)
        )
        async with self._db.read() as tx:
            return [Due(row.id, not row.done) for row in await tx.execute(query)]

    async def close(self, session_id: str, *, silent: bool = False) -> Seal | None:
        """Close one session now; None when it was already sealed. Raises Refused(WRONG_STATE), BrokenTrail."""
        async with self._db.read() as tx:
            frontier = await seal.grow(tx, session_id, Frontier())
        signer = await asyncio.to_thread(self._keys.signer)
        async with self._db.write() as tx:
            session = await sessions.lock(tx, session_id)
            if session.sealed_at is not None:
                return None
            orders: list[str] = []
            if session.started_at is not None and session.ended_at is not None:
                orders = await self._settle(tx, session, media_ms(session.started_at, session.ended_at), silent)
            signed = await seal.seal_session(tx, self._clock, self._trail, signer, session_id, frontier)
            if self._on_sealed is not None:
                await self._on_sealed(tx, signed)
            if orders:
                await self._on_finding(tx, session_id, orders)
            await _queue_copies(tx, session, self._clock.now())
            # Sealed in silence, a stream may still stand as publishing; nothing that comes later may say so.
            await tx.execute(update(streams).where(streams.c.session_id == session_id).values(status=CLOSED))
        SEALED.labels(str(silent).lower()).inc()
        await self._tell(session_id, "sealed", {"number": signed.number, "entries": signed.entries, "uncovered": orders})
        return signed

    async def _settle(self, tx: AsyncConnection, session: Session, end_ms: int, silent: bool) -> list[str]:
        """The last entries before the seal; answers with the orders that are not covered."""
        drafts: list[Draft] = []
        if silent:
            waited = {"reason": "media_silent", "waited_s": int(self._silence.total_seconds())}
            drafts.append(Draft(kinds.RECORDING_FAILED, ACTOR, waited, media_ms=end_ms))
        gaps = await self._said(tx, session)
        drafts += await self._gaps(tx, session, gaps, end_ms, silent)
        found = await self._uncovered(tx, session, gaps)
        drafts += [Draft(kinds.ORDER_UNCOVERED, ACTOR, data, media_ms=moment) for moment, data in found]
        await self._trail.append(tx, session.id, *drafts)
        return [str(data["order"]) for _moment, data in found]

    async def _said(self, tx: AsyncConnection, session: Session) -> _Said:
        """The holes that entries speak of already."""
        said = _Said({}, {})
        async for entry in self._trail.stream(tx, session.id, kinds={kinds.GAP}):
            of = said.tracks if "track" in entry.data else said.streams
            of.setdefault(entry.data["stream"], []).append((entry.data["from_ms"], entry.data["to_ms"]))
        return said

    async def _gaps(self, tx: AsyncConnection, session: Session, said: _Said, end_ms: int, silent: bool) -> list[Draft]:
        """Gap entries for the holes of every required stream that no entry speaks of yet."""
        query = select(streams).where(streams.c.session_id == session.id)
        rows = {row.name: row for row in await tx.execute(query)}
        drafts = []
        for name in session.required:
            recorded = await spans(tx, session.id, name)
            for start, stop in holes(recorded, end_ms):
                if not any(begin <= start and stop <= end for begin, end in said.streams.get(name, ())):
                    reason = _reason(rows.get(name), recorded, stop == end_ms, silent)
                    data = {"stream": name, "from_ms": start, "to_ms": stop, "reason": reason}
                    drafts.append(Draft(kinds.GAP, ACTOR, data, media_ms=start))
        return drafts

    async def _uncovered(self, tx: AsyncConnection, session: Session, said: _Said) -> list[tuple[int, dict[str, Any]]]:
        """(media time, data of the entry) of every order that a stream it required doesn't show, in order."""
        recorded: dict[str, list[tuple[int, int]]] = {}
        found: list[tuple[int, dict[str, Any]]] = []
        async for entry in self._trail.stream(tx, session.id, kinds={kinds.ORDER_PLACED}):
            missing = []
            for name in entry.data.get("streams") or session.required:
                if name not in recorded:
                    recorded[name] = shown(await spans(tx, session.id, name), said.tracks.get(name, ()))
                if entry.media_ms is None or uncovered([entry.media_ms], recorded[name]):
                    missing.append(name)
            if missing:
                found.append((entry.media_ms or 0, {"order": entry.data.get("order"), "entry": entry.seq, "streams": missing}))
        return found

    async def _tell(self, session_id: str, kind: str, data: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(_CALLBACK_TIMEOUT_S):
                await self._on_change(session_id, kind, data)
        except Exception:  # the seal is committed; whoever was not told reads the database
            log.exception("on_change_failed", session=session_id, kind=kind)


def holes(recorded: Sequence[tuple[int, int]], end_ms: int) -> list[tuple[int, int]]:
    """What is missing of 0 to `end_ms` beyond `HOLE_MS`, given runs in order (`coverage.spans`)."""
    missing: list[tuple[int, int]] = []
    at = 0
    for start, end in (*recorded, (end_ms, end_ms)):
        until = min(start, end_ms)
        if until - at > HOLE_MS:
            missing.append((at, until))
        at = max(at, end)
    return missing


def _reason(row: Row[Any] | None, recorded: Sequence[tuple[int, int]], at_end: bool, silent: bool) -> str:
    """Why a hole is there, as far as is known: what happened to the stream last speaks for its end only."""
    if recorded and not at_end:
        return "no_media"
    if row is not None and row.reason and row.reason != "session_closed":
        return str(row.reason)
    if silent:
        return "media_silent"
    return "no_media" if recorded else "never_published"


async def _queue_copies(tx: AsyncConnection, session: Session, now: datetime) -> None:
    """Rows for `derived.py`: a playable copy of every stream that has a recording, a poster of `host`."""
    query = select(fragments.c.stream).where(fragments.c.session_id == session.id).distinct().order_by(fragments.c.stream)
    wanted = []
    for name in (await tx.execute(query)).scalars():
        wanted += [(name, "playable"), (name, "poster")] if name == "host" else [(name, "playable")]
    if wanted:
        rows = [
            {"session_id": session.id, "stream": name, "kind": kind, "state": "waiting", "attempts": 0, "changed_at": now}
            for name, kind in wanted
        ]
        await tx.execute(insert(derived), rows)
