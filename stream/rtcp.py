"""RTCP on the wire (RFC 3550 section 6, RFC 4585, RFC 5104, REMB), as little as we heed and say. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from stream.repair import Report
from stream.rtp import to_ntp64

_SENDER_REPORT, _RECEIVER_REPORT, _DESCRIPTION, _TRANSPORT, _PAYLOAD = 200, 201, 202, 205, 206
_NACK = 1  # format of transport feedback (RFC 4585 section 6.2.1)
_PLI, _FIR, _APPLICATION = 1, 4, 15  # formats of payload feedback (RFC 4585 section 6.3, RFC 5104 section 4.3.1)
_REMB = b"REMB"
_CNAME = 1
_VERSION = 0x80
_PADDED = 0x20
_MASK5 = 0x1F
_MASK16 = 0xFFFF
_MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF
_HEADER_BYTES = 4
_MOST_BLOCKS = 31
_NACKS_A_PACKET = 200
_FOLLOWING = 16  # numbers after the first that one entry of a NACK has bits for
_MANTISSA_BITS = 18

_HEADER = struct.Struct("!BBH")
_FEEDBACK = struct.Struct("!BBHLL")
_FEEDBACK_BYTES = _FEEDBACK.size
_BLOCK = struct.Struct("!6L")
_SENDER = struct.Struct("!LQL8x")
_SENDER_PACKET = struct.Struct("!BBHLQLLL")
_SSRC = struct.Struct("!L")
_ENTRY = struct.Struct("!HH")
_FIR_ENTRY = struct.Struct("!L4x")
_ESTIMATE = struct.Struct("!4sL")


class ReportBlock(NamedTuple):
    """One source as a receiver sees it (RFC 3550 6.4.1), in wire units; `lost` is in all and signed, `highest` extended."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int


class SenderReport(NamedTuple):
    """`ntp` (64 bits) is `timestamp` on that source."""

    ssrc: int
    ntp: int
    timestamp: int
    blocks: list[ReportBlock]


class ReceiverReport(NamedTuple):
    """What a receiver has of each source."""

    blocks: list[ReportBlock]


class Nack(NamedTuple):
    """Packets wanted again, by their 16-bit numbers in the order they were asked for."""

    media_ssrc: int
    numbers: list[int]


class KeyframeRequest(NamedTuple):
    """A PLI, or one entry of a FIR."""

    media_ssrc: int


class Remb(NamedTuple):
    """The rate (bits per second) that a receiver can take of those sources together (draft-alvestrand-rmcat-remb)."""

    bitrate: int
    ssrcs: list[int]


Packet = SenderReport | ReceiverReport | Nack | KeyframeRequest | Remb


def parse(data: bytes) -> list[Packet]:
    """What a compound says, reduced-size ones (RFC 5506) too; kinds nobody here heeds are passed over by their length.

    Raises ValueError for what can't be read. Nothing grows beyond what the bytes have room for: 17 numbers an entry of a NACK.
    """
    packets: list[Packet] = []
    at, size = 0, len(data)
    while at < size:
        if size - at < _HEADER_BYTES:
            raise ValueError("truncated RTCP header")
        first, kind, words = _HEADER.unpack_from(data, at)
        if first & 0xC0 != _VERSION:
            raise ValueError("not RTCP version 2")
        following = end = at + _HEADER_BYTES + 4 * words
        if end > size:
            raise ValueError("truncated RTCP packet")
        if first & _PADDED:  # transport-wide feedback is padded by single bytes, against RFC 3550's multiples of four
            padding = data[end - 1] if words else 0
            if not 0 < padding <= 4 * words:
                raise ValueError("wrong RTCP padding")
            end -= padding
        read = _READERS.get(kind)
        if read is not None:
            packets += read(data, first & _MASK5, at, end)
        at = following
    return packets


def losses(packet: Packet, ssrc: int) -> tuple[int, int] | None:
    """A receiver's (extended highest number, packets lost in all) of a source (RFC 3550 6.4.1); None when it says nothing."""
    if isinstance(packet, ReceiverReport | SenderReport):
        for block in packet.blocks:
            if block.ssrc == ssrc:
                return block.highest, block.lost
    return None


# Readers of one packet from its header at `at` to `end`, where its padding begins; `count` is the header's five bits.


def _read_sender_report(data: bytes, count: int, at: int, end: int) -> tuple[Packet, ...]:
    start = at + _HEADER_BYTES + _SENDER.size
    if start > end:
        raise ValueError("truncated sender report")
    ssrc, ntp, timestamp = _SENDER.unpack_from(data, at + _HEADER_BYTES)
    return (SenderReport(ssrc, ntp, timestamp, _blocks(data, count, start, end)),)


def _read_receiver_report(data: bytes, count: int, at: int, end: int) -> tuple[Packet, ...]:
    start = at + _HEADER_BYTES + _SSRC.size
    if start > end:
        raise ValueError("truncated receiver report")
    return (ReceiverReport(_blocks(data, count, start, end)),)


def _blocks(data: bytes, count: int, start: int, end: int) -> list[ReportBlock]:
    """What comes after the blocks is a profile's extension (RFC 3550 6.4.3), and none of ours."""
    after = start + count * _BLOCK.size
    if after > end:
        raise ValueError("fewer report blocks than announced")
    return [
        # The 24 bits are a signed number: repeats that came twice make the loss negative.
        ReportBlock(ssrc, loss >> 24, ((loss & 0xFFFFFF) ^ 0x800000) - 0x800000, highest, jitter, last_report, delay)
        for ssrc, loss, highest, jitter, last_report, delay in _BLOCK.iter_unpack(data[start:after])
    ]


