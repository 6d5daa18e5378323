"""Shows: planned, hosted, ended. A show's state is its session's; only its host moves it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock, from_text, to_text
from core.database import Database
from core.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Refused
from core.identity import Person, Role
from core.ids import new_id
from recording import sessions
from recording.errors import WRONG_STATE
from recording.lifecycle import FINAL, Event
from recording.tables import sessions as session_rows
from recording.trail import Trail
from rooms import moderation_judging, replay
from rooms.abandoned import ABANDONED_BY, Left
from rooms.closing import Media, SaleChecks, announce, close_media
from rooms.errors import STARTS_IN_PAST
from rooms.fanout import Fanout
from rooms.presence import Presence
from rooms.tables import shows
from rooms.wire import Lobby, NewShow, PersonRef, Show

REQUIRED = ("host",)
LISTED_MAX = 50
# A show may be planned for "now": clocks of browsers are off by a little.
LATE = timedelta(minutes=10)


class ShowDesk:
    """The use cases of shows."""

    def __init__(
        self, db: Database, trail: Trail, clock: Clock, media: Media, checks: SaleChecks, presence: Presence, fanout: Fanout
    ) -> None:
        self._db, self._trail, self._clock = db, trail, clock
        self._media, self._checks, self._presence, self._fanout = media, checks, presence, fanout

    async def lobby(self, person: Person) -> Lobby:
        """What is live, what is coming, what was."""
        async with self._db.read() as tx:
            return Lobby(
                live=await self._list(
                    tx, person, _ALL.where(_state("live", "paused")).order_by(session_rows.c.started_at.desc())
                ),
                upcoming=await self._list(tx, person, _ALL.where(_state("scheduled")).order_by(shows.c.starts_at)),
                replays=await self._list(tx, person, _ALL.where(_state("ended")).order_by(session_rows.c.ended_at.desc())),
            )

    async def create(self, person: Person, body: NewShow) -> Show:
        """A show planned by its host. Raises Refused: FORBIDDEN, BAD_REQUEST, STARTS_IN_PAST."""
        if person.role is not Role.ADVISER:
            raise Refused(FORBIDDEN)
        try:
            starts_at = from_text(body.starts_at)
        except ValueError as error:
            raise Refused(BAD_REQUEST, detail="starts_at: RFC 3339 with a time zone") from error
        if starts_at < self._clock.now() - LATE:
            raise Refused(STARTS_IN_PAST)
        values = {"title": body.title, "summary": body.summary, "product_class": body.product_class, "starts_at": starts_at}
        async with self._db.write() as tx:
            show_id = await add(tx, self._clock, person, values)
        return await self.get(person, show_id)

    async def get(self, person: Person, show_id: str) -> Show:
        """One show. Raises Refused(NOT_FOUND)."""
        async with self._db.read() as tx:
            row = await one(tx, show_id)
            copies = await replay.of_shows(tx, [row.session_id])
            return self._view(row, person, copies.get(row.session_id, replay.Copies()))

    async def move(self, person: Person, show_id: str, event: Event) -> Show:
        """start, pause, resume, end or cancel, by the host. Raises Refused: NOT_FOUND, FORBIDDEN, WRONG_STATE."""
        async with self._db.write() as tx:
            row = await hosted(tx, person, show_id)
            session = await self._moved(tx, row.session_id, event, person.id)
        await self._told(session)
        return await self.get(person, show_id)

    async def end_abandoned(self, session_id: str, left: Left) -> bool:
        """End a show whose host is gone, if that is still so; whether it was ended here."""
        async with self._db.write() as tx:
            if not await left(tx, await sessions.lock(tx, session_id)):
                return False
            session = await self._moved(tx, session_id, Event.END, ABANDONED_BY)
        await self._told(session)
        return True

    async def _moved(self, tx: AsyncConnection, session_id: str, event: Event, actor: str) -> sessions.Session:
        session, _entry = await sessions.move(tx, self._clock, self._trail, session_id, event.value, actor)
        if session.state in FINAL:
            await moderation_judging.forget(tx, session_id)
        return session

    async def _told(self, session: sessions.Session) -> None:
        """After the commit: the sale, everybody in the session, and the media when it is over."""
        ended = session.state in FINAL
        change = self._fanout.session_changed(session.id, "session_ended" if ended else "session_moved")
        await announce(self._checks.check(session.id), change)
        if ended and session.started_at is not None:  # of one that was cancelled the media process has never heard
            await announce(close_media(self._media, session.id))

    async def _list(self, tx: AsyncConnection, person: Person, query: Select[Any]) -> list[Show]:
        rows = (await tx.execute(query.limit(LISTED_MAX))).all()
        copies = await replay.of_shows(tx, [row.session_id for row in rows if row.state == "ended"])
        return [self._view(row, person, copies.get(row.session_id, replay.Copies())) for row in rows]

    def _view(self, row: Row[Any], person: Person, copies: replay.Copies) -> Show:
        return Show(
            id=row.id,
            session=row.session_id,
            title=row.title,
            summary=row.summary,
            host=PersonRef(row.host_id, row.host_name),
            state=row.state,
            starts_at=to_text(row.starts_at),
            started_at=to_text(row.started_at) if row.started_at is not None else None,
            ended_at=to_text(row.ended_at) if row.ended_at is not None else None,
            product_class=row.product_class,
            viewers=self._presence.viewers(row.session_id),
            viewers_peak=row.viewers_peak,
            poster=replay.poster_of(row.session_id, copies),
            replay_ms=copies.film.duration_ms if copies.film is not None else None,
            mine=row.host_id == person.id,
        )


_ALL = select(shows, session_rows.c.state, session_rows.c.started_at, session_rows.c.ended_at).join(
    session_rows, session_rows.c.id == shows.c.session_id
)


def _state(*states: str) -> Any:
    return session_rows.c.state.in_(states)


async def one(tx: AsyncConnection, show_id: str) -> Row[Any]:
    """The show with its session's state. Raises Refused(NOT_FOUND)."""
    row = (await tx.execute(_ALL.where(shows.c.id == show_id))).one_or_none()
    if row is None:
        raise Refused(NOT_FOUND)
    return row


async def hosted(tx: AsyncConnection, person: Person, show_id: str) -> Row[Any]:
    """The same, for its host alone. Raises Refused(NOT_FOUND), Refused(FORBIDDEN)."""
    row = await one(tx, show_id)
    if row.host_id != person.id:
        raise Refused(FORBIDDEN)
    return row


async def add(tx: AsyncConnection, clock: Clock, host: Person, values: Mapping[str, Any]) -> str:
    """A show and its scheduled session; `values` are title, summary, product_class, starts_at. Answers the show's id."""
    session = await sessions.create(tx, clock, kind="show", title=values["title"], host_id=host.id, required=REQUIRED)
    show_id = new_id("shw")
    row = {"id": show_id, "session_id": session.id, "host_id": host.id, "host_name": host.name, "created_at": clock.now()}
    await tx.execute(insert(shows).values(**row, **values))
    return show_id


async def still_open(tx: AsyncConnection, session_id: str) -> None:
    """Holds the session still. Raises Refused(WRONG_STATE) when it is over: its shelf is part of the record then."""
    session = await sessions.lock(tx, session_id)
    if session.state in FINAL:
        raise Refused(WRONG_STATE, state=session.state.value, event="shelf")
