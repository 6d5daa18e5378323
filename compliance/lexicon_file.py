"""The lexicon's file: TOML with an institution's own rules, beside the built-in ones or instead of them (docs/lexicon.md).

A fault is told with its line and what to do: who edits the file is no programmer, and a rule that was misread would let
through what it was written against.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]  # how long a pattern may search is to be seen nowhere else
from typing import Any, Final, cast, get_args

from compliance.lexicon import Lexicon
from compliance.lexicon_folding import Foldings
from compliance.lexicon_rules import EXCEPTIONS, TERMS, Action, Exceptions, Kind, Term

LARGEST_FILE: Final = 8 * 1024 * 1024
MOST_TERMS, MOST_PATTERNS, LONGEST_TERM = 100_000, 500, 200
# Ways in which a pattern may match from one place: what backtracking costs at most. A search holds up everybody's comments.
MOST_WAYS: Final = 20_000
_REPEATS: Final = frozenset({_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT})
_TOP, _RULE, _EXCEPT = {"extends", "rule", "except"}, {"terms", "action", "source", "kind", "pinyin"}, {"pattern", "in"}


class LexiconError(ValueError):
    """The file can't be used; the message names the line, or the rule, and what would be right."""


def read_lexicon(path: Path) -> Lexicon:
    """The rules of a file, compiled. Raises LexiconError."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise LexiconError(f"{path} can't be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise LexiconError(f"{path} is larger than {LARGEST_FILE // 1024 // 1024} MB")
    try:
        return parse_lexicon(content.decode())
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise LexiconError(f"{path}, line {line}: this is not UTF-8; save the file as UTF-8") from error
    except LexiconError as error:
        raise LexiconError(f"{path}, {error}") from error


def parse_lexicon(text: str) -> Lexicon:
    """The same from the file's text."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LexiconError(f"no TOML: {error}") from error
    _known(said, _TOP, "top of the file")
    extends = said.get("extends", True)
    if not isinstance(extends, bool):
        raise LexiconError(f"extends is {extends!r}; true (beside the built-in rules) or false (instead of them) is wanted")
    terms = [term for where, rule in _tables(said, "rule", text) for term in _terms(rule, where)]
    exceptions = [_exception(rule, where) for where, rule in _tables(said, "except", text)]
    if len(terms) > MOST_TERMS:
        raise LexiconError(f"there are {len(terms)} terms; at most {MOST_TERMS} are taken")
    if sum(term.kind == "pattern" for term in terms) > MOST_PATTERNS:
        raise LexiconError(f"there are more than {MOST_PATTERNS} patterns; write plain phrases as terms of kind variant")
    if not extends and not terms:
        raise LexiconError("extends is false and there is no [[rule]]: nothing would be looked for; add one, or remove extends")
    squeezed = tuple(pattern for inside, pattern in exceptions if inside == "squeezed")
    spaced = tuple(pattern for inside, pattern in exceptions if inside == "spaced")
    # The official grade labels stay excepted whatever a file says: marketing has to name them.
    return Lexicon(
        (*(TERMS if extends else ()), *terms), Exceptions(EXCEPTIONS.squeezed + squeezed, EXCEPTIONS.spaced + spaced)
    )


