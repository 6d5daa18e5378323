"""The public shapes of this package, over HTTP and Socket.IO alike.

Amounts are integers of the currency's minor unit (fen); times RFC 3339 with `Z`; `media_ms` milliseconds since the session's
start. Texts come in the language that was asked for.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

ProductClass = Literal["deposit", "wealth", "fund", "insurance"]
Channel = Literal["show", "call"]
PriceKind = Literal["price", "nav", "rate"]
OrderState = Literal["placed", "sent", "confirmed", "rejected", "cancelled"]

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
Key = Annotated[str, msgspec.Meta(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Amount = Annotated[int, msgspec.Meta(gt=0, le=10**15)]
# No session lasts longer than the numbers that JSON can hold everywhere.
MediaTime = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Version = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class DisclosureText(msgspec.Struct, frozen=True, kw_only=True):
    """The current disclosure of a product, in the asked language."""

    version: int
    text: str
    sha256: str
    """Of the canonical JSON of both languages' texts; it stands in the trail."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A product's price, the same for everyone: of one unit, its net asset value of a day, or its rate."""

    kind: PriceKind
    value: str
    """A decimal number as it was published, "1.0126"; a rate in per cent a year."""
    date: str | None
    """The day of a net asset value, "2026-11-20"; None for the others."""
    fee_bps: int
    """What is charged beside it, in basis points of the amount."""


class Product(msgspec.Struct, frozen=True, kw_only=True, rename={"product_class": "class"}):
    """A product as everybody sees it; its price has no person in it."""

    id: str
    revision: int
    """One more with each change of its terms or disclosure."""
    name: str
    product_class: ProductClass
    risk: str
    """R1 to R5, the higher of the issuer's and the bank's rating."""
    risk_meaning: str
    """What that grade means, in a sentence."""
    term_days: int | None
    """None when there is no fixed term."""
    rate_text: str
    """The marketing wording of the return; never a promise."""
    price: Price
    currency: str
    minimum: int
    step: int
    cap: int | None
    """The most one customer may order in all; None when there is no cap."""
    left: int
    """What may still be sold, in minor units, over all customers."""
    sale_open: bool
    """Whether this product's own sale window is open and something is left. A session's sale may still be closed."""
    disclosure: DisclosureText


class ShelfProduct(Product, frozen=True, kw_only=True, rename={"product_class": "class"}):
    """A product on a session's shelf."""

    pinned: bool


class Products(msgspec.Struct, frozen=True, kw_only=True):
    """The products that were asked for, by class, then risk, then name, at most `limit`; `next` is the `after` of the page that
    follows, None at the end."""

    products: list[Product]
    next: str | None


class Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """A session's shelf in its order, and the product that is being explained."""

    session: str
    seq: int
    """The trail's sequence number at this moment."""
    products: list[ShelfProduct]
    pinned: str | None


class DisclosureVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The disclosure version the customer has read."""

    version: Version


class ReplayMoment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is on screen while a finished show is seen again: a moment of its recording."""

    media_ms: MediaTime


class PlaceOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A customer's wish to buy. The same `key` with the same body is the same order, however often it is sent."""

    session: Id
    product: Id
    amount: Amount
    key: Key
    """Chosen by the client, 8 to 64 of A-Z a-z 0-9 _ -, unique among the customer's orders."""
    disclosure: DisclosureVersion
    proposal: Id | None = None
    """The adviser's proposal this order answers; only in a call."""
    replay: ReplayMoment | None = None
    """Ordered while the session, which is over, is seen again: what of it is on screen."""


class ConfirmDisclosure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The customer has read and confirms this version of the product's disclosure, in this session or in its replay."""

    product: Id
    version: Version
    replay: ReplayMoment | None = None
    revision: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """That of the product as the page showed it. In a replay whose terms are no longer those of the film it has to be the
    current one."""


class ExplainRisk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The adviser has explained this product's risks to this customer of 65 or over, in this call."""

    customer: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    product: Id


