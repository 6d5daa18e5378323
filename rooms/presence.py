"""Who is watching in this process: exact, counted by socket; told to the room at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from sqlalchemy import update

from core.database import Database
from rooms.tables import shows

log = structlog.get_logger()

TICK_S = 1.0
Tell = Callable[[str, int], Awaitable[None]]


@dataclass(slots=True)
class _Audience:
    sockets: set[str] = field(default_factory=set)
    told: int = 0
    peak: int = 0  # since the last write of the peak


class Presence:
    """Counts sockets a session. Several web processes would each count their own: to be joined when there is more than one."""

    def __init__(self, db: Database, tell: Tell) -> None:
        self._db, self._tell = db, tell
        self._audiences: dict[str, _Audience] = {}

    def enter(self, session_id: str, socket: str) -> int:
        """One more viewer, unless the socket is in already; answers how many there are."""
        audience = self._audiences.setdefault(session_id, _Audience())
        audience.sockets.add(socket)
        audience.peak = max(audience.peak, len(audience.sockets))
        return len(audience.sockets)

    def leave(self, session_id: str, socket: str) -> None:
        """The socket is gone from this session."""
        audience = self._audiences.get(session_id)
        if audience is not None:
            audience.sockets.discard(socket)

    def viewers(self, session_id: str) -> int:
        """How many sockets watch now, in this process."""
        audience = self._audiences.get(session_id)
        return len(audience.sockets) if audience is not None else 0

    async def run(self) -> None:
        """Tell changes once a second for ever. Cancel it to stop."""
        while True:
            try:
                await self.tick()
            except Exception:  # a count that was not told is told a second later
                log.exception("presence could not be told")
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Tell every session whose count has changed, and keep new peaks."""
        for session_id, audience in list(self._audiences.items()):
            if audience.peak:
                await self._keep_peak(session_id, audience.peak)
                audience.peak = 0
            viewers = len(audience.sockets)
            if viewers != audience.told:
                audience.told = viewers
                await self._tell(session_id, viewers)
            if not viewers:
                del self._audiences[session_id]

    async def _keep_peak(self, session_id: str, peak: int) -> None:
        query = update(shows).where(shows.c.session_id == session_id, shows.c.viewers_peak < peak).values(viewers_peak=peak)
        async with self._db.write() as tx:
            await tx.execute(query)
