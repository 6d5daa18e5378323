"""A subscriber sees one unbroken stream, whatever comes in."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from stream.forwarding import REPLAY_STEP, Rewriter
from stream.rtp import MASK32, MediaPacket, Unwrapper, nearest


def packet(sequence: int, timestamp: int, *, run: int = 1, at: float = 0.0) -> MediaPacket:
    return MediaPacket("video", run, sequence, timestamp & MASK32, False, b"x", False, at)


def rewriter(first_sequence: int = 100, first_timestamp: int = 5000) -> Rewriter:
    return Rewriter(7, 96, 90_000, first_sequence=first_sequence, first_timestamp=first_timestamp)


@given(start=st.integers(0, 0xFFFF), steps=st.lists(st.integers(-20, 300), max_size=400))
def test_unwrapping_follows_the_true_number_over_wraps_and_reordering(start: int, steps: list[int]) -> None:
    unwrap = Unwrapper()
    true = 0x10000 + start
    assert unwrap(start) == true
    highest = true
    for step in steps:
        true = max(highest + step, 0)
        highest = max(highest, true)
        assert unwrap(true & 0xFFFF) == true


@given(reference=st.integers(0x10000, 1 << 40), offset=st.integers(-0x8000, 0x7FFF))
def test_nearest_is_the_inverse_of_cutting_to_16_bits(reference: int, offset: int) -> None:
    assert nearest((reference + offset) & 0xFFFF, reference) == reference + offset


@given(
    start=st.integers(0x10000, 0x2FFFF),
    base=st.integers(0, MASK32),
    order=st.lists(st.integers(0, 60), min_size=1, max_size=120),
)
def test_reordered_and_doubled_packets_keep_their_places(start: int, base: int, order: list[int]) -> None:
    out = rewriter()
    out.begin(1, start, (base,), 0.0)
    for offset in order:
        assert out.forward(packet(start + offset, base + 3000 * offset)) == (100 + offset, (5000 + 3000 * offset) & MASK32)


@given(
    lengths=st.lists(
        st.tuples(st.integers(1, 50), st.integers(0x10000, 0x1FFFF), st.integers(0, MASK32)), min_size=1, max_size=8
    )
)
def test_a_new_source_continues_numbers_and_never_turns_time_back(lengths: list[tuple[int, int, int]]) -> None:
    out = rewriter()
    seen: list[tuple[int, int]] = []
    now = 0.0
    for run, (length, start, base) in enumerate(lengths, start=1):
        now += 0.7
        out.begin(run, start, (base,), now)
        for i in range(length):
            now += 0.033
            placed = out.forward(packet(start + i, base + 3000 * i, run=run, at=now))
            assert placed is not None
            seen.append(placed)
    assert [s for s, _ in seen] == list(range(100, 100 + len(seen)))
    steps = [(b - a) & MASK32 for (_, a), (_, b) in itertools.pairwise(seen)]
    assert all(0 < step < 1 << 31 for step in steps)


def test_packets_from_before_the_beginning_are_left_out() -> None:
    out = rewriter()
    out.begin(1, 70_000, (0,), 0.0)
    assert out.forward(packet(69_999, 0)) is None
    assert out.forward(packet(70_000, 0, run=2)) is None


def test_a_replay_is_close_in_time_and_the_last_frame_is_live() -> None:
    out = rewriter()
    frames = [1000, 4000, 7000]
    out.begin(1, 70_000, frames, 0.0)
    times = [out.forward(packet(70_000 + i, t)) for i, t in enumerate(frames)]
    assert times == [(100, 5000 - 2 * REPLAY_STEP), (101, 5000 - REPLAY_STEP), (102, 5000)]
    assert out.forward(packet(70_003, 10_000)) == (103, 8000)
    assert out.timestamp_of(1, 10_000) == 8000
    assert out.timestamp_of(2, 10_000) is None


def test_skipping_leaves_no_hole_and_repeats_are_found_in_either_part() -> None:
    out = rewriter()
    out.begin(1, 70_000, (0,), 0.0)
    first = out.forward(packet(70_000, 0))
    out.skip_to(70_050)
    second = out.forward(packet(70_050, 3000))
    assert (first, second) == ((100, 5000), (101, 8000))
    for number, source in ((100, 70_000), (101, 70_050)):
        found = out.find(number)
        assert found is not None
        assert found[1] == source
    assert out.find(102) is None


@given(count=st.integers(1, 200), pick=st.integers(0, 199), start=st.integers(0x10000, 0x1FFFF))
def test_a_repeat_is_the_same_packet(count: int, pick: int, start: int) -> None:
    out = rewriter(first_sequence=0x3FF0)
    out.begin(1, start, (0,), 0.0)
    packets = [packet(start + i, 3000 * i) for i in range(count)]
    placed = [out.forward(p) for p in packets]
    chosen = pick % count
    sent = placed[chosen]
    assert sent is not None
    found = out.find(sent[0] & 0xFFFF)
    assert found is not None
    assert found[1] == packets[chosen].sequence
    assert found[0].place(packets[chosen]) == sent
