"""docs/gate.md, docs/refusals.md and docs/assessment.md say what the tables say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app import rulebook
from app.problems import PROBLEMS
from commerce.gate import REPLAY_RULES, RULES
from commerce.questionnaire import QUESTIONS, evaluate
from compliance.rules import grade_name, score_to_grade


@pytest.mark.parametrize(("document", "render"), rulebook.DOCUMENTS.items(), ids=lambda item: getattr(item, "stem", ""))
def test_the_document_is_what_the_code_would_write(document: Path, render: Callable[[], str]) -> None:
    assert document.read_text() == render(), f"{document.name} is out of date; run `python -m app.rulebook`"


def test_every_problem_of_the_product_is_in_the_list_with_its_sentences() -> None:
    rows = {row[0]: row[1] for row in re.findall(r'^\| <a id="(\w+)"></a>(.*)$', rulebook.refusals(), re.MULTILINE)}
    assert set(rows) == {problem.code for problem in PROBLEMS}
    for problem in PROBLEMS:
        for text in (problem.en, problem.zh, problem.next_en, problem.next_zh):
            assert text in rows[problem.code] or text.startswith(("{sentence", "{next")), (problem.code, text)


def test_every_rule_is_told_with_its_source_in_its_order() -> None:
    live, replay = rulebook.gate().split("## In a replay")
    for text, rules in ((live, RULES), (replay, REPLAY_RULES)):
        told = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+?) \| (.+?) \|", text, re.MULTILINE)
        assert [(int(number), name) for number, name, _asks, _source in told] == [
            (number, rule.name) for number, rule in enumerate(rules, 1)
        ]
    assert all(rule.asks and rule.source and rule.codes for rule in (*RULES, *REPLAY_RULES))


def test_whoever_adds_up_the_published_points_gets_the_grade() -> None:
    """The document alone is enough to check a grade by hand."""
    text = rulebook.assessment()
    chapters = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    bands = [
        (int(low), int(high), grade) for low, high, grade in re.findall(r"^\| (\d+) to (\d+) \| (C\d) ", text, re.MULTILINE)
    ]
    for letters in ("aaaaaaaa", "dddddddd", "dcbdcbdc", "bbbbbbbb", "ddddddda", "dddddadd", "addddddd"):
        score, caps = 0, []
        for chapter, letter in zip(chapters, letters, strict=True):
            row = re.search(rf"^\| {letter} \| .+ \| (\d+) \| (C\d)? ?\|$", chapter, re.MULTILINE)
            assert row is not None, chapter
            score += int(row[1])
            caps += [row[2]] if row[2] else []
        [grade] = [grade for low, high, grade in bands if low <= score <= high]
        result = evaluate(dict(zip((question.id for question in QUESTIONS), letters, strict=True)))
        assert (score, min([grade, *caps])) == (result.score, grade_name(result.grade))
    assert [grade_name(score_to_grade(score)) for low, high, _ in bands for score in (low, high)] == [
        grade for _, _, grade in bands for _ in range(2)
    ]
