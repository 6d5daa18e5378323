"""Words that marketing may not use, found with their positions. Pure: text in, hits out.

All terms are compiled into one automaton for each folding of the text (`compliance/lexicon_folding.py`), so that ten thousand
of them cost a comment hardly more than ten. The rules themselves are in `compliance/lexicon_rules.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

import ahocorasick

from compliance.lexicon_folding import Foldings
from compliance.lexicon_rules import EXCEPTIONS, TERMS, Action, Exceptions, Term

__all__ = ["TERMS", "Action", "Hit", "Lexicon", "Term", "hits", "in_force", "masked", "put_in_force", "strictest"]

_VERSION_LENGTH: Final = 12
_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


@dataclass(frozen=True, slots=True)
class Hit:
    """`text[start:end]` of the original text says `term`."""

    start: int
    end: int
    term: str
    action: Action
    source: str


class Lexicon:
    """Rules compiled to be searched. `version` tells these rules from any others, years later too."""

    def __init__(self, terms: Sequence[Term], exceptions: Exceptions = EXCEPTIONS) -> None:
        """Raises ValueError for a term of which nothing is left to search for, re.error for a bad pattern."""
        self.terms, self.exceptions = tuple(terms), exceptions
        self.version = _version(self.terms, exceptions)
        variants = [term for term in self.terms if term.kind == "variant"]
        self._exact = _automaton([term for term in self.terms if term.kind == "exact"], lambda text: text)
        self._squeezed = _automaton(
            [term for term in variants if _is_chinese(term.text)], lambda text: Foldings(text).squeezed.text
        )
        self._spaced = _automaton(
            [term for term in variants if not _is_chinese(term.text)], lambda text: Foldings(text).spaced.text.strip()
        )
        self._sounded = _automaton([term for term in variants if term.pinyin], lambda text: Foldings(text).sounded.text)
        self._patterns = [(re.compile(term.text), term) for term in self.terms if term.kind == "pattern"]

    def hits(self, text: str) -> list[Hit]:
        """Every forbidden phrase in `text`, in order of place; of two that overlap the stricter one, or the longer."""
        foldings = Foldings(text)
        found = list(self._found(text, foldings))
        if not found:
            return found
        excepted = _Spans(
            folded.span(*match.span())
            for folded, patterns in ((foldings.squeezed, self.exceptions.squeezed), (foldings.spaced, self.exceptions.spaced))
            for pattern in patterns
            for match in pattern.finditer(folded.text)
            if match.group()
        )
        return _clear_of_each_other([hit for hit in found if not excepted.hold(hit.start, hit.end)])

    def _found(self, text: str, foldings: Foldings) -> Iterator[Hit]:
        squeezed = foldings.squeezed
        for start, end, term in _matches(self._exact, text):
            yield _hit((start, end), term)
        for start, end, term in _matches(self._squeezed, squeezed.text):
            yield _hit(squeezed.span(start, end), term)
        if self._spaced is not None:
            spaced = foldings.spaced
            for start, end, term in _matches(self._spaced, spaced.text):
                if _is_words(spaced.text, start, end):
                    yield _hit(spaced.span(start, end), term)
        if self._sounded is not None:
            sounded = foldings.sounded
            for start, end, term in _matches(self._sounded, sounded.text):
                if sounded.is_whole(start, end):
                    yield _hit(sounded.span(start, end), term)
        for pattern, term in self._patterns:
            for match in pattern.finditer(squeezed.text):
                if match.group():
                    yield _hit(squeezed.span(*match.span()), term)


# The one thing here that is not pure: what every caller of this process judges by, replaced as a whole when a file has changed.
_in_force: list[Lexicon] = []


def in_force() -> Lexicon:
    """The rules that hold now: the built-in ones until others were put in force."""
    if not _in_force:
        _in_force.append(Lexicon(TERMS))
    return _in_force[0]


def put_in_force(lexicon: Lexicon | None) -> None:
    """From now on `hits` judges by `lexicon`; None: by the built-in rules."""
    _in_force[:] = [] if lexicon is None else [lexicon]


def hits(text: str, terms: Sequence[Term] | None = None) -> list[Hit]:
    """`Lexicon.hits` of the rules in force, or of `terms` alone."""
    return (in_force() if terms is None else _compiled(tuple(terms))).hits(text)


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


@lru_cache(maxsize=8)
def _compiled(terms: tuple[Term, ...]) -> Lexicon:
    return Lexicon(terms)


def _version(terms: Sequence[Term], exceptions: Exceptions) -> str:
    rules = [[term.kind, term.text, term.action.name, term.source, term.pinyin] for term in terms]
    excepted = [[pattern.pattern for pattern in patterns] for patterns in (exceptions.squeezed, exceptions.spaced)]
    said = json.dumps([sorted(rules), excepted], ensure_ascii=True)
    return hashlib.sha256(said.encode()).hexdigest()[:_VERSION_LENGTH]


def _automaton(terms: Sequence[Term], folded: Callable[[str], str]) -> Any:
    """None when there are no terms: an empty automaton can't be searched."""
    if not terms:
        return None
    automaton = ahocorasick.Automaton()
    for term in terms:
        key = folded(term.text)
        if not key:
            raise ValueError(f"{term.text!r} has neither letters nor digits to search for")
        octets = _octets(key)
        before = automaton.get(octets, None)
        if before is None or before[1].action < term.action:
            automaton.add_word(octets, (len(key), term))
    automaton.make_automaton()
    return automaton


def _matches(automaton: Any, text: str) -> Iterator[tuple[int, int, Term]]:
    if automaton is None:
        return
    octets = _octets(text)
    for last, (length, term) in automaton.iter(octets):
        end = len(octets[: last + 1].encode("latin-1").decode("utf-8", "surrogatepass"))
        yield end - length, end, term


def _octets(text: str) -> str:
    """UTF-8, an octet a character: the library goes through a node's children one by one, and of Chinese characters the root
    has thousands. No character's octets are part of another's."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _is_words(text: str, start: int, end: int) -> bool:
    return (start == 0 or text[start - 1] not in _WORD) and (end == len(text) or text[end] not in _WORD)


def _hit(span: tuple[int, int], term: Term) -> Hit:
    return Hit(*span, term.text, term.action, term.source)


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


def _clear_of_each_other(found: Sequence[Hit]) -> list[Hit]:
    starts: list[int] = []
    kept: list[Hit] = []
    for hit in sorted(found, key=lambda hit: (-hit.action, hit.start - hit.end, hit.start, hit.term)):
        place = bisect_left(starts, hit.start)
        clear = place == 0 or kept[place - 1].end <= hit.start
        if clear and (place == len(kept) or hit.end <= kept[place].start):
            starts.insert(place, hit.start)
            kept.insert(place, hit)
    return kept
