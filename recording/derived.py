"""Makes the copies that are easy to watch: playable files and posters. They are derived: the fragments stay the record.

The life of a copy: waiting → working (claimed by one process) → ready, or waiting again for `RETRY_S`, after `ATTEMPTS` failed.
A process that dies while working leaves the row; after `STALE_S` it counts as waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import structlog
from prometheus_client import Counter
from sqlalchemy import ColumnElement, and_, or_, select, update

from core.clock import Clock
from core.database import Database
from recording.tables import derived, fragments

log = structlog.get_logger("recording.derived")

DERIVED = Counter("tellercast_derived", "Attempts at a derived copy", ["kind", "outcome"])

ATTEMPTS = 3
STALE_S = 900.0
JOB_TIMEOUT_S = 600.0  # below STALE_S, so that a slow job is never done twice at once
RETRY_S = 30.0
POLL_S = 5.0
_CALLBACK_TIMEOUT_S = 5.0
_MAX_ERROR = 300  # the column's width


class Made(Protocol):
    """What a maker answers with (`recording.playable.Playable`): media time of position 0, and length, in ms."""

    @property
    def offset_ms(self) -> int: ...

    @property
    def duration_ms(self) -> int: ...


MakePlayable = Callable[[Sequence[Path], Path], Awaitable[Made]]
MakePoster = Callable[[Sequence[Path], Path], Awaitable[None]]
OnChange = Callable[[str, str, dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed row; `attempt` counts from 1."""

    session_id: str
    stream: str
    kind: str
    attempt: int

    @property
    def path(self) -> str:
        """Where the copy goes, relative to the folder of copies."""
        return f"{self.session_id}/{self.stream}.{'mp4' if self.kind == 'playable' else 'jpg'}"


class Copies:
    """The worker. `archive` is the root of the fragments' paths, `folder` that of the copies'."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        archive: Path,
        folder: Path,
        make_playable: MakePlayable,
        make_poster: MakePoster,
        on_change: OnChange,
    ) -> None:
        self._db = db
        self._clock = clock
        self._archive = archive
        self._folder = folder
        self._make_playable = make_playable
        self._make_poster = make_poster
        self._on_change = on_change
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now: something was queued."""
        self._wake.set()

    async def run(self) -> None:
        """One copy after the other, until cancelled."""
        while True:
            try:
                if await self.work():
                    continue
            except Exception:  # the database is away, most likely; rows wait
                log.exception("derived_failed")
            try:
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def work(self) -> bool:
        """Make one waiting copy; False when there is none."""
        job = await self._claim()
        if job is None:
            return False
        try:
            async with asyncio.timeout(JOB_TIMEOUT_S):
                made = await self._make(job)
        except Exception as error:
            log.exception("copy_failed", session=job.session_id, stream=job.stream, kind=job.kind, attempt=job.attempt)
            state = "failed" if job.attempt >= ATTEMPTS else "waiting"
            await self._finish(job, state=state, error=repr(error)[:_MAX_ERROR])
            return True
        values: dict[str, Any] = {"state": "ready", "path": job.path, "error": None}
        if made is not None:
            values |= {"offset_ms": made.offset_ms, "duration_ms": made.duration_ms}
        await self._finish(job, **values)
        return True

    async def _make(self, job: Job) -> Made | None:
        out = self._folder / job.path
        await asyncio.to_thread(out.parent.mkdir, parents=True, exist_ok=True)
        pieces = await self._pieces(job)
        if not pieces:
            raise FileNotFoundError(f"no fragments of {job.session_id}/{job.stream}")
        if job.kind == "playable":
            return await self._make_playable(pieces, out)
        await self._make_poster(pieces, out)
        return None

    async def _pieces(self, job: Job) -> list[Path]:
        query = (
            select(fragments.c.path)
            .where(fragments.c.session_id == job.session_id, fragments.c.stream == job.stream)
            .order_by(fragments.c.start_ms, fragments.c.epoch, fragments.c.index)
        )
        async with self._db.read() as tx:
            return [self._archive / path for path in (await tx.execute(query)).scalars()]

    async def _claim(self) -> Job | None:
        """Take the oldest row that waits; of several processes one gets it."""
        now = self._clock.now()
        stale = and_(derived.c.state == "working", derived.c.changed_at < now - timedelta(seconds=STALE_S))
        rested = or_(derived.c.attempts == 0, derived.c.changed_at <= now - timedelta(seconds=RETRY_S))
        free = or_(and_(derived.c.state == "waiting", rested), stale)
        query = (
            select(derived.c.session_id, derived.c.stream, derived.c.kind, derived.c.attempts)
            .where(free)
            .order_by(derived.c.changed_at, derived.c.session_id, derived.c.stream, derived.c.kind)
            .limit(1)
        )
        async with self._db.write() as tx:
            row = (await tx.execute(query)).one_or_none()
            if row is None:
                return None
            job = Job(row.session_id, row.stream, row.kind, row.attempts + 1)
            if job.attempt > ATTEMPTS:  # it died with its process every time
                await tx.execute(update(derived).where(_row(job)).values(state="failed", error="abandoned", changed_at=now))
                return None
            claim = update(derived).where(_row(job), free, derived.c.attempts == row.attempts)
            taken = await tx.execute(claim.values(state="working", attempts=job.attempt, changed_at=now))
            return job if taken.rowcount == 1 else None

    async def _finish(self, job: Job, **values: Any) -> None:
        """Write the outcome, unless another process has taken the row over since."""
        query = update(derived).where(_row(job), derived.c.state == "working", derived.c.attempts == job.attempt)
        async with self._db.write() as tx:
            done = await tx.execute(query.values(changed_at=self._clock.now(), **values))
        DERIVED.labels(job.kind, values["state"]).inc()
        if done.rowcount != 1 or values["state"] == "waiting":
            return
        try:
            async with asyncio.timeout(_CALLBACK_TIMEOUT_S):
                data = {"stream": job.stream, "kind": job.kind, "state": values["state"]}
                await self._on_change(job.session_id, "derived", data)
        except Exception:  # the row is committed; whoever was not told reads the database
            log.exception("on_change_failed", session=job.session_id)


def _row(job: Job) -> ColumnElement[bool]:
    return and_(derived.c.session_id == job.session_id, derived.c.stream == job.stream, derived.c.kind == job.kind)
