"""Which video one subscriber gets: the better one that its losses, its estimate and its page allow. Pure; time is an argument.

Down after two bad seconds in a row or when the receiver's own estimate stays below what is sent; up again for a try after a
quiet time that doubles with each try that failed, since a receiver's estimate says nothing about more than it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Video = Literal["high", "low", "sound"]
Wish = Literal["auto", "high", "low", "audio"]

# 10 % is where Google's congestion control cuts its rate (draft-ietf-rmcat-gcc 6), and what repeats do not hide any more; with
# 30 % no picture is worth watching.
_LOSS_BAD = 0.10
_LOSS_AWFUL = 0.30
_BAD_TIMES = 2
# Chromium reports several times a second while it loses, each time on a few packets: a share of so few means nothing.
_MEASURED_S = 1.0
_MEASURED_PACKETS = 30
_SHORT_S = 2.0  # an estimate below the rate for so long
_SHORT = 0.7  # of the rate: estimates swing
_TRY_AFTER_S = 10.0
_TRY_AFTER_MOST_S = 160.0
_PROVEN_S = 15.0  # a try that lasted so long has succeeded
# A picture this high or less (device pixels) shows no more than the low video has.
_SMALL = 300
_ORDER: tuple[Video, ...] = ("sound", "low", "high")


@dataclass(frozen=True, slots=True)
class Rates:
    """What the stream offers now, bits per second; None for a video that is not there."""

    high: float | None
    low: float | None

    def of(self, video: Video) -> float | None:
        return self.high if video == "high" else self.low if video == "low" else None


class LossMeter:
    """What share of its packets a receiver loses, from the sums in its reports (RFC 3550 6.4.1) over a second or more."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since: tuple[float, int, int] | None = None

    def reported(self, highest: int, lost: int, now: float) -> float | None:
        """The share lost, 0 to 1, once enough has passed; None until then. `highest` is extended (32 bits), `lost` a sum."""
        if self._since is None:
            self._since = (now, highest, lost)
            return None
        at, highest_then, lost_then = self._since
        expected = (highest - highest_then) & 0xFFFFFFFF
        if now - at < _MEASURED_S or expected < _MEASURED_PACKETS:
            return None
        self._since = (now, highest, lost)
        return min(1.0, max(0.0, (lost - lost_then) / expected))


class QualityChoice:
    """One subscriber's. `wish` and `height` are the viewer's (device pixels, 0 unknown)."""

    __slots__ = ("_bad", "_changed_at", "_estimate", "_held", "_rates", "_short_since", "_wait", "height", "limit", "wish")

    def __init__(self) -> None:
        self.wish: Wish = "auto"
        self.height = 0
        self.limit: Video = "high"
        """The best that the network has shown to carry."""
        self._rates = Rates(None, None)
        self._bad = 0
        self._estimate: float | None = None
        self._short_since: float | None = None
        self._changed_at: float | None = None
        self._wait = _TRY_AFTER_S
        self._held = False

    def lost(self, share: float, now: float) -> None:
        """How much of the video was lost lately (`LossMeter`)."""
        smaller = self.limit == "high" and self._rates.low is not None
        self._bad = self._bad + 1 if share > (_LOSS_BAD if smaller else _LOSS_AWFUL) else 0
        if self._bad >= _BAD_TIMES:
            self._down(now)

    def estimated(self, bits_per_second: float) -> None:
        """The receiver's own estimate (REMB)."""
        self._estimate = bits_per_second

    def decide(self, now: float, rates: Rates) -> Video:
        """What to send from now on."""
        self._rates = rates
        if self._changed_at is None:
            self._changed_at = now
        self._weigh(now, rates)
        if self.wish == "audio":
            return "sound"
        best: Video = self.wish if self.wish in ("high", "low") else "low" if 0 < self.height <= _SMALL else "high"
        if self.wish == "auto" and _ORDER.index(self.limit) < _ORDER.index(best):
            best = self.limit
        if best == "sound":
            return best
        if rates.of(best) is None:  # one is better than none
            other: Video = "low" if best == "high" else "high"
            if rates.of(other) is not None:
                return other
        return best

    def _weigh(self, now: float, rates: Rates) -> None:
        assert self._changed_at is not None  # noqa: S101 - set by the caller
        # An estimate chooses between pictures; for none at all it takes losses.
        smaller = self.limit == "high" and rates.low is not None
        if smaller and self._estimate is not None and rates.high and self._estimate < _SHORT * rates.high:
            self._short_since = now if self._short_since is None else self._short_since
            if now - self._short_since >= _SHORT_S:
                self._down(now)
        else:
            self._short_since = None
        quiet = now - self._changed_at
        if self._held and quiet >= _PROVEN_S:
            self._held, self._wait = False, _TRY_AFTER_S
        if self.limit != "high" and quiet >= self._wait and not self._bad and self._short_since is None:
            self._set("low" if self.limit == "sound" and rates.low is not None else "high", now)
            self._held = True

    def _down(self, now: float) -> None:
        if self._held:
            self._wait = min(self._wait * 2, _TRY_AFTER_MOST_S)
            self._held = False
        self._set("low" if self.limit == "high" and self._rates.low is not None else "sound", now)

    def _set(self, limit: Video, now: float) -> None:
        self.limit = limit
        self._changed_at = now
        self._bad = 0
        self._short_since = None
        self._estimate = None
