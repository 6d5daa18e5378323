"""Words that marketing may not use, found with their positions. Pure: text in, hits out.

Two foldings of the same text are searched, both remembering where each character came from: a squeezed one, without spaces
and marks inside a clause, for Chinese terms ("保 本"), and a spaced one, words parted by one space, for English terms.
Both fold full width to half width, traditional to simplified and upper to lower case.

Excepted are the official grade labels ("R1(低风险)", "风险等级:低风险") and the statements the law asks for ("非保本").
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate
from typing import Final


class Action(IntEnum):
    """What to do about a hit, from mild to strict: tell the reviewers, hide the words as well, let a moderator see the text
    first, or refuse it."""

    FLAG = 1
    MASK = 2
    HOLD = 3
    BLOCK = 4


@dataclass(frozen=True, slots=True)
class Term:
    """One forbidden phrase. Chinese or English is told by its first character."""

    text: str
    action: Action
    source: str


@dataclass(frozen=True, slots=True)
class Hit:
    """`text[start:end]` of the original text says `term`."""

    start: int
    end: int
    term: str
    action: Action
    source: str


_MARKETING = "〔2026〕9号"
_PROMISE = "〔2026〕9号: no promised principal or return"
_HOUSE = "house rule"


def _terms(source: str, action: Action, *texts: str) -> tuple[Term, ...]:
    return tuple(Term(text, action, source) for text in texts)


TERMS: Final[tuple[Term, ...]] = (
    *_terms(_MARKETING, Action.FLAG, "低风险", "低门槛", "秒到账", "高收益", "低利率", "无成本", "零成本", "零风险", "无风险"),
    *_terms(_PROMISE, Action.FLAG, "保本", "保息", "保收益", "保证收益", "承诺收益", "刚性兑付", "无损失"),
    *_terms(_PROMISE, Action.BLOCK, "稳赚不赔", "包赚", "只赚不亏"),
    *_terms(_HOUSE, Action.MASK, "加微信", "加我微信", "加vx", "私下转账"),
    *_terms(_MARKETING, Action.FLAG, "low risk", "no risk", "zero risk", "risk free", "low threshold", "instant payout"),
    *_terms(_MARKETING, Action.FLAG, "high return", "high returns", "high yield", "low interest", "no cost", "zero cost"),
    *_terms(_PROMISE, Action.FLAG, "guaranteed return", "guaranteed returns", "guaranteed profit", "principal guaranteed"),
    *_terms(_PROMISE, Action.FLAG, "guaranteed principal", "capital guaranteed", "guaranteed capital"),
    *_terms(_PROMISE, Action.BLOCK, "cannot lose", "can't lose"),
    *_terms(_HOUSE, Action.MASK, "add my wechat", "add me on wechat"),
)

# Searched in the same folding as the terms; a hit that lies wholly inside one of these is no hit.
_LABEL = "(?:低风险|中低风险|中风险|中高风险|高风险)"
_CHINESE_EXCEPTIONS: Final = (
    re.compile(r"p?r1(?:级)?低风险|低风险p?r1(?![0-9])|p?r2(?:级)?中低风险|中低风险p?r2(?![0-9])"),
    re.compile(rf"风险(?:等级|评级|级别)(?:为|是|属于)?{_LABEL}"),
    re.compile(
        r"(?:非|不|不能|不会|不可能|并不|并非|没有|不得|不承诺|不保证|无法)(?:保证|承诺)?(?:保本|保息|保收益|保证收益|承诺收益)"
    ),
    re.compile(r"(?:不|不是|并非|并不是|没有|不存在|非)(?:零风险|无风险|稳赚不赔|包赚|只赚不亏|刚性兑付)"),
)
_ENGLISH_EXCEPTIONS: Final = (
    re.compile(r"\bp?r[12] (?:low|lower) risk\b|\blow risk p?r1\b|\brisk (?:grade|rating|level)(?: is)? low risk\b"),
    re.compile(r"\b(?:not|no|never|non)(?: a| an)? (?:principal guaranteed|capital guaranteed|guaranteed \w+|risk free)\b"),
)

# A phrase does not run over the end of a clause: "请您确保。本产品…" promises nothing.
_BREAKS: Final = "。!?;,、"

_TRADITIONAL: Final = str.maketrans("風險門檻賬帳無證穩賺賠虧諾剛性兌損轉級評", "风险门槛账账无证稳赚赔亏诺刚性兑损转级评")


@dataclass(frozen=True, slots=True)
class _Folded:
    """Folded characters and, for each, its place in the original text."""

    text: str
    places: tuple[int, ...]


def hits(text: str, terms: Sequence[Term] = TERMS) -> list[Hit]:
    """Every forbidden phrase in `text`, in order of place; of two that overlap the longer one."""
    squeezed, spaced = _squeeze(text), _space(text)
    found: list[Hit] = []
    for folded, chinese, exceptions in ((squeezed, True, _CHINESE_EXCEPTIONS), (spaced, False, _ENGLISH_EXCEPTIONS)):
        excepted = _Spans(match.span() for pattern in exceptions for match in pattern.finditer(folded.text))
        for term in terms:
            if _is_chinese(term.text) is not chinese:
                continue
            for match in _pattern(term.text, chinese).finditer(folded.text):
                if excepted.hold(match.start(), match.end()):
                    continue
                start, end = folded.places[match.start()], folded.places[match.end() - 1] + 1
                found.append(Hit(start, end, term.text, term.action, term.source))
    return _longest(found)


def strictest(found: Sequence[Hit]) -> Action | None:
    """The strictest action any hit asks for; None when there is none."""
    return max((hit.action for hit in found), default=None)


def masked(text: str, found: Sequence[Hit], *, least: Action = Action.MASK) -> str:
    """`text` with every hit of at least that action replaced by as many stars."""
    letters = list(text)
    for hit in found:
        if hit.action >= least:
            letters[hit.start : hit.end] = "*" * (hit.end - hit.start)
    return "".join(letters)


def _squeeze(text: str) -> _Folded:
    return _fold(text, _squeezed)


def _space(text: str) -> _Folded:
    folded = _fold(text, _spaced)
    letters: list[str] = []
    places: list[int] = []
    for letter, place in zip(folded.text, folded.places, strict=True):
        if letter != " " or (letters and letters[-1] != " "):
            letters.append(letter)
            places.append(place)
    return _Folded("".join(letters), tuple(places))


def _fold(text: str, kept: Callable[[str], str]) -> _Folded:
    letters: list[str] = []
    places: list[int] = []
    for place, original in enumerate(text):
        for letter in kept(original):
            letters.append(letter)
            places.append(place)
    return _Folded("".join(letters), tuple(places))


# A text repeats its characters: looked up, each costs a tenth of being folded anew.
@lru_cache(maxsize=8192)
def _squeezed(original: str) -> str:
    return "".join(letter for letter in _folded(original) if letter.isalnum() or letter in _BREAKS)


@lru_cache(maxsize=8192)
def _spaced(original: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "'" else " " for letter in _folded(original))


def _folded(original: str) -> str:
    if unicodedata.category(original) in ("Cf", "Mn"):  # zero-width signs and combining marks hide nothing
        return ""
    return unicodedata.normalize("NFKC", original).replace("’", "'").casefold().translate(_TRADITIONAL)


@lru_cache(maxsize=1024)
def _pattern(term: str, chinese: bool) -> re.Pattern[str]:
    body = re.escape((_squeeze(term) if chinese else _space(term)).text)
    return re.compile(body if chinese else rf"(?<![a-z0-9]){body}(?![a-z0-9])")


def _is_chinese(term: str) -> bool:
    return not term[:1].isascii()


class _Spans:
    """Stretches of a text, asked in logarithmic time: a long text may say a thing thousands of times."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        found = sorted(spans)
        self._starts = [start for start, _end in found]
        self._reach = list(accumulate((end for _start, end in found), max))

    def hold(self, start: int, end: int) -> bool:
        """Whether `start` to `end` lies wholly inside one."""
        before = bisect_right(self._starts, start)
        return before > 0 and end <= self._reach[before - 1]


def _longest(found: Sequence[Hit]) -> list[Hit]:
    starts: list[int] = []
    kept: list[Hit] = []
    for hit in sorted(found, key=lambda hit: (hit.start - hit.end, hit.start, hit.term)):
        place = bisect_left(starts, hit.start)
        clear = place == 0 or kept[place - 1].end <= hit.start
        if clear and (place == len(kept) or hit.end <= kept[place].start):
            starts.insert(place, hit.start)
            kept.insert(place, hit)
    return kept
