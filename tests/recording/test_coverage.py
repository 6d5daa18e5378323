"""No recording, no sale: what closes the sale, and which orders no fragment shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording.coverage import HOLE_MS, Watermark, merge, sale_blocker, shown, uncovered

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def mark(status: str = "publishing", age_s: float | None = 1.0, stream: str = "host") -> Watermark:
    if age_s is None:
        return Watermark(stream, status, None, None)
    return Watermark(stream, status, 60_000, NOW - timedelta(seconds=age_s))


@pytest.mark.parametrize(
    ("watermark", "reason"),
    [
        (mark(), None),
        (mark(age_s=5.0), None),
        (mark(age_s=5.001), "recording_stale"),
        (mark(age_s=500), "recording_stale"),
        (mark(age_s=-5.001), "recording_stale"),
        (mark(age_s=None), "recording_not_started"),
        (mark("failed"), "recording_failed"),
        (mark("failed", None), "recording_failed"),
        (mark("lost"), "publisher_lost"),
        (mark("left"), "publisher_lost"),
        (mark("closed"), "publisher_lost"),
    ],
)
def test_what_closes_the_sale(watermark: Watermark, reason: str | None) -> None:
    assert sale_blocker(["host"], {"host": watermark}, NOW) == reason


def test_every_required_stream_counts_and_no_other() -> None:
    marks = {"adviser": mark(stream="adviser"), "screen": mark("failed", stream="screen")}
    assert sale_blocker(["adviser"], marks, NOW) is None
    assert sale_blocker(["adviser", "customer"], marks, NOW) == "recording_not_started"
    assert sale_blocker(["adviser", "customer", "screen"], marks, NOW) == "recording_failed"


def test_nothing_required_blocks_nothing() -> None:
    assert sale_blocker([], {}, NOW) is None


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


def test_what_one_track_lacks_the_stream_does_not_show() -> None:
    pieces = [(0, 4000), (4040, 9000)]
    assert shown(pieces, []) == [(0, 9000)]
    assert shown(pieces, [(3000, 5000), (4500, 5500), (8000, 20_000), (10_000, 11_000)]) == [(0, 3000), (5500, 8000)]
    assert shown(pieces, [(0, 20_000)]) == []


@given(spans, spans, st.lists(st.integers(-10, 60_000), max_size=20))
def test_what_is_shown_is_recorded_and_in_no_hole(
    pieces: list[tuple[int, int]], holes: list[tuple[int, int]], moments: list[int]
) -> None:
    runs = shown(pieces, holes)
    assert runs == sorted(runs)
    for moment in moments:
        recorded = any(start <= moment <= end for start, end in merge(pieces))
        missing = any(start < moment < end for start, end in merge(holes, 0))
        edge = any(moment in hole for hole in holes)
        if not edge:
            assert any(start <= moment <= end for start, end in runs) == (recorded and not missing)
