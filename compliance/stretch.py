"""A stretch of a trail, proven whole at once: four times as fast as entry by entry. Pure.

`prove` looks for one thing: that the examination would find nothing in any of these entries and texts. It proves each body
and each text canonical by writing what it read, all in one go, and comparing the bytes; and it checks numbers, links, times,
session and commitments as the examination does. Where anything is other than it mostly is, it proves nothing, and the
examination goes through the same lines one by one: what is found, and what it is called, is decided there alone.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

import msgspec

from compliance import fairness
from compliance.fairness_names import Names
from compliance.openings import Opening
from compliance.record import MOST_TEXT, READ_FIELDS, READ_KINDS
from compliance.sequence import is_hash
from core.canonical import are_written_so, has_no_great_character
from core.clock import from_text
from recording.chain import AT, Body
from recording.merkle import tree_root

# A power of two, so that the Merkle root of a whole stretch is a node of the tree; of these, a few MB are in memory at once.
LENGTH: Final = 1024
# Several processes append to one trail, each by its own clock; further apart than this they prove nothing about each other.
CLOCKS_APART: Final = timedelta(seconds=5)

_BODIES: Final = msgspec.json.Decoder(Body)
_OPENINGS: Final = msgspec.json.Decoder(Opening)
_TIMES: Final = re.compile(f"(?:{AT.pattern}\n)+")
_NAMES: Final = Names()
_TOLD_KINDS: Final = READ_KINDS | fairness.READ_KINDS
_TOLD_FIELDS: Final = READ_FIELDS | fairness.READ_FIELDS
_SECONDS: Final = len("2026-11-22T08:00:00")
_TIME: Final = len("2026-11-22T08:00:00.000000Z")
_PART: Final = 128  # entries read at once: what they are made of stays in the processor's cache
_NOBODY: Final = Body("", "", {}, "", None, "", 0, "")


class Stretch(msgspec.Struct, frozen=True):
    """Entries from number `first` on, one a line, and the texts that seem to belong to them, one a line."""

    first: int
    session: str
    bodies: bytes
    texts: bytes


class Proven(msgspec.Struct, frozen=True):
    """What the examination needs of a stretch without fault.

    `hashes` are packed; `root` is the Merkle root over them. `prev` is the hash that the first entry names; times are RFC 3339.
    `told` are the entries that say more than the chain does, without those of their data that nobody reads; `unopened` the
    commitments (number, field, digest) whose texts are not here.
    """

    hashes: bytes
    root: bytes
    prev: str
    first_at: str
    last_at: str
    told: list[Body]
    unopened: list[tuple[int, str, str]]


def prove(stretch: Stretch) -> Proven | None:
    """None where this way proves nothing."""
    lines = stretch.bodies.split(b"\n")
    if lines.pop() or not lines:
        return None
    walk = _Walk(stretch)
    try:
        for start in range(0, len(lines), _PART):
            if not walk.take(lines[start : start + _PART]):
                return None
        if not _are_opened(stretch.texts, walk.committed):
            return None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    unopened = [(*place, digest) for place, digest in walk.committed.items() if isinstance(digest, str) and is_hash(digest)]
    packed = b"".join(walk.hashes)
    return Proven(packed, tree_root(walk.hashes), walk.first.prev, walk.first.at, walk.last.at, walk.told, unopened)


class _Walk:
    """Goes through the entries of a stretch in parts, and keeps what is to be told of them."""

    def __init__(self, stretch: Stretch) -> None:
        self._session = stretch.session
        self._number = stretch.first
        self._prev: str | None = None
        self.first: Body = _NOBODY
        self.last: Body = _NOBODY
        self.hashes: list[bytes] = []
        self.committed: dict[tuple[int, str], Any] = {}
        self.told: list[Body] = []

    def take(self, lines: list[bytes]) -> bool:
        """The next entries; False where something is not as it mostly is. For the same it may raise what `prove` catches."""
        raw = b"\n".join([*lines, b""])
        bodies = _BODIES.decode_lines(raw)
        if not are_written_so(raw, bodies) or not has_no_great_character(raw):
            return False
        hashes = [sha256(line).digest() for line in lines]
        if not self._are_linked(bodies, hashes) or not self._are_in_time(bodies):
            return False
        if any(_NAMES.forbidden(body.data) for body in bodies):
            return False
        self._commit(bodies)
        self.hashes += hashes
        self.told += [_told(body) for body in bodies if body.kind in _TOLD_KINDS]
        self.first = bodies[0] if self.first is _NOBODY else self.first
        self.last = bodies[-1]
        return True

    def _are_linked(self, bodies: list[Body], hashes: list[bytes]) -> bool:
        """Numbered without a gap, each naming the one before it, all of the session."""
        number, session = self._number, self._session
        prev = bodies[0].prev if self._prev is None else self._prev
        for body, raw in zip(bodies, hashes, strict=True):
            if body.seq != number or body.prev != prev or body.session != session:
                return False
            number, prev = number + 1, raw.hex()
        self._number, self._prev = number, prev
        return True

    def _are_in_time(self, bodies: list[Body]) -> bool:
        """All times in their one form, all real, none much earlier than the one before it. Raises ValueError."""
        times = [body.at for body in bodies]
        if any(len(at) != _TIME for at in times) or _TIMES.fullmatch("\n".join(times) + "\n") is None:
            return False  # by its length no single one holds a line's end
        for second in {at[:_SECONDS] for at in times}:
            datetime.fromisoformat(second)
        if self.last is not _NOBODY:
            times.insert(0, self.last.at)
        # In this form an earlier time is a lesser text.
        return all(one <= other or from_text(one) - from_text(other) <= CLOCKS_APART for one, other in pairwise(times))

    def _commit(self, bodies: list[Body]) -> None:
        """Keep all that look like commitments. Raises ValueError for a field's name that is none of ours."""
        for body in bodies:
            for name, value in body.data.items():
                if type(value) is dict and len(value) == 1 and "sha256" in value:
                    if len(name) > MOST_TEXT:
                        raise ValueError(name)
                    self.committed[body.seq, name] = value["sha256"]


def _are_opened(texts: bytes, committed: dict[tuple[int, str], Any]) -> bool:
    """Whether each text opens a commitment, which is then taken away. Raises ValueError."""
    openings = _OPENINGS.decode_lines(texts)
    if not are_written_so(texts, openings):
        return False
    for one in openings:
        digest = sha256(bytes.fromhex(one.salt) + one.text.encode()).hexdigest()
        if committed.pop((one.seq, one.field), None) != digest:
            return False
    return True


def _told(body: Body) -> Body:
    """The entry with those of its data that a record reads."""
    data = {name: value for name, value in body.data.items() if name in _TOLD_FIELDS}
    return Body("", body.at, data, body.kind, body.media_ms, "", body.seq, "")
