"""The table is the whole truth about a session's life."""

from __future__ import annotations

import itertools

import pytest

from core.errors import Refused
from recording.lifecycle import FINAL, TRANSITIONS, Event, State, after

EVERY_PAIR = list(itertools.product(State, Event))


@pytest.mark.parametrize(("state", "event"), [pair for pair in EVERY_PAIR if pair in TRANSITIONS])
def test_a_listed_event_leads_on(state: State, event: Event) -> None:
    assert after(state.value, event.value) is TRANSITIONS[state, event]


@pytest.mark.parametrize(("state", "event"), [pair for pair in EVERY_PAIR if pair not in TRANSITIONS])
def test_an_unlisted_event_is_refused_with_both_names(state: State, event: Event) -> None:
    with pytest.raises(Refused) as refused:
        after(state, event)
    assert refused.value.problem.code == "wrong_state"
    assert refused.value.to_json("zh")["params"] == {"state": state.value, "event": event.value}


def test_an_unknown_word_is_refused_like_an_illegal_one() -> None:
    with pytest.raises(Refused):
        after("live", "explode")
    with pytest.raises(Refused):
        after("limbo", "start")


def test_final_states_lead_nowhere_and_all_others_do() -> None:
    assert {state for state, _event in TRANSITIONS} == set(State) - FINAL
    assert set(TRANSITIONS.values()) == set(State) - {State.SCHEDULED}
