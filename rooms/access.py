"""Who somebody is in one session: the inner door, behind the permission table's outer one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Database
from core.errors import NOT_FOUND, Refused
from core.identity import Person, Role
from recording import kinds, sessions
from recording.sessions import Session
from recording.trail import Draft, Trail
from rooms.errors import BANNED, CALL_NOT_YOURS
from rooms.moderation_judging import banned
from rooms.tables import call_sessions, calls, shows

MeRole = Literal["host", "viewer", "adviser", "customer", "supervisor"]


@dataclass(frozen=True, slots=True)
class Access:
    """A session as one person may use it. `show` or `call` is the row it belongs to.

    In a call, `adviser_id` and `customer_id` are the two of this session, also after the call went to another adviser.
    """

    session: Session
    me_role: MeRole
    show: Row[Any] | None = None
    call: Row[Any] | None = None
    adviser_id: str | None = None
    customer_id: str | None = None

    @property
    def is_host(self) -> bool:
        """Whether comments of this person are the host's own."""
        return self.me_role in ("host", "adviser")

    @property
    def moderates(self) -> bool:
        """Whether this person may moderate what is said here: of shows alone, in a call two people talk."""
        return self.show is not None and self.me_role in ("host", "supervisor")


@dataclass(frozen=True, slots=True)
class Place:
    """A session and the show or call it belongs to, whoever asks."""

    session: Session
    show: Row[Any] | None = None
    call: Row[Any] | None = None
    banned: frozenset[str] = frozenset()  # people

    def admit(self, person: Person) -> Access:
        """What `person` is in it. Raises Refused: CALL_NOT_YOURS for others' calls, BANNED, NOT_FOUND where it is neither."""
        if self.show is not None:
            me_role = _in_show(person, self.show.host_id)
            if me_role == "viewer" and person.id in self.banned:
                raise Refused(BANNED)
            return Access(self.session, me_role, show=self.show)
        if self.call is None:
            raise Refused(NOT_FOUND)
        me_role = _in_call(person, self.call.customer_id, self.call.with_adviser)
        return Access(
            self.session, me_role, call=self.call, adviser_id=self.call.with_adviser, customer_id=self.call.customer_id
        )


async def find(tx: AsyncConnection, session_id: str) -> Place:
    """Raises Refused(NOT_FOUND)."""
    session = await sessions.get(tx, session_id)
    if session.kind == "show":
        show = (await tx.execute(select(shows).where(shows.c.session_id == session_id))).one_or_none()
        out = await banned(tx, [session_id])
        return Place(session, show=show, banned=frozenset(person_id for _session, person_id in out))
    query = (
        select(calls, call_sessions.c.adviser_id.label("with_adviser"))
        .join(call_sessions, call_sessions.c.call_id == calls.c.id)
        .where(call_sessions.c.session_id == session_id)
    )
    return Place(session, call=(await tx.execute(query)).one_or_none())


async def enter(tx: AsyncConnection, person: Person, session_id: str) -> Access:
    """What `person` is in the session. Raises Refused: NOT_FOUND, CALL_NOT_YOURS for others' calls, BANNED."""
    return (await find(tx, session_id)).admit(person)


def _in_show(person: Person, host_id: str) -> MeRole:
    if person.id == host_id:
        return "host"
    return "supervisor" if person.role is Role.SUPERVISOR else "viewer"


def _in_call(person: Person, customer_id: str, adviser_id: str) -> MeRole:
    if person.id == customer_id:
        return "customer"
    if person.id == adviser_id:
        return "adviser"
    if person.role is Role.SUPERVISOR:
        return "supervisor"
    raise Refused(CALL_NOT_YOURS)


async def listened(db: Database, trail: Trail, person: Person, place: Access, way: str) -> None:
    """A supervisor listens in on a call under way: hidden from the two, never from the record."""
    if not place.session.running:
        return
    async with db.write() as tx:
        await trail.append(tx, place.session.id, Draft(kinds.CALL_LISTENED, person.id, {"way": way}))
