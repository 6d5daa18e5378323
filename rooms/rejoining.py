"""What this process's clients may have missed while web processes could not hear each other, told from the database.

While Redis is away, or another process is not heard of, the orders of customers who are connected here are looked for once a
second: orders never depend on Redis. When the line is back each process, and any that was away alone, says since when; then
all tell their own clients how things stand: state, shelf, pin, what moderators took down of what is watched here, their calls,
the waiting line, and the orders that have changed. It is told with the numbers of the record, so that who knew it already is
not told anything new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import or_, select

from commerce import order_book, shelf
from core.clock import from_text
from core.database import Database, among
from recording import kinds
from recording.trail import Trail
from rooms.fanout import Fanout
from rooms.line import Line
from rooms.relay import Back, Relay
from rooms.tables import calls

log = structlog.get_logger()

EVERY_S: Final = 1.0
_TOGETHER_S: Final = 0.2
# A change is stamped before it is committed, and the processes' clocks differ a little.
_MARGIN: Final = timedelta(seconds=10)
_PEOPLE_AT_ONCE: Final = 500
_TAKEN_DOWN: Final = frozenset({kinds.COMMENT_REMOVED, kinds.COMMENT_RESTORED})
_TOLD_MAX: Final = 20_000

Here = Callable[[], Collection[str]]


class Rejoining:
    """`people` are the customers connected to this process, `watched` the sessions that somebody here is in, `at_desk` all who
    are connected to `/desk` here."""

    def __init__(
        self,
        line: Line,
        relay: Relay,
        fanout: Fanout,
        db: Database,
        trail: Trail,
        *,
        people: Here,
        watched: Here,
        at_desk: Here,
    ) -> None:
        self._line, self._relay, self._fanout, self._db, self._trail = line, relay, fanout, db, trail
        self._people, self._watched, self._at_desk = people, watched, at_desk
        self._missed_since: datetime | None = None
        self._apart_since: datetime | None = None
        self._told: dict[str, tuple[str, datetime]] = {}  # by order: the state and moment that were told in this outage
        self._wanted = asyncio.Event()
        line.on_back = self._back
        relay.on(Back, lambda said: self._missed(from_text(said.since)))

    async def run(self) -> None:
        """Look once a second, and at once when the line is back. Cancel it to stop."""
        while True:
            try:
                await self.round()
            except Exception:  # what could not be told is told with the next round
                log.exception("what was missed could not be told")
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_TOGETHER_S)  # the other processes are back at about the same moment

    async def round(self) -> None:
        """Tell what was missed, if something was; while processes can't hear each other, the orders alone."""
        self._wanted.clear()
        missed, up, apart = self._missed_since, self._line.up, self._line.apart
        if apart and self._apart_since is None:
            self._apart_since = self._line.good_at
        if missed is not None and up:
            await self._everything(missed)
            await self._calls(missed)
        since = [moment for moment in (missed, self._apart_since) if moment is not None]
        if since:
            await self._orders(min(since))
        if up and self._missed_since == missed:
            self._missed_since = None
        if not apart:
            self._apart_since = None
            self._told.clear()

    def _back(self, since: datetime) -> None:
        self._relay.back(since)
        self._missed(since)

    def _missed(self, since: datetime) -> None:
        self._missed_since = since if self._missed_since is None else min(since, self._missed_since)
        self._wanted.set()

    async def _everything(self, since: datetime) -> None:
        here = self._fanout.here()
        for session_id in sorted(self._watched()):
            await here.session_changed(session_id, "rejoined")
            async with self._db.read() as tx:
                offered = await shelf.read(tx, self._trail, session_id)
                acts = await self._trail.entries(tx, session_id, kinds=_TAKEN_DOWN)
            await here.shelf(offered)
            await here.pinned(offered)
            gone = {str(act.data["id"]): act.kind == kinds.COMMENT_REMOVED for act in acts if act.at > since - _MARGIN}
            await here.moderated(session_id, [comment for comment, is_gone in gone.items() if is_gone], [])
        self._fanout.line_changed()

    async def _calls(self, since: datetime) -> None:
        """Those of people at the desk here that are open, or have ended since."""
        here, people = self._fanout.here(), sorted(self._at_desk())
        theirs = or_(among(calls.c.customer_id, "people"), among(calls.c.adviser_id, "people"))
        query = select(calls.c.id).where(theirs, or_(calls.c.ended_at.is_(None), calls.c.ended_at > since - _MARGIN))
        found: set[str] = set()
        for some in range(0, len(people), _PEOPLE_AT_ONCE):
            async with self._db.read() as tx:
                found |= set(await tx.scalars(query, {"people": people[some : some + _PEOPLE_AT_ONCE]}))
        for call_id in sorted(found):
            await here.call_changed(call_id)
            await here.proposal_changed(call_id)

    async def _orders(self, since: datetime) -> None:
        """Each change once, however often it is looked for."""
        here, people = self._fanout.here(), sorted(self._people())
        for some in range(0, len(people), _PEOPLE_AT_ONCE):
            async with self._db.read() as tx:
                found = await order_book.changed_since(tx, self._trail, people[some : some + _PEOPLE_AT_ONCE], since - _MARGIN)
            for changed in found:
                order = changed.order
                told = (order.state.value, order.changed_at)
                if self._told.get(order.id) != told:
                    await here.order_to_customer(changed)
                    if len(self._told) < _TOLD_MAX:  # what is more is told again, which changes nothing
                        self._told[order.id] = told
