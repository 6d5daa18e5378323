"""Canonical JSON (RFC 8785) and the hash over it: the bytes that trail, seal and verifier agree on.

msgspec writes what it and the RFC write alike: objects, arrays, strings, booleans, null and whole numbers that a double holds
exactly. Escapes are the same in both (RFC 8785 section 3.2.2.2). Keys are sorted by UTF-8 bytes in msgspec, by UTF-16 code
units in the RFC (section 3.2.3): these orders differ only where a character above U+FFFF meets one from U+E000 on. What holds
one of the former goes to the rfc8785 library, ten times slower; so do floats, whose digits differ, greater numbers, every other
type, and with them all that is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import rfc8785

# The whole numbers that a double holds exactly (RFC 8785 section 3.2.2.3, RFC 7493 section 2.2).
MOST: Final = 2**53 - 1

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
# What msgspec can't write; the library is asked then, and its answer or its refusal is the one that counts.
_NOT_WRITTEN: Final = (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)
# The first byte of a character above U+FFFF in UTF-8.
_ABOVE_FFFF: Final = re.compile(rb"[\xf0-\xf4]")
_SAME: Final = frozenset({str, bool, type(None)})
_NESTED: Final = frozenset({dict, list, tuple})
_PLAIN: Final = _SAME | _NESTED | {int}
_DEPTH: Final = 8  # a trail's deepest entry, an order with what the gate saw, needs 6

Whole = Annotated[int, msgspec.Meta(ge=-MOST, le=MOST)]
"""To msgspec, a whole number that both write alike."""


def _plain(depth: int) -> Any:
    inner: Any = None | bool | str | Whole
    for _ in range(depth):
        inner = None | bool | str | Whole | list[inner] | dict[str, inner]
    return inner


if TYPE_CHECKING:
    Plain = Any
else:
    Plain = _plain(_DEPTH)
"""To msgspec, any value that both write alike, not nested too deep: reading anything else fails."""


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one byte form of a JSON object. Raises rfc8785.CanonicalizationError for what JSON can't carry exactly."""
    return canonical_value(dict(value))


def canonical_value(value: Any) -> bytes:
    """The same of any JSON value."""
    try:
        written = _ENCODER.encode(value)  # first, because it ends on a value that contains itself
    except _NOT_WRITTEN:
        return rfc8785.dumps(value)
    if _is_plain(value) and has_no_great_character(written):
        return written
    return rfc8785.dumps(value)


def is_written_so(raw: bytes, value: msgspec.Struct) -> bool:
    """Whether `raw`, from which msgspec read `value`, is proven canonical.

    `value` is a struct of nothing but `Plain`, `Whole`, texts and booleans, its fields in alphabetical order, and no object in
    it has a key above U+FFFF. False where it isn't proven: `canonical` knows then.
    """
    return _ENCODER.encode(value) == raw


def are_written_so(raw: bytes, values: Sequence[msgspec.Struct]) -> bool:
    """The same of lines, each ended by a newline, from which msgspec read these values."""
    return _ENCODER.encode_lines(values) == raw


def has_no_great_character(raw: bytes) -> bool:
    """Whether UTF-8 text has no character above U+FFFF."""
    return raw.isascii() or _ABOVE_FFFF.search(raw) is None


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def _is_plain(value: Any) -> bool:
    """Whether all values in it are of exactly the types that msgspec and the library write alike, whole numbers in range.

    Keys need no look: sorting, msgspec writes objects with text for keys alone.
    """
    todo: list[Any] = [(value,)]
    for part in todo:
        items = part.values() if type(part) is dict else part
        kinds = set(map(type, items))
        if kinds <= _SAME:
            continue
        if not kinds <= _PLAIN:
            return False
        if int in kinds and not all(-MOST <= item <= MOST for item in items if type(item) is int):
            return False
        todo += [item for item in items if type(item) in _NESTED]
    return True
