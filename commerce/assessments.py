"""Risk assessments: filled in by the customer alone, valid 12 months, at most two a day and eight in 12 months."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import errors, questionnaire
from commerce.tables import assessments, customers
from commerce.wire import Answers, Grade, PastAssessment, Questionnaire
from commerce.wire import Assessment as AssessmentView
from compliance.rules import (
    ASSESSMENTS_A_DAY,
    ASSESSMENTS_IN_12_MONTHS,
    GRADE_MEANING,
    AssessmentAllowance,
    assessment_allowed,
    assessment_valid,
    assessment_valid_until,
    grade_name,
)
from core.clock import Clock, to_text
from core.errors import FORBIDDEN, Refused
from core.identity import Person, Role
from core.ids import new_id

_HISTORY = 24  # three years of eight
_LOOK_BACK = timedelta(days=400)  # more than the 12 months the limits look at


@dataclass(frozen=True, slots=True)
class Assessment:
    """One filled-in questionnaire; `grade` 1 to 5 is shown as C1 to C5."""

    id: str
    at: datetime
    valid_until: datetime
    score: int
    grade: int

    def valid(self, now: datetime) -> bool:
        """Whether it still holds."""
        return assessment_valid(self.at, now)

    def view(self, lang: str) -> Grade:
        """What it came to, in a language."""
        return Grade(
            grade=grade_name(self.grade),
            meaning=GRADE_MEANING[self.grade].text(lang),
            at=to_text(self.at),
            valid_until=to_text(self.valid_until),
        )


async def latest(tx: AsyncConnection, customer_id: str) -> Assessment | None:
    """The newest assessment, valid or not; only the newest counts."""
    query = (
        select(assessments)
        .where(assessments.c.customer_id == customer_id)
        .order_by(assessments.c.at.desc(), assessments.c.id.desc())
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Assessment(row.id, row.at, row.valid_until, row.score, row.grade)


async def history(tx: AsyncConnection, customer_id: str) -> list[Assessment]:
    """All there are, newest first; of very many the latest three years'."""
    query = (
        select(assessments)
        .where(assessments.c.customer_id == customer_id)
        .order_by(assessments.c.at.desc(), assessments.c.id.desc())
        .limit(_HISTORY)
    )
    return [Assessment(row.id, row.at, row.valid_until, row.score, row.grade) for row in await tx.execute(query)]


async def latest_of(tx: AsyncConnection, customer_ids: Iterable[str]) -> dict[str, Assessment]:
    """The newest assessment of each of them who has one. There are at most 8 a year and customer."""
    query = (
        select(assessments)
        .where(assessments.c.customer_id.in_(sorted(customer_ids)))
        .order_by(assessments.c.at, assessments.c.id)
    )
    rows = await tx.execute(query)
    return {row.customer_id: Assessment(row.id, row.at, row.valid_until, row.score, row.grade) for row in rows}


async def overview(tx: AsyncConnection, clock: Clock, person: Person, lang: str) -> Questionnaire:
    """The questions, the customer's current grade and the attempts left; Refused(FORBIDDEN) for non-customers."""
    _only_customers(person)
    now = clock.now()
    past = await history(tx, person.id)
    current = past[0] if past and past[0].valid(now) else None
    allowance = await _allowance(tx, person.id, now)
    return Questionnaire(
        questions=questionnaire.questions(lang),
        scoring=questionnaire.scoring(lang),
        current=None if current is None else current.view(lang),
        history=[
            PastAssessment(
                at=to_text(one.at),
                valid_until=to_text(one.valid_until),
                score=one.score,
                grade=grade_name(one.grade),
                valid=one is current,
            )
            for one in past
        ],
        left_today=allowance.left_today,
        left_year=allowance.left_year,
        a_day=ASSESSMENTS_A_DAY,
        a_year=ASSESSMENTS_IN_12_MONTHS,
        again_at=None if allowance.again_at is None else to_text(allowance.again_at),
    )


async def take(tx: AsyncConnection, clock: Clock, person: Person, answers: Answers, lang: str) -> AssessmentView:
    """Keep the customer's own answers and grade them. There is no way to fill one in for somebody else (总局令2025第7号).

    Raises Refused(FORBIDDEN), Refused(ANSWERS_INCOMPLETE), Refused(ASSESSMENT_LIMIT).
    """
    _only_customers(person)
    result = questionnaire.evaluate(answers.answers)
    known = select(customers.c.person_id).where(customers.c.person_id == person.id).with_for_update(key_share=True)
    if (await tx.execute(known)).one_or_none() is None:  # the lock keeps two at once from slipping under the limit
        raise Refused(errors.IDENTITY_MISSING)
    now = clock.now()
    allowance = await _allowance(tx, person.id, now)
    if not allowance.allowed:
        again_at = "" if allowance.again_at is None else to_text(allowance.again_at)
        raise Refused(errors.ASSESSMENT_LIMIT, limit=str(allowance.answer), again_at=again_at)
    made = await record(tx, person.id, now, answers.answers, result)
    return AssessmentView(
        grade=grade_name(made.grade),
        meaning=GRADE_MEANING[made.grade].text(lang),
        score=made.score,
        valid_until=to_text(made.valid_until),
    )


async def record(
    tx: AsyncConnection, customer_id: str, at: datetime, answers: dict[str, str], result: questionnaire.Result
) -> Assessment:
    """Write one down as taken at `at`; the limits are the caller's."""
    made = Assessment(new_id("asm"), at, assessment_valid_until(at), result.score, result.grade)
    await tx.execute(
        insert(assessments).values(
            id=made.id,
            customer_id=customer_id,
            at=made.at,
            valid_until=made.valid_until,
            questionnaire=questionnaire.VERSION,
            answers=answers,
            score=made.score,
            grade=made.grade,
        )
    )
    return made


async def _allowance(tx: AsyncConnection, customer_id: str, now: datetime) -> AssessmentAllowance:
    query = select(assessments.c.at).where(assessments.c.customer_id == customer_id, assessments.c.at > now - _LOOK_BACK)
    return assessment_allowed([row.at for row in await tx.execute(query)], now)


def _only_customers(person: Person) -> None:
    if person.role is not Role.CUSTOMER:
        raise Refused(FORBIDDEN)
