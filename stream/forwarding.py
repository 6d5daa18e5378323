"""Numbers and times of what is forwarded: unbroken for whoever watches, whatever publishers come and go. Pure.

Two steps, so that what is the same for all is done once. A lane's `Numbering` puts the packets of successive publishers into
one row of positions and times. A subscriber's `Path` says where in that row it began and by how much its own numbers differ:
for one that never changed its lane only by a multiple of 2**15, so that thousands share the same headers.

Every step is by constants, so reordered and repeated packets land where they belong and a repeated packet is the same packet
bit for bit (which AES-GCM demands: a number never carries two different contents).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from stream.rtp import MASK32, MediaPacket, nearest

LaneName = Literal["audio", "high", "low"]

# Segments kept for late NACKs: the current one and those just before.
_SEGMENTS_KEPT = 4
# Replayed frames follow each other by 1 ms of a 90 kHz clock: a player then has no reason to play the past at its old pace.
REPLAY_STEP = 90
# A receiver takes the rollover counter for zero at its first packet (RFC 3711 3.3.1): from below 2**15 it can't be wrong.
_FIRST = 0x7FFF


class Entry(NamedTuple):
    """A packet and its place in its lane's row: unwrapped position and timestamp."""

    packet: MediaPacket
    position: int
    time: int


class Numbering:
    """One lane's row, over all the publishers that come and go."""

    __slots__ = ("_clock_rate", "_first_time", "_last_at", "_last_time", "_shift", "_start", "_time_shift", "highest", "run")

    def __init__(self, clock_rate: int, *, first_position: int, first_time: int) -> None:
        self._clock_rate = clock_rate
        self._first_time = first_time
        self._last_time: int | None = None
        self._last_at = 0.0
        self._start = self._shift = self._time_shift = 0
        self.run: int | None = None
        """The source now being placed, None before the first."""
        self.highest = first_position - 1

    def begin(self, run: int, sequence: int, timestamp: int, now: float) -> None:
        """A new source begins with packet `sequence`; its time goes on from the last one's by what has passed since."""
        if self._last_time is None:
            out = self._first_time
        else:
            elapsed = max(round((now - self._last_at) * self._clock_rate), REPLAY_STEP)
            out = self._last_time + elapsed
        self.run = run
        self._start = sequence
        self._shift = self.highest + 1 - sequence
        self._time_shift = (out - timestamp) & MASK32

    def place(self, packet: MediaPacket) -> Entry | None:
        """Where a packet belongs; None for one from before its source's beginning, or of another source."""
        if packet.run != self.run or packet.sequence < self._start:
            return None
        return Entry(packet, packet.sequence + self._shift, (packet.timestamp + self._time_shift) & MASK32)

    def advance(self, entry: Entry) -> bool:
        """Takes note of a placed packet; False when it is a late one, of a position below the highest."""
        if entry.position <= self.highest:
            return False
        self.highest, self._last_time, self._last_at = entry.position, entry.time, entry.packet.at
        return True

    @property
    def last(self) -> tuple[int, int, float] | None:
        """Position, time and arrival of the highest packet; None before the first."""
        return None if self._last_time is None else (self.highest, self._last_time, self._last_at)

    def sequence_of(self, position: int) -> int | None:
        """The current source's number of what has this position; None for an earlier source's."""
        sequence = position - self._shift
        return sequence if self.run is not None and sequence >= self._start else None

    def time_of(self, run: int, timestamp: int) -> int | None:
        """A source timestamp in the row's terms, for sender reports."""
        return (timestamp + self._time_shift) & MASK32 if run == self.run else None


@dataclass(slots=True)
class Segment:
    """Where one lane's packets, from position `start` on, are put."""

    lane: LaneName
    start: int
    shift: int
    time_shift: int
    replayed: dict[int, int] = field(default_factory=dict)
    """Times of replayed frames but the last, which have times of their own."""

    def place(self, position: int, time: int) -> tuple[int, int] | None:
        """The (unwrapped sequence number, timestamp) to send with; None for what lies before the segment."""
        if position < self.start:
            return None
        known = self.replayed.get(time) if self.replayed else None
        return position + self.shift, (time + self.time_shift) & MASK32 if known is None else known


class Path:
    """One subscriber's way through the lanes of one kind of media: unbroken numbers whatever lane it follows."""

    __slots__ = ("_clock_rate", "_highest", "_last_at", "_last_time", "_segments")

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._highest = -1
        self._last_time: int | None = None
        self._last_at = 0.0
        self._segments: list[Segment] = []

    @property
    def segment(self) -> Segment | None:
        """The segment now being forwarded, None before the first."""
        return self._segments[-1] if self._segments else None

    def begin(self, lane: LaneName, start: int, frames: Sequence[int], now: float) -> None:
        """Follows a lane from position `start` on. `frames`: the distinct times to replay, in order; the last is live."""
        live = frames[-1]
        if self._last_time is None:
            number, out = start & _FIRST, live
        else:
            elapsed = max(round((now - self._last_at) * self._clock_rate), 0)
            number, out = self._highest + 1, self._last_time + max(elapsed, REPLAY_STEP * len(frames))
        behind = len(frames) - 1
        replayed = {at: (out - REPLAY_STEP * (behind - i)) & MASK32 for i, at in enumerate(frames[:-1])}
        self._add(Segment(lane, start, number - start, (out - live) & MASK32, replayed))

    def skip_to(self, start: int) -> None:
        """Leave out what lies before `start`, without a hole in the numbers. Times go on as they are."""
        last = self._segments[-1]
        self._add(Segment(last.lane, start, self._highest + 1 - start, last.time_shift))

    def _add(self, segment: Segment) -> None:
        self._segments.append(segment)
        del self._segments[:-_SEGMENTS_KEPT]

    def reached(self, position: int, time: int, at: float) -> None:
        """The current lane has been sent up to here."""
        placed = self._segments[-1].place(position, time)
        if placed is not None and placed[0] > self._highest:
            self._highest, self._last_time = placed
            self._last_at = at

    def find(self, sequence: int, sent: int | None = None) -> tuple[Segment, int] | None:
        """Which packet (its segment and position) was sent as the 16-bit `sequence`; None for what was not sent yet.

        `sent` is the position up to which the current lane has been sent, where `reached` was not told.
        """
        highest = self._highest
        if sent is not None and self._segments:
            highest = max(highest, sent + self._segments[-1].shift)
        wanted = nearest(sequence, highest)
        if wanted > highest or wanted < 0:
            return None
        for segment in reversed(self._segments):
            position = wanted - segment.shift
            if position >= segment.start:
                return segment, position
        return None

    def time_of(self, time: int) -> int | None:
        """A live time of the current lane in the subscriber's terms, for sender reports."""
        return (time + self._segments[-1].time_shift) & MASK32 if self._segments else None
