"""A reviewer's work on one session. Each step is checked against the lifecycle, under lock, and is an after-trail entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance import lifecycle
from compliance.errors import CASE_TAKEN, SECOND_PERSON_NEEDED
from compliance.lifecycle import Event, State
from compliance.tables import cases
from core.clock import Clock, to_text
from core.errors import NOT_FOUND, Refused
from core.identity import Person
from core.ids import new_id
from recording import kinds, sessions
from recording.chain import Draft
from recording.errors import WRONG_STATE
from recording.tables import sessions as sessions_table
from recording.tables import trail_texts
from recording.trail import Trail, after_trail

# Who opens a case when no person does.
SYSTEM: Final = "system"
MOST_REASONS: Final = 100
MOST_LISTED: Final = 200
# A claim nobody has touched for this long may be released by any reviewer.
STALE_CLAIM: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a case was opened or reopened: a code of `compliance/sampling.py` or a reviewer's words."""

    reason: str
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands. `note_seq` is the after-trail entry with the verdict's note."""

    id: str
    session: str
    title: str
    kind: str
    state: State
    reasons: tuple[Reason, ...]
    opened_at: datetime
    changed_at: datetime
    claimed_by: str | None
    verdict: str | None
    decided_by: str | None
    decided_at: datetime | None
    note_seq: int | None
    confirmed_by: str | None
    confirmed_at: datetime | None
    found_serious: bool


