"""The shapes of deliveries and receivers over HTTP. Times are RFC 3339 with `Z`. No customer is named in any of them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from commerce.sandbox_core import Mood

State = Literal["waiting", "dead", "delivered"]
Kind = Literal["order_placed", "order_confirmed", "order_rejected", "order_cancelled", "session_sealed"]
Act = Literal["receiver_added", "receiver_changed", "secret_rotated", "sent_again"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Url = Annotated[str, msgspec.Meta(min_length=8, max_length=500)]
Kinds = Annotated[list[Kind], msgspec.Meta(min_length=1, max_length=5)]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one receiver."""

    id: str
    """The event's id, the same at every attempt."""
    receiver: str
    """`core`, or the id of a partner's receiver."""
    receiver_name: str
    order: str | None
    """The order it is about; None for `session_sealed`."""
    session: str | None
    """The session that it was placed in, or that was sealed."""
    kind: Kind
    state: State
    attempts: int
    """Since it was last sent again."""
    created_at: str
    next_at: str | None
    """When it is tried next, while it waits."""
    error: str | None
    """What went wrong last."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: when, how long it took, what came back."""

    at: str
    ms: int
    status: int | None
    """The HTTP status; None when no whole answer came."""
    error: str | None


class ActView(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did, and when."""

    at: str
    person: str
    act: Act


class DeliveryDetail(Delivery, frozen=True, kw_only=True):
    """The same with its last attempts, newest last, and what people did about it."""

    recent: list[Attempt]
    acts: list[ActView]
    behind: str | None
    """The delivery of the same order that has to arrive before this one leaves."""


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first, at most 50; `next` is the `after` of the page that follows, None at the end."""

    deliveries: list[Delivery]
    next: str | None


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is told, with what waits for them."""

    id: str
    name: str
    url: str
    kinds: list[Kind]
    active: bool
    waiting: int
    dead: int
    delivered: int
    """Counted up to 10,000."""
    oldest_at: str | None
    """When the event came about that has waited longest."""
    overlap_until: str | None
    """Until then the secret before the newest signs, too."""


class Receivers(msgspec.Struct, frozen=True):
    """The bank's core first, then the partners, oldest first."""

    receivers: list[Receiver]


class NewReceiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A partner who wants to hear of orders or of seals."""

    name: Name
    url: Url
    kinds: Kinds


class ChangeReceiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is given is changed. One that is not active is sent nothing, and new events are not kept for it."""

    name: Name | None = None
    url: Url | None = None
    kinds: Kinds | None = None
    active: bool | None = None


class ReceiverSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver with its newest secret, which is never shown again."""

    receiver: Receiver
    secret: str


class SendAgain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose dead letters are to be sent again: `core` or a receiver's id."""

    receiver: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class SentAgain(msgspec.Struct, frozen=True, kw_only=True):
    """How many were sent again, oldest first, and how many dead letters are left: at most 500 go at once."""

    again: int
    left: int


class CoreMood(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the demo's core does with orders from now on; see `commerce/sandbox_core.py`."""

    mood: Mood
