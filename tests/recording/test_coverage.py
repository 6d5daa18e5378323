"""No recording, no sale: what closes the sale, and which orders no fragment shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording.coverage import HOLE_MS, Watermark, merge, sale_blocker, uncovered

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def mark(status: str = "publishing", age_s: float | None = 1.0, stream: str = "host") -> Watermark:
    if age_s is None:
        return Watermark(stream, status, None, None)
    return Watermark(stream, status, 60_000, NOW - timedelta(seconds=age_s))


@pytest.mark.parametrize(
    ("watermark", "paused", "reason"),
    [
        (mark(), False, None),
        (mark(age_s=5.0), False, None),
        (mark(age_s=5.001), False, "recording_stale"),
        (mark(age_s=500), True, None),
        (mark(age_s=-5.001), True, "recording_stale"),
        (mark(age_s=None), False, "recording_not_started"),
        (mark(age_s=None), True, "recording_not_started"),
        (mark("failed"), True, "recording_failed"),
        (mark("failed", None), False, "recording_failed"),
        (mark("lost"), False, "publisher_lost"),
        (mark("left"), True, "publisher_lost"),
        (mark("closed"), False, "publisher_lost"),
    ],
)
def test_what_closes_the_sale(watermark: Watermark, paused: bool, reason: str | None) -> None:
    assert sale_blocker(["host"], {"host": watermark}, NOW, paused) == reason


def test_every_required_stream_counts_and_no_other() -> None:
    marks = {"adviser": mark(stream="adviser"), "screen": mark("failed", stream="screen")}
    assert sale_blocker(["adviser"], marks, NOW, False) is None
    assert sale_blocker(["adviser", "customer"], marks, NOW, False) == "recording_not_started"
    assert sale_blocker(["adviser", "customer", "screen"], marks, NOW, False) == "recording_failed"


def test_nothing_required_blocks_nothing() -> None:
    assert sale_blocker([], {}, NOW, False) is None


def test_the_hole_between_fragments_is_closed_up_to_its_limit() -> None:
    assert merge([(3000, 5000), (0, 3000 - HOLE_MS)]) == [(0, 5000)]
    assert merge([(3000, 5000), (0, 2999 - HOLE_MS)]) == [(0, 2999 - HOLE_MS), (3000, 5000)]


def test_orders_outside_every_fragment_are_found_in_the_order_given() -> None:
    pieces = [(1000, 4000), (4040, 8000), (12_000, 14_000)]
    assert uncovered([999, 1000, 4020, 8000, 8001, 11_999, 12_000, 20_000, 5], pieces) == [999, 8001, 11_999, 20_000, 5]
    assert uncovered([5], []) == [5]
    assert uncovered([], pieces) == []


spans = st.lists(st.tuples(st.integers(0, 50_000), st.integers(0, 5_000)).map(lambda p: (p[0], p[0] + p[1])), max_size=20)


@given(spans, st.lists(st.integers(-10, 60_000), max_size=20))
def test_an_order_inside_a_fragment_is_never_called_uncovered(pieces: list[tuple[int, int]], orders: list[int]) -> None:
    missing = uncovered(orders, pieces)
    for moment in orders:
        inside = any(start <= moment <= end for start, end in pieces)
        near = any(start - HOLE_MS <= moment <= end + HOLE_MS for start, end in pieces)
        if inside:
            assert moment not in missing
        if not near:
            assert moment in missing
