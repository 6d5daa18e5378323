"""Canonical JSON is, to the byte, what the RFC 8785 library writes, and refuses what that refuses."""

from __future__ import annotations

import json
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from core.canonical import MOST, canonical, canonical_value

# Characters at which the orders by UTF-8 and by UTF-16 part, and those that are escaped, or almost.
EDGES = st.text(
    st.sampled_from('\x00\x07\x08\t\n\x0b\x0c\r\x1f "\\/\x7f\x80é\u2028\ud7ff\ue000\uffff\U00010000\U0010ffff'), max_size=4
)
NUMBERS = (
    st.integers(-(2**70), 2**70)
    | st.sampled_from([MOST, MOST + 1, -MOST, -MOST - 1, 2**63, 2**64 - 1, -(2**63)])
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.sampled_from([-0.0, 1.0, 1e16, 1e21, 1e-7, 5e-324, 0.1])
)
TEXTS = st.text(max_size=6) | EDGES | st.text(st.characters(codec=None), max_size=3)  # lone surrogates too
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(TEXTS, inner, max_size=5)
    ),
    max_leaves=20,
)


def outcome(write: Any, value: Any) -> bytes | str:
    """The bytes, or the kind of error."""
    try:
        return bytes(write(value))
    except (ValueError, RecursionError) as error:
        return type(error).__name__


@settings(max_examples=400, deadline=None)
@given(VALUES)
def test_any_value_has_the_librarys_bytes_or_its_error(value: Any) -> None:
    assert outcome(canonical_value, value) == outcome(rfc8785.dumps, value)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(EDGES, st.integers(0, 9), min_size=2, max_size=8))
def test_keys_stand_in_the_order_of_utf_16(value: dict[str, int]) -> None:
    assert outcome(canonical, value) == outcome(rfc8785.dumps, value)


class Word(StrEnum):
    A = "a"


class Plain(Enum):
    A = "a"


class Number(IntEnum):
    ONE = 1


class Pair(NamedTuple):
    left: int
    right: str


class Struct(msgspec.Struct):
    a: int


@dataclass
class Data:
    a: int


FOREIGN: list[Any] = [
    Word.A, Plain.A, Number.ONE, Pair(1, "x"), Struct(1), Data(1), OrderedDict(b=1, a=2), MappingProxyType({"a": 1}),
    {"a": MappingProxyType({})}, {1: "a"}, {None: 1}, {True: 1}, {1.5: 1}, {b"a": 1}, {Word.A: 1}, {("a",): 1},
    {1, 2}, frozenset(), b"a", bytearray(b"a"), memoryview(b"a"), Decimal("1.5"), uuid.UUID(int=1),
    datetime(2026, 1, 1, tzinfo=UTC), msgspec.Raw(b"1"), msgspec.UNSET, np.float64(1.5), np.int64(1), np.bool_(True),
    np.str_("a"), object(), range(3), {"a": float("nan")}, "\ud800", {"\ud800": 1},
]  # fmt: skip


@pytest.mark.parametrize("value", FOREIGN, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "around", [lambda x: x, lambda x: {"z": 1, "a": x}, lambda x: [0, (x,)]], ids=["bare", "object", "array"]
)
def test_what_is_no_json_is_taken_or_refused_as_the_library_does(value: Any, around: Any) -> None:
    assert outcome(canonical_value, around(value)) == outcome(rfc8785.dumps, around(value))


def test_any_mapping_is_an_object() -> None:
    assert canonical(MappingProxyType({"b": 1, "a": "é"})) == '{"a":"é","b":1}'.encode()


def test_what_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = [loop]
    with pytest.raises(RecursionError):
        canonical(loop)


def test_the_examples_of_the_rfc() -> None:
    """Sections 3.2.2 and 3.2.3."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    written = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(value).decode() == written
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    order = list(json.loads(canonical(dict.fromkeys(names, 0))))
    assert order == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
