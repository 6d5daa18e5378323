"""What a client might send, made from the shapes of the events: what fits, what nearly fits, and what does not fit at all.

A payload is JSON text: nesting that no program would build, numbers that no type holds and halves of characters are in it as
they come over the wire.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect

from rooms.sockets import _Json

# What breaks programs: numbers that no type holds, characters that no text may have, nesting, names that mean something.
NUMBERS = (
    "-0",
    "0.1",
    "1e400",
    "-1e400",
    "1E+309",
    "9" * 400,
    "-" + "9" * 30,
    "18446744073709551616",
    "9007199254740993",
    "1e-400",
)
LETTERS = (
    "\x00",
    "\ud800",
    "\udfff",
    "\udfff\ud800",
    "\U0010ffff",
    "\ufeff",
    "\u202e",
    "é" * 70,
    "\x1e",
    "\r\n",
    "%s{0}{x}",
    "'; --",
    "\\u0000",
)
NAMES = ("__proto__", "constructor", "_placeholder", "num", "session", "text", "", "\x00", "\ud800", "a" * 300)
DEEP = tuple(
    opening * depth + closing * depth for opening, closing in (("[", "]"), ('{"a":', "}")) for depth in (30, 900, 4_000)
)
PLAIN = string.ascii_letters + string.digits + "_-"
JUNK = (
    "",
    "nul",
    "[",
    "]",
    "{",
    '{"a"',
    '"',
    "NaN",
    "Infinity",
    "-",
    "01",
    "\x00",
    "[]]",
    '{"a":1,"a":2',
    "'x'",
    "//",
    "\ud800",
)

letters = st.sampled_from(LETTERS)
texts = st.one_of(
    st.text(max_size=12), letters, st.builds("".join, st.lists(st.one_of(letters, st.text(max_size=3)), max_size=4))
)
numbers = st.one_of(
    st.sampled_from(NUMBERS), st.integers().map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr)
)


def as_text(value: Any) -> str:
    """JSON with escapes: the only form in which half a character can be said."""
    return json.dumps(value)


scalars = st.one_of(st.sampled_from(("null", "true", "false")), numbers, texts.map(as_text))


def _array(parts: Sequence[str]) -> str:
    return "[" + ",".join(parts) + "]"


def _object(parts: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{as_text(name)}:{value}" for name, value in parts) + "}"


names = st.one_of(st.sampled_from(NAMES), st.text(max_size=8))
wild = st.one_of(
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(_array), st.lists(st.tuples(names, inner), max_size=4).map(_object)
        ),
        max_leaves=12,
    ),
    st.sampled_from(DEEP),
)


class Shapes:
    """Makes payloads of a shape. `known` are ids of things there are, by field: what fits should get as far as it can."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def payloads(self, shape: Any) -> st.SearchStrategy[str]:
        """Of every kind, as JSON text; some of it is none."""
        kind = inspect.type_info(shape)
        return st.one_of(self._of(kind), self._of(kind), self._of(kind), self._nearly(kind), wild, st.sampled_from(JUNK))

    def _nearly(self, kind: inspect.Type) -> st.SearchStrategy[str]:
        """One field is wrong, missing, doubled or unknown."""
        if not isinstance(kind, inspect.StructType):
            return wild

        @st.composite
        def one(draw: st.DrawFn) -> str:
            fields = [(field.encode_name, draw(self._of(field.type, field.encode_name))) for field in kind.fields]
            place = draw(st.integers(0, len(fields) - 1)) if fields else 0
            what = draw(st.sampled_from(("wrong", "missing", "doubled", "unknown", "within")))
            if what == "unknown" or not fields:
                fields.insert(place, (draw(names), draw(wild)))
            elif what == "missing":
                del fields[place]
            elif what == "doubled":
                fields.append((fields[place][0], draw(scalars)))
            elif what == "within":
                fields[place] = (fields[place][0], draw(self._nearly(kind.fields[place].type)))
            else:
                fields[place] = (fields[place][0], draw(wild))
            return _object(fields)

        return one()

    def _of(self, kind: inspect.Type, name: str = "") -> st.SearchStrategy[str]:
        """What fits, as far as the shape alone can tell."""
        if isinstance(kind, inspect.StructType):
            return self._struct(kind)
        if isinstance(kind, inspect.UnionType):
            return st.one_of([self._of(one, name) for one in kind.types])
        if isinstance(kind, inspect.ListType):
            return st.lists(self._of(kind.item_type), max_size=kind.max_length or 3).map(_array)
        if isinstance(kind, inspect.StrType):
            return self._text(kind, name)
        if isinstance(kind, inspect.IntType):
            return _integers(kind)
        return st.sampled_from(_constants(kind))

    def _struct(self, kind: inspect.StructType) -> st.SearchStrategy[str]:
        needed = {field.encode_name: self._of(field.type, field.encode_name) for field in kind.fields if field.required}
        others = {field.encode_name: self._of(field.type, field.encode_name) for field in kind.fields if not field.required}
        return st.fixed_dictionaries(needed, optional=others).map(lambda made: _object(list(made.items())))

    def _text(self, kind: inspect.StrType, name: str) -> st.SearchStrategy[str]:
        if kind.pattern is not None:
            made = st.text(PLAIN, min_size=kind.min_length or 0, max_size=kind.max_length)
            return made.filter(re.compile(kind.pattern).search).map(as_text)
        free = st.text(min_size=kind.min_length or 0, max_size=min(kind.max_length or 40, 40)).map(as_text)
        if name in self._known:
            there_is = st.just(as_text(self._known[name]))
            return st.one_of(there_is, there_is, there_is, free, texts.map(as_text))
        return st.one_of(free, texts.map(as_text))


