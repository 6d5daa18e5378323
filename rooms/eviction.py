"""Who was banned from a show loses the picture too: the media processes end what he watches.

They know no people, and nobody but they can end what is being watched. A ban is told to all of them at once by the web process
that took it, and again each second by every web process for a minute after it: so it holds when that process dies, when a media
process is away for a while, and for whoever had been let in before the ban and has his picture only after it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import select

from core.clock import Clock
from core.database import Database
from core.errors import Refused
from recording.lifecycle import State
from recording.tables import sessions
from rooms.tables import sanctions

log = structlog.get_logger()

EVERY_S: Final = 1.0
# Longer than opening a picture may take, and a media process is away.
FOR_S: Final = 60.0
WITHIN_S: Final = 5.0

# Called with a session and people who may not see it any more.
EndPictures = Callable[[str, Sequence[str]], Awaitable[None]]


class Eviction:
    """Ends the pictures of people who were banned lately."""

    def __init__(self, db: Database, clock: Clock, end_pictures: EndPictures) -> None:
        self._db, self._clock, self._end_pictures = db, clock, end_pictures
        self._wanted = asyncio.Event()
        self._failing: set[str] = set()  # sessions of which that is in the log already

    def wake(self) -> None:
        """Somebody was banned right now."""
        self._wanted.set()

    async def run(self) -> None:
        """Look once a second, and when woken. Cancel it to stop."""
        while True:
            self._wanted.clear()
            try:
                await self.look()
            except Exception:  # who is banned can't begin to watch again; the next look is another chance
                log.exception("pictures of banned people could not be ended")
            try:
                await asyncio.wait_for(self._wanted.wait(), EVERY_S)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """End what those watch who were banned within the last minute."""
        recent = await self._recent()
        await asyncio.gather(*(self._end(session_id, people) for session_id, people in recent.items()))
        self._failing &= recent.keys()

    async def _recent(self) -> dict[str, list[str]]:
        running = select(sessions.c.id).where(sessions.c.state.in_((State.LIVE, State.PAUSED)))
        query = select(sanctions.c.session_id, sanctions.c.person_id).where(
            sanctions.c.session_id.in_(running),
            sanctions.c.kind == "ban",
            sanctions.c.forgiven_at.is_(None),
            sanctions.c.at > self._clock.now() - timedelta(seconds=FOR_S),
        )
        found: dict[str, list[str]] = defaultdict(list)
        async with self._db.read() as tx:
            for row in await tx.execute(query):
                found[row.session_id].append(row.person_id)
        return found

    async def _end(self, session_id: str, people: Sequence[str]) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._end_pictures(session_id, people)
        except (Refused, TimeoutError) as error:
            if session_id not in self._failing:
                log.warning(
                    "pictures of banned people not ended yet", session=session_id, error=str(error) or type(error).__name__
                )
            self._failing.add(session_id)
        except Exception:
            log.exception("pictures of banned people could not be ended", session=session_id)
        else:
            self._failing.discard(session_id)
