"""Who may send picture and sound and who may see them: the media door of `stream/whip.py`."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from core.database import Database
from core.errors import FORBIDDEN, Refused
from core.http import person
from core.identity import Person
from recording.trail import Trail
from rooms import access
from rooms.access import Access
from rooms.errors import CONSENT_MISSING, NOT_LIVE
from rooms.lifecycle import CallState
from stream.whip import Grant

HOST = "host"
PARTIES = ("adviser", "customer")
OTHER = {"adviser": "customer", "customer": "adviser"}


class RoomDoor:
    """In a show the host sends `host` and everybody sees it. In a call each party sends his own stream and sees the other's.

    A call's session exists only after the customer's consent, so nothing can be sent before it. Supervisors see both streams of
    a call, and each look is an entry.
    """

    def __init__(self, db: Database, trail: Trail) -> None:
        self._db, self._trail = db, trail

    async def publish_grant(self, request: web.Request, session_id: str) -> Grant:
        """Raises Refused: NOT_SIGNED_IN, NOT_FOUND, FORBIDDEN, CALL_NOT_YOURS, CONSENT_MISSING, NOT_LIVE."""
        place, started_at = await self._enter(person(request), session_id)
        if place.me_role == "host":
            return Grant(HOST, started_at)
        if place.me_role in PARTIES:
            return Grant(place.me_role, started_at)
        raise Refused(FORBIDDEN)

    async def subscribe_grant(self, request: web.Request, session_id: str, stream: str | None) -> Grant:
        """The same; without `stream` a show's host, in a call the other party (the customer, for supervisors)."""
        someone = person(request)
        place, started_at = await self._enter(someone, session_id)
        if place.show is not None:
            if stream not in (None, HOST):
                raise Refused(FORBIDDEN)
            return Grant(HOST, started_at)
        if place.me_role in PARTIES:
            wanted = OTHER[place.me_role]
            if stream not in (None, wanted):
                raise Refused(FORBIDDEN)
            return Grant(wanted, started_at)
        wanted = stream or "customer"
        if wanted not in PARTIES:
            raise Refused(FORBIDDEN)
        await access.listened(self._db, self._trail, someone, place, wanted)
        return Grant(wanted, started_at)

    async def _enter(self, someone: Person, session_id: str) -> tuple[Access, datetime]:
        async with self._db.read() as tx:
            place = await access.enter(tx, someone, session_id)
        if not place.session.running or place.session.started_at is None:
            raise Refused(NOT_LIVE)
        if place.call is not None and (place.call.state != CallState.LIVE or place.call.consent_at is None):
            raise Refused(CONSENT_MISSING)
        return place, place.session.started_at
