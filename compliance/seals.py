"""Signed notes under examination: which keys count for them, and whether the register's seals follow each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from recording.chain import GENESIS
from recording.claim import check_register, claim_hash, read_claim
from recording.note import BadNote, VerifierKey, open_note, split_note

# A register with more faults than this is not described better by a longer list: the rest is not read.
MOST_FAULTS: Final = 100
_KEY_ID_BYTES: Final = 4


class KeyRing:
    """Public keys by name and id: of many, a note costs only those it names. Of two with one name and id the first counts."""

    def __init__(self, keys: Iterable[VerifierKey] = ()) -> None:
        self._keys: dict[tuple[str, bytes], VerifierKey] = {}
        for key in keys:
            self._keys.setdefault((key.name, key.id), key)

    def named_by(self, note: str) -> list[VerifierKey]:
        """Our keys among those the note claims to be signed by. Raises BadNote."""
        _text, signatures = split_note(note)
        named = dict.fromkeys((name, raw[:_KEY_ID_BYTES]) for name, raw in signatures)
        return [self._keys[one] for one in named if one in self._keys]

    def open(self, note: str) -> tuple[str, list[VerifierKey]]:
        """The signed text and which of our keys signed it. Raises BadNote, Unverified."""
        return open_note(note, self.named_by(note))


class RegisterChain:
    """Checks the register's seals one by one, in constant memory: give every note in order, then read `findings`."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._number, self._prev = 0, GENESIS
        self.seals = 0
        self.findings: list[str] = []

    @property
    def last_hash(self) -> str:
        """The hash of the last seal, 64 zeros before there is one."""
        return self._prev

    @property
    def is_beyond_help(self) -> bool:
        """Whether so much is wrong that the rest need not be looked at."""
        return len(self.findings) >= MOST_FAULTS

    def add(self, note: str) -> None:
        """The next seal."""
        expected = self._number + 1
        self.seals += 1
        try:
            keys = self._keys.named_by(note)
            self._number = read_claim(split_note(note)[0]).number
        except BadNote:
            keys, self._number = [], expected
        self.findings += check_register([note], keys, expected, self._prev)
        self._prev = claim_hash(note.rpartition("\n\n")[0] + "\n")
