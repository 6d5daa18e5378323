"""Asking again, asking for keyframes, advising a rate, reporting."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.repair import MAX_GAP, MAX_TRIES, RETRY_S, BitrateAdvice, Budget, KeyframeGate, NackTracker, Reception, SenderClock


def test_a_missing_packet_is_asked_for_a_bounded_number_of_times() -> None:
    tracker = NackTracker()
    assert tracker.seen(10, 0.0) == []
    assert tracker.seen(13, 0.0) == [11, 12]
    assert tracker.seen(11, 0.01) == []
    asked, now = 1, 0.0
    while not tracker.gave_up:
        now += RETRY_S + 0.001
        asked += tracker.due(now).count(12)
    assert asked == MAX_TRIES
    assert tracker.due(now + 60) == []


def test_an_outage_asks_for_nothing_but_gives_up() -> None:
    tracker = NackTracker()
    tracker.seen(0x10000, 0.0)
    assert tracker.seen(0x10000 + MAX_GAP + 10, 0.0) == []
    assert tracker.gave_up


@given(st.lists(st.integers(0, 400), max_size=300))
def test_only_what_never_came_is_asked_for(arrivals: list[int]) -> None:
    tracker = NackTracker()
    came: set[int] = set()
    for number in arrivals:
        came.add(number)
        assert not set(tracker.seen(number, 0.0)) & came
    assert not set(tracker.due(1.0)) & came


@given(st.lists(st.floats(0, 0.3), max_size=200))
def test_keyframe_requests_are_merged_but_never_lost(gaps: list[float]) -> None:
    gate = KeyframeGate(0.5)
    now, sent, last = 100.0, [], True
    for gap in gaps:
        now += gap
        last = gate.want(now)
        if last:
            sent.append(now)
    assert all(b - a >= 0.5 for a, b in itertools.pairwise(sent))
    assert gate.due(now + 0.6) is not last


def test_an_arrived_keyframe_serves_who_waited() -> None:
    gate = KeyframeGate(0.5)
    assert gate.want(0.0)
    assert not gate.want(0.1)
    gate.arrived()
    assert not gate.due(1.0)


def test_the_advised_rate_falls_under_loss_and_recovers_within_bounds() -> None:
    advice = BitrateAdvice(2_500_000, 200_000, 4_000_000)
    for _ in range(50):
        advice.report(128)
    assert advice.rate == 200_000
    for _ in range(100):
        advice.report(0)
    assert advice.rate == 4_000_000
    assert advice.report(10) == 4_000_000


def test_reception_counts_loss_per_interval() -> None:
    reception = Reception(90_000)
    for i in range(100):
        if i % 4:
            reception.seen(0x10000 + i, 3000 * i, i / 30)
    reception.seen(0x10000 + 100, 300_000, 100 / 30)
    report = reception.report()
    assert report.highest == 0x10000 + 100
    assert report.fraction_lost == pytest.approx(256 / 4, abs=4)
    assert report.lost == 24
    assert reception.report().fraction_lost == 0


def test_one_clock_for_both_tracks() -> None:
    clock = SenderClock()
    assert clock.at("video", 1000.0) is None
    clock.heard("video", 90_000, ntp=500.0, timestamp=10, arrival=1000.0)
    clock.heard("audio", 48_000, ntp=501.0, timestamp=20, arrival=1001.4)  # late by 0.4 s: that is the network, not the clock
    assert clock.at("video", 1001.0) == 10 + 90_000
    assert clock.at("audio", 1002.0) == 20 + 48_000
    clock.forget("video")
    assert clock.at("video", 1001.0) is None


def test_a_budget_allows_a_burst_and_then_its_rate() -> None:
    budget = Budget(10)
    assert [budget.take(1, 5.0) for _ in range(11)] == [True] * 10 + [False]
    assert not budget.take(3, 5.25)
    assert budget.take(2, 5.25)
    assert [budget.take(5, 60.0) for _ in range(3)] == [True, True, False]
