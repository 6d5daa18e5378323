"""Which entry was changed, dropped, added or moved: compares the hashes that were sealed with those of the bodies at hand.

Pure. A chain alone can say that something is wrong near a place; with the sealed hashes in hand the place is exact.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass


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


def differences(sealed: Sequence[str], found: Sequence[Found]) -> list[Fault]:
    """What happened to the entries, in order of number (places in `sealed`, from 1). Empty when nothing did."""
    number_of = {digest: number for number, digest in enumerate(sealed, 1)}
    place_of: dict[int, int] = {}
    faults: list[Fault] = []
    strangers: list[tuple[int, Found]] = []
    for place, item in enumerate(found, 1):
        number = number_of.get(item.hash)
        if number is None:
            strangers.append((place, item))
        elif number in place_of:
            faults.append(Fault("entry_twice", (number,)))
        else:
            place_of[number] = place
    missing = set(range(1, len(sealed) + 1)) - place_of.keys()
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
