"""What is worked out for all characters together is what the libraries say of each."""

from __future__ import annotations

import pytest
from opencc import OpenCC
from pypinyin import Style, lazy_pinyin

from compliance.lexicon_folding import Foldings

HAN = [*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000), *range(0x20000, 0x2A6E0), *range(0x30000, 0x31350)]


def test_each_traditional_character_is_the_simplified_one() -> None:
    converter = OpenCC("t2s")
    for letter in map(chr, HAN):
        assert Foldings(letter).squeezed.text in (converter.convert(letter), "")
    assert Foldings("風險㍿").squeezed.text == "风险株式会社"


def test_each_character_has_the_syllable_it_is_given_alone() -> None:
    for letter in (*map(chr, HAN[::16]), *"女绿虐略"):
        squeezed = Foldings(letter).squeezed.text
        assert Foldings(letter).sounded.text == "".join(lazy_pinyin(squeezed, style=Style.NORMAL, v_to_u=False))


@pytest.mark.parametrize(
    ("text", "squeezed", "spaced"),
    [
        ("a_b", "ab", "a b"),
        ("＿a︳b", "ab", "a b"),
        ("__a  b__", "ab", "a b "),
        ("don’t _stop_", "dontstop", "don't stop "),
        ("A\u200bB\U000e0000\ud800C", "abc", "ab c"),
    ],
)
def test_marks_part_words_and_nothing_else(text: str, squeezed: str, spaced: str) -> None:
    foldings = Foldings(text)
    assert (foldings.squeezed.text, foldings.spaced.text) == (squeezed, spaced)
    for folded in (foldings.squeezed, foldings.spaced):
        assert len(folded.places) == len(folded.text)
        assert folded.places == sorted(folded.places)
