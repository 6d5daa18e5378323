"""Who is watching: exact, counted by socket, summed over all web processes; told to the room at most once a second.

Each process tells the others its counts once a second; what one has told holds for `FRESH_S`. The peak is of the sum; the time
people watched is added up by each process for its own, while the session runs, so that the sum in the database is everybody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from sqlalchemy import select, update

from core.clock import Clock
from core.database import Database
from recording.tables import sessions
from rooms.relay import Relay, Viewers
from rooms.tables import shows

log = structlog.get_logger()

TICK_S = 1.0
FRESH_S: Final = 5.0
Tell = Callable[[str, int], Awaitable[None]]


@dataclass(slots=True)
class _Audience:
    since: float  # monotonic seconds: up to then it is in `watched_s`
    sockets: set[str] = field(default_factory=set)
    told: int = 0
    peak: int = 0  # since the last write of the peak
    kept: int = 0  # the highest that was written
    watched_s: float = 0.0  # by all of them together, not yet written down


class Presence:
    """Counts sockets a session. Told to rooms through `tell`, to the other processes through `relay`."""

    def __init__(self, db: Database, clock: Clock, tell: Tell, relay: Relay | None = None) -> None:
        self._db, self._clock, self._tell, self._relay = db, clock, tell, relay
        self._audiences: dict[str, _Audience] = {}
        self._elsewhere: dict[str, tuple[float, dict[str, int]]] = {}  # by process, with when it said so (monotonic seconds)
        if relay is not None:
            relay.on(Viewers, self._heard)

    def enter(self, session_id: str, socket: str) -> int:
        """One more viewer, unless the socket is in already; answers how many there are."""
        audience = self._audiences.setdefault(session_id, _Audience(self._clock.monotonic()))
        self._watched(audience)
        audience.sockets.add(socket)
        viewers = self.viewers(session_id)
        audience.peak = max(audience.peak, viewers)
        return viewers

    def leave(self, session_id: str, socket: str) -> None:
        """The socket is gone from this session."""
        audience = self._audiences.get(session_id)
        if audience is not None:
            self._watched(audience)
            audience.sockets.discard(socket)

    def viewers(self, session_id: str) -> int:
        """How many sockets watch now, in all processes."""
        audience = self._audiences.get(session_id)
        here = len(audience.sockets) if audience is not None else 0
        return here + sum(counts.get(session_id, 0) for counts in self._others())

    def here(self) -> set[str]:
        """The sessions that are watched in this process."""
        return {session_id for session_id, audience in self._audiences.items() if audience.sockets}

    async def run(self) -> None:
        """Tell changes once a second for ever. Cancel it to stop."""
        while True:
            try:
                await self.tick()
            except Exception:  # a count that was not told is told a second later
                log.exception("presence could not be told")
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Tell the other processes the counts, every session whose sum has changed its room, and write down what is kept."""
        if self._relay is not None:
            counts = {session_id: len(one.sockets) for session_id, one in self._audiences.items() if one.sockets}
            self._relay.say(Viewers(self._relay.me, counts))
        for session_id in {*self._audiences, *(session_id for counts in self._others() for session_id in counts)}:
            audience = self._audiences.setdefault(session_id, _Audience(self._clock.monotonic()))
            self._watched(audience)
            viewers = self.viewers(session_id)
            audience.peak = max(audience.peak, viewers)
            if viewers != audience.told:
                audience.told = viewers
                await self._tell(session_id, viewers)
        await self._keep()
        for session_id in [session_id for session_id, one in self._audiences.items() if not (one.sockets or one.told)]:
            del self._audiences[session_id]

    def _watched(self, audience: _Audience) -> None:
        """Adds up what those who are in have watched by now."""
        now = self._clock.monotonic()
        audience.watched_s += (now - audience.since) * len(audience.sockets)
        audience.since = now

    async def _keep(self) -> None:
        """New peaks, and the time that people watched: in a running session it counts, before and after it does not."""
        kept = {session_id: (one, one.peak, int(one.watched_s * 1000)) for session_id, one in self._audiences.items()}
        changed = {session_id: was for session_id, was in kept.items() if was[1] > was[0].kept or was[2]}
        if not changed:
            return
        running = select(sessions.c.id).where(sessions.c.state.in_(("live", "paused")))
        async with self._db.write() as tx:
            for session_id, (audience, peak, watched_ms) in sorted(changed.items()):
                this = update(shows).where(shows.c.session_id == session_id)
                if peak > audience.kept:
                    await tx.execute(this.where(shows.c.viewers_peak < peak).values(viewers_peak=peak))
                if watched_ms:
                    more = this.where(shows.c.session_id.in_(running)).values(viewer_ms=shows.c.viewer_ms + watched_ms)
                    await tx.execute(more)
        for audience, peak, watched_ms in changed.values():
            audience.kept = max(audience.kept, peak)
            audience.watched_s -= watched_ms / 1000

    def _heard(self, said: Viewers) -> None:
        self._elsewhere[said.host] = (self._clock.monotonic(), said.counts)

    def _others(self) -> list[dict[str, int]]:
        now = self._clock.monotonic()
        self._elsewhere = {host: one for host, one in self._elsewhere.items() if now - one[0] <= FRESH_S}
        return [counts for _at, counts in self._elsewhere.values()]
