"""Which video a subscriber gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.quality import LossMeter, QualityChoice, Rates, Video, Wish

BOTH = Rates(2_500_000.0, 300_000.0)
LOSSY, AWFUL = 0.15, 0.5


def after(choice: QualityChoice, begin: float, end: float, rates: Rates = BOTH) -> tuple[float, Video]:
    """The first change between two moments, or the end."""
    now, first = begin, choice.decide(begin, rates)
    while now < end:
        now += 0.2
        found = choice.decide(now, rates)
        if found != first:
            return now, found
    return now, first


def test_two_lossy_seconds_in_a_row_bring_it_down_and_one_does_not() -> None:
    choice = QualityChoice()
    assert choice.decide(0.0, BOTH) == "high"
    choice.lost(LOSSY, 1.0)
    choice.lost(0, 2.0)
    choice.lost(LOSSY, 3.0)
    assert choice.decide(3.0, BOTH) == "high"
    choice.lost(LOSSY, 4.0)
    assert choice.decide(4.0, BOTH) == "low"
    choice.lost(LOSSY, 5.0)
    choice.lost(LOSSY, 6.0)
    assert choice.decide(6.0, BOTH) == "low"  # repeats still mend that much of a small picture
    choice.lost(AWFUL, 7.0)
    choice.lost(AWFUL, 8.0)
    assert choice.decide(8.0, BOTH) == "sound"


def test_the_only_picture_is_kept_until_nothing_is_worth_watching() -> None:
    choice, one = QualityChoice(), Rates(2e6, None)
    choice.decide(0.0, one)
    for second in range(1, 10):
        choice.lost(LOSSY, float(second))
        assert choice.decide(float(second), one) == "high"
    choice.lost(AWFUL, 10.0)
    choice.lost(AWFUL, 11.0)
    assert choice.decide(11.0, one) == "sound"
    choice = QualityChoice()
    choice.decide(0.0, one)
    choice.estimated(100_000)
    assert after(choice, 0.0, 20.0, one)[1] == "high"
    choice.lost(AWFUL, 20.0)
    choice.lost(AWFUL, 21.0)
    _now, found = after(choice, 21.0, 60.0, one)
    assert found == "high"


def test_a_handful_of_packets_is_no_measure() -> None:
    meter = LossMeter()
    assert meter.reported(70_000, 0, 0.0) is None
    assert meter.reported(70_004, 2, 0.2) is None  # a half of four
    assert meter.reported(70_020, 2, 2.0) is None  # too few yet
    assert meter.reported(70_100, 3, 2.5) == 0.03
    assert meter.reported(70_200, 3, 3.0) is None
    assert meter.reported(70_300, 53, 3.6) == 0.25


@given(st.integers(0, 0xFFFFFFFF), st.lists(st.tuples(st.integers(0, 500), st.integers(-20, 500)), max_size=50))
def test_a_share_is_a_share_over_wraps_and_repeats(start: int, reports: list[tuple[int, int]]) -> None:
    meter = LossMeter()
    highest, lost = start, 0
    for second, (came, missed) in enumerate(reports):
        highest, lost = (highest + came) & 0xFFFFFFFF, lost + missed
        share = meter.reported(highest, lost, second * 0.7)
        assert share is None or 0 <= share <= 1


def test_an_estimate_below_the_rate_has_to_last() -> None:
    choice = QualityChoice()
    choice.decide(0.0, BOTH)
    choice.estimated(1_000_000)
    assert choice.decide(0.2, BOTH) == "high"
    choice.estimated(2_400_000)
    assert choice.decide(2.3, BOTH) == "high"
    choice.estimated(1_000_000)
    choice.decide(3.0, BOTH)
    assert choice.decide(5.1, BOTH) == "low"


def test_it_tries_again_after_a_quiet_time_that_grows_with_each_failure() -> None:
    choice = QualityChoice()
    choice.decide(0.0, BOTH)
    now, waits = 1.0, []
    for _ in range(6):
        choice.lost(LOSSY, now)
        choice.lost(LOSSY, now)
        down = now
        now, found = after(choice, now, now + 400)
        assert found == "high"
        waits.append(now - down)
        now += 1.0
    assert [round(wait, -1) for wait in waits] == [10, 20, 40, 80, 160, 160]


def test_a_try_that_lasts_makes_the_next_one_quick_again() -> None:
    choice = QualityChoice()
    choice.decide(0.0, BOTH)
    now = 1.0
    for _ in range(3):
        choice.lost(LOSSY, now)
        choice.lost(LOSSY, now)
        now, _found = after(choice, now, now + 400)
        now += 1.0
    after(choice, now, now + 20)
    now += 20
    choice.lost(LOSSY, now)
    choice.lost(LOSSY, now)
    up, found = after(choice, now, now + 400)
    assert found == "high"
    assert round(up - now, -1) == 10


def test_the_viewers_wish_and_the_size_of_the_page_count() -> None:
    choice = QualityChoice()
    choice.height = 240
    assert choice.decide(0.0, BOTH) == "low"
    choice.wish = "high"
    assert choice.decide(1.0, BOTH) == "high"
    choice.wish = "audio"
    assert choice.decide(2.0, BOTH) == "sound"
    choice.wish, choice.height = "auto", 720
    assert choice.decide(3.0, BOTH) == "high"


def test_one_video_is_better_than_none() -> None:
    choice = QualityChoice()
    choice.height = 240
    assert choice.decide(0.0, Rates(2e6, None)) == "high"
    choice.height = 0
    assert choice.decide(0.0, Rates(None, 3e5)) == "low"
    assert choice.decide(0.0, Rates(None, None)) == "high"


@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1), st.integers(0, 4_000_000)), max_size=100),
    st.sampled_from(["auto", "high", "low", "audio"]),
    st.integers(0, 2000),
    st.sampled_from([BOTH, Rates(2e6, None), Rates(None, 3e5), Rates(None, None)]),
)
def test_it_never_sends_what_is_not_there_or_not_wished(
    events: list[tuple[float, float, int]], wish: Wish, height: int, rates: Rates
) -> None:
    choice = QualityChoice()
    choice.wish, choice.height = wish, height
    now = 0.0
    for step, lost, estimate in events:
        now += step
        choice.lost(lost, now)
        choice.estimated(estimate)
        found = choice.decide(now, rates)
        assert (found == "sound") or wish != "audio"
        assert found == "sound" or rates.of(found) is not None or (rates.high is None and rates.low is None)
        if wish in ("high", "low"):
            assert found != "sound"
