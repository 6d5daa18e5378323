"""When a receiver gets sender reports (RFC 3550 6.4.1). Pure.

A player keeps sound and picture together by these, and its buffers too: once a second at first and on a lossy line, else ever
more seldom, since they then tell of the clocks' drift alone (RFC 3550 6.2: every 5 s).
"""

from __future__ import annotations

_FIRST_S = 1.0
_MOST_S = 5.0


class ReportTimes:
    """One receiver's. Times in seconds of a monotonic clock."""

    __slots__ = ("_at", "_every")

    def __init__(self) -> None:
        self._at: float | None = None
        self._every = _FIRST_S

    def due(self, now: float, *, lossy: bool) -> bool:
        """Whether it is time; `lossy`: the receiver lost some lately."""
        if lossy:
            self._every = _FIRST_S
        return self._at is None or now - self._at >= self._every

    def sent(self, now: float) -> None:
        """A report went out."""
        if self._at is not None:
            self._every = min(self._every * 2, _MOST_S)
        self._at = now
