"""Which entry was changed, dropped, added or moved: compares the hashes that were sealed with those of the bodies at hand.

Pure. A chain alone can say that something is wrong near a place; with the sealed hashes in hand the place is exact. A day's
show has millions of entries: of each, one packed hash is kept, and a second from the first place on where the two differ.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from recording.chain import GENESIS
from recording.merkle import Frontier, tree_root

# More entries than this that differ are no longer told apart one by one: that would take a hundred times the memory.
MOST_COMPARED: Final = 100_000
# As many places where the chain or the numbering is broken are remembered; without the sealed hashes they have to do.
MOST_BREAKS: Final = 10_000
_BYTES: Final = 32
_UNKNOWN: Final = bytes(_BYTES)


@dataclass(frozen=True, slots=True)
class Found:
    """One body as it stands: its real hash, and the number it claims to have (None when unreadable)."""

    hash: str
    claims: int | None


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` is a finding's code, `numbers` the entries it is about, `place` where one stands instead (from 1)."""

    code: str
    numbers: tuple[int, ...]
    place: int | None = None


def is_hash(text: str) -> bool:
    """Whether this is a SHA-256 as 64 lower-case hex digits."""
    return _unhexed(text) is not None


def _unhexed(text: str) -> bytes | None:
    """The bytes of such a hash, None when it is none: `fromhex` also takes capitals and spaces, `hex` gives neither."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if len(raw) == _BYTES and raw.hex() == text else None


class EntryHashes:
    """The hashes that were sealed, and those of the entries that stand here. A sealed one, if any, comes before its entry."""

    def __init__(self) -> None:
        self._sealed = bytearray()
        self._tree = Frontier()
        self._same = 0  # so many entries, from the first on, are what was sealed
        self._rest = bytearray()  # the hashes of those after them
        self._last, self._last_number = GENESIS, 0
        self._runs = [(1, 1)]  # (place, number) from which on both go up by one
        self._named: list[tuple[int, bytes]] = []  # (number, hash) where a successor names another than stands before it

    @property
    def found(self) -> int:
        """How many entries stand here."""
        return self._tree.size

    @property
    def sealed(self) -> int:
        """How many sealed hashes were given."""
        return len(self._sealed) // _BYTES

    @property
    def last(self) -> str:
        """The hash of the last entry, in hex."""
        return self._last

    @property
    def root(self) -> bytes:
        """The Merkle root over the entries that stand here."""
        return self._tree.root()

    def sealed_root(self) -> bytes:
        """The Merkle root over the sealed hashes: made anew where they are not those of the entries that stand here."""
        if self._same == self.found == self.sealed:
            return self._tree.root()
        sealed = memoryview(self._sealed)
        return tree_root(bytes(sealed[start : start + _BYTES]) for start in range(0, len(sealed), _BYTES))

    def add_sealed(self, digest: str) -> None:
        """The next sealed hash, in hex. What is none takes its place all the same, and equals nothing."""
        self._sealed += _unhexed(digest) or _UNKNOWN

    def add_sealed_run(self, hashes: bytes) -> None:
        """The next sealed hashes, packed."""
        self._sealed += hashes

    def add_run(self, hashes: bytes, first: int, prev: str, root: bytes) -> bool:
        """The next entries at once: their packed hashes with the Merkle root over them, from number `first` on, without a gap,
        each naming the one before it, the first `prev`. False, and nothing is done, unless they are what was sealed.
        """
        before, count = self._tree.size, len(hashes) // _BYTES
        is_next = before == self._same == self._last_number == first - 1 and prev == self._last
        if not is_next or self._sealed[before * _BYTES : (before + count) * _BYTES] != hashes:
            return False
        if count & (count - 1) or before % count:
            for start in range(0, len(hashes), _BYTES):
                self._tree.add(hashes[start : start + _BYTES])
        else:
            self._tree.add_subtree(root, count)
        self._same = self._tree.size
        self._last, self._last_number = hashes[-_BYTES:].hex(), first + count - 1
        return True

    def add(self, digest: str, number: int | None, prev: str) -> None:
        """The next entry that stands here: its hash in hex, and what it says of itself; `number` None when it is unreadable."""
        raw, place = bytes.fromhex(digest), self._tree.size + 1
        self._tree.add(raw)
        if not self._rest and self._sealed[self._same * _BYTES : place * _BYTES] == raw:
            self._same = place
        else:
            self._rest += raw
        number = -1 if number is None else number
        if number != self._last_number + 1 or prev != self._last:
            self._break(place, number, prev)
        self._last, self._last_number = digest, number

    def _break(self, place: int, number: int, prev: str) -> None:
        if len(self._runs) < MOST_BREAKS:
            self._runs.append((place, number))
            if (named := _unhexed(prev)) is not None:
                self._named.append((number - 1, named))

    def against_the_seal(self) -> list[Fault]:
        """What happened to the entries, by the sealed hashes."""
        start = self._same * _BYTES
        return self._between(memoryview(self._sealed)[start:], memoryview(self._rest), self._same)

    def against_the_chain(self) -> list[Fault]:
        """What happened to the entries, by the hashes their successors name: the best to be had without the sealed ones."""
        if len(self._runs) >= MOST_BREAKS:
            return []  # what is left of the chain names no place; each break is told for itself
        here = memoryview(self._sealed[: self._same * _BYTES] + self._rest)
        return self._between(memoryview(self._expected(here)), here, 0)

    def _expected(self, here: memoryview) -> bytearray:
        """The hash of each number: as its successor names it, or else of the entry that claims the number."""
        ends = [place for place, _number in self._runs[1:]] + [self.found + 1]
        runs = [(number, place, end - place) for (place, number), end in zip(self._runs, ends, strict=True) if number > 0]
        # An absurd number must not make an absurd list.
        last = min(max((number + count - 1 for number, _place, count in runs), default=0), 2 * self.found)
        expected = bytearray(last * _BYTES)
        for number, place, count in runs:
            fits = min(count, last - number + 1)
            if fits > 0:
                start = (place - 1) * _BYTES
                expected[(number - 1) * _BYTES : (number - 1 + fits) * _BYTES] = here[start : start + fits * _BYTES]
        for number, digest in self._named:
            if 1 <= number <= last:
                expected[(number - 1) * _BYTES : number * _BYTES] = digest
        return expected

    def _between(self, expected: memoryview, here: memoryview, before: int) -> list[Fault]:
        """The differences, where both begin after entry `before`."""
        front = _alike(expected, here)
        expected, here = expected[front * _BYTES :], here[front * _BYTES :]
        back = _alike_at_the_end(expected, here)
        first = before + front + 1
        due, stands = len(expected) // _BYTES - back, len(here) // _BYTES - back
        if max(due, stands) > MOST_COMPARED:
            return [Fault("entries_differ", (first, first + max(due, stands) - 1))]
        sealed = [expected[i * _BYTES : (i + 1) * _BYTES].hex() for i in range(due)]
        found = [Found(here[i * _BYTES : (i + 1) * _BYTES].hex(), self._claim(first + i)) for i in range(stands)]
        return differences(sealed, found, first)

    def _claim(self, place: int) -> int | None:
        """The number that the entry at this place claims, None when it is not known."""
        if len(self._runs) >= MOST_BREAKS:
            return None
        start, number = self._runs[bisect_right(self._runs, place, key=lambda each: each[0]) - 1]
        return number + place - start if number > 0 else None


def _alike(one: memoryview, other: memoryview) -> int:
    """With how many equal hashes both begin. A binary search: what was found equal once is not compared again."""
    low, high = 0, min(len(one), len(other)) // _BYTES
    while low < high:
        middle = (low + high + 1) // 2
        part = slice(low * _BYTES, middle * _BYTES)
        if one[part] == other[part]:
            low = middle
        else:
            high = middle - 1
    return low


def _alike_at_the_end(one: memoryview, other: memoryview) -> int:
    """With how many equal hashes both end."""
    low, high = 0, min(len(one), len(other)) // _BYTES
    while low < high:
        middle = (low + high + 1) // 2
        ours = one[len(one) - middle * _BYTES : len(one) - low * _BYTES]
        if ours == other[len(other) - middle * _BYTES : len(other) - low * _BYTES]:
            low = middle
        else:
            high = middle - 1
    return low


def differences(sealed: Sequence[str], found: Sequence[Found], first: int = 1) -> list[Fault]:
    """What happened to the entries, in order of number. Empty when nothing did. Both begin with number `first`."""
    number_of = {digest: number for number, digest in enumerate(sealed, first)}
    place_of: dict[int, int] = {}
    faults: list[Fault] = []
    strangers: list[tuple[int, Found]] = []
    for place, item in enumerate(found, first):
        number = number_of.get(item.hash)
        if number is None:
            strangers.append((place, item))
        elif number in place_of:
            faults.append(Fault("entry_twice", (number,)))
        else:
            place_of[number] = place
    missing = set(range(first, first + len(sealed))) - place_of.keys()
    for place, item in strangers:
        number = next((n for n in (item.claims, place) if n in missing), None)
        if number is None:
            faults.append(Fault("entry_added", (place,)))
        else:
            missing.discard(number)
            place_of[number] = place
            faults.append(Fault("entry_changed", (number,)))
    faults += [Fault("entry_dropped", (number,)) for number in missing]
    faults += _moves(place_of)
    return sorted(faults, key=lambda fault: fault.numbers)


def _moves(place_of: dict[int, int]) -> list[Fault]:
    """Entries that stand out of order: the fewest that explain it, two that changed places named together."""
    numbers = sorted(place_of)
    stands = sorted(numbers, key=lambda number: place_of[number])
    if stands == numbers:
        return []
    seat = {number: index for index, number in enumerate(stands)}
    home = {number: index for index, number in enumerate(numbers)}
    faults: list[Fault] = []
    done: set[int] = set()
    for number in sorted(set(numbers) - _longest_rise(stands)):
        other = stands[home[number]]
        if other != number and home[other] == seat[number]:
            if number not in done:
                faults.append(Fault("entries_swapped", (min(number, other), max(number, other))))
            done |= {number, other}
        else:
            faults.append(Fault("entry_moved", (number,), place_of[number]))
    return faults


def _longest_rise(numbers: Sequence[int]) -> set[int]:
    """The members of a longest increasing subsequence (patience sorting)."""
    tails: list[int] = []
    before: dict[int, int | None] = {}
    for number in numbers:
        pile = bisect_left(tails, number)
        before[number] = tails[pile - 1] if pile else None
        tails[pile : pile + 1] = [number]
    kept: set[int] = set()
    last: int | None = tails[-1] if tails else None
    while last is not None:
        kept.add(last)
        last = before[last]
    return kept
