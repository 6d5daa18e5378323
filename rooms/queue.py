"""The waiting line, pure: first come first served, and an honest estimate of the wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

# Until this bank's own calls say otherwise; the mean of the last calls takes its place.
DEFAULT_CALL_S = 300.0
_SHORTEST_S = 30


@dataclass(frozen=True, slots=True)
class Waiting:
    """One waiting call. `offered_to` is the adviser it was transferred to; nobody else may take it then."""

    call: str
    since: datetime
    offered_to: str | None = None


def line(waiting: Iterable[Waiting]) -> list[Waiting]:
    """In order: the longest waiting first; ids decide between the same moment."""
    return sorted(waiting, key=lambda one: (one.since, one.call))


def position(ordered: Sequence[Waiting], call: str) -> int | None:
    """The place in the line, from 1; None when the call does not wait."""
    return next((place for place, one in enumerate(ordered, start=1) if one.call == call), None)


def eta_s(place: int, *, advisers: int, free: int, mean_call_s: float) -> int | None:
    """Seconds until the call at `place` is likely taken; None when no adviser is there: no promise is made.

    `advisers` take calls at all, `free` of them are in none. The first `free` in line are taken at once. Behind them the busy
    finish one by one, on average every mean/advisers seconds.
    """
    if advisers <= 0:
        return None
    behind = place - max(free, 0)
    if behind <= 0:
        return 0
    return max(_SHORTEST_S, round(behind * mean_call_s / advisers))


def mean_call_s(durations_s: Sequence[float]) -> float:
    """The mean length of recent calls in seconds, at least 30; the default while there are none."""
    if not durations_s:
        return DEFAULT_CALL_S
    return max(float(_SHORTEST_S), sum(durations_s) / len(durations_s))
