"""A session's life as a table. An event that has no row raises Refused(WRONG_STATE) and changes nothing."""

from __future__ import annotations

from enum import StrEnum

from core.errors import Refused
from recording.errors import WRONG_STATE


class State(StrEnum):
    """Where a session stands; `ended` and `cancelled` are final."""

    SCHEDULED = "scheduled"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What may happen to a session."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"
    CANCEL = "cancel"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.SCHEDULED, Event.START): State.LIVE,
    (State.SCHEDULED, Event.CANCEL): State.CANCELLED,
    (State.LIVE, Event.PAUSE): State.PAUSED,
    (State.LIVE, Event.END): State.ENDED,
    (State.PAUSED, Event.RESUME): State.LIVE,
    (State.PAUSED, Event.END): State.ENDED,
}

FINAL = frozenset({State.ENDED, State.CANCELLED})


def after(state: str, event: str) -> State:
    """The state that follows. Raises Refused(WRONG_STATE) for an event that `state` does not know."""
    try:
        return TRANSITIONS[State(state), Event(event)]
    except (KeyError, ValueError) as error:
        raise Refused(WRONG_STATE, state=str(state), event=str(event)) from error
