"""A publisher's sources: which track a packet belongs to, and what is known of each. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stream.repair import KeyframeGate, NackTracker, Reception
from stream.rtp import Parsed, Unwrapper, extension
from stream.sdp import Track

# RFC 3550 A.1 MAX_DROPOUT: a number further away than this is no loss and no latecomer.
_MAX_DROPOUT = 3000
# A source that changes its SSRC is believed once the old one has been silent this long.
_SSRC_SILENCE_S = 1.0
# Three tracks, their repeats, and a few changes of each; `stream/srtp.py` lets no more than 32 in.
_MAX_SSRCS = 32
_OSN_BYTES = 2


@dataclass(slots=True, eq=False)
class Source:
    """The state of one incoming track. `run` is 0 before its first packet."""

    track: Track
    run: int = 0
    ssrc: int | None = None
    last_at: float = 0.0
    unwrap: Unwrapper = field(default_factory=Unwrapper)
    stray: int | None = None  # the number that would follow one far away
    nacks: NackTracker = field(default_factory=NackTracker)
    reception: Reception = field(default_factory=lambda: Reception(90_000))
    gate: KeyframeGate = field(default_factory=KeyframeGate)
    last_report: int = 0
    last_report_at: float = 0.0

    @property
    def clock(self) -> str:
        """Its name in the `SenderClock`: the two videos count apart."""
        return "low" if self.track.low else self.track.kind

    def is_from(self, ssrc: int, now: float) -> bool:
        """Whether a packet of that SSRC is this source's; a change is believed after a silence."""
        return self.ssrc == ssrc or self.ssrc is None or now - self.last_at >= _SSRC_SILENCE_S

    def continues(self, sequence: int) -> bool | None:
        """Whether a number goes on with those before; None for one that begins anew (the second in a row far away)."""
        if self.unwrap.near(sequence, _MAX_DROPOUT):
            self.stray = None
            return True
        if sequence == self.stray:
            return None
        self.stray = (sequence + 1) & 0xFFFF
        return False

    def begin(self, ssrc: int, run: int) -> None:
        """What comes from here on has nothing to do with the numbers and times before."""
        self.ssrc = ssrc
        self.run = run
        self.unwrap = Unwrapper()
        self.stray = None
        self.nacks = NackTracker()
        self.reception = Reception(self.track.clock_rate)
        self.last_report = 0

    def restored(self, repeat: Parsed) -> tuple[int, bytes] | None:
        """The (16-bit number, payload) that a repeat brings back (RFC 4588 section 4).

        None when it brings nothing: padding that probes the line, a packet that is here already, one that nobody waits for.
        """
        if len(repeat.payload) <= _OSN_BYTES or self.ssrc is None:
            return None
        number = int.from_bytes(repeat.payload[:_OSN_BYTES])
        return (number, repeat.payload[_OSN_BYTES:]) if self.nacks.wants(self.unwrap.peek(number)) else None


class Sources:
    """A publisher's tracks by what their packets carry."""

    __slots__ = ("_by_ssrc", "_mid_extension", "all")

    def __init__(self, tracks: tuple[Track, ...]) -> None:
        self.all = [Source(track) for track in tracks]
        self._mid_extension = next((t.mid_extension for t in tracks if t.mid_extension), 0)
        self._by_ssrc: dict[int, tuple[Source, bool]] = {}
        for source in self.all:
            for ssrc, repeats in ((source.track.declared, False), (source.track.declared_rtx, True)):
                if ssrc:
                    self._by_ssrc.setdefault(ssrc, (source, repeats))

    def of(self, packet: Parsed, data: bytes) -> tuple[Source, bool] | None:
        """(source, whether the packet is a repeat of RFC 4588); None for what belongs to nobody.

        RFC 8843 section 9.2: by SSRC as declared or learnt, else by the MID it carries, else by its payload type where that
        is one track's alone.
        """
        number = packet.payload_type
        known = self._by_ssrc.get(packet.ssrc)
        if known is not None and _carries(known[0].track, number) is known[1]:
            return known
        found = self._by_mid(number, data) or self._one(lambda track: _carries(track, number) is not None, number)
        if found is not None and len(self._by_ssrc) < _MAX_SSRCS:
            self._by_ssrc[packet.ssrc] = found
        return found

    def _by_mid(self, number: int, data: bytes) -> tuple[Source, bool] | None:
        mid = extension(data, self._mid_extension) if self._mid_extension else b""
        return self._one(lambda track: track.mid.encode() == mid and _carries(track, number) is not None, number)

    def _one(self, fits: Callable[[Track], bool], number: int) -> tuple[Source, bool] | None:
        fitting = [source for source in self.all if fits(source.track)]
        return (fitting[0], _carries(fitting[0].track, number) is True) if len(fitting) == 1 else None

    def video(self, low: bool) -> Source | None:
        """The better or the lower video."""
        return next((s for s in self.all if s.track.kind == "video" and s.track.low is low), None)

    def heard(self) -> list[tuple[Source, int]]:
        """Those that have sent something, with their SSRC."""
        return [(source, source.ssrc) for source in self.all if source.ssrc is not None]


def _carries(track: Track, payload_type: int) -> bool | None:
    """Whether packets of that payload type are repeats of the track; None when they are not the track's at all."""
    return False if payload_type == track.payload_type else True if payload_type == track.rtx else None
