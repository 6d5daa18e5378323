"""From RTP payloads to whole pictures and sound packets: ordering, deduplication, H.264 depacketising. Pure; time is `arrival`.

A picture that refers to something lost is worth nothing as evidence, so after any loss nothing is passed on until a picture
that stands alone (IDR with its parameter sets), and that one is marked `after_loss`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

START_CODE = b"\x00\x00\x00\x01"
REORDER_WAIT_S = 0.3  # a retransmission takes one round trip, rarely 300 ms; the watermark has 5 s for everything
REORDER_PACKETS = 512  # 0.3 s of 15 Mb/s
START_WAIT_S = 0.05  # the first packet to arrive need not be the first one sent, and a keyframe begins with it
LATE_RUN = 50  # so many old packets in a row, none of them new, are a sender that counts anew
STRANGE_JUMP = 3000  # RFC 3550 A.1 MAX_DROPOUT: further away is another numbering, not a loss
UNIT_BYTES = 4 * 2**20  # an access unit larger than this is an attack, not a picture

IDR, SEI, SPS, PPS, DELIMITER = 5, 6, 7, 8, 9
STAP_A, FU_A = 24, 28  # RFC 6184 5.2


class Unwrapper:
    """Turns a counter of `bits` bits that wraps into one that does not, taking the nearest value to the last one."""

    def __init__(self, bits: int) -> None:
        self._range = 1 << bits
        self._last: int | None = None

    def __call__(self, value: int) -> int:
        self._last = self.near(value)
        return self._last

    def near(self, value: int) -> int:
        """`value` unwrapped against the last one, without becoming the last one itself."""
        if self._last is None:
            return value
        half = self._range >> 1
        return self._last + ((value - self._last + half) % self._range) - half


@dataclass(slots=True)
class Packet:
    """One RTP payload with unwrapped numbers. `after_loss`: something that came before it never arrived."""

    sequence: int
    timestamp: int
    marker: bool
    arrival: float
    payload: bytes
    after_loss: bool = False


class Reorder:
    """Gives packets back in order, each once; waits at most `wait_s` and `limit` packets for a missing one.

    What comes within `start_s` of the first packet is put in order before anything is passed on.
    """

    def __init__(self, wait_s: float = REORDER_WAIT_S, limit: int = REORDER_PACKETS, start_s: float = START_WAIT_S) -> None:
        self._start_s = start_s
        self._late = 0
        self._wait_s = wait_s
        self._limit = limit
        self._next: int | None = None
        self._held: dict[int, Packet] = {}
        self._strange: int | None = None

    def push(self, packet: Packet) -> list[Packet]:
        """What can be passed on now that `packet` is here, in order."""
        expected = self._next
        if expected is None:
            self._held.setdefault(packet.sequence, packet)
            return self.expire(packet.arrival)
        if packet.sequence == expected and not self._held:
            self._next = expected + 1
            self._late = 0
            return [packet]
        distance = packet.sequence - expected
        if distance < 0:
            self._late += 1
        if distance > STRANGE_JUMP or distance < -STRANGE_JUMP:
            return self._renumbered(packet)
        if self._late > LATE_RUN:
            return self._restart(packet)
        if distance >= 0:
            self._held.setdefault(packet.sequence, packet)
            self._late = 0
        return self._release() + self.expire(packet.arrival)

    def expire(self, now: float) -> list[Packet]:
        """Gives up on what is missing for too long; call it also when no packet comes."""
        if self._next is None and self._held and now - self._oldest_arrival() >= self._start_s:
            self._next = min(self._held)
            return self._release()
        out: list[Packet] = []
        while self._held and (len(self._held) > self._limit or now - self._oldest_arrival() > self._wait_s):
            out += self._skip()
        return out

    def flush(self) -> list[Packet]:
        """Everything still held, in order: nothing more will come."""
        out: list[Packet] = []
        while self._held:
            out += self._skip()
        return out

    def _oldest_arrival(self) -> float:
        return next(iter(self._held.values())).arrival

    def _skip(self) -> list[Packet]:
        first = min(self._held)
        if first != self._next:
            self._held[first].after_loss = self._next is not None
            self._next = first
        return self._release()

    def _release(self) -> list[Packet]:
        out: list[Packet] = []
        while self._next is not None and (packet := self._held.pop(self._next, None)) is not None:
            out.append(packet)
            self._next += 1
        return out

    def _renumbered(self, packet: Packet) -> list[Packet]:
        """One packet far away is noise; two in a row are a sender that started counting anew (RFC 3550 A.1)."""
        if self._strange != packet.sequence:
            self._strange = packet.sequence + 1
            return []
        return self._restart(packet)

    def _restart(self, packet: Packet) -> list[Packet]:
        out = self.flush()
        self._strange = None
        self._late = 0
        self._next = packet.sequence + 1
        packet.after_loss = True
        return [*out, packet]


@dataclass(frozen=True, slots=True)
class Unit:
    """What a decoder takes at once: an access unit in Annex B, or an Opus packet. `timestamp` is unwrapped RTP time.

    `arrival` is that of its first packet; `parameters` are the SPS and PPS a keyframe came with, in Annex B.
    """

    timestamp: int
    arrival: float
    data: bytes
    keyframe: bool = True
    after_loss: bool = False
    parameters: bytes = b""


class _Picture:
    """The access unit being put together."""

    __slots__ = ("arrival", "data", "idr", "parameters", "part", "sps", "timestamp")

    def __init__(self, packet: Packet) -> None:
        self.timestamp = packet.timestamp
        self.arrival = packet.arrival
        self.data = bytearray()
        self.parameters = bytearray()
        self.part = bytearray()  # of a NAL unit that comes in pieces (FU-A)
        self.idr = self.sps = False

    @property
    def size(self) -> int:
        return len(self.data) + len(self.part)


class H264:
    """RFC 6184, packetization modes 0 and 1: packets in order in, access units out. Never raises on what the wire brings."""

    def __init__(self) -> None:
        self._picture: _Picture | None = None
        self._lost_timestamp: int | None = None  # the rest of a broken picture is to be ignored
        self._parameters = b""
        self.waiting = True  # for a keyframe
        self._lost = False

    def push(self, packet: Packet) -> Iterator[Unit]:
        """The access units that `packet` completes: at most one before it (its marker never came) and its own."""
        if packet.after_loss:
            self._break(None)
        if not packet.payload:  # padding only: it fills a sequence number and says nothing
            return
        picture = self._picture
        if picture is not None and picture.timestamp != packet.timestamp:
            unit = self._finish(picture)
            if unit is not None:
                yield unit
            picture = None
        if picture is None:
            if packet.timestamp == self._lost_timestamp:
                return
            if packet.after_loss and not _starts_picture(packet.payload):
                self._lost_timestamp = packet.timestamp
                return
            self._lost_timestamp = None
            picture = self._picture = _Picture(packet)
        if not _add(picture, packet.payload) or picture.size > UNIT_BYTES:
            self._break(packet.timestamp)
            return
        if packet.marker:
            unit = self._finish(picture)
            if unit is not None:
                yield unit

    def _break(self, timestamp: int | None) -> None:
        if timestamp is None and self._picture is not None:
            timestamp = self._picture.timestamp
        self._lost_timestamp = timestamp
        self._picture = None
        self._lost = self._lost or not self.waiting
        self.waiting = True

    def _finish(self, picture: _Picture) -> Unit | None:
        self._picture = None
        if picture.part:  # its last FU-A never came
            self._break(picture.timestamp)
            return None
        if picture.sps:
            self._parameters = bytes(picture.parameters)
        if not picture.data:
            return None
        if not picture.idr:
            if self.waiting:
                return None
            return Unit(picture.timestamp, picture.arrival, bytes(picture.data), keyframe=False)
        if not self._parameters:
            return None
        # In-band sets make every keyframe stand alone, whatever the sample entry of the file says.
        data = bytes(picture.data) if picture.sps else self._parameters + bytes(picture.data)
        lost, self._lost, self.waiting = self._lost, False, False
        return Unit(picture.timestamp, picture.arrival, data, True, lost, self._parameters)


def _starts_picture(payload: bytes) -> bool:
    """Whether a payload right after a hole is surely the first of its picture: it opens with a delimiter or an SPS."""
    kind = payload[0] & 0x1F
    if kind == STAP_A and payload[3:]:
        kind = payload[3] & 0x1F
    elif kind == FU_A and payload[1:] and payload[1] & 0x80:
        kind = payload[1] & 0x1F
    return kind in (SPS, DELIMITER)


def _add(picture: _Picture, payload: bytes) -> bool:
    """Puts a payload's NAL units into the picture; False when it makes no sense."""
    kind = payload[0] & 0x1F
    if picture.part and kind != FU_A:
        return False
    if 1 <= kind < STAP_A:
        _add_nal(picture, payload)
        return True
    if kind == STAP_A:
        return _add_aggregate(picture, payload)
    if kind == FU_A and payload[2:]:
        return _add_part(picture, payload)
    return False


