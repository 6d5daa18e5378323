"""The life of a case: one who claims, two for the serious, and each step on the record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from compliance import cases as cases_module
from compliance.cases import STALE_CLAIM, Case, CaseBook
from compliance.lifecycle import TRANSITIONS, Event, IllegalEvent, State, after, verdict_event
from compliance.tables import cases
from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from recording import kinds
from recording.trail import Trail, after_trail
from tests.compliance.sealed import REVIEWER, SECOND, make_session

Step = Callable[..., Awaitable[Case]]


class Book:
    """A case book that commits every step."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.trail = Trail(clock)
        self.book = CaseBook(self.trail, clock)

    async def __call__(self, step: Step, *arguments: object) -> Case:
        async with self.database.write() as tx:
            return await step(tx, *arguments)

    async def kinds(self, session: str) -> list[str]:
        async with self.database.read() as tx:
            return [entry.kind for entry in await self.trail.entries(tx, after_trail(session))]


@pytest.fixture
def do(database: Database, clock: ManualClock) -> Book:
    return Book(database, clock)


@pytest.fixture
async def session(database: Database, clock: ManualClock, tmp_path: Path) -> str:
    return await make_session(database, clock, tmp_path, drafts=(), pieces=1)


async def test_a_clear_case_is_one_persons_work(do: Book, session: str) -> None:
    case = await do(do.book.open, session, "sampled")
    await do(do.book.claim, case.id, REVIEWER)
    closed = await do(do.book.decide, case.id, REVIEWER, "clear", "一切正常")
    assert (closed.state, closed.verdict, closed.decided_by) == (State.CLOSED, "clear", REVIEWER.id)
    assert await do.kinds(session) == [kinds.CASE_OPENED, kinds.CASE_CLAIMED, kinds.CASE_DECIDED, kinds.CASE_CLOSED]
    async with do.database.read() as tx:
        assert await cases_module.notes(tx, [closed]) == {closed.id: "一切正常"}


async def test_a_serious_case_needs_a_second_person(do: Book, session: str) -> None:
    case = await do(do.book.open, session, "lexicon_hit")
    await do(do.book.claim, case.id, REVIEWER)
    waiting = await do(do.book.decide, case.id, REVIEWER, "serious", "承诺收益")
    assert waiting.state is State.AWAITING_CONFIRMATION
    with pytest.raises(Refused, match="second_person_needed"):
        await do(do.book.confirm, case.id, REVIEWER)
    with pytest.raises(Refused, match="second_person_needed"):
        await do(do.book.reopen, case.id, REVIEWER, "I was wrong")
    closed = await do(do.book.confirm, case.id, SECOND)
    assert (closed.state, closed.confirmed_by, closed.found_serious) == (State.CLOSED, SECOND.id, True)


async def test_what_two_found_serious_one_cannot_clear(do: Book, session: str) -> None:
    case = await do(do.book.open, session, "lexicon_hit")
    await do(do.book.claim, case.id, REVIEWER)
    await do(do.book.decide, case.id, REVIEWER, "serious", "")
    await do(do.book.confirm, case.id, SECOND)
    reopened = await do(do.book.reopen, case.id, REVIEWER, "new facts")
    assert (reopened.state, reopened.verdict, reopened.confirmed_by) == (State.OPEN, None, None)
    await do(do.book.claim, case.id, REVIEWER)
    assert (await do(do.book.decide, case.id, REVIEWER, "clear", "")).state is State.AWAITING_CONFIRMATION


async def test_a_second_person_may_disagree(do: Book, session: str) -> None:
    case = await do(do.book.open, session, "lexicon_hit")
    await do(do.book.claim, case.id, REVIEWER)
    await do(do.book.decide, case.id, REVIEWER, "serious", "")
    again = await do(do.book.reopen, case.id, SECOND, "a quotation, not a promise")
    assert (again.state, again.reasons[-1].reason) == (State.OPEN, "a quotation, not a promise")


async def test_a_claimed_case_is_the_claimers(do: Book, session: str) -> None:
    case = await do(do.book.open, session, "sampled")
    await do(do.book.claim, case.id, REVIEWER)
    assert (await do(do.book.claim, case.id, REVIEWER)).claimed_by == REVIEWER.id
    for step, *arguments in ((do.book.claim,), (do.book.release,), (do.book.decide, "clear", "")):
        with pytest.raises(Refused, match="case_taken") as refusal:
            await do(step, case.id, SECOND, *arguments)
        assert refusal.value.params == {"holder": REVIEWER.id}
    assert (await do(do.book.release, case.id, REVIEWER)).state is State.OPEN


async def test_a_claim_that_was_left_lying_can_be_released(do: Book, session: str, clock: ManualClock) -> None:
    case = await do(do.book.open, session, "sampled")
    await do(do.book.claim, case.id, REVIEWER)
    clock.advance(STALE_CLAIM.total_seconds())
    assert (await do(do.book.release, case.id, SECOND)).state is State.OPEN


async def test_two_who_claim_at_once(do: Book, session: str) -> None:
    case = await do(do.book.open, session, "sampled")
    answers = await asyncio.gather(
        do(do.book.claim, case.id, REVIEWER), do(do.book.claim, case.id, SECOND), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Case", "Refused"]
    assert (await do.kinds(session)).count(kinds.CASE_CLAIMED) == 1


async def test_a_session_has_one_case_whoever_opens_it(do: Book, session: str) -> None:
    opened = await asyncio.gather(*(do(do.book.open, session, f"reason {n}", "someone") for n in range(4)))
    assert len({case.id for case in opened}) == 1
    async with do.database.read() as tx:
        [row] = (await tx.execute(select(cases))).all()
    assert sorted(item["reason"] for item in row.reasons) == [f"reason {n}" for n in range(4)]


async def test_a_new_reason_reopens_a_closed_case(do: Book, session: str) -> None:
    case = await do(do.book.open, session, "sampled")
    await do(do.book.claim, case.id, REVIEWER)
    await do(do.book.decide, case.id, REVIEWER, "clear", "")
    again = await do(do.book.open, session, "a complaint", SECOND.id)
    assert (again.id, again.state, again.claimed_by) == (case.id, State.OPEN, None)
    assert (await do.kinds(session))[-1] == kinds.CASE_REOPENED


async def test_there_is_no_case_without_a_session(do: Book) -> None:
    with pytest.raises(Refused, match="not_found"):
        await do(do.book.open, "ses_nowhere", "sampled")


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_the_table_is_all_there_is(state: State, event: Event) -> None:
    if (state, event) in TRANSITIONS:
        assert after(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalEvent):
            after(state, event)


def test_which_verdicts_need_two() -> None:
    assert verdict_event("clear", found_serious=False) is Event.DECIDE_ALONE
    assert verdict_event("serious", found_serious=False) is Event.DECIDE_FOR_TWO
    assert verdict_event("clear", found_serious=True) is Event.DECIDE_FOR_TWO
