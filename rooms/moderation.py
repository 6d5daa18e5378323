"""Moderators of a show: its host and supervisors. Each act and its entry are one transaction; others hear of it afterwards.

The life of an act:
1. who asks moderates this show;
2. the trail's head is locked: no comment of the session is judged meanwhile, and no other act is under way;
3. rows (rules, sanctions, held comments) and the entry, with who did it and why;
4. after the commit the room hears what is shown now, moderators that there is something new, and who was banned leaves
   (the room at once, the picture by `rooms/eviction.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock
from core.database import Database
from core.errors import FORBIDDEN, Refused
from core.identity import Person
from recording.trail import Trail, lock_head
from rooms import access, moderation_acts, moderation_view
from rooms.access import Access
from rooms.closing import announce
from rooms.fanout import Fanout
from rooms.moderation_acts import DO, Change, Moderating
from rooms.moderation_wire import Act, Moderation

# Called with a session and people who may not be in it any more.
Expel = Callable[[set[tuple[str, str]]], Awaitable[None]]


class ModerationDesk:
    """What moderators do and see."""

    def __init__(
        self, db: Database, trail: Trail, clock: Clock, fanout: Fanout, expel: Expel, banned: Callable[[], None]
    ) -> None:
        """`expel` puts people out of a session's room; `banned` hears that somebody was banned."""
        self._db, self._trail, self._clock, self._fanout = db, trail, clock, fanout
        self._expel, self._banned = expel, banned

    async def view(self, person: Person, session_id: str) -> Moderation:
        """Raises Refused: NOT_FOUND, CALL_NOT_YOURS, FORBIDDEN."""
        async with self._db.read() as tx:
            return await self._view(tx, await _place(tx, person, session_id))

    async def act(self, person: Person, session_id: str, body: Act) -> Moderation:
        """Do it. Raises Refused: as `view`, BAD_REQUEST, ACT_OVERTAKEN, HOST_STAYS, TrailSealed."""
        async with self._db.write() as tx:
            place = await _place(tx, person, session_id)
            await lock_head(tx, session_id)
            now = Moderating(tx, self._trail, self._clock, session_id, person, body.reason.strip())
            change = await DO[body.act](now, body)
            seen = await self._view(tx, place)
        await self._tell(session_id, change)
        return seen

    async def undo(self, person: Person, session_id: str, act: int) -> Moderation:
        """Undo the act of that number. Raises Refused: as `act`."""
        async with self._db.write() as tx:
            place = await _place(tx, person, session_id)
            await lock_head(tx, session_id)
            change = await moderation_acts.undo(Moderating(tx, self._trail, self._clock, session_id, person, undoes=act), act)
            seen = await self._view(tx, place)
        await self._tell(session_id, change)
        return seen

    async def _view(self, tx: AsyncConnection, place: Access) -> Moderation:
        return await moderation_view.view(tx, self._trail, self._clock, place)

    async def _tell(self, session_id: str, change: Change) -> None:
        steps: list[Awaitable[None]] = []
        if change.expelled is not None:
            self._banned()
            steps.append(self._expel({(session_id, change.expelled)}))
        if change.public:
            steps.append(self._fanout.moderated(session_id, change.removed, change.restored))
        await announce(*steps, self._fanout.queue_changed(session_id))


async def _place(tx: AsyncConnection, person: Person, session_id: str) -> Access:
    place = await access.enter(tx, person, session_id)
    if not place.moderates:
        raise Refused(FORBIDDEN)
    return place