def _add_nal(picture: _Picture, nal: bytes | bytearray) -> None:
    kind = nal[0] & 0x1F
    if kind == IDR:
        picture.idr = True
    elif kind in (SPS, PPS):
        picture.sps = picture.sps or kind == SPS
        picture.parameters += START_CODE + nal
    picture.data += START_CODE
    picture.data += nal


def _add_aggregate(picture: _Picture, payload: bytes) -> bool:
    at = 1
    while at + 2 <= len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        nal = payload[at + 2 : at + 2 + size]
        if not size or len(nal) != size:
            return False
        _add_nal(picture, nal)
        at += 2 + size
    return 1 < at == len(payload)


def _add_part(picture: _Picture, payload: bytes) -> bool:
    header = payload[1]
    first, last = header & 0x80, header & 0x40
    if bool(first) == bool(picture.part):
        return False
    if first:
        picture.part.append((payload[0] & 0xE0) | (header & 0x1F))
    picture.part += memoryview(payload)[2:]
    if last:
        _add_nal(picture, picture.part)
        picture.part = bytearray()
    return True


class Opus:
    """RFC 7587: one packet a payload."""

    waiting = False

    def push(self, packet: Packet) -> Iterator[Unit]:
        """The packet's sound; nothing for an empty payload."""
        if packet.payload:
            yield Unit(packet.timestamp, packet.arrival, packet.payload, after_loss=packet.after_loss)


