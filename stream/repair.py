"""What a receiver tells a sender: what is missing, when a keyframe is due, how much it can take. Pure; time is an argument."""

from __future__ import annotations

from dataclasses import dataclass

from stream.rtp import MASK32

# A gap wider than this is an outage: a keyframe heals it sooner than repeats.
MAX_GAP = 250
MAX_TRIES = 8
RETRY_S = 0.08
KEYFRAME_INTERVAL_S = 0.5
# RFC 3550 6.4.1: fraction lost is in 1/256; the bounds are GCC's (draft-ietf-rmcat-gcc 6): 2 % and 10 %.
_LOSS_LOW = 5
_LOSS_HIGH = 26


class NackTracker:
    """Which numbers of one source are missing and when to ask for them again, a bounded number of times."""

    __slots__ = ("_highest", "_missing", "gave_up")

    def __init__(self) -> None:
        self._highest = -1
        self._missing: dict[int, tuple[int, float]] = {}
        self.gave_up = False
        """A packet is lost for good: ask for a keyframe and clear this."""

    def seen(self, sequence: int, now: float) -> list[int]:
        """Notes an arrival; returns the numbers newly found missing, to be asked for at once."""
        if self._highest < 0 or sequence <= self._highest:
            self._highest = max(self._highest, sequence)
            self._missing.pop(sequence, None)
            return []
        first, self._highest = self._highest + 1, sequence
        if sequence - first > MAX_GAP or len(self._missing) > MAX_GAP:
            self._missing.clear()
            self.gave_up = True
            return []
        fresh = list(range(first, sequence))
        for number in fresh:
            self._missing[number] = (1, now + RETRY_S)
        return fresh

    def wants(self, sequence: int) -> bool:
        """Whether a repeat of that number is of use: it is missing, or the last ones never came."""
        return sequence in self._missing or 0 <= self._highest < sequence <= self._highest + MAX_GAP

    def due(self, now: float) -> list[int]:
        """The numbers to ask for once more; those asked for too often are given up."""
        again: list[int] = []
        for number, (tries, at) in list(self._missing.items()):
            if at > now:
                continue
            if tries >= MAX_TRIES:
                del self._missing[number]
                self.gave_up = True
                continue
            self._missing[number] = (tries + 1, now + RETRY_S)
            again.append(number)
        return again


class KeyframeGate:
    """Merges requests for a keyframe: at most one per `interval`; one that came too soon is kept until it may go."""

    __slots__ = ("_interval", "_sent_at", "_wanted")

    def __init__(self, interval: float = KEYFRAME_INTERVAL_S) -> None:
        self._interval = interval
        self._sent_at: float | None = None
        self._wanted = False

    def want(self, now: float) -> bool:
        """Someone wants a keyframe; True when the request is to be sent now."""
        self._wanted = True
        return self.due(now)

    def due(self, now: float) -> bool:
        """Whether a kept request is to be sent now."""
        if not self._wanted or (self._sent_at is not None and now - self._sent_at < self._interval):
            return False
        self._wanted = False
        self._sent_at = now
        return True

    def arrived(self) -> None:
        """A keyframe came: whoever waited has it."""
        self._wanted = False


