"""When a receiver is away for all, one event at a time asks for it, later and later, until it is back.

Pure: times are seconds of a monotonic clock, and given.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Opens after `trips` failures in a row of the kind that says the receiver is away (no connection, no answer, 5xx).

    One for each receiver and process. `most(now, wanted)` says how many events may leave now; while open that is one, every
    `first_s` seconds at first and at most every `longest_s`. Any answer closes it.
    """

    trips: int = 8
    first_s: float = 1.0
    longest_s: float = 60.0
    failures: int = 0
    pause_s: float = 0.0
    probe_at: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.failures >= self.trips

    def most(self, now_s: float, wanted: int) -> int:
        """How many may leave at this monotonic time, of `wanted`."""
        if not self.is_open:
            return wanted
        return min(wanted, 1) if now_s >= self.probe_at else 0

    def wait_s(self, now_s: float) -> float:
        """Seconds until something may leave."""
        return max(0.0, self.probe_at - now_s) if self.is_open else 0.0

    def probing(self, now_s: float, longest_attempt_s: float) -> None:
        """A probe is on its way; the next one not before its answer is due."""
        if self.is_open:
            self.probe_at = now_s + longest_attempt_s

    def answered(self) -> None:
        """The receiver is there."""
        self.failures, self.pause_s = 0, 0.0

    def away(self, now_s: float, *, probe: bool) -> None:
        """One more failure; of those that had left before it opened, none makes the pause longer."""
        was_open = self.is_open
        self.failures += 1
        if not self.is_open or (was_open and not probe):
            return
        self.pause_s = min(self.pause_s * 2, self.longest_s) if was_open else self.first_s
        self.probe_at = now_s + self.pause_s * random.uniform(0.75, 1.0)  # noqa: S311 - spreads rivals, hides nothing