def _opus_frame(config: int) -> int:
    """RFC 6716 table 2: SILK 10 to 60 ms, hybrid 10 or 20 ms, CELT 2.5 to 20 ms; in samples at 48 kHz."""
    if config < _HYBRID:
        return (480, 960, 1920, 2880)[config & 3]
    if config < _CELT:
        return (480, 960)[config & 1]
    return 120 << (config & 3)


_HYBRID, _CELT = 12, 16  # the first configurations of these modes
_OPUS_MOST = 5760  # 120 ms
_OPUS_FRAMES = tuple(_opus_frame(config) for config in range(32))


def opus_samples(packet: bytes) -> int:
    """How long an Opus packet sounds, in samples at 48 kHz (RFC 6716 3.1); 960 for one that says nothing sensible."""
    code = packet[0] & 3
    count = (1, 2, 2, (packet[1] & 0x3F) if packet[1:] else 0)[code]
    samples = _OPUS_FRAMES[packet[0] >> 3] * count
    return samples if 0 < samples <= _OPUS_MOST else 960


class Assembler:
    """One track's way from packets to units."""

    def __init__(self, codec: H264 | Opus) -> None:
        self._codec = codec
        self._reorder = Reorder()
        self._sequence = Unwrapper(16)
        self._timestamp = Unwrapper(32)

    @property
    def waiting(self) -> bool:
        """Nothing can come out before a keyframe."""
        return self._codec.waiting

    def push(self, payload: bytes, *, timestamp: int, sequence: int, marker: bool, arrival: float) -> list[Unit]:
        """One packet as the network brought it; returns the units it completes."""
        packet = Packet(self._sequence(sequence), self._timestamp(timestamp), marker, arrival, payload)
        return self._units(self._reorder.push(packet))

    def near(self, timestamp: int) -> int:
        """A sender report's RTP time on the unwrapped axis of this track."""
        return self._timestamp.near(timestamp)

    def expire(self, now: float) -> list[Unit]:
        """What is given up waiting for when no packet comes."""
        return self._units(self._reorder.expire(now))

    def flush(self) -> list[Unit]:
        """The rest: nothing more will come."""
        return self._units(self._reorder.flush())

    def _units(self, packets: list[Packet]) -> list[Unit]:
        return [unit for packet in packets for unit in self._codec.push(packet)]
