"""No recording, no sale (invariant 1): opens and closes a session's sale for all at once, and puts on the record why.

The `sales` row is what everybody is told. It changes by a conditional update under the trail's lock, so that of any number of
web processes exactly one writes `sale_opened` or `sale_closed`. The gate doesn't rely on it: it looks at the watermarks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import gate
from commerce.gate_facts import session_fact
from commerce.reasons import sale_view
from commerce.tables import sales
from commerce.trailing import append_or_after, insert_new
from commerce.wire import Sale
from core.clock import Clock
from core.database import Database
from core.errors import Refused
from recording import kinds
from recording.tables import sessions
from recording.trail import Draft, Trail, lock_head

CHECK_EVERY_S = 0.5
# Of a round's sessions so many: one whose trail is stuck keeps few others waiting, and no more connections than these.
_AT_ONCE: Final = 4
FIRST = "recording_not_started"
ACTOR = "tellercast"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SaleChanged:
    """A session's sale opened, closed, or is closed for another reason now; `seq` is the entry that says so."""

    session_id: str
    seq: int
    reason: str | None

    @property
    def sale(self) -> Sale:
        """As pages see it."""
        return sale_view(self.reason)


OnSale = Callable[[SaleChanged], Awaitable[None]]


async def reason(tx: AsyncConnection, session_id: str) -> str | None:
    """Why nothing can be bought in the session, as everybody is told; None when the sale is open."""
    state = (await tx.execute(select(sessions.c.state).where(sessions.c.id == session_id))).scalar_one_or_none()
    if state in ("live", "paused"):
        return await _told(tx, session_id)
    return "session_not_started" if state == "scheduled" else "session_ended"


async def _told(tx: AsyncConnection, session_id: str) -> str | None:
    """What the trail says last; before it says anything the sale is closed."""
    row = (await tx.execute(select(sales.c.open, sales.c.reason).where(sales.c.session_id == session_id))).one_or_none()
    if row is None:
        return FIRST
    return None if row.open else row.reason or FIRST


class SaleMonitor:
    """Watches the watermarks of running sessions. Hand `on_change` what must leave after the commit."""

    def __init__(self, db: Database, trail: Trail, clock: Clock, on_change: OnSale | None = None) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._on_change = on_change

    async def check(self, session_id: str) -> SaleChanged | None:
        """Bring the sale in line with the recording now; the change if there was one. Raises Refused(NOT_FOUND)."""
        async with self._db.read() as tx:
            facts = await session_fact(tx, session_id)
            if gate.blocker(facts, self._clock.now()) == await _told(tx, session_id):
                return None
        async with self._db.write() as tx:
            change = await self._settle(tx, session_id)
        if change is not None and self._on_change is not None:
            try:
                await self._on_change(change)
            except Exception:  # the change is committed; whoever was not told reads the database
                _log.exception("sale_not_announced", session=session_id)
        return change

    async def check_all(self) -> None:
        """Every session that runs, and every one whose sale is still open though it doesn't."""
        async with self._db.read() as tx:
            still_open = select(sales.c.session_id).where(sales.c.open == 1)
            running = sessions.c.state.in_(("live", "paused"))
            ids = (await tx.execute(select(sessions.c.id).where(running | sessions.c.id.in_(still_open)))).scalars().all()
        turns = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._check_in_turn(session_id, turns) for session_id in ids))

    async def _check_in_turn(self, session_id: str, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                await self.check(session_id)
            except (Refused, SQLAlchemyError, OSError) as error:  # one session's trouble must not keep the others' sale open
                _log.error("sale_check_failed", session=session_id, error=repr(error)[:300])

    async def run(self, every_s: float = CHECK_EVERY_S) -> None:
        """Check all, again and again, until cancelled."""
        while True:
            try:
                await self.check_all()
            except (SQLAlchemyError, OSError):  # the database is away: no order can commit either
                _log.exception("sale_check_failed")
            await asyncio.sleep(every_s)

    async def _settle(self, tx: AsyncConnection, session_id: str) -> SaleChanged | None:
        await lock_head(tx, session_id, briefly=True)
        now = self._clock.now()
        why = gate.blocker(await session_fact(tx, session_id), now)
        await insert_new(tx, sales, session_id=session_id, open=0, reason=FIRST, changed_at=now)
        differs = (sales.c.open == 0) if why is None else (sales.c.open == 1) | (sales.c.reason != why)
        values = {"open": int(why is None), "reason": why, "changed_at": now}
        changed = await tx.execute(update(sales).where(sales.c.session_id == session_id, differs).values(values))
        if changed.rowcount != 1:
            return None
        draft = Draft(kinds.SALE_OPENED, ACTOR) if why is None else Draft(kinds.SALE_CLOSED, ACTOR, {"reason": why})
        entry = await append_or_after(tx, self._trail, session_id, draft)
        return SaleChanged(session_id, entry.seq, why)
