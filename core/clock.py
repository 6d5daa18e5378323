"""Time as an argument: production passes `SystemClock`, tests pass `ManualClock`."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Tells the time; everything that needs "now" is given one of these."""

    def now(self) -> datetime:
        """The wall time, timezone-aware UTC, to the microsecond."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to, so that no test depends on the machine's speed."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


@lru_cache(maxsize=4096)
def to_text(moment: datetime) -> str:
    """RFC 3339 with microseconds and `Z`: the only form times take on the wire and in the trail.

    Raises ValueError for a naive datetime: a time without a zone proves nothing.
    """
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no place on the record")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"  # instead of +00:00


def from_text(text: str) -> datetime:
    """The inverse of `to_text`; raises ValueError for anything without a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.astimezone(UTC)


def media_ms(started_at: datetime, moment: datetime) -> int:
    """Milliseconds from a session's start to `moment`: the time axis of recording, trail and orders alike."""
    return round((moment - started_at).total_seconds() * 1000)
