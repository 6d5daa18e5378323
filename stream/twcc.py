"""Transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01), the receiver's half. Pure.

A sender numbers all packets of a transport in one row; we tell it which came and when, and it estimates its rate from that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from stream.rtp import Unwrapper

_HEADER = struct.Struct("!BBHLLHHL")
_FORMAT, _TYPE = 15, 205  # transport layer feedback (RFC 4585 section 6.2), section 3.1 of the draft
_TICKS_S = 4000  # a delta is in 250 µs
_TICKS_REFERENCE = 256  # the reference time in 64 ms
_LOST, _SMALL, _LARGE = 0, 1, 2
_RUN_MAX = 0x1FFF
_ONE_BIT, _TWO_BITS = 14, 7  # how many statuses a vector chunk holds
_DELTA = struct.Struct("!h")
# A packet of feedback stays below 1,200 bytes: at worst a status costs two bytes of delta and two sevenths of a chunk's.
_MOST_STATUSES = 500
# Numbers kept: 2,000 packets are the most a publisher may send in half a second. What is older is told no more.
_WINDOW = 2000
_MOST_KEPT = 2 * _WINDOW
# Numbers told are kept that long for a latecomer among them: 2.5 Mb/s have about 300 a second.
_TOLD = 300


class Arrivals:
    """One transport's packets: `seen` notes each, `feedback` tells of those since the last time."""

    __slots__ = ("_at", "_count", "_floor", "_next", "_unwrap")

    def __init__(self) -> None:
        self._count = 0
        self._begin()

    def _begin(self) -> None:
        self._unwrap = Unwrapper()
        self._at: dict[int, int] = {}
        self._floor = self._next = -1

    def seen(self, sequence: int, now: float) -> None:
        """A packet's transport-wide number (16 bits) at `now` seconds. Of duplicates the first counts."""
        if len(self._at) >= _MOST_KEPT or not self._unwrap.near(sequence, _WINDOW):
            self._begin()  # nobody asked for so long, or it is so far from all others that the sender counts anew
        number = self._unwrap(sequence)
        if self._floor < 0:
            self._floor = self._next = number
        elif number < self._floor == self._next:
            self._floor = number  # nothing is told yet: the first to come was not the first sent
        if number >= self._floor and number not in self._at:
            self._at[number] = int(now * _TICKS_S)
            self._next = min(self._next, number)

    def feedback(self, ours: int, theirs: int) -> list[bytes]:
        """RTCP packets from `ours` on one of the publisher's sources; none when nothing came since the last time."""
        highest = self._unwrap.highest
        if self._floor < 0 or self._next > highest:
            return []
        first = max(self._next, highest - _WINDOW + 1)
        packets = [self._packet(ours, theirs, base, ticks) for base, ticks in self._portions(first, highest)]
        self._next = highest + 1
        self._floor = max(self._floor, self._next - _TOLD)
        self._at = {number: at for number, at in self._at.items() if number >= self._floor}
        return packets

    def _portions(self, first: int, highest: int) -> Iterator[tuple[int, list[int | None]]]:
        """(first number, arrival of each in ticks), cut where a packet is full or two arrivals are too far apart to tell."""
        base, ticks = first, list[int | None]()
        before: int | None = None
        for number in range(first, highest + 1):
            at = self._at.get(number)
            far = at is not None and before is not None and not -0x8000 <= at - before <= 0x7FFF  # noqa: PLR2004 - 16 bits
            if far or len(ticks) == _MOST_STATUSES:
                yield base, ticks
                base, ticks, before = number, [], None
            if at is not None:
                before = at
            ticks.append(at)
        yield base, ticks

    def _packet(self, ours: int, theirs: int, base: int, ticks: list[int | None]) -> bytes:
        reference = next((at for at in ticks if at is not None), 0) // _TICKS_REFERENCE
        before = reference * _TICKS_REFERENCE
        symbols, deltas = [], bytearray()
        for at in ticks:
            if at is None:
                symbols.append(_LOST)
                continue
            delta, before = at - before, at
            if 0 <= delta <= 0xFF:  # noqa: PLR2004 - a byte
                symbols.append(_SMALL)
                deltas.append(delta)
            else:
                symbols.append(_LARGE)
                deltas += _DELTA.pack(delta)
        body = b"".join(chunk.to_bytes(2) for chunk in _chunks(symbols)) + deltas
        padding = -len(body) % 4
        if padding:
            body += bytes(padding - 1) + bytes([padding])
        words = (_HEADER.size + len(body)) // 4 - 1
        first = 0x80 | (0x20 if padding else 0) | _FORMAT
        time_and_count = (reference & 0xFFFFFF) << 8 | self._count
        self._count = (self._count + 1) & 0xFF
        return _HEADER.pack(first, _TYPE, words, ours, theirs, base & 0xFFFF, len(ticks), time_and_count) + body


def _chunks(symbols: list[int]) -> Iterator[int]:
    """Packet chunks (3.1.1 to 3.1.4 of the draft): a run where many are alike, else a vector of one or two bits each."""
    at, end = 0, len(symbols)
    while at < end:
        run = _run(symbols, at)
        ahead = symbols[at : at + _ONE_BIT]
        plain = _LARGE not in ahead
        if run == end - at or run >= (_ONE_BIT if plain else _TWO_BITS):
            yield symbols[at] << 13 | run
            at += run
        elif plain:
            yield 0x8000 | _vector(ahead, 1, _ONE_BIT)
            at += _ONE_BIT
        else:
            yield 0xC000 | _vector(symbols[at : at + _TWO_BITS], 2, _TWO_BITS)
            at += _TWO_BITS


def _run(symbols: list[int], start: int) -> int:
    end = min(len(symbols), start + _RUN_MAX)
    at = start + 1
    while at < end and symbols[at] == symbols[start]:
        at += 1
    return at - start


def _vector(symbols: list[int], bits: int, places: int) -> int:
    value = 0
    for symbol in symbols:
        value = value << bits | symbol
    return value << bits * (places - len(symbols))
