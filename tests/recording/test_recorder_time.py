"""Media time: what arrives late was not captured late, tracks stay aligned, and no correction jumps."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from recording.media_time import FAST_SLEW_S, SLEW_S, MediaTime

START = 1_795_000_000.0


def _time(*kinds: str) -> MediaTime:
    time = MediaTime(START)
    for kind in kinds:
        time.add(kind, 90_000 if kind == "video" else 48_000)
    return time


def test_the_least_delayed_packet_counts() -> None:
    time = _time("audio")
    for i in range(100):
        time.observe("audio", i * 960, START + 5 + i * 0.02 + (0.01 if i == 50 else 0.08))
    time.settle()
    assert abs(time.seconds("audio", 0) - 5.01) < 1e-6


def test_reports_align_tracks_whose_delays_differ() -> None:
    time = _time("audio", "video")
    for i in range(60):
        time.observe("video", i * 3000, START + i / 30 + 0.2)
        time.observe("audio", i * 1600, START + i / 30 + 0.03)
    time.sender_report("video", START - 77.0, 0)  # the sender's clock is 77 s behind
    time.sender_report("audio", START - 77.0, 0)
    time.settle()
    assert abs(time.seconds("video", 90_000) - time.seconds("audio", 48_000)) < 1e-6
    assert abs(time.seconds("audio", 0) - 0.03) < 1e-6


def test_reports_that_contradict_the_arrivals_are_not_believed() -> None:
    time = _time("audio", "video")
    for i in range(60):
        time.observe("video", i * 3000, START + i / 30 + 0.05)
        time.observe("audio", i * 1600, START + i / 30 + 0.03)
    time.sender_report("video", 0.0, 0)
    time.sender_report("audio", START, 0)
    time.settle()
    assert abs(time.seconds("video", 0) - 0.05) < 0.03


@given(st.lists(st.floats(0, 0.9), min_size=200, max_size=400), st.integers(-200, 200))
def test_corrections_are_small_and_time_never_runs_back(delays: list[float], ppm: int) -> None:
    time = _time("audio")
    places: list[float] = []
    for i, delay in enumerate(delays):
        timestamp = round(i * 960 * (1 + ppm * 1e-6))
        assert not time.observe("audio", timestamp, START + i * 0.02 + delay)
        if i == 50:
            time.settle()
        if i >= 50:
            places.append(time.seconds("audio", timestamp))
            if i % 100 == 0:
                before = time.seconds("audio", timestamp)
                time.slew()
                assert abs(time.seconds("audio", timestamp) - before) <= FAST_SLEW_S + 1e-9
    for earlier, later in itertools.pairwise(places):
        assert 0 <= later - earlier <= 0.0201 + FAST_SLEW_S


def test_a_drifting_clock_is_followed_at_a_few_ms_a_fragment() -> None:
    time = _time("audio")
    for i in range(50 * 600):  # ten minutes at 100 ppm: 60 ms
        timestamp = round(i * 960 * (1 - 100e-6))
        time.observe("audio", timestamp, START + i * 0.02 + 0.01)
        if i == 100:
            time.settle()
        if i > 100 and i % 100 == 0:
            before = time.seconds("audio", timestamp)
            time.slew()
            assert abs(time.seconds("audio", timestamp) - before) <= SLEW_S
            assert abs(time.seconds("audio", timestamp) - (i * 0.02 + 0.01)) < 0.005


def test_a_clock_that_stood_still_is_noticed_and_set_anew() -> None:
    time = _time("video")
    for i in range(60):
        time.observe("video", i * 3000, START + i / 30)
    time.settle()
    leaps = [i for i in range(60, 180) if time.observe("video", i * 3000, START + 20 + i / 30)]
    assert leaps[0] == 105  # after 1.5 s
    time.reset("video")
    assert abs(time.seconds("video", 105 * 3000) - (20 + 105 / 30)) < 1e-6


def test_a_clock_that_leapt_ahead_is_noticed_at_once() -> None:
    time = _time("video")
    for i in range(60):
        assert not time.observe("video", i * 3000, START + i / 30)
    time.settle()
    assert time.observe("video", 60 * 3000 + 90_000 * 20, START + 2.0)
    time.reset("video")
    assert abs(time.seconds("video", 60 * 3000 + 90_000 * 20) - 2.0) < 1e-6


def test_a_clock_that_leapt_back_by_more_than_any_delay_is_noticed_at_once() -> None:
    time = _time("video")
    for i in range(60):
        assert not time.observe("video", 90_000 * 500 + i * 3000, START + i / 30)
    time.settle()
    assert time.observe("video", 0, START + 2.0)
    time.reset("video")
    assert abs(time.seconds("video", 0) - 2.0) < 1e-6
