"""All of rooms, put together: what the composition root builds, what the routes find, and what runs beside the requests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import socketio
import structlog
from aiohttp import web

from commerce.orders import OrderDesk
from core.clock import Clock
from core.database import Database
from recording.trail import Trail
from rooms.abandoned import AFTER_S, AbandonedSweep
from rooms.attendance import Attendance
from rooms.author_tags import AuthorTags
from rooms.calls import CallDesk
from rooms.closing import Media, SaleChecks
from rooms.comments import CommentDesk
from rooms.dispatch import Identify, May, Namespace
from rooms.eviction import EndPictures, Eviction
from rooms.fanout import Fanout
from rooms.line import Line
from rooms.moderation import ModerationDesk
from rooms.namespace import DeskNamespace, RoomNamespace
from rooms.presence import Presence
from rooms.proposals import ProposalDesk
from rooms.reactions import Reactions
from rooms.rejoining import Rejoining
from rooms.relay import Relay
from rooms.shows import ShowDesk

log = structlog.get_logger()

SWEEP_EVERY_S = 5.0
EXPIRED_EVERY_S = 60.0
BANNED_EVERY_S = 1.0
ABANDONED_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Rooms:
    """The desks of rooms. `run` must run as long as the application does."""

    sio: socketio.AsyncServer
    db: Database
    trail: Trail
    clock: Clock
    attendance: Attendance
    fanout: Fanout
    presence: Presence
    comments: CommentDesk
    moderation: ModerationDesk
    reactions: Reactions
    shows: ShowDesk
    calls: CallDesk
    proposals: ProposalDesk
    orders: OrderDesk
    abandoned: AbandonedSweep
    eviction: Eviction
    room: RoomNamespace
    namespaces: tuple[Namespace, ...]
    rejoining: Rejoining | None

    async def run(self) -> None:
        """Ticks of comments, presence, shelves; sweeps of the line, of what is abandoned or expired. Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.comments.run())
            group.create_task(self.presence.run())
            group.create_task(self.reactions.run())
            group.create_task(self.fanout.run())
            group.create_task(self._sweep())
            group.create_task(self._sweep_abandoned())
            group.create_task(self._mind_expired())
            group.create_task(self._mind_banned())
            group.create_task(self.eviction.run())
            if self.rejoining is not None:
                group.create_task(self.attendance.run())
                group.create_task(self.rejoining.run())

    async def _sweep(self) -> None:
        while True:
            try:
                await self.calls.sweep()
            except Exception:  # places are kept in the database; the next sweep is another chance
                log.exception("the waiting line could not be swept")
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _sweep_abandoned(self) -> None:
        while True:
            await asyncio.sleep(ABANDONED_EVERY_S)  # first: what the feed kept while no web process ran has to be taken in
            try:
                await self.abandoned.sweep()
            except Exception:  # what is abandoned stays so; the next sweep is another chance
                log.exception("abandoned sessions could not be looked for")

    async def _mind_banned(self) -> None:
        while True:
            await asyncio.sleep(BANNED_EVERY_S)
            try:
                await self.room.expel_banned()
            except Exception:  # who is banned can neither comment nor come back; the next look is another chance
                log.exception("banned people could not be put out")

    async def _mind_expired(self) -> None:
        while True:
            await asyncio.sleep(EXPIRED_EVERY_S)
            for namespace in self.namespaces:
                try:
                    await namespace.end_expired()
                except Exception:  # what an expired socket sends is refused all the same
                    log.exception("expired clients could not be disconnected")


ROOMS = web.AppKey("rooms", Rooms)


def open_rooms(
    sio: socketio.AsyncServer,
    fanout: Fanout,
    *,
    db: Database,
    trail: Trail,
    clock: Clock,
    attendance: Attendance,
    media: Media,
    end_pictures: EndPictures,
    sale: SaleChecks,
    orders: OrderDesk,
    identify: Identify,
    may: May,
    secret: bytes,
    abandoned_after_s: float = AFTER_S,
    joined: tuple[Line, Relay] | None = None,
) -> Rooms:
    """Build the desks and register both namespaces with `sio`.

    `fanout` is made first, because the order desk and the sale monitor tell it of changes. `secret` makes author tags and must
    be the same on every web process and after a restart. `joined` is what joins several web processes; `end_pictures`
    ends what people watch of a session.
    """
    tags = AuthorTags(secret)
    presence = Presence(db, clock, fanout.presence, joined[1] if joined is not None else None)
    comments = CommentDesk(db, trail, clock, tags, fanout.comments, sio.eio.undisturbed)
    reactions = Reactions(clock, fanout.reactions, joined[1] if joined is not None else None)
    calls = CallDesk(db, trail, clock, media, sale, attendance, fanout)
    proposals = ProposalDesk(db, trail, clock, orders, fanout)
    shows = ShowDesk(db, trail, clock, media, sale, presence, fanout)
    abandoned = AbandonedSweep(db, trail, clock, abandoned_after_s, show=shows.end_abandoned, call=calls.end_abandoned)
    room = RoomNamespace(
        identify,
        may,
        db=db,
        trail=trail,
        clock=clock,
        comments=comments,
        tags=tags,
        presence=presence,
        orders=orders,
        reactions=reactions,
        fanout=fanout,
    )
    desk = DeskNamespace(
        identify, may, db=db, clock=clock, calls=calls, proposals=proposals, attendance=attendance, fanout=fanout
    )
    sio.register_namespace(room)
    sio.register_namespace(desk)
    rejoining = None
    if joined is not None:
        people, watched, at_desk = room.customers, room.watched, desk.people
        rejoining = Rejoining(*joined, fanout, db, trail, people=people, watched=watched, at_desk=at_desk)
    eviction = Eviction(db, clock, end_pictures)
    moderation = ModerationDesk(db, trail, clock, fanout, room.expel, eviction.wake)
    return Rooms(
        sio, db, trail, clock, attendance, fanout, presence, comments, moderation, reactions, shows, calls, proposals,
        orders, abandoned, eviction, room, (room, desk), rejoining,
    )  # fmt: skip
