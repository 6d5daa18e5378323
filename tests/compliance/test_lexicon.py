"""Forbidden words are found where they stand, however they are written, and official labels are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.lexicon import TERMS, Action, hits, masked, strictest

FOUND = [
    ("这是低风险产品", "低风险"),
    ("低 风 险", "低风险"),
    ("低*风*险", "低风险"),
    ("低\u200b风险", "低风险"),
    ("低風險", "低风险"),
    ("秒到賬!", "秒到账"),
    ("保 本", "保本"),
    ("R4低风险", "低风险"),
    ("This is LOW-RISK", "LOW-RISK"),
    ("low  risk", "low  risk"),
    ("GUARANTEED Returns", "GUARANTEED Returns"),
]


@pytest.mark.parametrize(("text", "words"), [(t, w) for t, w in FOUND if w in t])
def test_finds_the_words_and_their_place(text: str, words: str) -> None:
    [hit] = hits(text)
    assert text[hit.start : hit.end] == words


@pytest.mark.parametrize("text", [t for t, w in FOUND if w not in t])
def test_finds_them_in_disguise(text: str) -> None:
    assert len(hits(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "R1(低风险)", "R1 (低风险)", "PR2(中低风险)", "低风险(R1)", "风险等级:低风险", "非保本浮动收益", "不承诺保本",
        "请您确保。本产品", "R1 (low risk)", "not principal guaranteed", "flow risks", "风险揭示", "",
    ],
)  # fmt: skip
def test_leaves_labels_and_duties_alone(text: str) -> None:
    assert hits(text) == []


def test_the_longer_of_two_that_overlap_and_the_strictest_action() -> None:
    found = hits("保证收益,稳赚不赔,加我微信")
    assert [hit.term for hit in found] == ["保证收益", "稳赚不赔", "加我微信"]
    assert strictest(found) is Action.BLOCK
    assert strictest([]) is None


def test_masks_as_many_letters_as_it_hides() -> None:
    text = "好,加我微信吧"
    assert masked(text, hits(text)) == "好,****吧"


@given(st.text(max_size=60), st.sampled_from([term.text for term in TERMS if not term.text[0].isascii()]), st.text(max_size=60))
def test_positions_always_lie_in_the_text(before: str, term: str, after: str) -> None:
    text = before + term + after
    for hit in hits(text):
        assert 0 <= hit.start < hit.end <= len(text)


@given(st.text(max_size=200))
def test_any_text_is_searched_without_error(text: str) -> None:
    assert len(masked(text, hits(text), least=Action.FLAG)) == len(text)