class OrderedProduct(msgspec.Struct, frozen=True, kw_only=True):
    """What was ordered, with the risk it was rated at then."""

    id: str
    name: str
    risk: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its customer sees it."""

    id: str
    session: str
    product: OrderedProduct
    amount: int
    currency: str
    state: OrderState
    reason: str | None
    """Why it was rejected, when it was."""
    placed_at: str
    media_ms: int
    """The moment in the session's recording it is bound to."""
    trail_seq: int
    """Its entry in the session's trail; of one placed in a replay in the trail of what came after the seal."""
    receipt_url: str
    cancellable_until: str
    """Until then the customer may cancel, unless it has been confirmed or rejected before."""
    replay: bool
    """Whether it was placed while the show was seen again."""


class ReceiptDisclosure(msgspec.Struct, frozen=True, kw_only=True):
    """The disclosure that was confirmed before ordering."""

    version: int
    sha256: str


class ReceiptStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an order's life, and where it stands in the record."""

    state: OrderState
    at: str
    reason: str | None
    seq: int
    """Its entry's number, in the session's trail or in the trail of what came after its seal."""
    after_seal: bool


class ReceiptSeal(msgspec.Struct, frozen=True, kw_only=True):
    """The session's seal: its number in the register, and how many entries it counts."""

    number: int
    at: str
    entries: int


class Receipt(Order, frozen=True, kw_only=True):
    """An order with everything that its customer may want to show or check years later."""

    customer: str | None
    """The real name on file."""
    session_title: str
    channel: Channel
    product_class: ProductClass
    price: Price
    """As it was when the order was placed."""
    disclosure: ReceiptDisclosure
    entry_hash: str
    """SHA-256 of the order's entry, number `trail_seq` of its trail: what a bundle of evidence is checked against."""
    history: list[ReceiptStep]
    seal: ReceiptSeal | None
    """None until the session is sealed."""


class Orders(msgspec.Struct, frozen=True):
    """The customer's own orders, newest first, at most 200."""

    orders: list[Order]


class Option(msgspec.Struct, frozen=True):
    """One answer a question offers."""

    id: str
    text: str


class Question(msgspec.Struct, frozen=True):
    """One question of the risk questionnaire."""

    id: str
    text: str
    options: list[Option]


class Grade(msgspec.Struct, frozen=True, kw_only=True):
    """What an assessment came to: C1 to C5."""

    grade: str
    meaning: str
    at: str
    valid_until: str


class PastAssessment(msgspec.Struct, frozen=True, kw_only=True):
    """One that was filled in: when, what it came to, and until when it held or would have."""

    at: str
    valid_until: str
    score: int
    grade: str
    valid: bool
    """Whether it is the one that counts now."""


class ScoredQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What each answer to a question counts, by the option's id; `highest` has those that allow no better grade than this."""

    id: str
    points: dict[str, int]
    highest: dict[str, str]


class ScoredGrade(msgspec.Struct, frozen=True, kw_only=True):
    """A grade, the lowest and highest score that come to it, and what it means."""

    grade: str
    least: int
    most: int
    meaning: str


class Scoring(msgspec.Struct, frozen=True, kw_only=True):
    """The published table of scores, and which version of it this is."""

    version: int
    questions: list[ScoredQuestion]
    grades: list[ScoredGrade]


class Questionnaire(msgspec.Struct, frozen=True, kw_only=True):
    """The questions and how they are scored, the customer's grade and earlier ones, and how often it may still be filled in."""

    questions: list[Question]
    scoring: Scoring
    current: Grade | None
    history: list[PastAssessment]
    """Newest first, at most 24."""
    left_today: int
    left_year: int
    a_day: int
    a_year: int
    """In any 12 months."""
    again_at: str | None
    """When it may be filled in again; None when it may now."""


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One option for every question: {question id: option id}."""

    answers: Annotated[dict[Annotated[str, msgspec.Meta(max_length=20)], Annotated[str, msgspec.Meta(max_length=20)]],
                       msgspec.Meta(max_length=40)]  # fmt: skip


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """A questionnaire just filled in."""

    grade: str
    meaning: str
    score: int
    """0 to 100, by the published table of scores (`commerce/questionnaire.py`)."""
    valid_until: str


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What a session has sold so far: cancelled and rejected orders left out. One per currency."""

    count: int
    amount: int
    currency: str


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """Whether anything can be bought in a session now, and if not why."""

    open: bool
    reason: str | None
    sentence_en: str
    sentence_zh: str


class CustomerCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer's own pages need to know of them."""

    grade: str | None
    """C1 to C5; None without a valid assessment."""
    assessed_at: str | None
    age_65: bool
