"""Writes the rules of selling from the tables that run them: docs/gate.md, docs/refusals.md, docs/assessment.md.

`python -m app.rulebook` writes them anew; a test compares.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from app import accounts, assertions, middleware
from app.problems import PROBLEMS
from commerce import catalogue_errors, delivery_errors, questionnaire
from commerce import errors as commerce_errors
from commerce.gate import REPLAY_RULES, RULES, Rule
from commerce.reasons import SENTENCES
from commerce.risk import RISK_RULES, RiskLimits, RiskRule
from compliance import errors as compliance_errors
from compliance import rules
from core import errors as core_errors
from core.errors import Problem
from recording import errors as recording_errors
from rooms import errors as rooms_errors
from stream import errors as stream_errors

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"

# From the roof down: who meets a refusal looks for what he did, not for where it was found.
_CHAPTERS: Final[tuple[tuple[str, tuple[Problem, ...]], ...]] = (
    ("Buying (`commerce/errors.py`)", commerce_errors.PROBLEMS),
    ("The catalogue (`commerce/catalogue_errors.py`)", catalogue_errors.PROBLEMS),
    ("Deliveries (`commerce/delivery_errors.py`)", delivery_errors.PROBLEMS),
    ("Shows and calls (`rooms/errors.py`)", rooms_errors.PROBLEMS),
    ("Reviewing (`compliance/errors.py`)", compliance_errors.PROBLEMS),
    ("The record (`recording/errors.py`)", recording_errors.PROBLEMS),
    ("Picture and sound (`stream/errors.py`)", stream_errors.PROBLEMS),
    ("Signing in (`app/accounts.py`, `app/assertions.py`)", (*accounts.PROBLEMS, *assertions.PROBLEMS)),
    ("Anywhere (`core/errors.py`, `app/middleware.py`)", (*core_errors.PROBLEMS, *middleware.PROBLEMS)),
)

# Their sentences depend on why; all of them stand in docs/gate.md.
_BY_CAUSE: Final = {
    "sale_closed": "[by its reason](gate.md#why-a-sale-is-closed)",
    "risk_review": "[by the rule](gate.md#the-risk-rules)",
}

_DOORS: Final = {
    "": "nothing",
    "login": "signing in",
    "assessment": "the questionnaire",
    "call": "a call with an adviser",
    "disclosure": "the disclosure",
    "retry": "trying again",
    "amount": "another amount",
    "lobby": "the lobby",
}


def gate() -> str:
    """docs/gate.md: the rules in their order, and the sentences each may answer with."""
    parts = [
        "# The sale gate\n",
        _paragraph(
            "Generated from `commerce/gate.py` `RULES` by `python -m app.rulebook`; a test compares. An order is asked these",
            "questions in this order, inside its own transaction and under its locks; the first that is answered with no",
            "refuses it, and nothing is changed. What the gate saw and which rules it passed stand in the order and in its",
            "entry of the trail.",
        ),
        *_rules(RULES, {}),
        "\n## In a replay\n",
        _paragraph(
            "While a finished show is seen again, these are asked (`REPLAY_RULES`; docs/decisions/0019).",
        ),
        *_rules(REPLAY_RULES, {rule.name: number for number, rule in enumerate(RULES, 1)}),
    ]
    said = _once(problem for rule in (*RULES, *REPLAY_RULES) for problem in rule.codes)
    parts += ["", "## What it says\n", *_problems(said)]
    parts += ["", "## Why a sale is closed\n", "The sentences of `sale_closed`, by `reason` (`commerce/reasons.py`).\n"]
    parts += ["| reason | sentence |", "|---|---|"]
    parts += [f"| `{reason}` | {_both(en, zh)} |" for reason, (en, zh) in SENTENCES.items()]
    parts += ["", "## The risk rules\n"]
    parts += [
        _paragraph(
            "The sentences of `risk_review`, by `rule` (`commerce/risk.py`). The figures are `RiskLimits`, which a bank sets;",
            "they are snapshotted with the rest. There is none for a device that is new: the bank tells us who signs in, and",
            "nothing tells on which device that could not be left out by whoever would want to.",
        ),
        "| rule | is it so that … | why | in a call | sentence | next step |",
        "|---|---|---|---|---|---|",
    ]
    parts += [_risk_rule(rule, RiskLimits()) for rule in RISK_RULES]
    return "\n".join(parts) + "\n"


def _rules(rules: Sequence[Rule], known: Mapping[str, int]) -> list[str]:
    """A table of rules in their order; those that are `known` by a number elsewhere are only named."""
    rows = ["| | rule | is it so that … | by | refuses with |", "|---|---|---|---|---|"]
    for number, rule in enumerate(rules, 1):
        if rule.name in known:
            rows.append(f"| {number} | `{rule.name}` | as in rule {known[rule.name]} above | as there | as there |")
            continue
        codes = ", ".join(_anchor(problem.code) for problem in rule.codes)
        rows.append(f"| {number} | `{rule.name}` | {_cell(rule.asks)} | {_cell(rule.source)} | {codes} |")
    return rows


def refusals() -> str:
    """docs/refusals.md: every problem of the product."""
    parts = [
        "# Every refusal\n",
        _paragraph(
            "Generated from the code by `python -m app.rulebook`; a test compares, and every code is reached by a test",
            "(`tests/app/test_refusals.py`). A refusal is `application/problem+json` (RFC 9457): `code` is stable, `title` and",
            "`next` are the sentences below in the asked language, `door` is what a page offers, `params` fill the `{…}`.",
            "Nothing the person entered is lost by one.",
        ),
        "| door | what is offered |",
        "|---|---|",
        *(f"| `{name}` | {what} |" for name, what in _DOORS.items() if name),
    ]
    placed = {problem for _title, problems in _CHAPTERS for problem in problems}
    rest = tuple(problem for problem in PROBLEMS if problem not in placed)
    for title, problems in (*_CHAPTERS, *((("Elsewhere", rest),) if rest else ())):
        parts += ["", f"## {title}\n", *_problems(problems)]
    return "\n".join(parts) + "\n"


def assessment() -> str:
    """docs/assessment.md: the questionnaire and what each answer counts."""
    grades = _grades()
    a_day, a_year = rules.ASSESSMENTS_A_DAY, rules.ASSESSMENTS_IN_12_MONTHS
    parts = [
        "# The risk questionnaire\n",
        _paragraph(
            f"Version {questionnaire.VERSION}, generated from `commerce/questionnaire.py` by `python -m app.rulebook`; a test",
            f"compares. Only the customer fills it in, at most {a_day} times a day and {a_year} times in 12 months; the newest",
            f"one counts, for {rules.ASSESSMENT_MONTHS} months (国家金融监督管理总局令2025第7号; the limits of a day and",
            "a year could not be read in the original).",
        ),
        _paragraph(
            "The points of the eight answers are added up, to 100 at most. An answer may cap the grade, whatever the rest",
            "says.",
        ),
        "| points | grade | |",
        "|---|---|---|",
    ]
    for low, high, grade in grades:
        meaning = rules.GRADE_MEANING[grade]
        parts.append(f"| {low} to {high} | {rules.grade_name(grade)} | {_both(meaning.en, meaning.zh)} |")
    for number, question in enumerate(questionnaire.QUESTIONS, 1):
        parts += ["", f"## {number}. {question.en}\n", f"{question.zh}\n"]
        parts += ["| | answer | points | grade at most |", "|---|---|---|---|"]
        parts += [
            f"| {option.id} | {_both(option.en, option.zh)} | {option.points} |"
            f" {rules.grade_name(option.highest) if option.highest < rules.HIGHEST else ''} |"
            for option in question.options
        ]
    return "\n".join(parts) + "\n"


DOCUMENTS: Final[dict[Path, Callable[[], str]]] = {
    DOCS / "gate.md": gate,
    DOCS / "refusals.md": refusals,
    DOCS / "assessment.md": assessment,
}


def _grades() -> list[tuple[int, int, int]]:
    """(lowest points, highest points, grade), as `rules.score_to_grade` has it."""
    found: list[tuple[int, int, int]] = []
    for score in range(101):
        grade = rules.score_to_grade(score)
        if found and found[-1][2] == grade:
            found[-1] = (found[-1][0], score, grade)
        else:
            found.append((score, score, grade))
    return found


def _problems(problems: Iterable[Problem]) -> list[str]:
    lines = ["| code | status | sentence | next step | door |", "|---|---|---|---|---|"]
    for problem in problems:
        by_cause = _BY_CAUSE.get(problem.code, "")
        sentence = by_cause if problem.en.startswith("{sentence") else _both(problem.en, problem.zh)
        step = by_cause if problem.next_en.startswith("{next") else _both(problem.next_en, problem.next_zh)
        code = f'<a id="{problem.code}"></a>`{problem.code}`'
        lines.append(f"| {code} | {problem.status} | {sentence} | {step} | {problem.door and f'`{problem.door}`'} |")
    return lines


def _risk_rule(rule: RiskRule, limits: RiskLimits) -> str:
    helps = "goes through" if rule.call_helps else "is refused as well"
    asks = rule.asks.format_map(limits.to_json())
    sentence, step = _both(rule.sentence_en, rule.sentence_zh), _both(rule.next_en, rule.next_zh)
    return f"| `{rule.name}` | {_cell(asks)} | {_cell(rule.source)} | {helps} | {sentence} | {step} |"


def _once(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def _anchor(code: str) -> str:
    return f"[`{code}`](#{code})"


def _both(en: str, zh: str) -> str:
    """Both languages in one cell."""
    return f"{_cell(en)}<br>{_cell(zh)}"


def _paragraph(*parts: str) -> str:
    return textwrap.fill(" ".join(parts), 128, break_long_words=False, break_on_hyphens=False) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for document, render in DOCUMENTS.items():
        document.write_text(render())
        sys.stdout.write(f"{document}\n")
