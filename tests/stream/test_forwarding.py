"""A subscriber sees one unbroken stream, whatever comes in."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from stream.forwarding import REPLAY_STEP, Entry, Numbering, Path
from stream.rtp import MASK32, MediaPacket, Unwrapper, nearest

FIRST, TIME = 0x10064, 5000


def packet(sequence: int, timestamp: int, *, run: int = 1, at: float = 0.0) -> MediaPacket:
    return MediaPacket("video", run, sequence, timestamp & MASK32, False, b"x", False, at)


def numbering() -> Numbering:
    return Numbering(90_000, first_position=FIRST, first_time=TIME)


def placed(row: Numbering, one: MediaPacket) -> Entry:
    entry = row.place(one)
    assert entry is not None
    row.advance(entry)
    return entry


def sent_as(path: Path, position: int, time: int) -> tuple[int, int]:
    assert path.segment is not None
    placed = path.segment.place(position, time)
    assert placed is not None
    return placed


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
    row = numbering()
    row.begin(1, start, base, 0.0)
    highest = -1
    for offset in order:
        entry = row.place(packet(start + offset, base + 3000 * offset))
        assert entry is not None
        assert (entry.position, entry.time) == (FIRST + offset, (TIME + 3000 * offset) & MASK32)
        assert row.advance(entry) is (offset > highest)
        highest = max(highest, offset)


@given(
    lengths=st.lists(
        st.tuples(st.integers(1, 50), st.integers(0x10000, 0x1FFFF), st.integers(0, MASK32)), min_size=1, max_size=8
    )
)
def test_a_new_source_continues_numbers_and_never_turns_time_back(lengths: list[tuple[int, int, int]]) -> None:
    row = numbering()
    seen: list[Entry] = []
    now = 0.0
    for run, (length, start, base) in enumerate(lengths, start=1):
        now += 0.7
        row.begin(run, start, base, now)
        for i in range(length):
            now += 0.033
            seen.append(placed(row, packet(start + i, base + 3000 * i, run=run, at=now)))
    assert [e.position for e in seen] == list(range(FIRST, FIRST + len(seen)))
    steps = [(b.time - a.time) & MASK32 for a, b in itertools.pairwise(seen)]
    assert all(0 < step < 1 << 31 for step in steps)


def test_packets_from_before_the_beginning_are_left_out() -> None:
    row = numbering()
    assert row.place(packet(70_000, 0)) is None
    row.begin(1, 70_000, 0, 0.0)
    assert row.place(packet(69_999, 0)) is None
    assert row.place(packet(70_000, 0, run=2)) is None
    assert row.sequence_of(FIRST) == 70_000
    assert row.sequence_of(FIRST - 1) is None
    assert row.time_of(1, 10) == TIME + 10
    assert row.time_of(2, 10) is None


@given(start=st.integers(0, 1 << 40), before=st.integers(0, 1 << 40))
def test_who_begins_anywhere_begins_below_the_rollover_and_shares_headers(start: int, before: int) -> None:
    path, other = Path(90_000), Path(90_000)
    path.begin("high", start, (7,), 0.0)
    other.begin("high", before, (9,), 3.0)
    first = sent_as(path, start, 7)
    assert 0 <= first[0] < 0x8000
    assert first[1] == 7
    assert path.segment is not None
    assert other.segment is not None
    assert (path.segment.shift - other.segment.shift) % 0x8000 == 0
    assert path.segment.time_shift == other.segment.time_shift == 0


def test_a_replay_is_close_in_time_and_the_last_frame_is_live() -> None:
    path = Path(90_000)
    frames = [1000, 4000, 7000]
    path.begin("high", FIRST, frames, 0.0)
    base = FIRST & 0x7FFF
    times = [sent_as(path, FIRST + i, t) for i, t in enumerate(frames)]
    assert times == [(base, 7000 - 2 * REPLAY_STEP), (base + 1, 7000 - REPLAY_STEP), (base + 2, 7000)]
    assert sent_as(path, FIRST + 3, 10_000) == (base + 3, 10_000)
    assert path.time_of(10_000) == 10_000


def test_skipping_leaves_no_hole_and_repeats_are_found_in_either_part() -> None:
    path = Path(90_000)
    path.begin("high", FIRST, (0,), 0.0)
    base = FIRST & 0x7FFF
    path.reached(FIRST, 0, 0.0)
    path.skip_to(FIRST + 50)
    assert sent_as(path, FIRST + 50, 3000) == (base + 1, 3000)
    path.reached(FIRST + 50, 3000, 0.0)
    for wanted, position in ((base, FIRST), (base + 1, FIRST + 50)):
        found = path.find(wanted)
        assert found is not None
        assert found[1] == position
    assert path.find(base + 2) is None
    found = path.find(base + 2, FIRST + 51)
    assert found is not None
    assert found[1] == FIRST + 51


@given(
    parts=st.lists(
        st.tuples(st.sampled_from(["high", "low"]), st.integers(1, 40), st.integers(0, 1 << 30), st.integers(0, MASK32)),
        min_size=1,
        max_size=6,
    )
)
def test_changing_lanes_continues_numbers_and_never_turns_time_back(parts: list[tuple[str, int, int, int]]) -> None:
    path = Path(90_000)
    seen: list[tuple[int, int]] = []
    now = 0.0
    for lane, length, start, base in parts:
        now += 0.4
        path.begin("low" if lane == "low" else "high", start, (base,), now)
        for i in range(length):
            now += 0.033
            one = sent_as(path, start + i, (base + 3000 * i) & MASK32)
            path.reached(start + i, (base + 3000 * i) & MASK32, now)
            seen.append(one)
    assert [number for number, _ in seen] == list(range(seen[0][0], seen[0][0] + len(seen)))
    steps = [(b - a) & MASK32 for (_, a), (_, b) in itertools.pairwise(seen)]
    assert all(0 < step < 1 << 31 for step in steps)


@given(count=st.integers(1, 200), pick=st.integers(0, 199), start=st.integers(0x10000, 0x1FFFF))
def test_a_repeat_is_the_same_packet(count: int, pick: int, start: int) -> None:
    row, path = numbering(), Path(90_000)
    row.begin(1, start, 0, 0.0)
    path.begin("high", FIRST, (TIME,), 0.0)
    packets = [packet(start + i, 3000 * i) for i in range(count)]
    sent = []
    for one in packets:
        entry = placed(row, one)
        sent.append(sent_as(path, entry.position, entry.time))
        path.reached(entry.position, entry.time, one.at)
    chosen = pick % count
    first = sent[chosen]
    found = path.find(first[0] & 0xFFFF)
    assert found is not None
    segment, position = found
    assert row.sequence_of(position) == packets[chosen].sequence
    entry = placed(row, packets[chosen])
    assert segment.place(entry.position, entry.time) == first