class Budget:
    """At most `rate` a second, in whatever unit the cost has, after a burst of `most` (of one second's worth if not given)."""

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, rate: float, most: float | None = None) -> None:
        self._rate = rate
        self._most = rate if most is None else most
        self._left = self._most
        self._at: float | None = None

    def take(self, cost: float, now: float) -> bool:
        """Spends `cost`; False, and nothing is spent, when there is not that much left."""
        if self._at is not None:
            self._left = min(self._most, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if cost > self._left:
            return False
        self._left -= cost
        return True


class BitrateAdvice:
    """The rate to advise the publisher of (REMB), from the loss we see. Bits per second."""

    __slots__ = ("_high", "_low", "rate")

    def __init__(self, start: int, low: int, high: int) -> None:
        self.rate = start
        self._low = low
        self._high = high

    def report(self, fraction_lost: int) -> int:
        """Takes the loss of the last interval (1/256) and returns the new rate."""
        if fraction_lost > _LOSS_HIGH:
            self.rate = max(self._low, int(self.rate * (1 - 0.5 * fraction_lost / 256)))
        elif fraction_lost < _LOSS_LOW:
            self.rate = min(self._high, int(self.rate * 1.08))
        return self.rate


@dataclass(frozen=True, slots=True)
class Report:
    """A receiver report's figures (RFC 3550 6.4.1), in wire units."""

    fraction_lost: int
    lost: int
    highest: int
    jitter: int


class Reception:
    """Counts one source's packets for receiver reports."""

    __slots__ = (
        "_base",
        "_clock_rate",
        "_expected_before",
        "_jitter",
        "_last_transit",
        "_received_before",
        "highest",
        "received",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._base = -1
        self.highest = -1
        self.received = 0
        self._expected_before = 0
        self._received_before = 0
        self._last_transit: int | None = None
        self._jitter = 0.0

    def seen(self, sequence: int, timestamp: int, arrival: float) -> None:
        """One packet, by its unwrapped number; `arrival` in seconds."""
        if self._base < 0:
            self._base = self.highest = sequence
        newer = sequence >= self.highest
        self.highest = max(self.highest, sequence)
        self.received += 1
        if not newer:
            return
        transit = (int(arrival * self._clock_rate) - timestamp) & MASK32
        if self._last_transit is not None:
            difference = (transit - self._last_transit) & MASK32
            difference = min(difference, (1 << 32) - difference)
            self._jitter += (difference - self._jitter) / 16
        self._last_transit = transit

    def report(self) -> Report:
        """The figures since the last report; begins the next interval."""
        expected = self.highest - self._base + 1 if self._base >= 0 else 0
        interval = expected - self._expected_before
        lost_now = interval - (self.received - self._received_before)
        self._expected_before = expected
        self._received_before = self.received
        fraction = min(255, max(0, (lost_now << 8) // interval)) if interval > 0 else 0
        lost = min(0x7FFFFF, max(-0x800000, expected - self.received))
        return Report(fraction, lost, max(self.highest, 0) & MASK32, int(self._jitter) & MASK32)


class SenderClock:
    """A publisher's own clock against ours, learnt from its sender reports.

    One offset serves all its tracks, so that picture and sound keep their distance; subscribers see our wall clock, which goes
    on evenly from one publisher to the next.
    """

    __slots__ = ("_offset", "_tracks")

    def __init__(self) -> None:
        self._offset: float | None = None
        self._tracks: dict[str, tuple[float, int, int]] = {}

    def heard(self, kind: str, clock_rate: int, ntp: float, timestamp: int, arrival: float) -> None:
        """A sender report: the publisher's clock says `ntp` (Unix seconds) at RTP `timestamp`."""
        if self._offset is None:
            self._offset = arrival - ntp
        self._tracks[kind] = (ntp, timestamp, clock_rate)

    def forget(self, kind: str) -> None:
        """The track's source changed; its old report means nothing now."""
        self._tracks.pop(kind, None)

    def state(self) -> tuple[float | None, dict[str, tuple[float, int, int]]]:
        """All it knows, for `restore` in another process: its offset, and of each kind (ntp, timestamp, clock rate)."""
        return self._offset, dict(self._tracks)

    def restore(self, offset: float | None, tracks: dict[str, tuple[float, int, int]]) -> None:
        """Knows from now on what another one knew."""
        self._offset, self._tracks = offset, dict(tracks)

    def at(self, kind: str, wall: float) -> int | None:
        """The source timestamp that belongs to our wall time; None before the first report."""
        known = self._tracks.get(kind)
        if known is None or self._offset is None:
            return None
        ntp, timestamp, clock_rate = known
        return (timestamp + round((wall - self._offset - ntp) * clock_rate)) & MASK32
