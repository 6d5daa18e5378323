"""What happened to a list of entries, told from their hashes."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance import sequence
from compliance.sequence import EntryHashes, Fault, Found, differences
from core.canonical import sha256_hex
from recording.chain import GENESIS
from recording.merkle import tree_root

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


Entry = tuple[str, int | None, str]  # hash, number, the hash it names as the one before


def chain(count: int) -> list[Entry]:
    made: list[Entry] = []
    for number in range(1, count + 1):
        made.append((sha256_hex(b"%d" % number), number, made[-1][0] if made else GENESIS))
    return made


def standing(sealed: list[Entry], here: list[Entry]) -> EntryHashes:
    hashes = EntryHashes()
    for digest, _number, _prev in sealed:
        hashes.add_sealed(digest)
    for entry in here:
        hashes.add(*entry)
    return hashes


WHOLE = chain(40)
OTHER = sha256_hex(b"other")


@given(st.data())
def test_packed_hashes_tell_what_whole_lists_tell(data: st.DataObject) -> None:
    """Changed, dropped, doubled and moved at random: what stands between equal beginnings and ends is told all the same."""
    here = list(WHOLE)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(here) - 1))
        match data.draw(st.sampled_from(["change", "spoil", "drop", "swap"])):
            case "change":
                here[at] = (sha256_hex(here[at][0].encode()), *here[at][1:])
            case "spoil":
                here[at] = (sha256_hex(here[at][0].encode()), None, "")
            case "drop":
                del here[at]
            case _:
                other = data.draw(st.integers(0, len(here) - 1))
                here[at], here[other] = here[other], here[at]
    hashes = standing(WHOLE, here)
    assert hashes.root == tree_root(bytes.fromhex(digest) for digest, _number, _prev in here)
    found = [Found(digest, number) for digest, number, _prev in here]
    assert hashes.against_the_seal() == differences([digest for digest, _number, _prev in WHOLE], found)


@pytest.mark.parametrize("sealed", [[], WHOLE[:3], [(OTHER, 1, GENESIS), *WHOLE[1:]]], ids=["none", "few", "others"])
@pytest.mark.parametrize("place", [0, 1, 17, 38])
def test_the_chain_alone_names_what_was_changed_dropped_or_swapped(sealed: list[Entry], place: int) -> None:
    changed = [*WHOLE[:place], (OTHER, *WHOLE[place][1:]), *WHOLE[place + 1 :]]
    assert standing(sealed, changed).against_the_chain() == [Fault("entry_changed", (place + 1,))]
    spoiled = [*WHOLE[:place], (OTHER, None, ""), *WHOLE[place + 1 :]]
    assert standing(sealed, spoiled).against_the_chain() == [Fault("entry_changed", (place + 1,))]
    dropped = [*WHOLE[:place], *WHOLE[place + 1 :]]
    assert standing(sealed, dropped).against_the_chain() == [Fault("entry_dropped", (place + 1,))]
    swapped = [*WHOLE[:place], WHOLE[place + 1], WHOLE[place], *WHOLE[place + 2 :]]
    assert standing(sealed, swapped).against_the_chain() == [Fault("entries_swapped", (place + 1, place + 2))]


@given(
    st.lists(st.tuples(st.sampled_from([GENESIS, OTHER]), st.none() | st.integers(-5, 2**70), st.sampled_from([GENESIS, ""])))
)
def test_numbers_nobody_would_give_do_no_harm(entries: list[Entry]) -> None:
    hashes = standing([], entries)
    assert len(hashes.against_the_chain()) <= 4 * len(entries)
    assert len(hashes.against_the_seal()) == len(entries)


def test_more_differences_than_can_be_named_are_told_by_their_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "MOST_COMPARED", 10)
    shifted = [*WHOLE[:7], WHOLE[30], *WHOLE[7:30], *WHOLE[31:]]
    assert standing(WHOLE, shifted).against_the_seal() == [Fault("entries_differ", (8, 31))]
    monkeypatch.setattr(sequence, "MOST_BREAKS", 2)
    assert standing([], shifted).against_the_chain() == []


def test_an_entry_costs_one_packed_hash_and_one_more_where_it_differs() -> None:
    count = 20_000
    digests = [sha256_hex(b"%d" % number) for number in range(count)]
    for start, most in ((count, 40), (0, 80)):
        tracemalloc.start()
        hashes = EntryHashes()
        for digest in digests:
            hashes.add_sealed(digest)
        last = GENESIS
        for number, digest in enumerate(digests, 1):
            hashes.add(digest if number < start else digests[0], number, last)
            last = digest if number < start else digests[0]
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert used < most * count
