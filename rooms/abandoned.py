"""Sessions whose people are gone without an end: found and ended, so that they are sealed and the adviser is free again.

A session is abandoned when none of its required streams has a publisher and the last sign of one is longer ago than the limit;
in a pause a sender may well stop, so a paused one is given four times as long. Whose recording fails is still there.
Any number of web processes may sweep: who ends a session holds its row and looks once more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock
from core.database import Database
from recording import coverage, kinds, sessions
from recording.lifecycle import State
from recording.sessions import Session
from recording.trail import Trail

log = structlog.get_logger()

ABANDONED_BY: Final = "tellercast"  # the actor on the trail
AFTER_S: Final = 900.0
PAUSED_TIMES: Final = 4

# Entries stand at the time they were taken in: after an outage of web, a sender's return is known before his loss is too old.
_SIGNS: Final = (
    kinds.SESSION_STARTED,
    kinds.SESSION_PAUSED,
    kinds.SESSION_RESUMED,
    kinds.PUBLISHER_JOINED,
    kinds.PUBLISHER_LOST,
    kinds.PUBLISHER_LEFT,
)

# Whether everybody has left the session, which the transaction holds still.
Left = Callable[[AsyncConnection, Session], Awaitable[bool]]
# Ends a session if it has still been left, and tells everybody; whether it did.
End = Callable[[str, Left], Awaitable[bool]]


class AbandonedSweep:
    """Ends what was abandoned for `after_s` seconds; `show` and `call` end a session of that kind."""

    def __init__(self, db: Database, trail: Trail, clock: Clock, after_s: float, *, show: End, call: End) -> None:
        self._db, self._trail, self._clock = db, trail, clock
        self._after = timedelta(seconds=after_s)
        self._end = {"show": show, "call": call}

    async def sweep(self) -> list[str]:
        """End what is abandoned; answers the sessions that this process has ended."""
        async with self._db.read() as tx:
            running = await sessions.by_state(tx, State.LIVE, State.PAUSED)
            found = [session for session in running if await self._left(tx, session)]
        ended = []
        for session in found:
            try:
                if await self._end[session.kind](session.id, self._left):
                    log.warning("abandoned session ended", session=session.id, kind=session.kind)
                    ended.append(session.id)
            except Exception:  # one that can't be ended must not keep the others
                log.exception("abandoned session not ended", session=session.id)
        return ended

    async def _left(self, tx: AsyncConnection, session: Session) -> bool:
        limit = self._after * (PAUSED_TIMES if session.state is State.PAUSED else 1)
        long_ago = self._clock.now() - limit
        if not session.running or session.started_at is None or session.started_at > long_ago:
            return False
        marks = await coverage.watermarks(tx, session.id)
        required = [marks[name] for name in session.required if name in marks]
        if any(mark.status in (coverage.PUBLISHING, coverage.FAILED) for mark in required):
            return False
        if any(mark.at is not None and mark.at > long_ago for mark in required):
            return False
        sign = await self._trail.latest(tx, session.id, _SIGNS)
        return sign is None or sign.at <= long_ago