def _tables(said: Mapping[str, Any], name: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each [[name]] with the words that say where it stands."""
    tables = said.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise LexiconError(f"{name} has to be written as [[{name}]], once for each")
    lines = [
        text.count("\n", 0, found.start(1)) + 1 for found in re.finditer(rf"(?m)^[ \t]*(\[\[[ \t]*{name}[ \t]*\]\])", text)
    ]
    for number, table in enumerate(tables, 1):
        where = f"line {lines[number - 1]}, [[{name}]] {number}" if len(lines) == len(tables) else f"[[{name}]] {number}"
        yield where, table


def _known(table: Mapping[str, Any], names: set[str], where: str) -> None:
    if unknown := sorted(table.keys() - names):
        raise LexiconError(f"{where}: there is no {unknown[0]!r}; {', '.join(sorted(names))} are known")


def _terms(rule: Mapping[str, Any], where: str) -> Iterator[Term]:
    _known(rule, _RULE, where)
    texts, action, source = rule.get("terms"), rule.get("action"), rule.get("source")
    kind, pinyin = rule.get("kind", "variant"), rule.get("pinyin", False)
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise LexiconError(f'{where}: terms has to be a list of phrases, such as ["内部消息"]')
    actions = [known.name.lower() for known in Action]
    if action not in actions:
        raise LexiconError(f"{where}: action is {action!r}; one of {', '.join(actions)} is wanted")
    if not isinstance(source, str) or not source.strip():
        raise LexiconError(f"{where}: source is missing; say which rule forbids it, reviewers read it beside each hit")
    if kind not in get_args(Kind):
        raise LexiconError(f"{where}: kind is {kind!r}; one of {', '.join(get_args(Kind))} is wanted")
    if not isinstance(pinyin, bool):
        raise LexiconError(f"{where}: pinyin is {pinyin!r}; true or false is wanted")
    for text in cast("Sequence[str]", texts):
        _judge(text, kind, pinyin, where)
        yield Term(text, Action[str(action).upper()], source.strip(), kind, pinyin)


def _judge(text: str, kind: Kind, pinyin: bool, where: str) -> None:
    folded = Foldings(text)
    if not text.strip() or len(text) > LONGEST_TERM:
        raise LexiconError(f"{where}: {text[:LONGEST_TERM]!r} has {len(text)} characters; 1 to {LONGEST_TERM} are wanted")
    if kind == "pattern":
        _pattern(text, where)
    elif kind == "variant" and not (folded.spaced if text[0].isascii() else folded.squeezed).text.strip():
        raise LexiconError(f"{where}: {text!r} has neither letters nor digits; kind exact finds marks alone")
    if pinyin and (kind != "variant" or text[0].isascii() or len(folded.squeezed.text) < 2):  # noqa: PLR2004
        raise LexiconError(f"{where}: {text!r} can't have pinyin: only variants in Chinese of two characters or more can")


def _exception(rule: Mapping[str, Any], where: str) -> tuple[str, re.Pattern[str]]:
    _known(rule, _EXCEPT, where)
    pattern, inside = rule.get("pattern"), rule.get("in", "squeezed")
    if not isinstance(pattern, str) or not pattern:
        raise LexiconError(f"{where}: pattern is missing; a regular expression is wanted")
    if inside not in ("squeezed", "spaced"):
        raise LexiconError(f"{where}: in is {inside!r}; squeezed (for Chinese) or spaced (for English) is wanted")
    return inside, _pattern(pattern, where)


def _pattern(text: str, where: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(text)
        ways = _ways(_parser.parse(text), where)
    except (re.error, OverflowError, RecursionError) as error:
        raise LexiconError(f"{where}: {text!r} is no regular expression: {error}") from error
    if ways > MOST_WAYS:
        raise LexiconError(f"{where}: {text!r} can match in too many ways; write fewer repeats, not inside each other")
    if compiled.match(""):
        raise LexiconError(f"{where}: {text!r} matches nothing at all; say what has to be there")
    return compiled


def _ways(parsed: Any, where: str) -> int:
    ways = 1
    for operation, argument in parsed:
        if operation in _REPEATS:
            least, most, inside = argument
            if most == _constants.MAXREPEAT:
                raise LexiconError(f"{where}: a repeat without end (*, + or {{n,}}); write {{0,20}} or the like")
            within = _ways(inside, where)
            ways *= (most - least + 1) * (1 if within == 1 else within ** min(most, MOST_WAYS.bit_length()))
        elif operation is _constants.BRANCH:
            ways *= sum(_ways(branch, where) for branch in argument[1])
        elif operation is _constants.SUBPATTERN:
            ways *= _ways(argument[-1], where)
        elif operation in (_constants.ASSERT, _constants.ASSERT_NOT):
            ways *= _ways(argument[1], where)
        elif operation is _constants.ATOMIC_GROUP:
            ways *= _ways(argument, where)
        elif operation is _constants.GROUPREF_EXISTS:
            raise LexiconError(f"{where}: groups that depend on other groups are not taken; write two patterns")
        ways = min(ways, MOST_WAYS + 1)
    return ways
