"""The shapes of calls and of the adviser's desk on the wire. Times are RFC 3339 UTC, money integer minor units."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from commerce.wire import Amount, DisclosureVersion, Key, Product, ProductClass
from rooms.wire import Id, In, PersonRef

Topic = Annotated[str, Meta(min_length=1, max_length=200)]
CallState = Literal["waiting", "accepted", "live", "ended", "cancelled", "declined"]


class CallCustomer(Struct, frozen=True):
    """The customer of a call as its adviser sees him; `grade` C1 to C5 or null without an assessment."""

    id: str
    name: str
    grade: str | None
    age_65: bool


class Proposal(Struct, frozen=True):
    """What the adviser proposes in a call; `amount` in minor units of `currency`."""

    id: str
    product: str
    product_name: str
    amount: int
    currency: str
    at: str
    state: Literal["open", "confirmed", "replaced", "withdrawn"]
    order: str | None


class Consent(Struct, frozen=True):
    """The recording's consent text now in force; `given_at` when the customer agreed to it."""

    version: str
    text: str
    text_en: str
    text_zh: str
    given_at: str | None


class Call(Struct, frozen=True):
    """A call. `position` (from 1) and `eta_s` only while waiting; `eta_s` is null when nobody is available."""

    id: str
    state: CallState
    topic: str
    customer: CallCustomer
    adviser: PersonRef | None
    offered_to: str | None
    position: int | None
    waiting_since: str
    eta_s: int | None
    session: str | None
    proposal: Proposal | None
    consent: Consent
    reason: str | None


class Calls(Struct, frozen=True):
    """Calls the asker may see: advisers and supervisors the line and their own, a customer the own open one."""

    calls: list[Call]


class RequestCall(In, frozen=True):
    """What the customer wants to talk about."""

    topic: Topic


class GiveConsent(In, frozen=True):
    """Agreement to be recorded, to this version of the text."""

    version: Annotated[str, Meta(min_length=1, max_length=16)]


class CallRef(In, frozen=True):
    """One call by id."""

    call: Id


class SetAvailable(In, frozen=True):
    """Whether this adviser takes calls now."""

    on: bool


class Propose(In, frozen=True):
    """A product and an amount (minor units) the adviser proposes."""

    call: Id
    product: Id
    amount: Amount


class Confirm(In, frozen=True):
    """The customer's yes to a proposal: becomes an order under this idempotency key."""

    call: Id
    proposal: Id
    key: Key
    disclosure: DisclosureVersion
    amount: Amount


class Transfer(In, frozen=True):
    """Hand the call to another adviser, or back to the head of the line."""

    call: Id
    to: Id | None = None


class Queue(Struct, frozen=True):
    """The waiting line, first come first; `available` advisers take calls now."""

    waiting: list[Call]
    available: int


class Holding(Struct, frozen=True, rename={"product_class": "class"}):
    """What a customer holds of one product class, in minor units of `currency`."""

    product_class: ProductClass
    amount: int
    currency: str


class HistoryLine(Struct, frozen=True):
    """Something that happened with this customer before."""

    at: str
    what: str


class CustomerPicture(Struct, frozen=True):
    """Who the adviser talks to. `target` is the share (0 to 1) of each class; `suitable` are products by rule, unranked."""

    name: str
    grade: str | None
    assessed_at: str | None
    age_65: bool
    holdings: list[Holding]
    target: dict[str, float]
    history: list[HistoryLine]
    suitable: list[Product]


class CallEvent(Struct, frozen=True):
    """A call changed."""

    call: Call


class ProposalEvent(Struct, frozen=True):
    """A proposal was made, replaced or confirmed."""

    call: str
    proposal: Proposal
