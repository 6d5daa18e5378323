"""The line, the buckets and the lifecycle, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Refused
from rooms import consent, queue
from rooms.dispatch import language
from rooms.lifecycle import OPEN, TRANSITIONS, CallEvent, CallState, after
from rooms.queue import Waiting
from rooms.rate import Bucket, Buckets

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), max_size=30))
def test_the_line_is_first_come_first_served(seconds: list[int]) -> None:
    waiting = [Waiting(f"cal_{n}", NOON + timedelta(seconds=s)) for n, s in enumerate(seconds)]
    ordered = queue.line(reversed(waiting))
    assert [one.since for one in ordered] == sorted(one.since for one in waiting)
    for place, one in enumerate(ordered, start=1):
        assert queue.position(ordered, one.call) == place
    assert queue.position(ordered, "cal_nobody") is None


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(0, 20), st.integers(0, 20), st.floats(30, 3600))
def test_the_estimate_is_honest(place: int, advisers: int, free: int, mean: float) -> None:
    free = min(free, advisers)
    seconds = queue.eta_s(place, advisers=advisers, free=free, mean_call_s=mean)
    if advisers == 0:
        assert seconds is None
    elif place <= free:
        assert seconds == 0
    else:
        assert seconds is not None
        assert seconds >= 30
        later = queue.eta_s(place + 1, advisers=advisers, free=free, mean_call_s=mean)
        assert later is not None
        assert later >= seconds


def test_the_mean_of_no_calls_is_the_default() -> None:
    assert queue.mean_call_s([]) == queue.DEFAULT_CALL_S
    assert queue.mean_call_s([100, 200]) == 150
    assert queue.mean_call_s([1]) == 30


@settings(deadline=None)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(pauses: list[float]) -> None:
    now, given_out = 0.0, 0
    bucket = Bucket(3, 1, now)
    for pause in pauses:
        now += pause
        given_out += bucket.take(now) == 0.0
    assert given_out <= 3 + now + 1e-6


def test_the_table_of_buckets_is_bounded_and_forgets_the_longest_unused() -> None:
    buckets = Buckets(1, 1, capacity=2)
    assert buckets.take("a", 0) == 0
    assert buckets.take("b", 0) == 0
    assert buckets.take("a", 0) > 0
    assert buckets.take("c", 0) == 0
    assert len(buckets) == 2
    assert buckets.take("a", 0) > 0
    assert buckets.take("b", 0) == 0


@settings(deadline=None)
@given(st.sampled_from(CallState), st.sampled_from(CallEvent))
def test_only_what_the_table_knows_may_happen_to_a_call(state: CallState, event: CallEvent) -> None:
    if (state, event) in TRANSITIONS:
        assert after(state, event) is TRANSITIONS[state, event]
        assert state in OPEN
        return
    with pytest.raises(Refused) as refused:
        after(state, event)
    assert refused.value.problem.code == "wrong_state"


def test_consent_texts_keep_their_versions() -> None:
    assert len({text.version for text in consent.TEXTS}) == len(consent.TEXTS)
    assert consent.by_version(consent.CURRENT.version) is consent.CURRENT
    assert consent.by_version("never") is None
    assert len(consent.CURRENT.sha256) == 64


@pytest.mark.parametrize(
    ("environ", "auth", "expected"),
    [
        ({}, None, "en"),
        ({"HTTP_ACCEPT_LANGUAGE": "zh-CN,zh;q=0.9"}, None, "zh"),
        ({"HTTP_COOKIE": "lang=zh", "HTTP_ACCEPT_LANGUAGE": "en"}, None, "zh"),
        ({"QUERY_STRING": "EIO=4&lang=en", "HTTP_COOKIE": "lang=zh"}, None, "en"),
        ({"QUERY_STRING": "lang=en"}, {"lang": "zh"}, "zh"),
        ({"HTTP_COOKIE": "lang=fr"}, {"lang": 7}, "en"),
    ],
)
def test_the_socket_s_language(environ: dict[str, str], auth: object, expected: str) -> None:
    assert language(environ, auth) == expected
