"""What this process's clients may have missed while web processes could not hear each other, told from the database.

While Redis is away, or another process is not heard of, the orders of customers who are connected here are looked for once a
second: orders never depend on Redis. When the line is back each process, and any that was away alone, says since when; then
all tell their own clients how things stand: the orders that have changed; of what is watched here state, shelf, pin, what
moderators took down or let be seen, and the last that was said; their calls and the waiting line. It is told with the numbers
of the record, so that who knew it already is not told anything new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import order_book, shelf
from core.clock import from_text
from core.database import Database, among
from recording import kinds
from recording.trail import Entry, Trail
from rooms import spoken
from rooms.comments import HISTORY
from rooms.fanout import Fanout
from rooms.line import Line
from rooms.relay import Back, Relay
from rooms.tables import calls
from rooms.wire import Comment

log = structlog.get_logger()

EVERY_S: Final = 1.0
_TOGETHER_S: Final = 0.2
# A change is stamped before it is committed, and the processes' clocks differ a little.
_MARGIN: Final = timedelta(seconds=10)
_PEOPLE_AT_ONCE: Final = 500
_TAKEN_DOWN: Final = frozenset({kinds.COMMENT_REMOVED, kinds.COMMENT_RESTORED})
_TOLD_MAX: Final = 20_000

Here = Callable[[], Collection[str]]


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


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
        if up:
            self._missed_since = None  # who says from here on that he is back may have said what this round has read already
        try:
            since = [moment for moment in (missed, self._apart_since) if moment is not None]
            if since:
                await self._orders(min(since))
            if missed is not None and up:
                await self._everything(missed)
                await self._calls(missed)
        except BaseException:
            self._missed_since = _earlier(missed, self._missed_since)
            raise
        if not apart:
            self._apart_since = None
            self._told.clear()

    def _back(self, since: datetime) -> None:
        self._relay.back(since)
        self._missed(since)

    def _missed(self, since: datetime) -> None:
        self._missed_since = _earlier(since, self._missed_since)
        self._wanted.set()

    async def _everything(self, since: datetime) -> None:
        here = self._fanout.here()
        for session_id in sorted(self._watched()):
            await here.session_changed(session_id, "rejoined")
            async with self._db.read() as tx:
                offered = await shelf.read(tx, self._trail, session_id)
                removed, shown = await self._talk(tx, session_id, since - _MARGIN)
            await here.shelf(offered)
            await here.pinned(offered)
            await here.moderated(session_id, removed, shown)
            await here.queue_changed(session_id)
        self._fanout.line_changed()

    async def _talk(self, tx: AsyncConnection, session_id: str, since: datetime) -> tuple[list[str], list[Comment]]:
        """What was taken down since then, and what is shown: put back, released, or said. Of what was said the last."""
        acts: dict[str, Entry] = {}
        async for act in self._trail.stream(tx, session_id, kinds=_TAKEN_DOWN):
            if act.at > since:
                acts[str(act.data["id"])] = act
        removed = [comment for comment, act in acts.items() if act.kind == kinds.COMMENT_REMOVED]
        again = {int(act.data["comment"]) for act in acts.values() if act.kind == kinds.COMMENT_RESTORED}
        back = [one for one in (await spoken.several(tx, session_id, again)).values() if not one.is_hidden]
        quoted = await spoken.quoted(tx, session_id, [one.entry for one in back])
        shown = {one.id: one.comment(quoted) for one in back}
        latest = await spoken.latest(tx, session_id, HISTORY)
        shown |= {one.id: one for one in latest.seen_by() if from_text(one.at) > since}
        return removed, list(shown.values())

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
