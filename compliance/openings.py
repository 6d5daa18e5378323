"""Holds personal texts against the commitments the entries carry, as both come in, without keeping either. Pure."""

from __future__ import annotations

from typing import Final

from compliance.findings import Findings

# A text comes with its entry or near it. What has waited while so many others came is not going to be met any more.
MOST_WAITING: Final = 100_000

_Place = tuple[int, str]  # an entry's number and the field's name


class Openings:
    """Each commitment meets its text once, whichever comes first. What is left over at `close` was erased, or is unknown."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._committed: dict[_Place, str] = {}
        self._opened: dict[_Place, str] = {}
        self._erased = 0

    def commit(self, seq: int, field: str, digest: str) -> None:
        """An entry's commitment to a text."""
        opened = self._opened.pop((seq, field), None)
        if opened is not None:
            self._compare(seq, field, digest, opened)
            return
        self._committed[seq, field] = digest
        if len(self._committed) > MOST_WAITING:
            del self._committed[next(iter(self._committed))]
            self._erased += 1

    def open(self, seq: int, field: str, digest: str) -> None:
        """A text, as the commitment that its salt and its words make."""
        committed = self._committed.pop((seq, field), None)
        if committed is not None:
            self._compare(seq, field, committed, digest)
            return
        self._opened[seq, field] = digest
        if len(self._opened) > MOST_WAITING:
            oldest = next(iter(self._opened))
            del self._opened[oldest]
            self._unknown(*oldest)

    def close(self) -> None:
        """Everything is in."""
        for seq, field in self._opened:
            self._unknown(seq, field)
        if erased := self._erased + len(self._committed):
            self._findings.add("note_erased", "texts", count=erased)

    def _compare(self, seq: int, field: str, committed: str, opened: str) -> None:
        if committed != opened:
            self._findings.add("text_mismatch", f"entry {seq}, {field}")

    def _unknown(self, seq: int, field: str) -> None:
        self._findings.add("text_unknown", f"entry {seq}, {field}")
