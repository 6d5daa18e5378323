"""One subscriber's view of a stream: one SSRC, unbroken numbers and times, whatever publishers come and go. Pure.

A segment maps one source (a publisher's RTP run) by two constants, so reordered and repeated packets land where they belong and
a repeated packet is the same packet bit for bit (which AES-GCM demands: a number never carries two different contents).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.rtp import MASK32, MediaPacket, nearest

# Segments kept for late NACKs: the current one and those just before.
_SEGMENTS_KEPT = 4
# Replayed frames follow each other by 1 ms of a 90 kHz clock: a player then has no reason to play the past at its old pace.
REPLAY_STEP = 90


@dataclass(slots=True)
class Segment:
    """Where the packets of one run, from number `start` on, are put."""

    run: int
    start: int
    shift: int
    time_shift: int
    replayed: dict[int, int] = field(default_factory=dict)
    """Timestamps of replayed frames but the last, which have times of their own."""

    def place(self, packet: MediaPacket) -> tuple[int, int] | None:
        """The (unwrapped sequence number, timestamp) of a packet, None for one from before the segment."""
        if packet.run != self.run or packet.sequence < self.start:
            return None
        if self.replayed:
            known = self.replayed.get(packet.timestamp)
            if known is not None:
                return packet.sequence + self.shift, known
        return packet.sequence + self.shift, (packet.timestamp + self.time_shift) & MASK32


class Rewriter:
    """Numbers one kind of media for one subscriber.

    `first_sequence` should be below 2**15, so that the receiver's SRTP rollover counter starts at zero with certainty.
    """

    __slots__ = ("_clock_rate", "_first_timestamp", "_highest", "_last_at", "_last_time", "_segments", "payload_type", "ssrc")

    def __init__(self, ssrc: int, payload_type: int, clock_rate: int, *, first_sequence: int, first_timestamp: int) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self._clock_rate = clock_rate
        self._first_timestamp = first_timestamp
        self._highest = first_sequence - 1
        self._last_time: int | None = None
        self._last_at = 0.0
        self._segments: list[Segment] = []

    @property
    def run(self) -> int | None:
        """The run now being forwarded, None before the first."""
        return self._segments[-1].run if self._segments else None

    def begin(self, run: int, sequence: int, frames: Sequence[int], now: float) -> None:
        """A new source begins with packet `sequence`. `frames`: distinct timestamps to replay, in order; the last is live."""
        live = frames[-1]
        if self._last_time is None:
            out = self._first_timestamp
        else:
            elapsed = max(round((now - self._last_at) * self._clock_rate), 0)
            out = self._last_time + max(elapsed, REPLAY_STEP * len(frames))
        behind = len(frames) - 1
        replayed = {at: (out - REPLAY_STEP * (behind - i)) & MASK32 for i, at in enumerate(frames[:-1])}
        self._add(Segment(run, sequence, self._highest + 1 - sequence, (out - live) & MASK32, replayed))

    def skip_to(self, sequence: int) -> None:
        """Leave out what lies before `sequence`, without a hole in the numbers. Times go on as they are."""
        last = self._segments[-1]
        self._add(Segment(last.run, sequence, self._highest + 1 - sequence, last.time_shift))

    def _add(self, segment: Segment) -> None:
        self._segments.append(segment)
        del self._segments[:-_SEGMENTS_KEPT]

    def forward(self, packet: MediaPacket) -> tuple[int, int] | None:
        """The (unwrapped number, timestamp) to send a packet with; None when it belongs to no place."""
        placed = self._segments[-1].place(packet)
        if placed is not None and placed[0] > self._highest:
            self._highest, self._last_time = placed
            self._last_at = packet.at
        return placed

    def find(self, sequence: int) -> tuple[Segment, int] | None:
        """Which source packet (its segment and unwrapped number) was sent as the 16-bit `sequence`."""
        wanted = nearest(sequence, self._highest)
        if wanted > self._highest:
            return None
        for segment in reversed(self._segments):
            source = wanted - segment.shift
            if source >= segment.start:
                return segment, source
        return None

    def timestamp_of(self, run: int, timestamp: int) -> int | None:
        """A live source timestamp in the subscriber's terms, for sender reports."""
        if not self._segments or self._segments[-1].run != run:
            return None
        return (timestamp + self._segments[-1].time_shift) & MASK32
