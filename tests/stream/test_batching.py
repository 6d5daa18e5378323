"""Which packets leave together: what the kernel will take, and as few calls as that allows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.batching import MAX_BYTES, MAX_PADDING, MAX_SEGMENTS, level, runs

SIZES = st.lists(st.integers(1, 1400), max_size=200)


@given(SIZES, st.integers(0, 60))
def test_every_call_is_one_the_kernel_takes(sizes: list[int], overhead: int) -> None:
    lengths = runs(sizes, overhead)
    assert sum(lengths) == len(sizes)
    start = 0
    for length in lengths:
        part = sizes[start : start + length]
        start += length
        assert 1 <= length <= MAX_SEGMENTS
        assert sum(part) + overhead * length <= max(MAX_BYTES, part[0] + overhead)
        assert all(size == part[0] for size in part[:-1])
        assert part[-1] <= part[0]


@given(SIZES)
def test_levelling_adds_little_and_never_makes_more_calls(sizes: list[int]) -> None:
    padding = level(sizes)
    assert len(padding) == len(sizes)
    assert all(0 <= p <= MAX_PADDING for p in padding)
    levelled = [s + p for s, p in zip(sizes, padding, strict=True)]
    assert max(levelled, default=0) == max(sizes, default=0)


def test_a_frame_as_chromium_cuts_it_is_one_call_with_the_sound_behind_it() -> None:
    frame = [1039, 1039, 1040, 1040, 1040]
    padding = level(frame)
    assert padding == [1, 1, 0, 0, 0]
    assert runs([s + p for s, p in zip(frame, padding, strict=True)] + [120], 28) == [6]


def test_a_shorter_end_closes_a_call() -> None:
    assert runs([1200, 1200, 400, 120], 28) == [3, 1]
    assert runs([100, 1200], 28) == [1, 1]
    assert level([1200, 400]) == [0, 0]
