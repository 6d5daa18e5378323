"""The risk questionnaire, version 1, with its published table of scores. Pure.

Each question gives 0 to 12 or 13 points; the best answer to all eight is 100. `compliance.rules.score_to_grade` says which C
grade a score is. Two answers cap the grade whatever the rest says: who can bear no loss is C1, and who will need the money
within a year is at most C2. Texts are changed only together with `VERSION`: an old assessment must stay readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from commerce import errors, wire
from compliance.rules import GRADE_MEANING, HIGHEST, LOWEST, grade_name, score_to_grade
from core.errors import Refused

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Option:
    """One answer and its points; `highest` is the best grade it allows."""

    id: str
    points: int
    en: str
    zh: str
    highest: int = 5


@dataclass(frozen=True, slots=True)
class Question:
    """One question and its answers, from the most to the least careful."""

    id: str
    en: str
    zh: str
    options: tuple[Option, ...]


QUESTIONS: Final[tuple[Question, ...]] = (
    Question("age", "How old are you?", "您的年龄是？", (
        Option("a", 0, "75 or older", "75 周岁及以上", highest=3),
        Option("b", 4, "65 to 74", "65 至 74 周岁"),
        Option("c", 8, "51 to 64", "51 至 64 周岁"),
        Option("d", 12, "18 to 50", "18 至 50 周岁"),
    )),
    Question("income", "How high is your household's income in a year?", "您的家庭年收入（折合人民币）为？", (
        Option("a", 0, "Below CNY 50,000", "5 万元以下"),
        Option("b", 4, "CNY 50,000 to 200,000", "5 万至 20 万元"),
        Option("c", 8, "CNY 200,000 to 1,000,000", "20 万至 100 万元"),
        Option("d", 12, "More than CNY 1,000,000", "100 万元以上"),
    )),
    Question("share", "Which share of your savings may go into investments?", "可用于投资的资产占家庭总资产的比例为？", (
        Option("a", 0, "Less than a tenth", "10% 以下"),
        Option("b", 4, "A tenth to a quarter", "10% 至 25%"),
        Option("c", 8, "A quarter to a half", "25% 至 50%"),
        Option("d", 12, "More than half", "50% 以上"),
    )),
    Question("experience", "What have you invested in so far?", "您的投资经验是？", (
        Option("a", 0, "Deposits and government bonds only", "仅有存款、国债等"),
        Option("b", 4, "Mostly wealth products and money market funds", "主要为银行理财、货币基金"),
        Option("c", 9, "Funds and shares among them", "包含基金、股票等"),
        Option("d", 13, "Shares, funds or derivatives for the most part", "主要为股票、基金或衍生品"),
    )),
    Question("years", "For how many years?", "您有多少年投资基金、股票等有波动产品的经验？", (
        Option("a", 0, "None", "没有经验"),
        Option("b", 4, "Less than two", "少于 2 年"),
        Option("c", 8, "Two to five", "2 至 5 年"),
        Option("d", 12, "More than five", "5 年以上"),
    )),
    Question("horizon", "When will you need this money?", "您计划的投资期限是？", (
        Option("a", 0, "Within a year", "1 年以内", highest=2),
        Option("b", 5, "In one to three years", "1 至 3 年"),
        Option("c", 9, "In three to five years", "3 至 5 年"),
        Option("d", 13, "Later than in five years", "5 年以上"),
    )),
    Question("goal", "What matters most to you?", "您的投资目的是？", (
        Option("a", 0, "That nothing is lost", "资产保值"),
        Option("b", 5, "A little more than a deposit brings", "资产稳健增长"),
        Option("c", 9, "Growth, with swings", "资产增长，可接受波动"),
        Option("d", 13, "Strong growth, with large swings", "资产快速增长，可接受较大波动"),
    )),
    Question("loss", "Which loss could you bear within a year?", "一年内您最多能承受多大的本金损失？", (
        Option("a", 0, "None", "不能承受任何损失", highest=1),
        Option("b", 5, "Up to 10 %", "10% 以内"),
        Option("c", 9, "10 to 30 %", "10% 至 30%"),
        Option("d", 13, "More than 30 %", "30% 以上"),
    )),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What the answers come to: points 0 to 100 and the grade 1 to 5."""

    score: int
    grade: int


def evaluate(answers: Mapping[str, str]) -> Result:
    """Score a filled-in questionnaire. Raises Refused(ANSWERS_INCOMPLETE) unless every question has one of its options."""
    chosen: list[Option] = []
    missing: list[str] = []
    for question in QUESTIONS:
        option = next((o for o in question.options if o.id == answers.get(question.id)), None)
        if option is None:
            missing.append(question.id)
        else:
            chosen.append(option)
    unknown = sorted(set(answers) - {question.id for question in QUESTIONS})
    if missing or unknown:
        raise Refused(errors.ANSWERS_INCOMPLETE, count=len(QUESTIONS), missing=", ".join(missing + unknown))
    score = sum(option.points for option in chosen)
    return Result(score, min(score_to_grade(score), *(option.highest for option in chosen)))


def scoring(lang: str) -> wire.Scoring:
    """The published table: what each answer counts and allows, and which scores come to which grade."""
    scores = range(sum(max(option.points for option in question.options) for question in QUESTIONS) + 1)
    grades = []
    for grade in range(LOWEST, HIGHEST + 1):
        of_it = [score for score in scores if score_to_grade(score) == grade]
        meaning = GRADE_MEANING[grade].text(lang)
        grades.append(wire.ScoredGrade(grade=grade_name(grade), least=of_it[0], most=of_it[-1], meaning=meaning))
    scored = [
        wire.ScoredQuestion(
            id=question.id,
            points={option.id: option.points for option in question.options},
            highest={option.id: grade_name(option.highest) for option in question.options if option.highest < HIGHEST},
        )
        for question in QUESTIONS
    ]
    return wire.Scoring(version=VERSION, questions=scored, grades=grades)


def questions(lang: str) -> list[wire.Question]:
    """The questions in one language; the points stay out of the page that asks."""
    zh = lang == "zh"
    return [
        wire.Question(q.id, q.zh if zh else q.en, [wire.Option(o.id, o.zh if zh else o.en) for o in q.options])
        for q in QUESTIONS
    ]
