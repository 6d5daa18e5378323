"""The life of a case, as a table. An illegal event raises and changes nothing.

A serious verdict waits for a second person; so does a clear one that would overturn what two people once found serious.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    OPEN = "open"
    CLAIMED = "claimed"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    CLOSED = "closed"


class Event(StrEnum):
    CLAIM = "claim"
    RELEASE = "release"
    DECIDE_ALONE = "decide_alone"  # a verdict that one person may give
    DECIDE_FOR_TWO = "decide_for_two"  # a verdict that a second person must confirm
    CONFIRM = "confirm"
    REOPEN = "reopen"


class IllegalEvent(ValueError):  # noqa: N818 - named as the thing that happened
    """The event does not fit the state; tell the person where the case stands."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event} does not fit {state}")
        self.state = state
        self.event = event


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.OPEN, Event.CLAIM): State.CLAIMED,
    (State.CLAIMED, Event.RELEASE): State.OPEN,
    (State.CLAIMED, Event.DECIDE_ALONE): State.CLOSED,
    (State.CLAIMED, Event.DECIDE_FOR_TWO): State.AWAITING_CONFIRMATION,
    (State.AWAITING_CONFIRMATION, Event.CONFIRM): State.CLOSED,
    (State.AWAITING_CONFIRMATION, Event.REOPEN): State.OPEN,  # the second person disagrees
    (State.CLOSED, Event.REOPEN): State.OPEN,
}


def after(state: State, event: Event) -> State:
    """The state that follows. Raises IllegalEvent when there is none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalEvent(state, event) from None


def verdict_event(verdict: str, *, found_serious: bool) -> Event:
    """Which event a verdict ("clear" or "serious") is, given whether two people once found this case serious."""
    alone = verdict == "clear" and not found_serious
    return Event.DECIDE_ALONE if alone else Event.DECIDE_FOR_TWO


def needs_second_person(event: Event, state: State) -> bool:
    """Whether who gave the verdict may not do this: confirming it, or taking it back before it was confirmed."""
    return event is Event.CONFIRM or (event is Event.REOPEN and state is State.AWAITING_CONFIRMATION)