def _read_transport_feedback(data: bytes, count: int, at: int, end: int) -> tuple[Packet, ...]:
    if count != _NACK:
        return ()
    start = at + _FEEDBACK_BYTES
    if start >= end or (end - start) % _ENTRY.size:
        raise ValueError("NACK of no or half an entry")
    numbers: list[int] = []
    for first, bits in _ENTRY.iter_unpack(data[start:end]):
        numbers.append(first)
        number, left = first, bits
        while left:
            number += 1
            if left & 1:
                numbers.append(number & _MASK16)
            left >>= 1
    return (Nack(_media_ssrc(data, at), numbers),)


def _read_payload_feedback(data: bytes, count: int, at: int, end: int) -> tuple[Packet, ...]:
    start = at + _FEEDBACK_BYTES
    if count == _PLI:
        if start > end:
            raise ValueError("truncated PLI")
        return (KeyframeRequest(_media_ssrc(data, at)),)
    if count == _FIR:
        if start >= end or (end - start) % _FIR_ENTRY.size:
            raise ValueError("FIR of no or half an entry")
        return tuple(KeyframeRequest(ssrc) for (ssrc,) in _FIR_ENTRY.iter_unpack(data[start:end]))
    if count == _APPLICATION and data[start:end].startswith(_REMB):
        return (_remb(data, start, end),)
    return ()


def _remb(data: bytes, start: int, end: int) -> Remb:
    sources = start + _ESTIMATE.size
    if sources > end:
        raise ValueError("truncated REMB")
    _, estimate = _ESTIMATE.unpack_from(data, start)
    after = sources + (estimate >> 24) * _SSRC.size
    if after > end:
        raise ValueError("fewer sources in a REMB than announced")
    mantissa, exponent = estimate & ((1 << _MANTISSA_BITS) - 1), (estimate >> _MANTISSA_BITS) & 0x3F
    return Remb(mantissa << exponent, [ssrc for (ssrc,) in _SSRC.iter_unpack(data[sources:after])])


def _media_ssrc(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + 8 : at + 12])


_READERS: dict[int, Callable[[bytes, int, int, int], tuple[Packet, ...]]] = {
    _SENDER_REPORT: _read_sender_report,
    _RECEIVER_REPORT: _read_receiver_report,
    _TRANSPORT: _read_transport_feedback,
    _PAYLOAD: _read_payload_feedback,
}


def pli(ours: int, theirs: int) -> bytes:
    """A keyframe request."""
    return _FEEDBACK.pack(_VERSION | _PLI, _PAYLOAD, 2, ours, theirs)


def nack(ours: int, theirs: int, numbers: Sequence[int]) -> bytes:
    """A request to send packets again, the first 200 of their numbers (unwrapped or not) in rising order; empty for none."""
    entries: list[int] = []
    for number in numbers[:_NACKS_A_PACKET]:
        ahead = (number - (entries[-1] >> 16) - 1) & _MASK16 if entries else _FOLLOWING
        if ahead < _FOLLOWING:
            entries[-1] |= 1 << ahead
        else:
            entries.append((number & _MASK16) << 16)
    if not entries:
        return b""
    return _FEEDBACK.pack(_VERSION | _NACK, _TRANSPORT, 2 + len(entries), ours, theirs) + _words(entries)


def receiver_report(ours: int, reports: Iterable[tuple[int, Report, int, int]], bitrate: int, advised: list[int]) -> bytes:
    """RR for each (ssrc, figures, last SR, delay since it in 1/65536 s), with REMB for the `advised` sources if any.

    Raises ValueError for more than the 31 sources that one packet has room for.
    """
    blocks = [
        _BLOCK.pack(ssrc, r.fraction_lost << 24 | r.lost & 0xFFFFFF, r.highest, r.jitter, lsr, dlsr)
        for ssrc, r, lsr, dlsr in reports
    ]
    if max(len(blocks), len(advised)) > _MOST_BLOCKS:
        raise ValueError("more sources than a receiver report has room for")
    head = _HEADER.pack(_VERSION | len(blocks), _RECEIVER_REPORT, 1 + 6 * len(blocks)) + _SSRC.pack(ours)
    return head + b"".join(blocks) + (_estimate(ours, bitrate, advised) if advised else b"")


def _estimate(ours: int, bitrate: int, advised: list[int]) -> bytes:
    """REMB: the rate's upper 18 bits, rounded down, and how far to shift them."""
    exponent = max(0, bitrate.bit_length() - _MANTISSA_BITS)
    estimate = len(advised) << 24 | exponent << _MANTISSA_BITS | bitrate >> exponent
    head = _FEEDBACK.pack(_VERSION | _APPLICATION, _PAYLOAD, 4 + len(advised), ours, 0)
    return head + _ESTIMATE.pack(_REMB, estimate) + _words(advised)


def sender_report(ssrc: int, cname: str, wall: float, timestamp: int, packets: int, octets: int) -> bytes:
    """SR and SDES: our wall clock `wall` (Unix seconds) is `timestamp` on this source. A CNAME has at most 255 bytes."""
    name = cname.encode()
    item = bytes((_CNAME, len(name))) + name
    item += bytes(4 - len(item) % 4)  # one zero ends a source's items, more fill its last word (RFC 3550 6.5)
    ntp = to_ntp64(wall) & _MASK64  # the era that begins in 2036 counts from zero again
    return (
        _SENDER_PACKET.pack(_VERSION, _SENDER_REPORT, 6, ssrc, ntp, timestamp, packets & _MASK32, octets & _MASK32)
        + _HEADER.pack(_VERSION | 1, _DESCRIPTION, 1 + len(item) // 4)
        + _SSRC.pack(ssrc)
        + item
    )


def _words(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"!{len(numbers)}L", *numbers)
