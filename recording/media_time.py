"""RTP time to media time: seconds since the session's start on our own wall clock. Pure.

A packet is never early, only late, so the least delayed packet of a window tells best when its moment was (the minimum filter
of NTP, RFC 5905 10). With sender reports from every track (RFC 3550 6.4.1) the sender's clock ties the tracks together and only
the common difference between its clock and ours is estimated so: sound and picture stay aligned whatever delays each.

A fragment's times use one offset per track. It is found when a track's first fragment is complete, with all of that fragment's
packets known, and then moves by at most `SLEW_S` per fragment: recordings do not jump. Only a sender whose clock stood still or
leapt (a laptop that slept; janus-gateway #2292) is set anew, and that is a cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

SLEW_S = 0.004  # inaudible, and less than any frame's duration
FAST_SLEW_S = 0.02  # while more than `FAST_OVER_S` wrong
FAST_OVER_S = 0.25
JUMP_S = 1.0  # beyond this it is another clock, not delay
JUMP_SURE_S = 30.0  # no network holds a packet for so long
JUMP_HOLD_S = 1.5  # for so long everything must be late before it counts as a clock that stood still
WINDOW = 10  # buckets of 1 s: long enough to meet a quiet moment, short enough to follow 100 ppm of drift
REPORT_TRUST_S = 0.5  # reports that would move a track further from its arrivals than this are not believed


@dataclass(slots=True)
class TrackTime:
    """One track's clock. `applied` is the offset its samples are placed with: media seconds = timestamp / rate + applied."""

    rate: int
    applied: float | None = None
    buckets: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    bucket_from: float = 0.0
    late_since: float | None = None
    late_least: float = 0.0
    report: float | None = None  # sender's Unix time minus timestamp / rate

    def least(self) -> float | None:
        """The smallest offset that the arrivals of the window allow."""
        return min(self.buckets) if self.buckets else None


class MediaTime:
    """The clocks of one publisher's tracks on one session's axis."""

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._tracks: dict[str, TrackTime] = {}

    def add(self, kind: str, rate: int) -> None:
        """A track with an RTP clock of `rate` Hz."""
        self._tracks[kind] = TrackTime(rate)

    def observe(self, kind: str, timestamp: int, arrival: float) -> bool:
        """Learns from one unit. True: this track's clock leapt; cut, call `reset`, and place what follows anew."""
        track = self._tracks[kind]
        offset = arrival - self._started_at - timestamp / track.rate
        reference = track.applied if track.applied is not None else track.least()
        if reference is not None:
            if offset < reference - JUMP_S or offset > reference + JUMP_SURE_S:
                track.late_least = offset
                return True
            if offset > reference + JUMP_S:
                return self._late(track, offset, arrival)
            track.late_since = None
        if track.buckets and arrival - track.bucket_from < 1.0:
            track.buckets[-1] = min(track.buckets[-1], offset)
        else:
            track.bucket_from = arrival
            track.buckets.append(offset)
        return False

    def _late(self, track: TrackTime, offset: float, arrival: float) -> bool:
        if track.late_since is None:
            track.late_since, track.late_least = arrival, offset
        track.late_least = min(track.late_least, offset)
        return arrival - track.late_since >= JUMP_HOLD_S

    def reset(self, kind: str) -> None:
        """Starts this track's estimate again from what made `observe` say so; reports from before no longer hold."""
        track = self._tracks[kind]
        track.buckets.clear()
        track.buckets.append(track.late_least)
        track.late_since = None
        track.applied = None
        for other in self._tracks.values():
            other.report = None

    def sender_report(self, kind: str, ntp: float, timestamp: int) -> None:
        """The sender says its clock was `ntp` (Unix seconds) at `timestamp` (unwrapped)."""
        track = self._tracks[kind]
        track.report = ntp - timestamp / track.rate

    def seconds(self, kind: str, timestamp: int) -> float:
        """Media time of a timestamp as far as known now; final once the track is settled."""
        track = self._tracks[kind]
        offset = track.applied if track.applied is not None else self._target(kind)
        return timestamp / track.rate + (offset or 0.0)

    def settle(self) -> None:
        """Fixes the offset of every track that has none yet. Call it when a fragment is complete."""
        for kind, track in self._tracks.items():
            if track.applied is None:
                track.applied = self._target(kind)

    def slew(self) -> None:
        """Moves every offset a little towards the best estimate. Call it between fragments."""
        for kind, track in self._tracks.items():
            target = self._target(kind)
            if track.applied is None or target is None:
                continue
            error = target - track.applied
            most = FAST_SLEW_S if abs(error) > FAST_OVER_S else SLEW_S
            track.applied += max(-most, min(most, error))

    def _target(self, kind: str) -> float | None:
        track = self._tracks[kind]
        least = track.least()
        common = _common(self._tracks.values())
        if least is None or common is None or track.report is None:
            return least
        aligned = track.report + common
        return aligned if abs(aligned - least) <= REPORT_TRUST_S else least


def _common(tracks: Iterable[TrackTime]) -> float | None:
    """Our clock minus the sender's, by the least delayed packet of any track; None unless every track that sends reports."""
    differences: list[float] = []
    for track in tracks:
        least = track.least()
        if least is None:
            continue
        if track.report is None:
            return None
        differences.append(least - track.report)
    return min(differences) if len(differences) > 1 else None
