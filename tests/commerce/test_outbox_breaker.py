"""A receiver that is away is asked by one event at a time; one that fails now and then is not taken for away."""

from __future__ import annotations

import pytest

from commerce.outbox_breaker import Breaker


def test_it_opens_after_failures_in_a_row_and_any_answer_closes_it() -> None:
    breaker = Breaker(trips=3)
    for _ in range(10):
        breaker.away(0.0, probe=False)
        breaker.away(0.0, probe=False)
        breaker.answered()
    assert breaker.most(0.0, 50) == 50
    for _ in range(3):
        breaker.away(0.0, probe=False)
    assert breaker.is_open
    assert breaker.most(0.0, 50) == 0
    assert breaker.most(1.0, 50) == 1
    breaker.answered()
    assert breaker.most(1.0, 50) == 50


def test_its_pauses_grow_to_a_minute_and_no_further() -> None:
    breaker, now = Breaker(trips=1), 100.0
    breaker.away(now, probe=False)
    pauses = []
    for _ in range(10):
        pauses.append(breaker.wait_s(now))
        now += breaker.wait_s(now)
        assert breaker.most(now, 9) == 1
        breaker.probing(now, 20.0)
        assert breaker.most(now + 19.0, 9) == 0
        breaker.away(now, probe=True)
    assert all(0.75 * full <= pause <= full for pause, full in zip(pauses, (1, 2, 4, 8, 16, 32, 60, 60, 60, 60), strict=True))


@pytest.mark.parametrize("late", [1, 40])
def test_what_had_left_before_it_opened_makes_no_pause_longer(late: int) -> None:
    breaker = Breaker(trips=2)
    for _ in range(2 + late):
        breaker.away(5.0, probe=False)
    assert 0.75 <= breaker.wait_s(5.0) <= 1.0
