"""Which sessions become cases: every one with an order that was not recorded or a lexicon hit, and a share of the others.

The draw is fixed by the seal's root: nobody knows it before the session is over, and anybody can check it afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.cases import CaseBook
from compliance.lexicon import Hit, Term, hits
from compliance.tables import hits as hits_table
from compliance.tables import screenings
from core.clock import Clock
from core.database import Database
from recording import kinds, register
from recording.chain import Entry
from recording.tables import sessions as sessions_table
from recording.trail import PAGE, Trail

log = structlog.get_logger("compliance.sampling")

UNCOVERED_ORDER: Final = "uncovered_order"
LEXICON_HIT: Final = "lexicon_hit"
SAMPLED: Final = "sampled"

# 银监办发〔2017〕110号 asks for spot checks and names no share; reviewers expect a percentage and all hits.
PERCENT: Final = 5.0
SWEEP_S: Final = 5.0
# A session that can't be screened waits this long for its next turn.
POSTPONED: Final = timedelta(minutes=1)
MOST_HITS: Final = 10_000
_BATCH: Final = 20
_DRAW_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Screened:
    """What screening counts in one session. `root` is the seal's, hex."""

    root: str
    uncovered: int
    hits: int


def is_drawn(root: str, percent: float) -> bool:
    """Whether a session with this root is in the sample of `percent` per cent."""
    return int(root[:_DRAW_DIGITS], 16) < percent / 100 * 16**_DRAW_DIGITS


def reasons(found: Screened, percent: float = PERCENT) -> list[str]:
    """Why this session becomes a case; empty when it does not."""
    answers = (
        (UNCOVERED_ORDER, found.uncovered > 0),
        (LEXICON_HIT, found.hits > 0),
        (SAMPLED, is_drawn(found.root, percent)),
    )
    return [reason for reason, holds in answers if holds]


class Screening:
    """Screens every sealed session once. Any number of processes may run one."""

    def __init__(
        self,
        db: Database,
        trail: Trail,
        clock: Clock,
        book: CaseBook,
        *,
        percent: float = PERCENT,
        terms: Sequence[Term] | None = None,
    ) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._book = book
        self._percent = percent
        self._terms = terms
        self._postponed: dict[str, datetime] = {}
        self._wake = asyncio.Event()

    async def on_finding(self, tx: AsyncConnection, session_id: str, orders: list[str]) -> None:
        """For `recording.closing.Closer`: orders that no fragment shows become a case in the sealing transaction."""
        if orders:
            await self._book.open(tx, session_id, UNCOVERED_ORDER)

    def wake(self) -> None:
        """Look now: a session was sealed."""
        self._wake.set()

    async def run(self) -> None:
        """Sweep whenever woken and every `SWEEP_S`, until cancelled."""
        while True:
            try:
                await self.sweep()
            except Exception:  # the database is away, most likely; what is due stays due
                log.exception("screening_failed")
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def sweep(self) -> int:
        """Screen what was sealed and not yet screened; how many that were."""
        now = self._clock.now()
        self._postponed = {session: until for session, until in self._postponed.items() if until > now}
        done = select(screenings.c.session_id).where(screenings.c.session_id == sessions_table.c.id).exists()
        query = (
            select(sessions_table.c.id)
            .where(sessions_table.c.sealed_at.is_not(None), ~done, sessions_table.c.id.not_in(sorted(self._postponed)))
            .order_by(sessions_table.c.sealed_at, sessions_table.c.id)
            .limit(_BATCH)
        )
        async with self._db.read() as tx:
            due = list((await tx.execute(query)).scalars())
        for session_id in due:
            try:
                await self.screen(session_id)
            except Exception:  # it stays due, and must not keep the others from their turn
                log.exception("session_not_screened", session=session_id)
                self._postponed[session_id] = self._clock.now() + POSTPONED
        return len(due)

    async def screen(self, session_id: str) -> list[str]:
        """Look through one sealed session; the reasons for its case, empty when there is none or it was done before."""
        rows, uncovered = await self._look(session_id)
        async with self._db.write() as tx:
            seal = await register.seal_of(tx, session_id)
            if seal is None:
                raise LookupError(f"{session_id} is not sealed")
            drawn = is_drawn(seal.root, self._percent)
            make = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
            fresh = {"session_id": session_id, "at": self._clock.now(), "sampled": int(drawn)}
            if (await tx.execute(make(screenings).values(fresh).on_conflict_do_nothing())).rowcount != 1:
                return []
            if rows:
                await tx.execute(insert(hits_table), rows)
            found = reasons(Screened(seal.root, uncovered, len(rows)), self._percent)
            for reason in found:
                if reason != UNCOVERED_ORDER:  # that one was opened with the seal
                    await self._book.open(tx, session_id, reason)
        return found

    async def _look(self, session_id: str) -> tuple[list[dict[str, Any]], int]:
        rows: list[dict[str, Any]] = []
        after, uncovered = 0, 0
        while True:
            async with self._db.read() as tx:
                page = await self._trail.entries(tx, session_id, after, PAGE, {kinds.COMMENT, kinds.ORDER_UNCOVERED})
                texts = await self._trail.texts(tx, session_id, page[0].seq, page[-1].seq) if page else {}
            uncovered += sum(entry.kind == kinds.ORDER_UNCOVERED for entry in page)
            rows += await asyncio.to_thread(self._found, session_id, page, texts)
            if len(page) < PAGE:
                return rows[:MOST_HITS], uncovered
            after = page[-1].seq

    def _found(self, session_id: str, page: Sequence[Entry], texts: dict[tuple[int, str], str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for entry in (entry for entry in page if entry.kind == kinds.COMMENT):
            # What was typed says more than what was shown with stars; it stands apart only where the two differ.
            field = next((name for name in ("typed", "text") if (entry.seq, name) in texts), None)
            if field is not None:
                matches = hits(texts[entry.seq, field], self._terms)
                found += [_row(session_id, entry.seq, field, hit, entry.media_ms) for hit in matches]
        return found


def _row(session_id: str, seq: int, field: str, hit: Hit, media_ms: int | None) -> dict[str, Any]:
    place = {"session_id": session_id, "seq": seq, "field": field, "start": hit.start, "end": hit.end}
    return {**place, "term": hit.term, "action": hit.action.name.lower(), "media_ms": media_ms}
