"""The lines of personal texts, read alongside the entries they belong to: a stretch's at once, or one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from compliance.openings import read_opening

# A stretch's texts are some thousand lines and some hundred kilobytes; what has more is looked at line by line.
_MOST_LINES: Final = 20_000
_MOST_BYTES: Final = 8 << 20


class TextLines:
    """Lines in the order of their entries, as far as that is kept; holds those it has looked ahead at."""

    def __init__(self, runs: Iterator[list[bytes]], number: int = 1) -> None:
        """From line `number` on, in lists."""
        self._runs = runs
        self._ahead: list[bytes] = []
        self._start = 0  # the first of those ahead that was not taken yet
        self._taken = number - 1

    @property
    def number(self) -> int:
        """The number of the next line, from 1."""
        return self._taken + 1

    def peek(self) -> bytes | None:
        """The next line, None at the end."""
        while self._start == len(self._ahead):
            if not self._read():
                return None
        return self._ahead[self._start]

    def take(self, count: int = 1) -> None:
        """Go on by so many lines that were looked at."""
        self._start += count
        self._taken += count

    def up_to(self, number: int) -> list[bytes] | None:
        """The lines from here on that belong to entries up to this one, if they are in order; None if they are very many.

        Whether they are in order is for others to see: it looks at a few only.
        """
        while self._start == len(self._ahead) or _number(self._ahead[-1]) <= number:
            if len(self._ahead) - self._start > _MOST_LINES or sum(map(len, self._ahead)) > _MOST_BYTES:
                return None
            if not self._read():
                break
        end = bisect_right(self._ahead, number, lo=self._start, key=_number)
        return self._ahead[self._start : end]

    def _read(self) -> bool:
        """Another list, behind what was not taken yet."""
        run = next(self._runs, None)
        if run is None:
            return False
        self._ahead = self._ahead[self._start :] + run
        self._start = 0
        return True


def _number(line: bytes) -> int:
    opening = read_opening(line)
    return opening.seq if opening is not None else 0
