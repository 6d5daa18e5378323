"""Where one fragment ends and the next begins: units in, media out. Pure; time is `arrival`.

A cut is a moment of media time. What lies before it on any track belongs to the fragment, so a cut waits shortly for the track
that is behind. The picture is cut at a keyframe; when none comes the fragment is cut all the same, since a watermark that
stands still closes the sale, and the fragment that starts without a keyframe says so.

Every fragment accounts for every announced track up to its end: what a track lacks of it by more than `QUIET_S` is a hole, said
with that fragment and continued by the next one, whether or not the track ever comes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from recording.assembly import Unit, opus_samples
from recording.fragment import AUDIO_RATE, VIDEO_RATE, Hole, Media, Sample
from recording.media_time import MediaTime

Kind = Literal["audio", "video"]
HOLES = 50  # of one track in one fragment; more are told as one
# Longest pause of a track that is no hole: a still screen is sent once a second, Opus DTX every 400 ms (RFC 7587 3.1.3).
QUIET_S = 1.5


@dataclass(frozen=True, slots=True)
class Limits:
    """How fragments are cut: seconds, and bytes in memory."""

    wish_s: float = 2.0  # from this age on a keyframe is asked for; sound alone is cut here
    least_s: float = 1.8  # a keyframe earlier than this does not cut, unless the picture's size changes
    force_s: float = 3.5  # cut without a keyframe; with the waiting below the watermark stays under 5 s
    wait_s: float = 0.4  # for the track that is behind
    idle_s: float = 1.0  # a track silent for so long is not waited for
    stall_s: float = 0.5  # a picture that stood still for so long is asked to start anew
    most_bytes: int = 32 * 2**20


@dataclass(slots=True)
class _Track:
    rate: int
    units: list[Unit] = field(default_factory=list)
    arrival: float = float("-inf")  # of the last unit
    reached: float = float("-inf")  # media seconds of the last unit
    unread_s: float = 0.0  # for so long packets have come that nothing could be made of
    last: int | None = None  # media time of the last sample that was cut, in the track's rate
    end: int | None = None  # where it ends
    delta: int = 0  # how long a sample usually lasts
    pace: int = 0  # between its last two samples
    told: int | None = None  # up to here what is missing has been said; where the first fragment began, at first
    missing: bool = False  # the last fragment ended in a hole of it

    @property
    def accounted(self) -> int:
        """Up to where it is recorded, or said not to be."""
        recorded = 0 if self.last is None else self.last + self.delta
        return recorded if self.told is None else max(recorded, self.told)

    def lacks(self, at: int) -> bool:
        """Whether it is missing up to `at`: for longer than it may be quiet, or still."""
        return self.missing or at - self.accounted > QUIET_S * self.rate


class Cutter:
    """One publisher's units, gathered into fragments."""

    def __init__(self, started_at: float, limits: Limits) -> None:
        self._limits = limits
        self._time = MediaTime(started_at)
        self._tracks: dict[Kind, _Track] = {}
        self._began: float | None = None  # media seconds of the fragment's first unit
        self._began_arrival = 0.0
        self._bytes = 0
        self._cut: tuple[Kind, int] | None = None  # the unit (its timestamp) that opens the next fragment
        self._cut_due = 0.0
        self._parameters = b""  # of the last keyframe that came in
        self._reference = Unit(0, 0.0, b"")  # the keyframe that describes the fragment being gathered
        self.end_ms = 0  # where the last fragment ended

    def track(self, kind: Kind) -> None:
        """A track is coming."""
        rate = VIDEO_RATE if kind == "video" else AUDIO_RATE
        self._tracks[kind] = _Track(rate, delta=rate // 30)
        self._time.add(kind, rate)

    def sender_report(self, kind: Kind, ntp: float, timestamp: int) -> None:
        """The sender's clock at an (unwrapped) RTP time of that track."""
        self._time.sender_report(kind, ntp, timestamp)

    def unread(self, kind: Kind, seconds: float) -> None:
        """Packets of that track have come for so long, and no unit of them."""
        self._tracks[kind].unread_s = seconds

    def wants_keyframe(self, arrival: float) -> bool:
        """Whether the fragment is old enough to end at the next keyframe."""
        return self._began is not None and self._cut is None and arrival - self._began_arrival >= self._limits.wish_s

    def push(self, kind: Kind, unit: Unit) -> list[Media]:
        """Takes one unit; returns the fragments that are complete with it."""
        track = self._tracks[kind]
        done: list[Media] = []
        if self._time.observe(kind, unit.timestamp, unit.arrival):
            done += self._seal_all()
            self._time.reset(kind)
        if unit.keyframe and kind == "video" and unit.parameters != self._parameters and self._cut is not None:
            done += self._seal()
        at = self._time.seconds(kind, unit.timestamp)
        if self._cut is None and self._opens_next(kind, unit, at):
            self._cut = (kind, unit.timestamp)
            self._cut_due = unit.arrival + self._limits.wait_s
        if kind == "video" and unit.keyframe:
            self._parameters = unit.parameters
        if self._began is None:
            self._began, self._began_arrival = at, unit.arrival
        track.units.append(unit)
        track.arrival = unit.arrival
        track.unread_s = 0.0
        track.reached = at
        self._bytes += len(unit.data)
        if self._cut is not None and self._ready(unit.arrival):
            done += self._seal()
        elif self._bytes > self._limits.most_bytes:
            done += self._seal_all()
        return done

    def tick(self, now: float) -> list[Media]:
        """What has to be written because time went by, packets or not."""
        if self._cut is not None and now >= self._cut_due:
            return self._seal()
        if self._began is not None and now - self._began_arrival >= self._limits.force_s + self._limits.wait_s:
            return self._seal_all()
        return []

    def finish(self) -> list[Media]:
        """The rest: nothing more will come."""
        return self._seal_all()

    def _opens_next(self, kind: Kind, unit: Unit, at: float) -> bool:
        if self._began is None:
            return False
        age = at - self._began
        if kind == "video":
            if age >= self._limits.force_s:
                return True
            changed = bool(self._parameters) and unit.parameters != self._parameters
            return unit.keyframe and (age >= self._limits.least_s or (changed and bool(self._tracks["video"].units)))
        video = self._tracks.get("video")
        alone = video is None or unit.arrival - video.arrival > self._limits.idle_s
        return age >= (self._limits.wish_s if alone else self._limits.force_s)

    def _ready(self, now: float) -> bool:
        if self._cut is None or now >= self._cut_due:
            return True
        kind, timestamp = self._cut
        moment = self._time.seconds(kind, timestamp)
        others = (track for name, track in self._tracks.items() if name != kind)
        return all(track.reached >= moment or now - track.arrival > self._limits.idle_s for track in others)

    def _seal_all(self) -> list[Media]:
        done = self._seal() if self._cut is not None else []
        return done + self._seal()

    def _seal(self) -> list[Media]:
        """Ends the fragment at the cut, or with everything there is when there is no cut."""
        self._time.settle()
        cut, self._cut = self._cut, None
        moment = self._time.seconds(*cut) if cut else float("inf")
        units = {kind: self._take(kind, track, cut, moment) for kind, track in self._tracks.items()}
        self._refer(units.get("video", []))
        media = self._media(units) if any(units.values()) else None
        self._time.slew()
        self._restart()
        return [media] if media is not None else []

    def _media(self, units: dict[Kind, list[Unit]]) -> Media:
        begin = max(0.0, min(self._time.seconds(kind, some[0].timestamp) for kind, some in units.items() if some))
        holes: dict[Kind, list[Hole]] = {}
        samples: dict[Kind, list[Sample]] = {}
        for kind, track in self._tracks.items():
            if track.told is None:
                track.told = round(begin * track.rate)
            holes[kind] = []
            samples[kind] = self._place(kind, track, units[kind], holes[kind])
        end = max(track.end / track.rate for track in self._tracks.values() if track.end is not None)
        for kind, track in self._tracks.items():
            _note_end(holes[kind], track, kind, round(end * track.rate))
        self.end_ms = round(end * 1000)
        return Media(
            samples.get("video", []),
            samples.get("audio", []),
            self._reference.parameters,
            self._reference.data,
            [hole for kind in samples for hole in holes[kind]],
            _recorded_ms(self._tracks.values(), end),
        )

    def _take(self, kind: Kind, track: _Track, cut: tuple[Kind, int] | None, moment: float) -> list[Unit]:
        """Splits a track's units: what is before the cut is returned, the rest stays."""
        units = track.units
        if cut is None:
            at = len(units)
        elif cut[0] == kind:
            at = next(i for i, unit in enumerate(units) if unit.timestamp == cut[1])
        else:
            at = next((i for i, unit in enumerate(units) if self._time.seconds(kind, unit.timestamp) >= moment), len(units))
        track.units = units[at:]
        return units[:at]

    def _refer(self, units: list[Unit]) -> None:
        """The keyframe that describes the fragment's picture: its own first one, or the last one before it."""
        keyframes = [unit for unit in units if unit.keyframe]
        if keyframes:
            self._reference = keyframes[0]

    def _place(self, kind: Kind, track: _Track, units: list[Unit], holes: list[Hole]) -> list[Sample]:
        """Gives units their times: never back within a track, each lasting until the next."""
        ats: list[int] = []
        for unit in units:
            at = round(self._time.seconds(kind, unit.timestamp) * track.rate)
            # Clocks that disagree by a moment must not put it before the session.
            at = max(at, 0 if track.last is None else track.last + 1)
            lost = unit.after_loss and track.last is not None
            if lost or track.lacks(at):
                _note(holes, track, kind, at, "packets_lost" if lost else "nothing_sent")
                track.missing = False
            if track.last is not None and not lost:
                track.pace = at - track.last
                if kind == "video":
                    track.delta = min(track.pace, track.rate // 5)
            if kind == "audio":
                track.delta = opus_samples(unit.data)
            track.last = at
            ats.append(at)
        if not ats:
            return []
        track.end = self._end(kind, track, ats[-1])
        ends = [*ats[1:], track.end]
        return [Sample(at, to - at, unit.data, unit.keyframe) for unit, at, to in zip(units, ats, ends, strict=True)]

    def _end(self, kind: Kind, track: _Track, last: int) -> int:
        """Where the last sample of a fragment ends. A picture stands until the next one, unless that is long in coming."""
        if kind == "video" and track.units:
            following = round(self._time.seconds(kind, track.units[0].timestamp) * track.rate)
            if following - last - track.delta <= QUIET_S * track.rate:
                return max(last + 1, following)
        return last + track.delta

    def _restart(self) -> None:
        rest = [(kind, track.units[0]) for kind, track in self._tracks.items() if track.units]
        self._began = min((self._time.seconds(kind, unit.timestamp) for kind, unit in rest), default=None)
        self._began_arrival = min((unit.arrival for _, unit in rest), default=0.0)
        self._bytes = sum(len(unit.data) for track in self._tracks.values() for unit in track.units)


def _note(found: list[Hole], track: _Track, kind: Kind, to: int, reason: str) -> None:
    """A hole of the track from where it is accounted for up to `to`."""
    from_ms, to_ms = (round(at * 1000 / track.rate) for at in (track.accounted, to))
    if from_ms >= to_ms:
        return
    track.told = to
    if len(found) < HOLES:
        found.append(Hole(kind, from_ms, to_ms, reason))
    else:
        found[-1] = Hole(kind, found[-1].from_ms, to_ms, reason)


def _note_end(found: list[Hole], track: _Track, kind: Kind, end: int) -> None:
    """What the track lacks of a fragment that ends at `end`: the rest of it, or all of it."""
    if track.lacks(end):
        track.missing = True
        _note(found, track, kind, end, "undecodable" if track.unread_s > QUIET_S else "nothing_sent")


def _recorded_ms(tracks: Iterable[_Track], end: float) -> int | None:
    """Up to where every track is recorded; None while one of them never was. A track that was about to send its next sample
    is recorded up to the fragment's end, so that a slow but steady one does not look late."""
    reached = []
    for track in tracks:
        if track.last is None or track.end is None:
            return None
        due = track.last + min(track.pace, QUIET_S * track.rate)
        reached.append(min(end, max(track.end, due) / track.rate))
    return round(min(reached) * 1000)
