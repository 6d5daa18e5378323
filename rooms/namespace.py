"""The two Socket.IO namespaces: `/room` for everybody in a session, `/desk` for calls. Handlers translate; use cases act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from commerce.orders import OrderDesk
from commerce.wire import PlaceOrder
from core.clock import Clock
from core.database import Database
from core.errors import NOT_SIGNED_IN, Refused
from core.identity import Person, Role
from recording.trail import Trail
from rooms import access, call_view
from rooms.access import Access
from rooms.attendance import Attendance
from rooms.author_tags import AuthorTags
from rooms.batches import ROOM
from rooms.call_wire import CallRef, Confirm, Propose, RequestCall, SetAvailable, Transfer
from rooms.calls import CallDesk
from rooms.comments import CommentDesk
from rooms.dispatch import BUCKETS_MAX, Event, Identify, May, Namespace, Socket
from rooms.errors import BANNED, TOO_MANY_JOINED
from rooms.fanout import DESK, Fanout, desks_room, moderators_room, person_room, session_room
from rooms.joining import Coming, Joining
from rooms.moderation_judging import banned
from rooms.presence import Presence
from rooms.proposals import ProposalDesk
from rooms.rate import Buckets
from rooms.reactions import Reactions
from rooms.wire import Banned, Join, Leave, React, Say

# One browser tab watches one session; a few more are a program.
JOINED_MAX = 5
# Several tabs that lost a server come back at once, and perhaps once more; who comes all the time is a program.
JOINS_BURST, JOINS_PER_S = 20.0, 0.5


class RoomNamespace(Namespace):
    """`/room`: join, comment, react, order, leave."""

    def __init__(
        self,
        identify: Identify,
        may: May,
        *,
        db: Database,
        trail: Trail,
        clock: Clock,
        comments: CommentDesk,
        tags: AuthorTags,
        presence: Presence,
        orders: OrderDesk,
        reactions: Reactions,
        fanout: Fanout,
    ) -> None:
        super().__init__(ROOM, identify, may, clock)
        self._fanout = fanout
        self._db, self._trail = db, trail
        self._joining = Joining(db, trail, clock, tags, presence, fanout)
        self._comments, self._presence, self._orders = comments, presence, orders
        self._reactions = reactions
        self._hosting: dict[tuple[str, str], bool] = {}  # (sid, session): whether comments are the host's
        self.events: Mapping[str, Event] = {
            "join": Event(Join, self._join, Buckets(JOINS_BURST, JOINS_PER_S, BUCKETS_MAX)),
            "comment": Event(Say, self._comment),
            "react": Event(React, self._react),
            "order": Event(PlaceOrder, self._order),
            "leave": Event(Leave, self._leave),
        }

    def customers(self) -> set[str]:
        """The ids of the customers who are connected to this process."""
        return {socket.person.id for socket in self.sockets.values() if socket.person.role is Role.CUSTOMER}

    def watched(self) -> set[str]:
        """The sessions that somebody who is connected to this process is in."""
        return {session_id for socket in self.sockets.values() for session_id in socket.sessions}

    async def entered(self, socket: Socket) -> None:
        await self.enter_room(socket.sid, person_room(socket.person.id, socket.lang))

    async def left(self, socket: Socket) -> None:
        for session_id in list(socket.sessions):
            self._forget(socket, session_id)

    async def _join(self, socket: Socket, body: Join) -> Mapping[str, Any]:
        if len(socket.sessions) >= JOINED_MAX and body.session not in socket.sessions:
            raise Refused(TOO_MANY_JOINED, max=JOINED_MAX)
        if body.lang is not None and body.lang != socket.lang:
            await self._speak(socket, body.lang)
        place = await self._joining.enter(socket.person, body.session)
        if socket.sid not in self.sockets:
            raise Refused(NOT_SIGNED_IN)  # gone in the meantime
        # Into the room before the snapshot is read: what happens in between comes twice, with its seq, and never not at all.
        await self.enter_room(socket.sid, session_room(body.session))
        await self.enter_room(socket.sid, session_room(body.session, socket.lang))
        if place.moderates:
            await self.enter_room(socket.sid, moderators_room(body.session))
        first = body.session not in socket.sessions
        socket.sessions.add(body.session)
        self._hosting[socket.sid, body.session] = place.is_host
        if first:
            await self._arrived(socket, place)
        return await self._joining.picture(Coming(socket.person, place, socket.lang, body.after))

    async def _speak(self, socket: Socket, lang: str) -> None:
        """The reader has switched languages: cookies of an open connection can't change."""
        for spoken, move in ((socket.lang, self.leave_room), (lang, self.enter_room)):
            await move(socket.sid, person_room(socket.person.id, spoken))
            for session_id in socket.sessions:
                await move(socket.sid, session_room(session_id, spoken))
        socket.lang = lang

    async def _arrived(self, socket: Socket, place: Access) -> None:
        if place.me_role == "viewer":
            self._presence.enter(place.session.id, socket.sid)
        if place.me_role == "supervisor" and place.call is not None:
            await access.listened(self._db, self._trail, socket.person, place, "room")

    async def _comment(self, socket: Socket, body: Say) -> Mapping[str, Any]:
        host = self._hosting.get((socket.sid, body.session))
        if host is None:
            async with self._db.read() as tx:
                host = (await access.enter(tx, socket.person, body.session)).is_host
        taken = await self._comments.say(
            socket.person,
            body.session,
            body.text,
            host=host,
            question=body.question,
            answers=body.answers,
            mentions=body.mentions,
        )
        answer = {"id": taken.id, "comment": msgspec.to_builtins(taken.comment)}
        return answer | {"held": True} if taken.held else answer

    async def _react(self, socket: Socket, body: React) -> Mapping[str, Any]:
        if body.session not in socket.sessions:  # who has joined has been let in
            async with self._db.read() as tx:
                await access.enter(tx, socket.person, body.session)
        return {"counted": self._reactions.react(socket.person.id, body.session, body.kind, body.count)}

    async def _order(self, socket: Socket, body: PlaceOrder) -> Mapping[str, Any]:
        if body.session not in socket.sessions:  # who has joined has been let in; the gate judges the rest
            async with self._db.read() as tx:
                await access.enter(tx, socket.person, body.session)
        placed = await self._orders.place(socket.person, body, lang=socket.lang)
        return {"order": msgspec.to_builtins(placed.order), "seq": placed.seq}

    async def _leave(self, socket: Socket, body: Leave) -> Mapping[str, Any]:
        if body.session in socket.sessions:
            await self._out_of(socket, body.session)
        return {}

    async def _out_of(self, socket: Socket, session_id: str) -> None:
        for room in (session_room(session_id), session_room(session_id, socket.lang), moderators_room(session_id)):
            await self.leave_room(socket.sid, room)
        self._forget(socket, session_id)

    async def expel(self, banned_here: set[tuple[str, str]]) -> None:
        """These people (session, person) leave the session at once, with all their connections to this process."""
        for socket in list(self.sockets.values()):
            for session_id in [one for one in socket.sessions if (one, socket.person.id) in banned_here]:
                if self._hosting.get((socket.sid, session_id)):
                    continue
                await self._out_of(socket, session_id)
                async with self._db.read() as tx:
                    seq = await self._trail.last(tx, session_id)
                said = Refused(BANNED).to_json(socket.lang)
                told = Banned(session_id, seq, said["code"], said["title"], said["next"])
                await self.emit("banned", msgspec.to_builtins(told), room=socket.sid)

    async def expel_banned(self) -> None:
        """The same for whoever was banned by another process, or while he came in. To be called every second or so."""
        joined = {session_id for socket in self.sockets.values() for session_id in socket.sessions}
        if joined:
            async with self._db.read() as tx:
                found = await banned(tx, joined)
            if found:
                await self.expel(found)

    def _forget(self, socket: Socket, session_id: str) -> None:
        socket.sessions.discard(session_id)
        self._hosting.pop((socket.sid, session_id), None)
        self._presence.leave(session_id, socket.sid)


