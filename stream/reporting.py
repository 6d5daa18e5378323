"""When a receiver gets sender reports (RFC 3550 6.4.1). Pure.

A player keeps sound and picture together by these, and its buffers too: once a second at first, when the times have changed and
on a lossy line; else every 5 s (RFC 3550 6.2), since they then tell of the clocks' drift alone.
"""

from __future__ import annotations

from collections.abc import Hashable

_SOON_S, _SOON = 1.0, 5
_LATER_S = 5.0


class ReportTimes:
    """Of one kind of media to one receiver. Times in seconds of a monotonic clock."""

    __slots__ = ("_at", "_told", "_way")

    def __init__(self) -> None:
        self._at: float | None = None
        self._way: Hashable = None
        self._told = 0

    def due(self, now: float, way: Hashable, *, lossy: bool) -> bool:
        """Whether it is time. `way`: how the source's times become the receiver's now; `lossy`: it lost some lately."""
        if lossy or way != self._way:
            self._way, self._told = way, 0
        return self._at is None or now - self._at >= (_SOON_S if self._told < _SOON else _LATER_S)

    def sent(self, now: float) -> None:
        """A report went out."""
        self._at = now
        self._told += 1
