"""What happened to a list of entries, told from their hashes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compliance.sequence import Fault, Found, differences

SEALED = [f"hash {n}" for n in range(1, 101)]


def found(*numbers: int) -> list[Found]:
    return [Found(f"hash {n}", n) for n in numbers]


def test_nothing_happened() -> None:
    assert differences(SEALED, found(*range(1, 101))) == []


def test_one_that_was_moved_far_is_the_only_one_named() -> None:
    moved = found(*range(1, 3), *range(4, 91), 3, *range(91, 101))
    assert differences(SEALED, moved) == [Fault("entry_moved", (3,), 90)]


def test_changed_dropped_added_and_doubled() -> None:
    here = found(*range(1, 101))
    here[9] = Found("other", 10)
    del here[49]
    here.insert(20, Found("stranger", 999))
    here.append(Found("hash 7", 7))
    assert differences(SEALED, here) == [
        Fault("entry_twice", (7,)),
        Fault("entry_changed", (10,)),
        Fault("entry_added", (21,)),
        Fault("entry_dropped", (50,)),
    ]


def test_an_unreadable_one_is_known_by_its_place() -> None:
    here = found(*range(1, 101))
    here[4] = Found("garbage", None)
    assert differences(SEALED, here) == [Fault("entry_changed", (5,))]


@given(st.permutations(range(1, 13)))
def test_any_other_order_is_found(order: list[int]) -> None:
    faults = differences(SEALED[:12], found(*order))
    assert bool(faults) is (order != sorted(order))


@given(st.sets(st.integers(1, 100), min_size=1))
def test_all_that_were_dropped_are_named(gone: set[int]) -> None:
    left = [n for n in range(1, 101) if n not in gone]
    assert {fault.numbers[0] for fault in differences(SEALED, found(*left))} == gone
