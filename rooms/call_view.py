"""Calls as their parties see them: read once, worded in each one's language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import assessments, catalogue, customers
from commerce.catalogue import Product
from compliance.rules import ELDER_AGE, grade_name
from core.clock import Clock, to_text
from core.errors import NOT_FOUND, Refused
from core.identity import Person, Role
from rooms import consent, queue
from rooms.attendance import Attendance
from rooms.call_wire import Call, CallCustomer, CallState, Consent, Proposal, Queue
from rooms.errors import CALL_NOT_YOURS
from rooms.lifecycle import OPEN, WITH_ADVISER
from rooms.tables import calls, proposals
from rooms.wire import PersonRef

# Of a longer line only the head is drawn; everybody in it still learns his own place.
SHOWN_MAX = 100
_RECENT = 20


@dataclass(frozen=True, slots=True)
class Line:
    """The waiting line at one moment."""

    ordered: list[queue.Waiting]
    advisers: int
    free: int
    mean_call_s: float

    def place(self, call_id: str) -> tuple[int | None, int | None]:
        """Position (from 1) and seconds to wait; both None for a call that does not wait."""
        place = queue.position(self.ordered, call_id)
        if place is None:
            return None, None
        return place, queue.eta_s(place, advisers=self.advisers, free=self.free, mean_call_s=self.mean_call_s)


@dataclass(frozen=True, slots=True)
class CallFacts:
    """All that is known of a call; `view` words it."""

    row: Row[Any]
    position: int | None
    eta_s: int | None
    grade: str | None
    age_65: bool
    proposal: Row[Any] | None
    product: Product | None

    def view(self, lang: str) -> Call:
        """As its parties see it, in "en" or "zh"."""
        row = self.row
        return Call(
            id=row.id,
            state=cast("CallState", row.state),
            topic=row.topic,
            customer=CallCustomer(row.customer_id, row.customer_name, self.grade, self.age_65),
            adviser=PersonRef(row.adviser_id, row.adviser_name or "") if row.adviser_id is not None else None,
            offered_to=row.offered_to,
            position=self.position,
            waiting_since=to_text(row.waiting_since),
            eta_s=self.eta_s,
            session=row.session_id,
            proposal=self.proposal_view(lang),
            consent=_consent(row, lang),
            reason=row.reason,
        )

    def proposal_view(self, lang: str) -> Proposal | None:
        """The latest proposal of the running conversation."""
        if self.proposal is None or self.product is None:
            return None
        return Proposal(
            id=self.proposal.id,
            product=self.product.id,
            product_name=self.product.name(lang),
            amount=self.proposal.amount,
            currency=self.product.currency,
            at=to_text(self.proposal.at),
            state=self.proposal.state,
            order=self.proposal.order_id,
        )


async def line(tx: AsyncConnection, attendance: Attendance) -> Line:
    """Everybody who waits, and who may take them."""
    waiting = await tx.execute(select(calls.c.id, calls.c.waiting_since, calls.c.offered_to).where(calls.c.state == "waiting"))
    ordered = queue.line(queue.Waiting(row.id, row.waiting_since, row.offered_to) for row in waiting)
    available = attendance.available()
    busy = set((await tx.execute(select(calls.c.adviser_id).where(calls.c.state.in_(WITH_ADVISER)))).scalars())
    recent = await tx.execute(
        select(calls.c.accepted_at, calls.c.ended_at)
        .where(calls.c.state == "ended", calls.c.accepted_at.is_not(None))
        .order_by(calls.c.ended_at.desc())
        .limit(_RECENT)
    )
    mean = queue.mean_call_s([(row.ended_at - row.accepted_at).total_seconds() for row in recent])
    return Line(ordered, len(available), len(available - busy), mean)


async def facts(tx: AsyncConnection, clock: Clock, rows: Sequence[Row[Any]], at: Line) -> list[CallFacts]:
    """Each call with its customer's card, its latest proposal and its place in the line."""
    found = []
    people = {row.customer_id for row in rows}
    known, newest = await customers.of(tx, people), await assessments.latest_of(tx, people)
    now = clock.now()
    for row in rows:
        proposal = await _latest_proposal(tx, row)
        product = None
        if proposal is not None:
            product = await catalogue.get(tx, proposal.product_id)
        customer, assessed = known.get(row.customer_id), newest.get(row.customer_id)
        position, eta = at.place(row.id)
        found.append(
            CallFacts(
                row=row,
                position=position,
                eta_s=eta,
                grade=grade_name(assessed.grade) if assessed is not None and assessed.valid(now) else None,
                age_65=customer is not None and customer.age(now) >= ELDER_AGE,
                proposal=proposal,
                product=product,
            )
        )
    return found


