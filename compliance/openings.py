"""Holds personal texts against the commitments the entries carry, as both come in, without keeping either. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from compliance.findings import Findings
from core.canonical import Whole, is_written_so

# A text comes with its entry or near it. What has waited while so many others came is not going to be met any more.
MOST_WAITING: Final = 100_000

_Place = tuple[int, str]  # an entry's number and the field's name


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A personal text with its salt in hex, and which commitment of which entry it opens."""

    field: str
    salt: str
    seq: Whole
    text: str


_READER: Final = msgspec.json.Decoder(Opening)


def read_opening(raw: bytes) -> Opening | None:
    """The text that a canonical line holds; None for any other line."""
    try:
        opening = _READER.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        return None
    return opening if is_written_so(raw, opening) else None


class Openings:
    """Each commitment meets its text once, whichever comes first. What is left over at `close` was erased, or is unknown."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        # A plain dict looks for its first item among all those that were deleted before it.
        self._committed: OrderedDict[_Place, str] = OrderedDict()
        self._opened: OrderedDict[_Place, str] = OrderedDict()
        self._erased = 0

    @property
    def awaits_entries(self) -> bool:
        """Whether there are texts whose commitments have not come."""
        return bool(self._opened)

    def commit(self, seq: int, field: str, digest: str) -> None:
        """An entry's commitment to a text."""
        place = seq, field
        opened = self._opened.pop(place, None)
        if opened is None:
            self._committed[place] = digest
            if len(self._committed) > MOST_WAITING:
                self._committed.popitem(last=False)
                self._erased += 1
        elif opened != digest:
            self._mismatch(seq, field)

    def open(self, seq: int, field: str, digest: str) -> None:
        """A text, as the commitment that its salt and its words make."""
        place = seq, field
        committed = self._committed.pop(place, None)
        if committed is None and place in self._opened:
            self._unknown(seq, field)  # of two that wait for one commitment, one is too many
        elif committed is None:
            self._opened[place] = digest
            if len(self._opened) > MOST_WAITING:
                oldest, _digest = self._opened.popitem(last=False)
                self._unknown(*oldest)
        elif committed != digest:
            self._mismatch(seq, field)

    def close(self) -> None:
        """Everything is in."""
        for seq, field in self._opened:
            self._unknown(seq, field)
        if erased := self._erased + len(self._committed):
            self._findings.add("note_erased", "texts", count=erased)

    def _mismatch(self, seq: int, field: str) -> None:
        self._findings.add("text_mismatch", f"entry {seq}, {field}")

    def _unknown(self, seq: int, field: str) -> None:
        self._findings.add("text_unknown", f"entry {seq}, {field}")
