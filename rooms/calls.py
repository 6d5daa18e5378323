"""Calls from the first ring to the last word. Each use case is one transaction; whoever is concerned hears of it after commit.

The life of a call:
1. a customer asks for one (one open call each, kept by the database) and waits in a line: first come, first served;
2. an adviser accepts: the first wins by a conditional update, the others are told it is gone;
3. the customer agrees to be recorded; only now a session is made and started, so nothing is ever sent unrecorded;
4. proposals are made and confirmed (`proposals.py`); a transfer ends this session and puts the call back into the line, and the
   next adviser gets a session of his own, so that no former party can go on listening;
5. either hangs up: session and call end in one transaction, then the media is closed; `abandoned.py` ends it so when both are
   gone and neither has.
A customer who disconnects while waiting keeps his place for 60 s. `seen_at` in the database says since when, so that the death
of this process loses nobody's place.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock, to_text
from core.database import Database
from core.errors import FORBIDDEN, NOT_FOUND, Refused
from core.identity import Person, Role
from core.ids import new_id
from recording import kinds, lifecycle, sessions
from recording.trail import Draft, Trail
from rooms import consent as consent_texts
from rooms.abandoned import ABANDONED_BY, Left
from rooms.attendance import Attendance
from rooms.closing import Media, SaleChecks, announce, close_media
from rooms.errors import ADVISER_BUSY, CALL_GONE, CALL_NOT_YOURS, CALL_OPEN, CONSENT_OUTDATED
from rooms.lifecycle import WITH_ADVISER, CallEvent, CallState, after
from rooms.tables import call_sessions, calls, proposals

KEEP_PLACE_S = 60.0
REQUIRED = ("adviser", "customer")


class Herald(Protocol):
    """Tells whom it concerns that calls changed; `fanout.Fanout` is it."""

    async def call_changed(self, call_id: str, *also: str) -> None:
        """The parties and people `also` hear of the call, the desks and all who wait of the line."""
        ...

    async def session_changed(self, session_id: str, kind: str, data: dict[str, Any] | None = None) -> None:
        """Everybody in the session hears of its state."""
        ...


class CallDesk:
    """The use cases of calls. Every method answers the call's id and has told everybody by then."""

    def __init__(
        self, db: Database, trail: Trail, clock: Clock, media: Media, checks: SaleChecks, attendance: Attendance, herald: Herald
    ) -> None:
        self._db, self._trail, self._clock, self._media, self._checks = db, trail, clock, media, checks
        self._attendance, self._herald = attendance, herald

    async def request(self, person: Person, topic: str) -> str:
        """A customer asks for an adviser. Raises Refused(CALL_OPEN) while one is open."""
        if person.role is not Role.CUSTOMER:
            raise Refused(FORBIDDEN)
        call_id, now = new_id("cal"), self._clock.now()
        values = {"id": call_id, "customer_id": person.id, "customer_name": person.name, "topic": topic.strip() or topic}
        try:
            async with self._db.write() as tx:
                await tx.execute(insert(calls).values(**values, state=CallState.WAITING, waiting_since=now, seen_at=now))
        except IntegrityError as error:
            raise Refused(CALL_OPEN) from error
        await announce(self._herald.call_changed(call_id))
        return call_id

    async def accept(self, person: Person, call_id: str) -> str:
        """An adviser takes a waiting call. Raises Refused: CALL_GONE for all but the first, ADVISER_BUSY."""
        if person.role is not Role.ADVISER:
            raise Refused(FORBIDDEN)
        values = {"adviser_id": person.id, "adviser_name": person.name, "accepted_at": self._clock.now(), "offered_to": None}
        mine = or_(calls.c.offered_to.is_(None), calls.c.offered_to == person.id)
        free = (calls.c.id == call_id) & (calls.c.state == CallState.WAITING) & mine
        session_id = None
        try:
            async with self._db.write() as tx:
                taken = await tx.execute(update(calls).where(free).values(**values, state=CallState.ACCEPTED))
                if taken.rowcount != 1:
                    await _lock(tx, call_id)  # NOT_FOUND when there never was such a call
                    raise Refused(CALL_GONE)
                row = await _lock(tx, call_id)
                if row.consent_at is not None:
                    session_id = await self._begin(tx, row)
                    await _set(tx, call_id, state=after(CallState.WAITING, CallEvent.RESUME))
        except IntegrityError as error:
            raise Refused(ADVISER_BUSY) from error
        return await self._told(call_id, session_id)

    async def consent(self, person: Person, call_id: str, version: str) -> str:
        """The customer agrees to the recording; with an adviser there, the conversation begins. Twice is as good as once.

        Raises Refused: CALL_NOT_YOURS, CONSENT_OUTDATED, WRONG_STATE.
        """
        session_id = None
        async with self._db.write() as tx:
            row = await _lock(tx, call_id)
            if person.id != row.customer_id:
                raise Refused(CALL_NOT_YOURS)
            if row.consent_version == version and row.state in (CallState.WAITING, CallState.LIVE):
                return call_id
            if version != consent_texts.CURRENT.version:
                raise Refused(CONSENT_OUTDATED, current=consent_texts.CURRENT.version)
            state = after(row.state, CallEvent.CONSENT)
            await _set(tx, call_id, state=state, consent_version=version, consent_at=self._clock.now())
            if state is CallState.LIVE:
                session_id = await self._begin(tx, await _lock(tx, call_id))
        return await self._told(call_id, session_id)

    async def decline(self, person: Person, call_id: str) -> str:
        """An adviser won't take it: one who took it or was offered it puts it back into the line, from the line it is declined.

        Raises Refused: FORBIDDEN, CALL_GONE, CALL_NOT_YOURS, WRONG_STATE.
        """
        if person.role is not Role.ADVISER:
            raise Refused(FORBIDDEN)
        async with self._db.write() as tx:
            row = await _lock(tx, call_id)
            if row.state == CallState.WAITING and row.offered_to is None:
                state = after(row.state, CallEvent.DECLINE)
                await _set(tx, call_id, state=state, ended_at=self._clock.now(), ended_by=person.id, reason="declined")
            elif person.id in (row.offered_to, row.adviser_id):
                state = after(row.state, CallEvent.RETURN)
                await _set(tx, call_id, state=state, offered_to=None, adviser_id=None, adviser_name=None, **self._fresh())
            else:
                raise Refused(CALL_GONE)
        return await self._told(call_id, None, person.id)

    async def transfer(self, person: Person, call_id: str, to: str | None) -> str:
        """Hand the call over: to one adviser, who must be at the desk, or to whoever takes it first.

        The session under way ends here. Raises Refused: CALL_NOT_YOURS, WRONG_STATE, NOT_FOUND (nobody of that id is there).
        """
        if to is not None and self._attendance.adviser_name(to) is None:
            raise Refused(NOT_FOUND)
        async with self._db.write() as tx:
            row = await _lock(tx, call_id)
            if person.id != row.adviser_id and person.role is not Role.SUPERVISOR:
                raise Refused(CALL_NOT_YOURS)
            state = after(row.state, CallEvent.TRANSFER)
            await self._end(tx, row, person.id, Draft(kinds.CALL_TRANSFERRED, person.id, {"call": call_id, "to": to}))
            cleared = {"session_id": None, "adviser_id": None, "adviser_name": None, "accepted_at": None}
            await _set(tx, call_id, state=state, offered_to=to, **cleared, **self._fresh())
        return await self._told(call_id, row.session_id, *(who for who in (row.adviser_id, to) if who), ended=True)

    async def hang_up(self, person: Person, call_id: str) -> str:
        """Either party, or a supervisor, ends it. Raises Refused: CALL_NOT_YOURS, WRONG_STATE."""
        async with self._db.write() as tx:
            row = await _lock(tx, call_id)
            if person.id not in (row.customer_id, row.adviser_id) and person.role is not Role.SUPERVISOR:
                raise Refused(CALL_NOT_YOURS)
            state = after(row.state, CallEvent.HANG_UP)
            actor = Role.CUSTOMER.value if person.id == row.customer_id else person.id
            await self._end(tx, row, actor, Draft(kinds.CALL_ENDED, actor, {"call": call_id, "reason": "hung_up"}))
            reason = "no_consent" if row.state == CallState.ACCEPTED and person.id == row.customer_id else "hung_up"
            await _set(tx, call_id, state=state, ended_at=self._clock.now(), ended_by=person.id, reason=reason)
        return await self._told(call_id, row.session_id, ended=True)

    async def end_abandoned(self, session_id: str, left: Left) -> bool:
        """End a call whose two are gone, if that is still so; whether it was ended here."""
        async with self._db.write() as tx:
            query = select(calls).where(calls.c.session_id == session_id).with_for_update()
            row = (await tx.execute(query)).one_or_none()
            if row is None or not await left(tx, await sessions.lock(tx, session_id)):
                return False
            state = after(row.state, CallEvent.ABANDON)
            data = {"call": row.id, "reason": "abandoned"}
            await self._end(tx, row, ABANDONED_BY, Draft(kinds.CALL_ENDED, ABANDONED_BY, data))
            await _set(tx, row.id, state=state, ended_at=self._clock.now(), reason="abandoned")
        await self._told(row.id, session_id, ended=True)
        return True

    async def sweep(self) -> list[str]:
        """Keep the places of those who are connected, cancel those who stayed away too long, free offers to absent advisers.

        To be called every few seconds; answers the calls that were cancelled. The whole line is held first, in order of ids,
        so that no other process's sweep and no order waits for what this one waits for.
        """
        now = self._clock.now()
        connected = sorted(self._attendance.connected())
        waiting = calls.c.state == CallState.WAITING
        async with self._db.write() as tx:
            held = (await tx.execute(select(calls.c.id).where(waiting).order_by(calls.c.id).with_for_update())).scalars().all()
            mine = waiting & calls.c.id.in_(held)
            await tx.execute(update(calls).where(mine, calls.c.customer_id.in_(connected)).values(seen_at=now))
            stale = mine & (calls.c.seen_at <= now - timedelta(seconds=KEEP_PLACE_S))
            gone = list((await tx.execute(select(calls.c.id).where(stale).order_by(calls.c.id))).scalars())
            values = {"state": CallState.CANCELLED, "ended_at": now, "reason": "customer_away"}
            await tx.execute(update(calls).where(calls.c.id.in_(gone)).values(**values))
            lost = mine & calls.c.offered_to.is_not(None) & calls.c.offered_to.not_in(connected)
            freed = list((await tx.execute(select(calls.c.id).where(lost).order_by(calls.c.id))).scalars())
            await tx.execute(update(calls).where(calls.c.id.in_(freed)).values(offered_to=None))
        for call_id in (*gone, *freed):
            await announce(self._herald.call_changed(call_id))
        return gone

    async def customer_left(self, person_id: str) -> None:
        """The customer's last connection is gone: from now on the 60 s run."""
        query = update(calls).where(calls.c.customer_id == person_id, calls.c.state == CallState.WAITING)
        async with self._db.write() as tx:
            await tx.execute(query.values(seen_at=self._clock.now()))

    async def under_way(self, person_id: str) -> Row[Any] | None:
        """The call in which this person talks right now, if any."""
        mine = or_(calls.c.adviser_id == person_id, calls.c.customer_id == person_id)
        async with self._db.read() as tx:
            query = select(calls).where(mine, calls.c.state.in_(WITH_ADVISER)).limit(1)
            return (await tx.execute(query)).one_or_none()

    async def _begin(self, tx: AsyncConnection, row: Row[Any]) -> str:
        """The recorded conversation of this call with its present adviser, from its first entry."""
        session = await sessions.create(
            tx, self._clock, kind="call", title=row.topic, host_id=row.adviser_id, required=REQUIRED
        )
        text = consent_texts.by_version(row.consent_version) or consent_texts.CURRENT
        agreed = {"call": row.id, "version": text.version, "sha256": text.sha256, "at": to_text(row.consent_at)}
        await self._trail.append(
            tx,
            session.id,
            Draft(
                kinds.CALL_REQUESTED,
                Role.CUSTOMER.value,
                {"call": row.id, "at": to_text(row.waiting_since)},
                {"customer": row.customer_id, "topic": row.topic},
            ),
            Draft(kinds.CALL_ACCEPTED, row.adviser_id, {"call": row.id, "at": to_text(row.accepted_at)}),
            Draft(kinds.CONSENT_GIVEN, Role.CUSTOMER.value, agreed, {"customer": row.customer_id}),
        )
        await sessions.move(tx, self._clock, self._trail, session.id, lifecycle.Event.START, row.adviser_id)
        parties = {"customer_id": row.customer_id, "adviser_id": row.adviser_id}
        await tx.execute(insert(call_sessions).values(session_id=session.id, call_id=row.id, **parties))
        await _set(tx, row.id, session_id=session.id)
        return session.id

    async def _end(self, tx: AsyncConnection, row: Row[Any], actor: str, draft: Draft) -> None:
        """End the session under way, if there is one; what was proposed in it and not confirmed is withdrawn."""
        if row.session_id is None:
            return
        await sessions.lock(tx, row.session_id)
        await self._trail.append(tx, row.session_id, draft)
        await sessions.move(tx, self._clock, self._trail, row.session_id, lifecycle.Event.END, actor)
        still_open = (proposals.c.call_id == row.id) & (proposals.c.state == "open")
        await tx.execute(update(proposals).where(still_open).values(state="withdrawn"))

    def _fresh(self) -> dict[str, Any]:
        """A customer who comes back from a conversation is there, whatever the desk connection says."""
        return {"seen_at": self._clock.now()}

    async def _told(self, call_id: str, session_id: str | None, *also: str, ended: bool = False) -> str:
        """After the commit: the media, the sale, and everybody concerned."""
        await announce(self._herald.call_changed(call_id, *also))
        if session_id is not None:
            change = self._herald.session_changed(session_id, "session_ended" if ended else "session_started")
            await announce(self._checks.check(session_id), change)
            if ended:
                await announce(close_media(self._media, session_id))
        return call_id


async def _lock(tx: AsyncConnection, call_id: str) -> Row[Any]:
    row = (await tx.execute(select(calls).where(calls.c.id == call_id).with_for_update())).one_or_none()
    if row is None:
        raise Refused(NOT_FOUND)
    return row


async def _set(tx: AsyncConnection, call_id: str, **values: Any) -> None:
    await tx.execute(update(calls).where(calls.c.id == call_id).values(**values))
