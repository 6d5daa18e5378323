"""A file of rules is taken as it is meant, or refused with the line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import main
from compliance.lexicon import TERMS, Action, strictest
from compliance.lexicon_file import LexiconError, parse_lexicon, read_lexicon

EXAMPLE = Path(__file__).parents[2] / "docs" / "lexicon.example.toml"
RULE = '[[rule]]\nterms = ["甲乙"]\naction = "flag"\nsource = "s"\n'


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("有内部消息吗", Action.HOLD), ("any Insider-Tip?", Action.HOLD), ("举报内部消息", None), ("加薇信", Action.BLOCK),
        ("加我的VX", Action.MASK), ("我的vx", None), ("138 0013 8000", Action.MASK), ("保本", Action.FLAG),
        ("R1(低风险)", None),
    ],
)  # fmt: skip
def test_the_example_does_what_it_says(text: str, action: Action | None) -> None:
    assert strictest(read_lexicon(EXAMPLE).hits(text)) is action


def test_a_file_stands_beside_the_built_in_rules_or_instead_of_them() -> None:
    assert len(parse_lexicon(RULE).terms) == len(TERMS) + 1
    alone = parse_lexicon("extends = false\n" + RULE)
    assert [term.text for term in alone.terms] == ["甲乙"]
    assert alone.hits("保本") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[rule]\n", "line 1"),
        ("extend = true\n", "extends, rule are known"),
        ("extends = false\n", "nothing would be looked for"),
        ("extends = 1\n", "extends is 1"),
        ("rule = 3\n", r"written as \[\[rule\]\]"),
        (RULE + '\n[[rule]]\nterms = ["丙"]\naction = "hide"\nsource = "s"\n', r"line 6, \[\[rule\]\] 2: action is 'hide'"),
        (RULE.replace("source", "sauce"), "line 1.*no 'sauce'"),
        (RULE.replace('source = "s"', ""), "source is missing"),
        (RULE.replace('["甲乙"]', '"甲乙"'), "list of phrases"),
        (RULE.replace("甲乙", "***"), "neither letters nor digits"),
        (RULE.replace("甲乙", " "), "1 to 200 are wanted"),
        (RULE + 'kind = "regex"\n', "kind is 'regex'"),
        (RULE + "pinyin = 1\n", "pinyin is 1"),
        (RULE.replace("甲乙", "甲") + "pinyin = true\n", "two characters or more"),
        (RULE.replace("甲乙", "(甲") + 'kind = "pattern"\n', "no regular expression"),
        (RULE.replace("甲乙", "甲+") + 'kind = "pattern"\n', "repeat without end"),
        (RULE.replace("甲乙", "(甲{1,9}){1,20}乙") + 'kind = "pattern"\n', "too many ways"),
        (RULE.replace("甲乙", "(甲|甲){30}乙") + 'kind = "pattern"\n', "too many ways|no regular"),
        (RULE.replace("甲乙", "甲?") + 'kind = "pattern"\n', "matches nothing at all"),
        (RULE + '[[except]]\npattern = "甲"\nin = "word"\n', r"line 5, \[\[except\]\] 1: in is 'word'"),
        (RULE + "[[except]]\n", "pattern is missing"),
    ],
)
def test_a_fault_is_named_with_its_place_and_what_to_do(text: str, told: str) -> None:
    with pytest.raises(LexiconError, match=told):
        parse_lexicon(text)


def test_a_file_that_is_away_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="No such file"):
        read_lexicon(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\n\xff")
    with pytest.raises(LexiconError, match="line 2: this is not UTF-8"):
        read_lexicon(tmp_path / "latin.toml")


def test_the_command_counts_and_tries(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["lexicon", str(EXAMPLE), "--text", "加我的VX", "--text", "你好"]) == 0
    out = capsys.readouterr().out
    assert f"{len(TERMS) + 5} rules" in out
    assert "mask 4-5 'VX' says 'VX' (house rule 3)" in out
    assert "shown as '加我的**'" in out
    assert "'你好': nothing found" in out
    assert main(["lexicon", str(tmp_path / "none.toml")]) == 2
    assert "No such file" in capsys.readouterr().err
