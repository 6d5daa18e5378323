"""Reactions: taps that are summed up for each session and told to its room at most once a second.

They are no comments: nothing of them is on the record, and who is behind gets none of them. Each web process tells the others
the sums of its own viewers, and its viewers those of all, so that nobody hears of them more often for there being several. A
page adds up what it hears.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from core.clock import Clock
from rooms.rate import Bucket
from rooms.relay import Relay, Taps
from rooms.wire import ReactionKind

log = structlog.get_logger()

ROUND_S: Final = 1.0
# A hand taps eight times a second at most; a page gathers half a second of it.
BURST, PER_S = 20.0, 10.0
PEOPLE_MAX: Final = 20_000
Counts = dict[ReactionKind, int]
Tell = Callable[[str, Counts], Awaitable[None]]


class Reactions:
    """Takes taps, as many as hands can make, and tells their sums through `tell(session, counts)` to those who are here."""

    def __init__(self, clock: Clock, tell: Tell, relay: Relay | None = None) -> None:
        self._clock, self._tell, self._relay = clock, tell, relay
        self._buckets: dict[str, Bucket] = {}
        self._here: dict[str, Counts] = {}
        self._elsewhere: dict[str, Counts] = {}
        if relay is not None:
            relay.on(Taps, self._heard)

    def react(self, person_id: str, session_id: str, kind: ReactionKind, count: int) -> int:
        """Add taps; answers how many of them counted: what is faster than hands does not."""
        now = self._clock.monotonic()
        bucket = self._buckets.pop(person_id, None) or Bucket(BURST, PER_S, now)
        self._buckets[person_id] = bucket  # the last to have reacted stands last
        if len(self._buckets) > PEOPLE_MAX:
            del self._buckets[next(iter(self._buckets))]
        taken = bucket.take_up_to(count, now)
        if taken:
            _add(self._here, session_id, {kind: taken})
        return taken

    async def run(self) -> None:
        """Tell the sums once a second for ever. Cancel it to stop."""
        while True:
            await self.tick()
            await asyncio.sleep(ROUND_S)

    async def tick(self) -> None:
        """Tell what has come since the last time. What can't be told is gone: a heart that comes late is none."""
        here, self._here = self._here, {}
        sums, self._elsewhere = self._elsewhere, {}
        if self._relay is not None and here:
            self._relay.say(Taps(self._relay.me, here))
        for session_id, counts in here.items():
            _add(sums, session_id, counts)
        for session_id, counts in sums.items():
            try:
                await self._tell(session_id, counts)
            except Exception:
                log.exception("reactions could not be told", session=session_id)

    def _heard(self, said: Taps) -> None:
        for session_id, counts in said.counts.items():
            _add(self._elsewhere, session_id, counts)


def _add(sums: dict[str, Counts], session_id: str, counts: Mapping[ReactionKind, int]) -> None:
    mine = sums.setdefault(session_id, {})
    for kind, count in counts.items():
        mine[kind] = mine.get(kind, 0) + count
