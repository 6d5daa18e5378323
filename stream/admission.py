"""Whether one more subscriber gets in: those inside keep their quality. Pure.

The event loop's lag is what everybody inside feels first, so it decides beside the count. It is averaged over a few seconds,
and believed only once there are enough subscribers for it to be theirs: turning people away helps against nothing else.
"""

from __future__ import annotations

import math

# Half of what a viewer's jitter buffer takes without a word; at half of that again people are let in anew.
_LAG_FULL_S = 0.030
_LAG_FREE_S = 0.015
# A rush of joiners holds the loop up for a second or two by its handshakes; that passes.
_AVERAGED_S = 10.0
_FEW = 50
# One stall, however long, is no load.
_LAG_COUNTED_S = 0.1


class Admission:
    """Room for `most` peers, fewer when the loop lags."""

    def __init__(self, most: int, kept_for_publishers: int) -> None:
        self._most = most
        self._kept = kept_for_publishers
        self._lag = 0.0  # the very first stall is no load either
        self.lagging = False

    @property
    def lag(self) -> float:
        """Seconds by which timers fire late, averaged."""
        return self._lag

    def ticked(self, lag: float, interval: float) -> None:
        """One timer of `interval` seconds fired `lag` seconds late."""
        lag = min(lag, _LAG_COUNTED_S)
        weight = 1 - math.exp(-(interval + lag) / _AVERAGED_S)
        self._lag += weight * (lag - self._lag)
        self.lagging = self._lag > (_LAG_FREE_S if self.lagging else _LAG_FULL_S)

    def admits(self, peers: int, *, publisher: bool) -> bool:
        """Whether one more may come; a full house must not keep its host out."""
        if publisher:
            return peers < self._most + self._kept
        return peers < self._most and not (self.lagging and peers >= _FEW)
