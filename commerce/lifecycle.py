"""The life of an order as a table; an illegal event raises and changes nothing.

            send            confirm
    placed ------> sent ------------> confirmed
      |  \\__________|_____ reject            |
      |             |     \\----> rejected    |
      | cancel      | cancel                 | cancel (while the cooling-off time runs)
      v             v                        v
                  cancelled

`confirm` and `reject` may come while still `placed`: the core can answer before our own note of having sent was committed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an order stands."""

    PLACED = "placed"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What can happen to an order."""

    SEND = "send"
    CONFIRM = "confirm"
    REJECT = "reject"
    CANCEL = "cancel"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.PLACED, Event.SEND): State.SENT,
    (State.PLACED, Event.CONFIRM): State.CONFIRMED,
    (State.PLACED, Event.REJECT): State.REJECTED,
    (State.PLACED, Event.CANCEL): State.CANCELLED,
    (State.SENT, Event.SEND): State.SENT,  # a repeated attempt
    (State.SENT, Event.CONFIRM): State.CONFIRMED,
    (State.SENT, Event.REJECT): State.REJECTED,
    (State.SENT, Event.CANCEL): State.CANCELLED,
    (State.CONFIRMED, Event.CANCEL): State.CANCELLED,
}

# These give the product's stock and the customer's cap their amount back.
RETURNS_STOCK: Final = frozenset({State.REJECTED, State.CANCELLED})
# These count towards the cap, the tally and the history.
STANDING: Final = tuple(str(state) for state in State if state not in RETURNS_STOCK)


class IllegalEvent(ValueError):  # noqa: N818 - named as h11 names its own: what happened, not that it is an error
    """This event has no place in this state; nothing was changed."""


def advance(state: State, event: Event) -> State:
    """The state after `event`; raises IllegalEvent when there is none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalEvent(f"{event} while {state}") from None
