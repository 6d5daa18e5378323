"""Who is let in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.admission import Admission

TICK = 0.02


def tick(admission: Admission, lag: float, seconds: float) -> None:
    passed = 0.0
    while passed < seconds:
        admission.ticked(lag, TICK)
        passed += TICK + lag


def test_the_house_is_full_by_count_but_for_its_hosts() -> None:
    admission = Admission(100, 10)
    assert admission.admits(99, publisher=False)
    assert not admission.admits(100, publisher=False)
    assert admission.admits(109, publisher=True)
    assert not admission.admits(110, publisher=True)


def test_a_loop_that_lags_for_long_lets_nobody_in_until_it_has_recovered() -> None:
    admission = Admission(1000, 10)
    tick(admission, 0.002, 10)
    tick(admission, 0.4, 0.1)  # one stall is none of the viewers' making
    tick(admission, 0.08, 2)  # nor is a rush a load
    assert admission.admits(200, publisher=False)
    tick(admission, 0.06, 20)
    assert not admission.admits(200, publisher=False)
    assert admission.admits(20, publisher=False)  # it can't be they who hold the loop up
    assert admission.admits(200, publisher=True)
    tick(admission, 0.020, 30)  # better, but not well
    assert not admission.admits(200, publisher=False)
    tick(admission, 0.002, 30)
    assert admission.admits(200, publisher=False)


def test_a_stall_at_the_very_start_keeps_nobody_out() -> None:
    admission = Admission(1000, 10)
    tick(admission, 0.4, 0.1)
    assert admission.admits(200, publisher=False)


@given(st.lists(st.floats(0, 5), max_size=200))
def test_the_average_stays_within_what_was_measured(lags: list[float]) -> None:
    admission = Admission(10, 1)
    for lag in lags:
        admission.ticked(lag, TICK)
    assert 0 <= admission.lag <= max(lags, default=0) + 1e-9
