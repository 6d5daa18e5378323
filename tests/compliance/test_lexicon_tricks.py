"""A phrase is found wherever it stands and however it is disguised, and the automaton finds what a plain search finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.lexicon import TERMS, Action, Lexicon, Term, hits, masked

WIDE = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}
TRADITIONAL = {
    "风": "風",
    "险": "險",
    "门": "門",
    "账": "賬",
    "证": "證",
    "赚": "賺",
    "赔": "賠",
    "亏": "虧",
    "诺": "諾",
    "转": "轉",
}
BETWEEN = ["", " ", "\u3000", "\u200b", "\u2060", "\ufe0f", "\u3164", "*", "·", "-", "😀", "…", "\u0301"]
CHINESE = [term.text for term in TERMS if not term.text[0].isascii()]
ENGLISH = [term.text for term in TERMS if term.text[0].isascii()]
# Characters of no term and of no exception, and ends of clauses.
AROUND = st.text(alphabet="老师讲得很好,。!甲乙丙丁", max_size=12).map(lambda text: text + "。")


@st.composite
def disguised(draw: st.DrawFn) -> tuple[str, str]:
    term = draw(st.sampled_from(CHINESE))
    letters = []
    for letter in term:
        shapes = [letter, TRADITIONAL.get(letter, letter), WIDE.get(letter, letter), letter.upper()]
        letters.append(draw(st.sampled_from(shapes)))
    written = letters[0] + "".join(draw(st.sampled_from(BETWEEN)) + letter for letter in letters[1:])
    return term, written


@st.composite
def disguised_english(draw: st.DrawFn) -> tuple[str, str]:
    term = draw(st.sampled_from(ENGLISH))
    gap = draw(st.sampled_from([" ", "  ", "-", "_", " … ", "\u3000", "\u00a0"]))
    letters = [draw(st.sampled_from([letter, letter.upper(), WIDE.get(letter, letter)])) for letter in term.replace(" ", "\0")]
    return term, "".join(letters).replace("\0", gap).replace("'", draw(st.sampled_from(["'", "’", "‘", "'"])))


@given(AROUND, st.one_of(disguised(), disguised_english()), AROUND)
def test_a_phrase_in_any_disguise_is_found_where_it_stands(before: str, phrase: tuple[str, str], after: str) -> None:
    term, written = phrase
    text = before + written + "。" + after
    found = hits(text)
    assert [(hit.term, hit.start, hit.end) for hit in found] == [(term, len(before), len(before) + len(written))]
    assert masked(text, found, least=Action.FLAG) == before + "*" * len(written) + "。" + after


SOUNDS = Lexicon([Term("加微信", Action.HOLD, "house rule", pinyin=True), Term("转账", Action.MASK, "house rule")])


@pytest.mark.parametrize("words", ["加微信", "jia weixin", "JiaWeiXin", "加薇信", "家 wei 心", "jia微xin", "jia wei xin"])
def test_what_sounds_like_it_is_found_for_rules_that_ask(words: str) -> None:
    text = f"老师,{words},谢谢"
    [hit] = SOUNDS.hits(text)
    assert (text[hit.start : hit.end], hit.action) == (words, Action.HOLD)


@pytest.mark.parametrize("text", ["zhuan zhang", "砖帐", "jia。weixin", "xjiaweixin", "jiaweixing", "家卫星", "jia wei, xin"])
def test_other_rules_syllables_cut_in_two_and_ends_of_clauses_do_not_sound(text: str) -> None:
    assert SOUNDS.hits(text) == []


def test_an_exact_rule_takes_the_words_as_they_are_written() -> None:
    exact = Lexicon([Term("VX", Action.FLAG, "house rule", "exact")])
    assert [(hit.start, hit.end) for hit in exact.hits("我的VX和vx和V X")] == [(2, 4)]


def test_a_pattern_sees_the_squeezed_text_and_says_where_it_stood() -> None:
    phone = Lexicon([Term(r"1[3-9][0-9]{9}", Action.MASK, "house rule", "pattern")])
    text = "打 138-0013 8000 给我"
    assert masked(text, phone.hits(text)) == "打 ************* 给我"


def test_the_stricter_of_two_that_overlap_counts() -> None:
    both = Lexicon([Term("稳赚", Action.BLOCK, "a"), Term("绝对稳赚不赔", Action.FLAG, "b")])
    assert [hit.action for hit in both.hits("绝对稳赚不赔")] == [Action.BLOCK]
    same = Lexicon([Term("保本", Action.FLAG, "a"), Term("保 本", Action.HOLD, "b")])
    assert [hit.action for hit in same.hits("保本")] == [Action.HOLD]


LABELS = [
    "R1(低风险)",
    "PR2(中低风险)",
    "低风险(R1)",
    "风险等级:低风险",
    "风险评级为中低风险",
    "非保本",
    "不承诺保本",
    "R1 (low risk)",
]


@given(AROUND, st.sampled_from(LABELS), st.sampled_from(["", "\u200b", "\u2060"]), AROUND)
def test_labels_and_duties_are_never_hits(before: str, label: str, unseen: str, after: str) -> None:
    wide = "".join(WIDE.get(letter, letter) for letter in label)
    for written in (label, wide, unseen.join(label)):
        assert hits(before + written + "。" + after) == []


# Few characters, so that terms overlap, contain and end in each other.
SMALL = st.text(alphabet="风险保本稳", min_size=1, max_size=4)


@given(st.lists(SMALL, min_size=1, max_size=12, unique=True), st.text(alphabet="风险保本稳 。*a", max_size=60))
def test_the_automaton_finds_what_a_plain_search_finds(terms: list[str], text: str) -> None:
    seen = [(place, letter) for place, letter in enumerate(text) if letter not in " *"]
    plain = "".join(letter for _place, letter in seen)
    everything = [
        (seen[at][0], seen[at + len(term) - 1][0] + 1, term)
        for term in terms
        for at in range(len(plain))
        if plain.startswith(term, at)
    ]
    kept: list[tuple[int, int, str]] = []
    for start, end, term in sorted(everything, key=lambda one: (one[0] - one[1], one[0], one[2])):
        if all(end <= other[0] or other[1] <= start for other in kept):
            kept.append((start, end, term))
    found = Lexicon([Term(term, Action.FLAG, "test") for term in terms]).hits(text)
    assert [(hit.start, hit.end, hit.term) for hit in found] == sorted(kept)


def test_the_version_changes_with_any_rule_and_not_with_their_order() -> None:
    one, other = Term("保本", Action.FLAG, "a"), Term("包赚", Action.BLOCK, "a")
    assert Lexicon([one, other]).version == Lexicon([other, one]).version
    changed = [Term("保本", Action.MASK, "a"), Term("保本", Action.FLAG, "b"), Term("保本", Action.FLAG, "a", pinyin=True)]
    assert len({Lexicon([term, other]).version for term in (one, *changed)}) == 4


@pytest.mark.parametrize("text", ["***", "\u200b", "😀"])
def test_a_phrase_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither letters nor digits"):
        Lexicon([Term(text, Action.FLAG, "test")])