def _integers(kind: inspect.IntType) -> st.SearchStrategy[str]:
    low = kind.gt + 1 if kind.gt is not None else kind.ge
    return st.integers(-(2**63) if low is None else low, 2**63 - 1 if kind.le is None else kind.le).map(str)


def _constants(kind: inspect.Type) -> list[str]:
    if isinstance(kind, inspect.LiteralType):
        return [as_text(value) for value in kind.values]
    if isinstance(kind, inspect.BoolType):
        return ["true", "false"]
    if isinstance(kind, inspect.NoneType):
        return ["null"]
    raise NotImplementedError(f"no payloads of {kind}")  # a shape of a kind that no event has had yet


def readable(text: str) -> bool:
    """Whether the server can read it as JSON at all; who sends what it can't is disconnected."""
    try:
        _Json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


# --- below the events --------------------------------------------------------------------------------------------------------

SOCKETIO = (
    *("0", "0/room,", "0/desk,{}", "0/x", "1", "1/room,", "2", "2/room,", "6", "7", "²", "2²[]"),
    *('2/room,1["leave",{"session":"x"}]', '2/room,["x"]', "3/room,1[]", "3/room,[]", "4/room,{}", "2/room?x=1,1[]"),
    *('51-/room,1["leave",{"_placeholder":true,"num":0}]', "61-/room,1[]", "59-"),
    *('2/room,1["connect",{}]', '2/room,1["disconnect"]', '2/desk,1["available",{"on":true}]'),
)
TOKENS = (*'0123456b,-[]{}"', "/room", "/desk", "99", "probe", "\x1e", "_placeholder")
any_letter = st.characters(codec="utf-8")


def _damaged(text: str, place: int, letter: str) -> str:
    return text[:place] + letter + text[place:]


socketio_texts = st.one_of(
    st.sampled_from(SOCKETIO),
    st.lists(st.sampled_from(TOKENS), max_size=10).map("".join),
    st.builds(_damaged, st.sampled_from(SOCKETIO), st.integers(0, 12), any_letter),
    st.text(any_letter, max_size=20),
)
# What a WebSocket message or a part of a posted body can be.
packets = st.one_of(
    socketio_texts.map(lambda text: "4" + text),
    socketio_texts,
    st.sampled_from(("", "1", "2", "3", "5", "6", "0{}", "2probe", "3probe", "bAQI=", "b", "b=", "\x1e")),
    st.binary(max_size=40),
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """What looks like a WebSocket frame (RFC 6455, 5.2), or nearly."""
    first = draw(st.integers(0, 255))
    body = draw(st.one_of(st.binary(max_size=140), packets.map(lambda one: one if isinstance(one, bytes) else one.encode())))
    said = draw(st.one_of(st.just(len(body)), st.sampled_from((0, 1, 125, 126, 127, 200, 2**16, 2**31, 2**63))))
    mask = draw(st.sampled_from((0x80, 0x80, 0x80, 0)))
    if said < 126:
        head = bytes((first, mask | said))
    elif said < 1 << 16:
        head = bytes((first, mask | 126)) + said.to_bytes(2, "big")
    else:
        head = bytes((first, mask | 127)) + said.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if mask else b"") + body
