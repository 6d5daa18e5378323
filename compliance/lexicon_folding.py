"""The same text as the lexicon searches it: what disguises words taken away, every character's place kept. Pure.

Squeezed: without spaces and marks inside a clause, for Chinese ("保 本"). Spaced: words parted by one space, for English.
Sounded: squeezed, and every Chinese character as its syllable without tone ("加薇信" is jiaweixin), for rules that ask for it.
All fold full width to half width, traditional to simplified and upper to lower case; signs that show nothing vanish.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from opencc import OpenCC

# A phrase does not run over the end of a clause: "请您确保。本产品…" promises nothing.
BREAKS: Final = "。!?;,、"

_UNSEEN_CATEGORIES: Final = frozenset({"Cf", "Mn", "Me"})
# Letters by their category, and yet nothing is to be seen of them: Hangul's fillers.
_UNSEEN: Final = frozenset("\u115f\u1160\u3164\uffa0")
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("’‘ʼ`´′", "'"))
_SPACES: Final = re.compile(" +")
# A text repeats its characters; anybody may send any of Unicode's.
_CACHED = 16_384


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
    table: _Table
    collapsed: bool = False

    @cached_property
    def places(self) -> list[int]:
        table = self.table
        both = [(letter, place) for place, original in enumerate(self.original) for letter in table[original]]
        if not self.collapsed:
            return [place for _letter, place in both]
        kept: list[int] = []
        before = " "
        for letter, place in both:
            if letter != " " or before != " ":
                kept.append(place)
            before = letter
        return kept

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


def squeeze(text: str) -> Folded:
    """For Chinese."""
    return Folded(text, "".join(map(_SQUEEZED.__getitem__, text)), _SQUEEZED)


def space(text: str) -> Folded:
    """For English."""
    folded = _SPACES.sub(" ", "".join(map(_SPACED.__getitem__, text)))
    return Folded(text, folded.removeprefix(" "), _SPACED, collapsed=True)


def sound(text: str) -> Folded:
    """For what sounds the same."""
    return Folded(text, "".join(map(_SOUNDED.__getitem__, text)), _SOUNDED)


def is_latin(letter: str) -> bool:
    """Whether it is part of a word rather than, as a Chinese character, a word."""
    return letter.isalnum() and not _is_han(unicodedata.normalize("NFKC", letter)[:1])


def _is_han(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff" or "\U00020000" <= letter <= "\U0003ffff" or "\uf900" <= letter <= "\ufaff"


@lru_cache(maxsize=1)
def _simplified() -> OpenCC:
    return OpenCC("t2s")


def _folded(original: str) -> str:
    if original in _UNSEEN or unicodedata.category(original) in _UNSEEN_CATEGORIES:
        return ""
    plain = unicodedata.normalize("NFKC", original.translate(_APOSTROPHES)).casefold()
    return _simplified().convert(plain) if any(map(_is_han, plain)) else plain


def _squeezed(original: str) -> str:
    return "".join(letter for letter in _folded(original) if letter.isalnum() or letter in BREAKS)


def _spaced(original: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "'" else " " for letter in _folded(original))


def _sounded(original: str) -> str:
    return "".join(_syllable(letter) if _is_han(letter) else letter for letter in _squeezed(original))


def _syllable(letter: str) -> str:
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415 - tens of MB that only rules with `pinyin` need

    return "".join(lazy_pinyin(letter, style=Style.NORMAL, v_to_u=False))


_SQUEEZED: Final = _Table(_squeezed)
_SPACED: Final = _Table(_spaced)
_SOUNDED: Final = _Table(_sounded)