class DeskNamespace(Namespace):
    """`/desk`: available, request, accept, decline, propose, confirm, transfer, hang_up."""

    def __init__(
        self,
        identify: Identify,
        may: May,
        *,
        db: Database,
        clock: Clock,
        calls: CallDesk,
        proposals: ProposalDesk,
        attendance: Attendance,
        fanout: Fanout,
    ) -> None:
        super().__init__(DESK, identify, may, clock)
        self._db, self._calls, self._proposals = db, calls, proposals
        self._attendance, self._fanout = attendance, fanout
        self.events: Mapping[str, Event] = {
            "available": Event(SetAvailable, self._available),
            "request": Event(RequestCall, self._request),
            "accept": Event(CallRef, self._accept),
            "decline": Event(CallRef, self._decline),
            "propose": Event(Propose, self._propose),
            "confirm": Event(Confirm, self._confirm),
            "transfer": Event(Transfer, self._transfer),
            "hang_up": Event(CallRef, self._hang_up),
        }

    def people(self) -> set[str]:
        """The ids of all who are connected to this process."""
        return {socket.person.id for socket in self.sockets.values()}

    async def entered(self, socket: Socket) -> None:
        person = socket.person
        await self.enter_room(socket.sid, person_room(person.id, socket.lang))
        if person.role in (Role.ADVISER, Role.SUPERVISOR):
            await self.enter_room(socket.sid, desks_room(socket.lang))
        if self._attendance.enter(person, socket.sid) and person.role is Role.ADVISER:
            await self._tell_call_under_way(person, "adviser_back")

    async def left(self, socket: Socket) -> None:
        person = socket.person
        was_available = person.id in self._attendance.available()
        if self._attendance.leave(person, socket.sid):
            if person.role is Role.CUSTOMER:
                await self._calls.customer_left(person.id)
            elif person.role is Role.ADVISER:
                await self._tell_call_under_way(person, "adviser_away")
        if was_available and person.id not in self._attendance.available():
            self._fanout.line_changed()

    async def _tell_call_under_way(self, person: Person, notice: str) -> None:
        call = await self._calls.under_way(person.id)
        if call is not None and call.session_id is not None:
            await self._fanout.notice(call.session_id, notice)

    async def _available(self, socket: Socket, body: SetAvailable) -> Mapping[str, Any]:
        self._attendance.set_available(socket.person.id, socket.sid, on=body.on)
        self._fanout.line_changed()
        async with self._db.read() as tx:
            waiting = await call_view.waiting(tx, self._clock, self._attendance)
        return {"queue": msgspec.to_builtins(call_view.queue_view(waiting, self._attendance, socket.lang))}

    async def _request(self, socket: Socket, body: RequestCall) -> Mapping[str, Any]:
        return await self._call(socket, await self._calls.request(socket.person, body.topic))

    async def _accept(self, socket: Socket, body: CallRef) -> Mapping[str, Any]:
        return await self._call(socket, await self._calls.accept(socket.person, body.call))

    async def _decline(self, socket: Socket, body: CallRef) -> Mapping[str, Any]:
        return await self._call(socket, await self._calls.decline(socket.person, body.call))

    async def _transfer(self, socket: Socket, body: Transfer) -> Mapping[str, Any]:
        return await self._call(socket, await self._calls.transfer(socket.person, body.call, body.to))

    async def _hang_up(self, socket: Socket, body: CallRef) -> Mapping[str, Any]:
        return await self._call(socket, await self._calls.hang_up(socket.person, body.call))

    async def _propose(self, socket: Socket, body: Propose) -> Mapping[str, Any]:
        await self._proposals.propose(socket.person, body)
        call = await self._view(socket, body.call)
        return {"proposal": msgspec.to_builtins(call.proposal), "call": msgspec.to_builtins(call)}

    async def _confirm(self, socket: Socket, body: Confirm) -> Mapping[str, Any]:
        placed = await self._proposals.confirm(socket.person, body, socket.lang)
        return {"order": msgspec.to_builtins(placed.order), "seq": placed.seq}

    async def _call(self, socket: Socket, call_id: str) -> Mapping[str, Any]:
        return {"call": msgspec.to_builtins(await self._view(socket, call_id))}

    async def _view(self, socket: Socket, call_id: str) -> Any:
        async with self._db.read() as tx:
            return (await call_view.one(tx, self._clock, self._attendance, call_id)).view(socket.lang)
