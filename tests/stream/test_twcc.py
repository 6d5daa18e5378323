"""Feedback on arrivals: whatever order packets come in, an independent reader of the wire learns what came, and when."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.twcc import Arrivals

QUARTER_MS = 0.00025


@dataclass(frozen=True)
class Told:
    """One packet of feedback as read from the wire: times in units of 250 µs, None for what did not come."""

    base: int
    count: int
    arrivals: list[int | None]


def read(data: bytes) -> Told:
    """Written from the draft's section 3.1 alone; fails on anything it does not allow."""
    first, kind, words, ours, theirs, base, statuses = struct.unpack_from("!BBHLLHH", data)
    assert (first >> 6, first & 0x1F, kind) == (2, 15, 205)
    assert (ours, theirs) == (1, 2)
    assert len(data) == 4 * (words + 1) <= 1200
    if first & 0x20:
        assert 1 <= data[-1] <= 3
        data = data[: -data[-1]]
    reference = int.from_bytes(data[16:19], "big")
    symbols: list[int] = []
    at = 20
    while len(symbols) < statuses:
        (chunk,) = struct.unpack_from("!H", data, at)
        at += 2
        if not chunk >> 15:
            assert chunk & 0x1FFF, "a run of none"
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
            assert len(symbols) <= statuses, "a run beyond the end"
        elif not chunk >> 14 & 1:
            symbols += [chunk >> bit & 1 for bit in range(13, -1, -1)]
        else:
            symbols += [chunk >> bit & 3 for bit in range(12, -1, -2)]
    assert not any(symbols[statuses:])
    time = reference * 256
    arrivals: list[int | None] = []
    for symbol in symbols[:statuses]:
        assert symbol != 3, "reserved"
        if symbol == 0:
            arrivals.append(None)
            continue
        (delta,) = struct.unpack_from("!B" if symbol == 1 else "!h", data, at)
        at += symbol
        time += delta
        arrivals.append(time)
    assert at == len(data), "bytes left over"
    return Told(base, data[19], arrivals)


def told(packets: list[bytes]) -> dict[int, int | None]:
    """What all the packets say, by 16-bit number; the last word counts."""
    known: dict[int, int | None] = {}
    for packet in map(read, packets):
        known |= {(packet.base + i) & 0xFFFF: at for i, at in enumerate(packet.arrivals)}
    return known


def ticks(seconds: float) -> int:
    return int(seconds * 4000)


# Milliseconds between packets: from a burst to a silence that no 16-bit delta can tell.
GAPS = st.one_of(st.floats(0, 2), st.floats(0, 300), st.floats(0, 20_000))


@given(st.integers(0, 0xFFFF), st.lists(st.tuples(st.booleans(), GAPS), max_size=400), st.integers(1, 100))
def test_what_came_is_told_with_its_time_and_what_did_not_as_lost(
    start: int, packets: list[tuple[bool, float]], interval: int
) -> None:
    arrivals, now = Arrivals(), 50.0
    sent, wire = {}, []
    for i, (lost, gap) in enumerate([(False, 0.0), *packets, (False, 1.0)]):
        now += gap / 1000
        number = (start + i) & 0xFFFF
        sent[number] = None if lost else ticks(now)
        if not lost:
            arrivals.seen(number, now)
        if i % interval == 0:
            wire += arrivals.feedback(1, 2)
    wire += arrivals.feedback(1, 2)
    assert told(wire) == sent
    assert [read(packet).count for packet in wire] == [i & 0xFF for i in range(len(wire))]
    assert arrivals.feedback(1, 2) == []


@given(
    st.integers(0, 0xFFFF), st.permutations(range(60)), st.lists(st.integers(0, 59), max_size=30), st.sets(st.integers(0, 59))
)
def test_order_and_duplicates_change_nothing(start: int, order: list[int], again: list[int], told_after: set[int]) -> None:
    arrivals, wire, came = Arrivals(), list[bytes](), dict[int, int]()
    for step, number in enumerate([*order, *again]):
        now = 7.0 + step / 1000
        arrivals.seen((start + number) & 0xFFFF, now)
        came.setdefault(number, ticks(now))
        if step + 1 in told_after:
            wire += arrivals.feedback(1, 2)
    wire += arrivals.feedback(1, 2)
    known = told(wire)
    # Who was sent before the first that was told of, and came after, is told of no more.
    first = min(order[: min(told_after - {0}, default=60)])
    assert known == {(start + number) & 0xFFFF: at for number, at in came.items() if number >= first}


def test_a_latecomer_is_told_of_after_it_was_told_as_lost() -> None:
    arrivals = Arrivals()
    for number in (10, 11, 13):
        arrivals.seen(number, 1.0)
    assert told(arrivals.feedback(1, 2))[12] is None
    arrivals.seen(12, 1.5)
    arrivals.seen(14, 1.5)
    assert told(arrivals.feedback(1, 2)) == {12: ticks(1.5), 13: ticks(1.0), 14: ticks(1.5)}


@pytest.mark.parametrize("now", [0.0, 64 * 2**24 / 1000 - 0.001, 64 * 2**24 / 1000 + 5])
def test_the_reference_time_wraps(now: float) -> None:
    arrivals = Arrivals()
    arrivals.seen(1, now)
    (packet,) = arrivals.feedback(1, 2)
    assert read(packet).arrivals == [ticks(now) % (256 * 2**24)]


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.floats(0, 100)), max_size=200), st.integers(1, 50))
def test_a_hostile_row_of_numbers_costs_no_more_than_a_few_packets(packets: list[tuple[int, float]], interval: int) -> None:
    arrivals = Arrivals()
    for i, (number, now) in enumerate(packets):
        arrivals.seen(number, now)
        if i % interval == 0:
            said = [read(packet) for packet in arrivals.feedback(1, 2)]
            assert sum(len(packet.arrivals) for packet in said) <= 2000


def test_nothing_grows_when_nobody_asks_for_feedback() -> None:
    arrivals = Arrivals()
    for i in range(50_000):
        arrivals.seen(i & 0xFFFF, i / 1000)
    assert len(arrivals._at) <= 4000
    said = arrivals.feedback(1, 2)
    assert len(said) <= 4
    assert told(said)[49_999] == ticks(49.999)


def test_what_is_told_is_forgotten_after_a_while() -> None:
    arrivals = Arrivals()
    for i in range(20_000):
        arrivals.seen(i & 0xFFFF, i / 1000)
        if i % 10 == 9:
            assert len(arrivals.feedback(1, 2)) == 1
    assert len(arrivals._at) <= 300
    arrivals.seen((20_000 - 500) & 0xFFFF, 20.0)
    assert arrivals.feedback(1, 2) == []


def test_who_counts_anew_is_told_of_anew() -> None:
    arrivals = Arrivals()
    arrivals.seen(30_000, 1.0)
    arrivals.feedback(1, 2)
    for number in (100, 101):
        arrivals.seen(number, 2.0)
    assert told(arrivals.feedback(1, 2)) == {100: ticks(2.0), 101: ticks(2.0)}


def test_an_even_stream_is_told_in_few_bytes() -> None:
    arrivals = Arrivals()
    for number in range(260):
        arrivals.seen(number, 1.0 + number / 260)
    (packet,) = arrivals.feedback(1, 2)
    assert len(packet) <= 20 + 260 + 2 + 3
