"""Coming into a room: who may in, and all there is to draw it. Many who come at once are read for together.

After a drop everybody comes back within seconds. What a session looks like is the same for all of them, so it is read and
encoded once for those who wait, always after the last of them has entered the room: what happens from then on he hears as it
happens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import order_book, tally
from commerce.order_book import OrderRecord
from commerce.wire import Tally
from core.clock import Clock
from core.database import Database
from core.errors import Refused, Unavailable
from core.grouping import Grouping
from core.identity import Person
from recording.trail import Trail
from rooms import access, session_view, spoken
from rooms.access import Access, Place
from rooms.author_tags import AuthorTags
from rooms.comments import HISTORY
from rooms.errors import TOO_MANY_HERE
from rooms.fanout import Fanout
from rooms.presence import Presence
from rooms.session_view import Facts
from rooms.spoken import Latest

_AT_ONCE: Final = 100
_WAITING_MAX: Final = 5_000
# More were taken down than a page has lines: the latest are those it may show.
REMOVED_MAX: Final = 400
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Coming:
    """Somebody who has entered the room of `place`; `after` is the last trail number he has seen."""

    person: Person
    place: Access
    lang: str
    after: int | None


@dataclass(slots=True)
class _Picture:
    """One session as it was read for a group; what several are answered is encoded once."""

    seq: int
    facts: Facts
    latest: Latest
    comments: msgspec.Raw
    orders: dict[str, list[OrderRecord]]
    sums: list[Tally] | None
    views: dict[tuple[str, str], msgspec.Raw] = field(default_factory=dict)
    moments: dict[int, Any] = field(default_factory=dict)
    gone: dict[int, list[str]] = field(default_factory=dict)


class Joining:
    """Lets people in, and tells them what there is; each in groups."""

    def __init__(self, db: Database, trail: Trail, clock: Clock, tags: AuthorTags, presence: Presence, fanout: Fanout) -> None:
        self._db, self._trail, self._clock = db, trail, clock
        self._tags, self._presence, self._fanout = tags, presence, fanout
        self._doors: Grouping[tuple[Person, str], Access] = Grouping(
            self._admit, most=_AT_ONCE, waiting_max=_WAITING_MAX, full=lambda: Unavailable(TOO_MANY_HERE)
        )
        self._pictures: Grouping[Coming, Mapping[str, Any]] = Grouping(
            self._draw, most=_AT_ONCE, waiting_max=_WAITING_MAX, full=lambda: Unavailable(TOO_MANY_HERE)
        )

    async def enter(self, person: Person, session_id: str) -> Access:
        """What the person is in the session. Raises as `access.enter`, and Unavailable(TOO_MANY_HERE)."""
        return await self._doors.do((person, session_id))

    async def picture(self, coming: Coming) -> Mapping[str, Any]:
        """The fields of `wire.Joined`, partly encoded. Raises Unavailable(TOO_MANY_HERE)."""
        return await self._pictures.do(coming)

    async def _admit(self, requests: Sequence[tuple[Person, str]]) -> list[Access | Exception]:
        places: dict[str, Place | Refused] = {}
        answers: list[Access | Exception] = []
        async with self._db.read() as tx:
            for person, session_id in requests:
                if session_id not in places:
                    places[session_id] = await _found(tx, session_id)
                place = places[session_id]
                try:
                    answers.append(place.admit(person) if isinstance(place, Place) else Refused(place.problem, **place.params))
                except Refused as refusal:
                    answers.append(refusal)
        return answers

    async def _draw(self, group: Sequence[Coming]) -> list[Mapping[str, Any]]:
        by_session: dict[str, list[Coming]] = {}
        for one in group:
            by_session.setdefault(one.place.session.id, []).append(one)
        async with self._db.read() as tx:
            pictures = {session_id: await self._read(tx, session_id, some) for session_id, some in by_session.items()}
            return [await self._answer(tx, pictures[one.place.session.id], one) for one in group]

    async def _read(self, tx: AsyncConnection, session_id: str, some: Sequence[Coming]) -> _Picture:
        talk = await spoken.latest(tx, session_id, HISTORY)
        return _Picture(
            seq=await self._trail.last(tx, session_id),
            facts=await session_view.facts(tx, self._trail, session_id),
            latest=talk,
            comments=msgspec.Raw(_ENCODER.encode(talk.seen_by())),
            orders=await order_book.of_customers(tx, {one.person.id for one in some}, session_id),
            sums=await tally.of_session(tx, session_id) if any(one.place.is_host for one in some) else None,
        )

    async def _answer(self, tx: AsyncConnection, picture: _Picture, one: Coming) -> Mapping[str, Any]:
        session_id = one.place.session.id
        mine = picture.orders.get(one.person.id, [])
        if one.after is not None and mine:
            mine = await self._changed_since(tx, picture, mine, session_id, one.after)
        kind = (one.lang, one.place.me_role)
        if kind not in picture.views:
            view = session_view.seen(picture.facts, self._clock, one.place, one.lang, self._fanout.media_boot)
            picture.views[kind] = msgspec.Raw(_ENCODER.encode(view))
        tag = self._tags.tag(session_id, one.person.id)
        more = tag in picture.latest.own_tags
        return {
            "seq": picture.seq,
            "session": picture.views[kind],
            "comments": msgspec.Raw(_ENCODER.encode(picture.latest.seen_by(tag))) if more else picture.comments,
            "orders": msgspec.to_builtins([order.view(one.lang) for order in mine]),
            "viewers": self._presence.viewers(session_id),
            "author_tag": tag,
            "tally": msgspec.to_builtins(picture.sums) if one.place.is_host else None,
            "removed": await _taken_down(tx, picture, session_id, one.after),
        }

    async def _changed_since(
        self, tx: AsyncConnection, picture: _Picture, mine: list[OrderRecord], session_id: str, after: int
    ) -> list[OrderRecord]:
        """Those placed or moved on since entry `after`; all of them when there is no such entry.

        By number, which all processes agree on. What the core answers after the seal has none of this trail: that goes by time.
        """
        if after not in picture.moments:
            seen = await self._trail.entries(tx, session_id, after - 1, 1) if after else []
            picture.moments[after] = seen[0].at if seen else None
        moment = picture.moments[after]
        return [order for order in mine if moment is None or order.session_seq > after or order.changed_at > moment]


async def _taken_down(tx: AsyncConnection, picture: _Picture, session_id: str, after: int | None) -> list[str]:
    """The comments that moderators have taken down since entry `after`: whoever was away still has them before him."""
    if after is None:
        return []
    if after not in picture.gone:
        picture.gone[after] = list(await spoken.gone_since(tx, session_id, after))[-REMOVED_MAX:]
    return picture.gone[after]


async def _found(tx: AsyncConnection, session_id: str) -> Place | Refused:
    try:
        return await access.find(tx, session_id)
    except Refused as refusal:
        return refusal
