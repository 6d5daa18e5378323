"""The customer alone fills it in, twice a day and eight times a year, and it holds for twelve months."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from commerce import assessments, customers, errors, questionnaire
from commerce.wire import Answers
from commerce.wire import Assessment as AssessmentView
from core.errors import FORBIDDEN, Refused
from core.identity import Person, Role
from tests.commerce.conftest import C1, C3, C5, ELDER, HOST, Market

BEST = {question.id: question.options[-1].id for question in questionnaire.QUESTIONS}


async def take(market: Market, person: Person, **changes: str) -> AssessmentView:
    async with market.db.write() as tx:
        return await assessments.take(tx, market.clock, person, Answers(BEST | changes), "en")


@pytest.mark.parametrize(
    ("letters", "score", "grade"),
    [
        ("aaaaaaaa", 0, 1),
        ("dddddddd", 100, 5),
        ("ddddddda", 87, 1),  # who can bear no loss is C1 whatever else they say
        ("dddddadd", 87, 2),  # who needs the money within a year is at most C2
        ("addddddd", 88, 3),  # 75 or older: at most C3
        ("bbbbbbbb", 35, 2),
        ("cccccccc", 68, 4),
    ],
)
def test_the_published_scores(letters: str, score: int, grade: int) -> None:
    answers = {question.id: letter for question, letter in zip(questionnaire.QUESTIONS, letters, strict=True)}
    assert questionnaire.evaluate(answers) == questionnaire.Result(score, grade)


def test_eight_questions_in_both_languages_without_their_points() -> None:
    for lang in ("en", "zh"):
        asked = questionnaire.questions(lang)
        assert len(asked) == 8
        assert all(len(question.options) == 4 and question.text for question in asked)
    assert sum(question.options[-1].points for question in questionnaire.QUESTIONS) == 100


@pytest.mark.parametrize(
    "answers", [{}, BEST | {"loss": "z"}, {k: v for k, v in BEST.items() if k != "loss"}, BEST | {"more": "a"}]
)
def test_every_question_needs_one_of_its_answers(answers: dict[str, str]) -> None:
    with pytest.raises(Refused) as caught:
        questionnaire.evaluate(answers)
    assert caught.value.problem is errors.ANSWERS_INCOMPLETE


async def test_a_new_assessment_counts_at_once(market: Market) -> None:
    made = await take(market, C1)
    assert (made.grade, made.score, made.valid_until) == ("C5", 100, "2027-11-22T08:00:00.000000Z")
    async with market.db.read() as tx:
        card = await customers.card(tx, market.clock, C1.id)
    assert card is not None
    assert (card.grade, card.age_65) == ("C5", False)


async def test_twice_a_day(market: Market) -> None:
    await take(market, C1)
    await take(market, C1)
    with pytest.raises(Refused) as caught:
        await take(market, C1)
    assert caught.value.problem is errors.ASSESSMENT_LIMIT
    assert caught.value.params["again_at"] == "2026-11-22T16:00:00.000000Z"  # midnight in China
    market.clock.advance(8 * 3600)
    await take(market, C1)


async def test_two_at_once_do_not_slip_under_the_limit(market: Market) -> None:
    taken = await asyncio.gather(*(take(market, C1) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, AssessmentView) for one in taken) == 2


async def test_eight_in_twelve_months(market: Market) -> None:
    for _ in range(7):  # the demo's own is the eighth
        await take(market, C1)
        market.clock.advance(86_400)
    async with market.db.read() as tx:
        left = await assessments.overview(tx, market.clock, C1, "zh")
    assert (left.left_today, left.left_year) == (0, 0)
    with pytest.raises(Refused) as caught:
        await take(market, C1)
    assert caught.value.params["limit"] == "year_used_up"


async def test_nobody_assesses_for_the_customer(market: Market) -> None:
    with pytest.raises(Refused) as caught:
        await take(market, HOST)
    assert caught.value.problem is FORBIDDEN
    with pytest.raises(Refused) as caught:
        await take(market, Person("stranger", Role.CUSTOMER, "某"))
    assert caught.value.problem is errors.IDENTITY_MISSING


async def test_it_runs_out_after_twelve_months(market: Market) -> None:
    market.clock.advance(timedelta(days=340).total_seconds())
    async with market.db.read() as tx:
        over = await assessments.overview(tx, market.clock, C3, "en")
        card = await customers.card(tx, market.clock, C3.id)
        picture = await customers.picture(tx, market.clock, C3.id)
    assert over.current is None
    assert card is not None
    assert card.grade is None
    assert picture.grade is None


@pytest.mark.parametrize(
    ("person", "grade", "elder"), [(C1, "C1", False), (C3, "C3", False), (C5, "C5", False), (ELDER, "C3", True)]
)
async def test_the_demos_customers(market: Market, person: Person, grade: str, elder: bool) -> None:
    async with market.db.read() as tx:
        card = await customers.card(tx, market.clock, person.id)
        picture = await customers.picture(tx, market.clock, person.id)
    assert card is not None
    assert (card.grade, card.age_65) == (grade, elder)
    assert sum(holding.target_percent for holding in picture.holdings) == 100


async def test_the_page_shows_what_was_and_what_is_left(market: Market) -> None:
    """C3 has one from before; then two on a day, and the third must wait."""
    async with market.db.read() as tx:
        [before] = (await assessments.overview(tx, market.clock, C3, "en")).history
    assert (before.grade, before.valid) == ("C3", True)
    for letter in ("a", "d"):
        market.clock.advance(60)
        await take(market, C3, loss=letter)
    async with market.db.read() as tx:
        seen = await assessments.overview(tx, market.clock, C3, "en")
    assert [(one.grade, one.valid) for one in seen.history] == [("C5", True), ("C1", False), ("C3", False)]
    assert (seen.left_today, seen.a_day, seen.left_year, seen.a_year) == (0, 2, 5, 8)
    assert seen.again_at is not None
    assert seen.current is not None
    assert seen.current.grade == "C5"
    market.clock.advance(366 * 86_400)
    async with market.db.read() as tx:
        later = await assessments.overview(tx, market.clock, C3, "en")
    assert later.current is None
    assert [one.valid for one in later.history] == [False, False, False]
    assert (later.left_today, later.left_year, later.again_at) == (2, 8, None)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_published_table_is_what_is_scored_by(lang: str) -> None:
    table = questionnaire.scoring(lang)
    points = {question.id: question.points for question in table.questions}
    highest = {question.id: question.highest for question in table.questions}
    for letters in ("aaaaaaaa", "dddddddd", "ddddddda", "dddddadd", "addddddd", "bbbbbbbb", "cccccccc", "abcdabcd"):
        answers = {question.id: letter for question, letter in zip(questionnaire.QUESTIONS, letters, strict=True)}
        score = sum(points[question][letter] for question, letter in answers.items())
        [band] = [band.grade for band in table.grades if band.least <= score <= band.most]
        caps = [highest[question][letter] for question, letter in answers.items() if letter in highest[question]]
        result = questionnaire.evaluate(answers)
        assert (result.score, f"C{result.grade}") == (score, min([band, *caps]))
    assert table.grades[0].least == 0
    assert table.grades[-1].most == 100
    assert all(first.most + 1 == second.least for first, second in zip(table.grades, table.grades[1:], strict=False))