class CaseBook:
    """The use cases; every method works in the caller's transaction."""

    def __init__(self, trail: Trail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock

    async def open(self, tx: AsyncConnection, session_id: str, reason: str, by: str = SYSTEM) -> Case:
        """A case for this session; a second reason joins the case there is, and reopens it when it was closed.

        Raises Refused(NOT_FOUND) when there is no such session.
        """
        await sessions.lock(tx, session_id)  # one at a time, so that a session never has two cases
        now = self._clock.now()
        entry = {"reason": reason, "at": to_text(now), "by": by}
        found = (await tx.execute(select(cases.c.id).where(cases.c.session_id == session_id))).scalar_one_or_none()
        if found is None:
            case_id = new_id("cas")
            fresh = {"id": case_id, "session_id": session_id, "state": State.OPEN.value, "reasons": [entry]}
            await tx.execute(insert(cases).values(**fresh, opened_at=now, changed_at=now, found_serious=0))
            await self._record(tx, session_id, kinds.CASE_OPENED, by, {"case": case_id}, {"reason": reason})
            return await self.get(tx, case_id)
        case = await self._locked(tx, found)
        reasons = [{"reason": item.reason, "at": item.at, "by": item.by} for item in case.reasons][-(MOST_REASONS - 1) :]
        values: dict[str, Any] = {"reasons": [*reasons, entry]}
        kind = kinds.CASE_OPENED
        if case.state is State.CLOSED:
            kind = kinds.CASE_REOPENED
            values |= _fresh(lifecycle.after(case.state, Event.REOPEN))
        return await self._write(tx, case, values, kind, by, {}, {"reason": reason})

    async def claim(self, tx: AsyncConnection, case_id: str, who: Person) -> Case:
        """Take the case; taking one's own again changes nothing. Raises Refused(CASE_TAKEN), Refused(WRONG_STATE)."""
        case = await self._locked(tx, case_id)
        if case.state is State.CLAIMED:
            _same_holder(case, who)
            return case
        values = {"state": _next(case, Event.CLAIM).value, "claimed_by": who.id}
        return await self._write(tx, case, values, kinds.CASE_CLAIMED, who.id, {})

    async def release(self, tx: AsyncConnection, case_id: str, who: Person) -> Case:
        """Put it back: one's own at any time, another's when it has not been touched for `STALE_CLAIM`."""
        case = await self._locked(tx, case_id)
        state = _next(case, Event.RELEASE)
        if self._clock.now() - case.changed_at < STALE_CLAIM:
            _same_holder(case, who)
        values = {"state": state.value, "claimed_by": None}
        return await self._write(tx, case, values, kinds.CASE_RELEASED, who.id, {"from": case.claimed_by})

    async def decide(self, tx: AsyncConnection, case_id: str, who: Person, verdict: str, note: str) -> Case:
        """ "clear" closes the case, "serious" waits for a second person. Only who claimed it may decide."""
        case = await self._locked(tx, case_id)
        state = _next(case, lifecycle.verdict_event(verdict, found_serious=case.found_serious))
        _same_holder(case, who)
        values: dict[str, Any] = {
            "state": state.value,
            "verdict": verdict,
            "decided_by": who.id,
            "decided_at": self._clock.now(),
        }
        data = {"case": case.id, "verdict": verdict}
        values["note_seq"] = await self._record(tx, case.session, kinds.CASE_DECIDED, who.id, data, {"note": note})
        if state is State.CLOSED:
            return await self._write(tx, case, values, kinds.CASE_CLOSED, who.id, {"verdict": verdict})
        return await self._write(tx, case, values)

    async def confirm(self, tx: AsyncConnection, case_id: str, who: Person) -> Case:
        """The second person agrees, which closes the case. Raises Refused(SECOND_PERSON_NEEDED) for the first."""
        case = await self._locked(tx, case_id)
        state = _next(case, Event.CONFIRM)
        _other_person(case, Event.CONFIRM, who)
        values: dict[str, Any] = {"state": state.value, "confirmed_by": who.id, "confirmed_at": self._clock.now()}
        values["found_serious"] = int(case.verdict == "serious")
        await self._record(tx, case.session, kinds.CASE_CONFIRMED, who.id, {"case": case.id, "verdict": case.verdict}, {})
        return await self._write(tx, case, values, kinds.CASE_CLOSED, who.id, {"verdict": case.verdict})

    async def reopen(self, tx: AsyncConnection, case_id: str, who: Person, reason: str) -> Case:
        """Back to the queue, without a verdict. An unconfirmed verdict can be sent back by a second person only."""
        case = await self._locked(tx, case_id)
        state = _next(case, Event.REOPEN)
        _other_person(case, Event.REOPEN, who)
        entry = {"reason": reason, "at": to_text(self._clock.now()), "by": who.id}
        reasons = [{"reason": item.reason, "at": item.at, "by": item.by} for item in case.reasons][-(MOST_REASONS - 1) :]
        values = {**_fresh(state), "reasons": [*reasons, entry]}
        return await self._write(tx, case, values, kinds.CASE_REOPENED, who.id, {}, {"reason": reason})

    async def get(self, tx: AsyncConnection, case_id: str) -> Case:
        """Raises Refused(NOT_FOUND)."""
        return _case((await tx.execute(_query().where(cases.c.id == case_id))).one_or_none())

    async def listed(self, tx: AsyncConnection, state: str | None = None, session_id: str | None = None) -> list[Case]:
        """The latest `MOST_LISTED`, those that changed last first."""
        query = _query().order_by(cases.c.changed_at.desc(), cases.c.id).limit(MOST_LISTED)
        if state is not None:
            query = query.where(cases.c.state == state)
        if session_id is not None:
            query = query.where(cases.c.session_id == session_id)
        return [_case(row) for row in await tx.execute(query)]

    async def _locked(self, tx: AsyncConnection, case_id: str) -> Case:
        query = _query().where(cases.c.id == case_id).with_for_update(of=cases)
        return _case((await tx.execute(query)).one_or_none())

    async def _write(
        self,
        tx: AsyncConnection,
        case: Case,
        values: dict[str, Any],
        kind: str | None = None,
        by: str = SYSTEM,
        data: dict[str, Any] | None = None,
        private: dict[str, str] | None = None,
    ) -> Case:
        await tx.execute(update(cases).where(cases.c.id == case.id).values(**values, changed_at=self._clock.now()))
        if kind is not None:
            await self._record(tx, case.session, kind, by, {"case": case.id, **(data or {})}, private or {})
        return await self.get(tx, case.id)

    async def _record(
        self, tx: AsyncConnection, session_id: str, kind: str, by: str, data: dict[str, Any], private: dict[str, str]
    ) -> int:
        [entry] = await self._trail.append(tx, after_trail(session_id), Draft(kind, by, data, private))
        return entry.seq


async def notes(tx: AsyncConnection, of: Sequence[Case]) -> dict[str, str]:
    """The notes of these cases' verdicts, by case; erased ones are missing."""
    places = {(after_trail(case.session), case.note_seq): case.id for case in of if case.note_seq is not None}
    if not places:
        return {}
    text = trail_texts.c
    query = select(text.session_id, text.seq, text.text).where(
        tuple_(text.session_id, text.seq).in_(list(places)), text.field == "note", text.text.is_not(None)
    )
    return {places[row.session_id, row.seq]: row.text for row in await tx.execute(query)}


def _next(case: Case, event: Event) -> State:
    try:
        return lifecycle.after(case.state, event)
    except lifecycle.IllegalEvent as error:
        raise Refused(WRONG_STATE, state=case.state.value, event=event.value) from error


def _same_holder(case: Case, who: Person) -> None:
    if case.claimed_by != who.id:
        raise Refused(CASE_TAKEN, holder=case.claimed_by)


def _other_person(case: Case, event: Event, who: Person) -> None:
    if lifecycle.needs_second_person(event, case.state) and case.decided_by == who.id:
        raise Refused(SECOND_PERSON_NEEDED)


def _fresh(state: State) -> dict[str, Any]:
    nothing = ("claimed_by", "verdict", "decided_by", "decided_at", "note_seq", "confirmed_by", "confirmed_at")
    return {"state": state.value, **dict.fromkeys(nothing)}


def _query() -> Any:
    return select(cases, sessions_table.c.title, sessions_table.c.kind).join(sessions_table)


def _case(row: Row[Any] | None) -> Case:
    if row is None:
        raise Refused(NOT_FOUND)
    return Case(
        id=row.id,
        session=row.session_id,
        title=row.title,
        kind=row.kind,
        state=State(row.state),
        reasons=tuple(Reason(**item) for item in row.reasons),
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        claimed_by=row.claimed_by,
        verdict=row.verdict,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        note_seq=row.note_seq,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
        found_serious=bool(row.found_serious),
    )
