"""RTP on the wire (RFC 3550), as little as forwarding needs. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from stream.sink import Kind

_HEADER = struct.Struct("!BBHLL")
_HEADER_BYTES = 12
_ONE_BYTE, _TWO_BYTES = 0xBEDE, 0x1000  # RFC 8285 sections 4.2 and 4.3
_HALF = 0x8000
_MASK16 = 0xFFFF
MASK32 = 0xFFFFFFFF
NTP_UNIX = 2_208_988_800


class Parsed(NamedTuple):
    """One packet's fields; `payload` is without extensions and padding."""

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


@dataclass(slots=True, eq=False)
class MediaPacket:
    """A publisher's packet on its way. `sequence` is unwrapped; `run` tells one unbroken RTP source from the next.

    `low` marks the lower of two videos: a source of its own, with its own runs and numbers. `padding`: bytes added when it
    is sent on, so that neighbours have the same size: below zero until it is decided, once, before it first goes out.
    """

    kind: Kind
    run: int
    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    keyframe: bool
    at: float
    low: bool = False
    padding: int = -1


def parse(data: bytes) -> Parsed:
    """Raises ValueError for what is no RTP packet."""
    if len(data) < _HEADER_BYTES:
        raise ValueError("shorter than an RTP header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:  # noqa: PLR2004 - RTP version
        raise ValueError("not RTP version 2")
    start = _HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < start + 4:
            raise ValueError("truncated extension")
        start += 4 + 4 * ((data[start + 2] << 8) | data[start + 3])
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            raise ValueError("padding of no bytes")
        end -= padding
    if start > end:
        raise ValueError("truncated packet")
    return Parsed(bool(second & 0x80), second & 0x7F, sequence, timestamp, ssrc, data[start:end])


def extension(data: bytes, number: int) -> bytes:
    """The header extension of that number in a packet that `parse` took (RFC 8285, either form); empty when there is none."""
    if not data[0] & 0x10:
        return b""
    at = _HEADER_BYTES + 4 * (data[0] & 0x0F)
    profile = data[at] << 8 | data[at + 1]
    end = at + 4 + 4 * (data[at + 2] << 8 | data[at + 3])
    at += 4
    short = profile == _ONE_BYTE
    if not short and profile & 0xFFF0 != _TWO_BYTES:
        return b""
    while at + 1 < end:
        first = data[at]
        if first == 0:  # padding between elements
            at += 1
            continue
        found, size, start = (first >> 4, (first & 0x0F) + 1, at + 1) if short else (first, data[at + 1], at + 2)
        if short and found == 15:  # noqa: PLR2004 - RFC 8285 4.2: stop here
            return b""
        at = start + size
        if found == number:
            return data[start:at] if at <= end else b""
    return b""


def header(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, *, padded: bool = False) -> bytes:
    """The twelve bytes of a header without extensions. `sequence` may be unwrapped."""
    first = 0xA0 if padded else 0x80
    return _HEADER.pack(first, payload_type | (0x80 if marker else 0), sequence & _MASK16, timestamp, ssrc)


def padded(payload: bytes, padding: int) -> bytes:
    """The payload with so many bytes of padding, the last of which tells their number (RFC 3550 section 5.1)."""
    return payload + bytes(padding - 1) + bytes((padding,)) if padding > 0 else payload


def is_rtcp(data: bytes) -> bool:
    """RFC 5761: RTCP's packet types, seen where RTP has marker and payload type."""
    return len(data) > 1 and 192 <= data[1] <= 223  # noqa: PLR2004


class Unwrapper:
    """Turns 16-bit sequence numbers into ones that only grow; starts at 65536 so that early reordering stays positive."""

    __slots__ = ("highest",)

    def __init__(self) -> None:
        self.highest = -1

    def __call__(self, sequence: int) -> int:
        if self.highest < 0:
            self.highest = 0x10000 + sequence
            return self.highest
        extended = nearest(sequence, self.highest)
        self.highest = max(self.highest, extended)
        return extended

    def peek(self, sequence: int) -> int:
        """What the number unwraps to, without taking it as an arrival; only after the first."""
        return nearest(sequence, self.highest)

    def near(self, sequence: int, distance: int) -> bool:
        """Whether `sequence` is at most `distance` from the highest so far; any is, before the first."""
        return self.highest < 0 or abs(nearest(sequence, self.highest) - self.highest) <= distance


def nearest(sequence: int, reference: int) -> int:
    """The unwrapped number next to `reference` whose low 16 bits are `sequence`."""
    ahead = (sequence - reference) & _MASK16
    return reference + ahead if ahead < _HALF else reference + ahead - 0x10000


def to_ntp64(unix: float) -> int:
    """Unix seconds as the 64-bit NTP time of a sender report."""
    return int((unix + NTP_UNIX) * (1 << 32))


def from_ntp64(ntp: int) -> float:
    """The inverse of `to_ntp64`."""
    return ntp / (1 << 32) - NTP_UNIX
