"""The same text as the lexicon searches it: what disguises words taken away, every character's place kept. Pure.

Squeezed: without spaces and marks inside a clause, for Chinese ("保 本"). Spaced: words parted by one space, for English.
Sounded: squeezed, and every Chinese character as its syllable without tone ("加薇信" is jiaweixin), for rules that ask for it.
All fold full width to half width, traditional to simplified and upper to lower case; signs that show nothing vanish.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from opencc import OpenCC

# A phrase does not run over the end of a clause: "请您确保。本产品…" promises nothing.
BREAKS: Final = "。!?;,、"

_UNSEEN_CATEGORIES: Final = frozenset({"Cf", "Mn", "Me"})
# Code points that are no characters: they fold to themselves. Whoever picks code points at random sends hardly anything else.
_NOTHING: Final = frozenset({"Cn", "Co", "Cs"})
# Letters by their category, and yet nothing is to be seen of them: Hangul's fillers.
_UNSEEN: Final = frozenset("\u115f\u1160\u3164\uffa0")
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("’‘ʼ`´′", "'"))
_UNSAID: Final = re.compile(rf"[^\w{BREAKS}]+")
_BETWEEN: Final = re.compile(r"[^\w']+")
# A text repeats its characters; anybody may send any of Unicode's. Chinese alone has 21,000 of them that everybody can type: a
# table that held fewer would be begun anew all the time by who picks them at random.
_CACHED: Final = 32_768
_HAN_RANGES: Final = ((0x3400, 0xA000), (0x20000, 0x40000), (0xF900, 0xFB00))
# As opencc converts them one by one: no phrase goes over the end of a line.
_APART: Final = "\n"
_U_WITH_DOTS: Final = str.maketrans("üǖǘǚǜ", "vvvvv")


class _Table(dict[str, str]):
    """What becomes of each character, worked out when it is first met."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, original: str) -> str:
        if len(self) >= _CACHED:
            self.clear()
        self[original] = found = self._rule(original)
        return found


@dataclass(frozen=True)
class Folded:
    """Folded characters and, for each, its place in the original text (found only when it is asked for)."""

    original: str
    text: str
    place_all: Callable[[str], list[int]]

    @cached_property
    def places(self) -> list[int]:
        return self.place_all(self.original)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` stands in the original."""
        return self.places[start], self.places[end - 1] + 1

    def is_whole(self, start: int, end: int) -> bool:
        """Whether `text[start:end]` cuts neither a character nor a word of letters in two."""
        places, original = self.places, self.original
        first, last = places[start], places[end - 1]
        if (start and places[start - 1] == first) or (end < len(places) and places[end] == last):
            return False
        cut_before = first > 0 and is_latin(original[first]) and is_latin(original[first - 1])
        cut_after = last + 1 < len(original) and is_latin(original[last]) and is_latin(original[last + 1])
        return not (cut_before or cut_after)


class Foldings:
    """A text in its three foldings; what all begin with is worked out once."""

    def __init__(self, text: str) -> None:
        self._original, self._plain = text, "".join(map(_PLAIN.__getitem__, text))

    @cached_property
    def squeezed(self) -> Folded:
        """For Chinese."""
        return Folded(self._original, _UNSAID.sub("", self._plain), _places_squeezed)

    @cached_property
    def spaced(self) -> Folded:
        """For English."""
        return Folded(self._original, _BETWEEN.sub(" ", self._plain).removeprefix(" "), _places_spaced)

    @cached_property
    def sounded(self) -> Folded:
        """For what sounds the same."""
        return Folded(self._original, "".join(map(_SYLLABLES.__getitem__, self.squeezed.text)), _places_sounded)


def _lettered(original: str) -> Iterator[tuple[str, int]]:
    return ((letter, place) for place, one in enumerate(original) for letter in _PLAIN[one])


def _places_squeezed(original: str) -> list[int]:
    return [place for letter, place in _lettered(original) if letter.isalnum() or letter in BREAKS]


def _places_spaced(original: str) -> list[int]:
    kept: list[int] = []
    parted = True
    for letter, place in _lettered(original):
        said = letter.isalnum() or letter == "'"
        if said or not parted:
            kept.append(place)
        parted = not said
    return kept


def _places_sounded(original: str) -> list[int]:
    squeezed = ((letter, place) for letter, place in _lettered(original) if letter.isalnum() or letter in BREAKS)
    return [place for letter, place in squeezed for _sign in _SYLLABLES[letter]]


def is_latin(letter: str) -> bool:
    """Whether it is part of a word rather than, as a Chinese character, a word."""
    return letter.isalnum() and not _is_han(unicodedata.normalize("NFKC", letter)[:1])


def _is_han(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff" or "\U00020000" <= letter <= "\U0003ffff" or "\uf900" <= letter <= "\ufaff"


@lru_cache(maxsize=1)
def _converter() -> OpenCC:
    return OpenCC("t2s")


@lru_cache(maxsize=1)
def _simplified() -> dict[str, str]:
    """Every traditional character and its simplified one, converted together: one by one each would cost a call."""
    every = [chr(code) for first, end in _HAN_RANGES for code in range(first, end)]
    converted = _converter().convert(_APART.join(every)).split(_APART)
    return {letter: simple for letter, simple in zip(every, converted, strict=True) if letter != simple}


def _plain(original: str) -> str:
    category = unicodedata.category(original)
    if category in _NOTHING:
        return original
    if category in _UNSEEN_CATEGORIES or original in _UNSEEN:
        return ""
    # To regular expressions a low line would be a letter; here it is a mark like others.
    folded = unicodedata.normalize("NFKC", original.translate(_APOSTROPHES)).casefold().replace("_", "-")
    if len(folded) > 1:
        return _converter().convert(folded) if any(map(_is_han, folded)) else folded
    simple = _simplified().get(folded, folded) if _is_han(folded) else folded
    return original if simple == original else simple  # or two objects would be kept of each


def _syllable(letter: str) -> str:
    """Without tone, ü as v: the first of those that pypinyin knows, which is what `lazy_pinyin` answers for one character."""
    from pypinyin.constants import PINYIN_DICT  # noqa: PLC0415 - tens of MB that only rules with `pinyin` need

    if not _is_han(letter):
        return letter
    known = PINYIN_DICT.get(ord(letter), letter).partition(",")[0].translate(_U_WITH_DOTS)
    return "".join(sign for sign in unicodedata.normalize("NFD", known) if not unicodedata.combining(sign))


_PLAIN: Final = _Table(_plain)
_SYLLABLES: Final = _Table(_syllable)
