"""A call's life as a table. An event that has no row raises Refused(WRONG_STATE) and changes nothing.

A show has no life of its own: it is its session's (`recording/lifecycle.py`).
"""

from __future__ import annotations

from enum import StrEnum

from core.errors import Refused
from recording.errors import WRONG_STATE


class CallState(StrEnum):
    """Where a call stands; ended, cancelled and declined are final."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    LIVE = "live"
    ENDED = "ended"
    CANCELLED = "cancelled"
    DECLINED = "declined"


class CallEvent(StrEnum):
    """What may happen to a call."""

    ACCEPT = "accept"  # an adviser takes it; consent is still to be given
    RESUME = "resume"  # an adviser takes a call whose customer has consented already
    CONSENT = "consent"
    DECLINE = "decline"  # an adviser won't take it
    RETURN = "return"  # the adviser who took it, or to whom it was offered, puts it back into the line
    TRANSFER = "transfer"
    HANG_UP = "hang_up"
    EXPIRE = "expire"  # the customer stayed away
    ABANDON = "abandon"  # both are gone, and neither has hung up


S, E = CallState, CallEvent

TRANSITIONS: dict[tuple[CallState, CallEvent], CallState] = {
    (S.WAITING, E.ACCEPT): S.ACCEPTED,
    (S.WAITING, E.RESUME): S.LIVE,
    (S.WAITING, E.CONSENT): S.WAITING,
    (S.WAITING, E.TRANSFER): S.WAITING,
    (S.WAITING, E.DECLINE): S.DECLINED,
    (S.WAITING, E.RETURN): S.WAITING,
    (S.WAITING, E.HANG_UP): S.CANCELLED,
    (S.WAITING, E.EXPIRE): S.CANCELLED,
    (S.ACCEPTED, E.CONSENT): S.LIVE,
    (S.ACCEPTED, E.RETURN): S.WAITING,
    (S.ACCEPTED, E.TRANSFER): S.WAITING,
    (S.ACCEPTED, E.HANG_UP): S.ENDED,
    (S.LIVE, E.TRANSFER): S.WAITING,
    (S.LIVE, E.HANG_UP): S.ENDED,
    (S.LIVE, E.ABANDON): S.ENDED,
}

OPEN = frozenset({S.WAITING, S.ACCEPTED, S.LIVE})
WITH_ADVISER = frozenset({S.ACCEPTED, S.LIVE})


def after(state: str, event: CallEvent) -> CallState:
    """The state that follows. Raises Refused(WRONG_STATE) for an event that `state` does not know."""
    try:
        return TRANSITIONS[CallState(state), event]
    except (KeyError, ValueError) as error:
        raise Refused(WRONG_STATE, state=str(state), event=event.value) from error