async def one(tx: AsyncConnection, clock: Clock, attendance: Attendance, call_id: str) -> CallFacts:
    """One call. Raises Refused(NOT_FOUND)."""
    row = (await tx.execute(select(calls).where(calls.c.id == call_id))).one_or_none()
    if row is None:
        raise Refused(NOT_FOUND)
    [found] = await facts(tx, clock, [row], await line(tx, attendance))
    return found


async def for_person(tx: AsyncConnection, clock: Clock, attendance: Attendance, person: Person, call_id: str) -> CallFacts:
    """The same, for who may see it: its customer, its adviser, whoever may take it, supervisors."""
    found = await one(tx, clock, attendance, call_id)
    mine = person.id in (found.row.customer_id, found.row.adviser_id)
    takeable = person.role is Role.ADVISER and found.row.state == "waiting"
    if not (mine or takeable or person.role is Role.SUPERVISOR):
        raise Refused(CALL_NOT_YOURS)
    return found


async def waiting(tx: AsyncConnection, clock: Clock, attendance: Attendance) -> list[CallFacts]:
    """The whole line, in order."""
    at = await line(tx, attendance)
    rows = {row.id: row for row in await tx.execute(select(calls).where(calls.c.state == "waiting"))}
    return await facts(tx, clock, [rows[one.call] for one in at.ordered], at)


async def listed(tx: AsyncConnection, clock: Clock, attendance: Attendance, person: Person) -> list[CallFacts]:
    """GET /api/calls: a customer's open call; the line and the own call of advisers; all open calls for supervisors."""
    query = select(calls).where(calls.c.state.in_(OPEN)).order_by(calls.c.waiting_since, calls.c.id).limit(SHOWN_MAX)
    if person.role is Role.CUSTOMER:
        query = query.where(calls.c.customer_id == person.id)
    elif person.role is Role.ADVISER:
        query = query.where(or_(calls.c.adviser_id == person.id, calls.c.state == "waiting"))
    rows = (await tx.execute(query)).all()
    return await facts(tx, clock, rows, await line(tx, attendance))


def queue_view(found: Sequence[CallFacts], attendance: Attendance, lang: str) -> Queue:
    """The `queue` event: the head of the line."""
    return Queue(waiting=[one.view(lang) for one in found[:SHOWN_MAX]], available=len(attendance.available()))


async def _latest_proposal(tx: AsyncConnection, row: Row[Any]) -> Row[Any] | None:
    if row.session_id is None:
        return None
    query = (
        select(proposals)
        .where(proposals.c.call_id == row.id, proposals.c.session_id == row.session_id)
        .order_by(proposals.c.at.desc(), proposals.c.id.desc())
        .limit(1)
    )
    return (await tx.execute(query)).one_or_none()


def _consent(row: Row[Any], lang: str) -> Consent:
    given = consent.by_version(row.consent_version) if row.consent_version is not None else None
    text = given or consent.CURRENT
    return Consent(
        version=text.version,
        text=text.zh if lang == "zh" else text.en,
        text_en=text.en,
        text_zh=text.zh,
        given_at=to_text(row.consent_at) if row.consent_at is not None else None,
    )
