"""Exports: asked for with a reason, made one at a time by a worker, each step on the record.

The life of an export: asked for (an entry, with the reason) → waiting → working (claimed by one process) → ready, or waiting
again, after `ATTEMPTS` failed. A process that dies while working leaves the row; after `STALE_S` it counts as waiting.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import Counter
from sqlalchemy import Row, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.access import AccessLog
from compliance.bundling import Bundler
from compliance.tables import evidence
from core.clock import Clock
from core.database import Database
from core.errors import NOT_FOUND, Refused
from core.identity import Person
from core.ids import is_id, new_id
from recording import kinds, sessions
from recording.errors import RECORDING_NOT_READY

log = structlog.get_logger("compliance.evidence")

EXPORTS = Counter("tellercast_exports", "Attempts at an evidence bundle", ["outcome"])

PREFIX: Final = "evd"
ATTEMPTS: Final = 3
STALE_S: Final = 300.0
ALIVE_S: Final = 30.0  # well below STALE_S
JOB_TIMEOUT_S: Final = 6 * 3600.0
POLL_S: Final = 5.0
_MAX_ERROR: Final = 300  # the column's width


@dataclass(frozen=True, slots=True)
class Evidence:
    """One export: `state` is waiting | working | ready | failed."""

    id: str
    session: str
    state: str
    requested_by: str
    requested_at: datetime
    bytes: int | None
    sha256: str | None
    error: str | None


class EvidenceDesk:
    """Takes requests and makes the bundles, in `folder` as `<id>.zip`."""

    def __init__(self, db: Database, clock: Clock, access: AccessLog, bundler: Bundler, folder: Path) -> None:
        self._db = db
        self._clock = clock
        self._access = access
        self._bundler = bundler
        self._folder = folder
        self._wake = asyncio.Event()
        self._alive_at = 0.0

    async def ask(self, tx: AsyncConnection, session_id: str, who: Person, reason: str) -> Evidence:
        """Queue the bundle of a sealed session; call `wake` after the commit. Raises Refused(RECORDING_NOT_READY)."""
        session = await sessions.get(tx, session_id)
        if session.sealed_at is None:
            raise Refused(RECORDING_NOT_READY)
        now, evidence_id = self._clock.now(), new_id(PREFIX)
        row = {"id": evidence_id, "session_id": session_id, "state": "waiting", "attempts": 0, "requested_by": who.id}
        await tx.execute(insert(evidence).values(**row, requested_at=now, changed_at=now))
        await self._access.record(tx, session_id, kinds.EXPORTED, who, {"evidence": evidence_id}, {"reason": reason})
        return await self.get(tx, evidence_id)

    async def get(self, tx: AsyncConnection, evidence_id: str) -> Evidence:
        """Raises Refused(NOT_FOUND)."""
        row = (await tx.execute(select(evidence).where(evidence.c.id == evidence_id))).one_or_none()
        if row is None:
            raise Refused(NOT_FOUND)
        return _evidence(row)

    def path(self, evidence_id: str) -> Path:
        """Where a bundle lies. Raises ValueError for what is no id."""
        if not is_id(evidence_id, PREFIX):
            raise ValueError(f"not an id: {evidence_id!r}")
        return self._folder / f"{evidence_id}.zip"

    def wake(self) -> None:
        """Look now: something was asked for."""
        self._wake.set()

    async def run(self) -> None:
        """One bundle after the other, until cancelled."""
        while True:
            try:
                if await self.work():
                    continue
            except Exception:  # the database is away, most likely; rows wait
                log.exception("evidence_failed")
            try:
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def work(self) -> bool:
        """Make one waiting bundle; False when there is none."""
        claimed = await self._claim()
        if claimed is None:
            return False
        job, attempt = claimed
        self._alive_at = self._clock.monotonic()

        async def alive() -> None:
            if self._clock.monotonic() - self._alive_at >= ALIVE_S:
                self._alive_at = self._clock.monotonic()
                await self._mark(job.id, attempt, state="working")

        try:
            async with self._db.read() as tx:
                session = await sessions.get(tx, job.session)
            async with asyncio.timeout(JOB_TIMEOUT_S):
                made = await self._bundler.make(job.id, session, self.path(job.id), alive, attempt)
        except Exception as error:
            log.exception("bundle_failed", evidence=job.id, session=job.session, attempt=attempt)
            EXPORTS.labels("failed").inc()
            state = "failed" if attempt >= ATTEMPTS else "waiting"
            await self._mark(job.id, attempt, state=state, error=(str(error) or repr(error))[:_MAX_ERROR])
            return True
        EXPORTS.labels("ready").inc()
        await self._mark(job.id, attempt, state="ready", bytes=made.bytes, sha256=made.sha256, error=None)
        return True

    async def _claim(self) -> tuple[Evidence, int] | None:
        """Take the oldest row that waits; of several processes one gets it."""
        now = self._clock.now()
        stale = and_(evidence.c.state == "working", evidence.c.changed_at < now - timedelta(seconds=STALE_S))
        free = or_(evidence.c.state == "waiting", stale)
        query = select(evidence).where(free).order_by(evidence.c.requested_at, evidence.c.id).limit(1)
        async with self._db.read() as tx:  # most looks find nothing, and need no lock
            if (await tx.execute(query)).one_or_none() is None:
                return None
        async with self._db.write() as tx:
            row = (await tx.execute(query)).one_or_none()
            if row is None:
                return None
            attempt = row.attempts + 1
            claim = update(evidence).where(evidence.c.id == row.id, free, evidence.c.attempts == row.attempts)
            if attempt > ATTEMPTS:  # it died with its process every time
                await tx.execute(claim.values(state="failed", error="abandoned", changed_at=now))
                return None
            taken = await tx.execute(claim.values(state="working", attempts=attempt, changed_at=now))
            return (_evidence(row), attempt) if taken.rowcount == 1 else None

    async def _mark(self, evidence_id: str, attempt: int, **values: Any) -> None:
        """Write how it stands, unless another process has taken the row over since."""
        mine = and_(evidence.c.id == evidence_id, evidence.c.state == "working", evidence.c.attempts == attempt)
        async with self._db.write() as tx:
            await tx.execute(update(evidence).where(mine).values(changed_at=self._clock.now(), **values))


def _evidence(row: Row[Any]) -> Evidence:
    return Evidence(
        id=row.id,
        session=row.session_id,
        state=row.state,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        bytes=row.bytes,
        sha256=row.sha256,
        error=row.error,
    )
