"""What the sale gate looks at, and nothing else: the session, the product and the customer at one moment. Pure.

No field knows a commission, a margin or a sales target, and no customer's field knows a price (invariants 6 and 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from commerce.risk import History, RiskLimits
from compliance.rules import ELDER_AGE, product_risk
from core.clock import to_text
from recording.coverage import Watermark


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The session at this moment. `sale_open` is what its trail says last; the watermarks are looked at again."""

    id: str
    kind: str
    state: str
    required: tuple[str, ...]
    watermarks: Mapping[str, Watermark]
    sale_open: bool
    sale_reason: str | None


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """The product's terms, the same for everyone. Amounts in minor units."""

    id: str
    on_shelf: bool
    issuer_risk: int
    bank_risk: int
    currency: str
    minimum: int
    step: int
    cap: int | None
    left: int
    price: Mapping[str, Any]
    sale_from: datetime
    sale_until: datetime
    disclosure_version: int
    disclosure_sha256: str

    @property
    def risk(self) -> int:
        return product_risk(self.issuer_risk, self.bank_risk)


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """The customer at this moment: full years of age, C grade and when it was assessed, what was confirmed in this session."""

    real_name_on_file: bool
    age: int
    grade: int | None
    assessed_at: datetime | None
    confirmed_version: int | None
    explained: bool
    ordered: int
    history: History


@dataclass(frozen=True, slots=True)
class ReplayFacts:
    """The moment of a replay at which somebody wants to buy: what the sealed record says of it, and what has changed since.

    `on_shelf` is whether the product was offered then; `changed` names its terms that are others now, `confirmed_since` whether
    this customer has confirmed the disclosure after they had changed.
    """

    is_on: bool
    media_ms: int
    is_sealed: bool
    is_recorded: bool
    on_shelf: bool
    changed: tuple[str, ...] = ()
    confirmed_since: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "on": self.is_on,
            "media_ms": self.media_ms,
            "sealed": self.is_sealed,
            "recorded": self.is_recorded,
            "on_shelf": self.on_shelf,
            "changed": list(self.changed),
            "confirmed_since": self.confirmed_since,
        }


@dataclass(frozen=True, slots=True)
class GateInput:
    """Everything the gate looks at, and nothing else. `replay` is None for an order in a running session."""

    now: datetime
    channel: str
    amount: int
    asked_version: int
    has_proposal: bool
    session: SessionFacts
    product: ProductFacts
    customer: CustomerFacts
    limits: RiskLimits = field(default_factory=RiskLimits)
    replay: ReplayFacts | None = None

    def to_json(self) -> dict[str, Any]:
        """The snapshot for order and trail. The age is kept only as the answer the rule needed."""
        session, product, customer = self.session, self.product, self.customer
        return {
            "now": to_text(self.now),
            "channel": self.channel,
            "amount": self.amount,
            "asked_version": self.asked_version,
            "has_proposal": self.has_proposal,
            "session": {
                "state": session.state,
                "required": list(session.required),
                "sale_open": session.sale_open,
                "streams": streams_to_json(session.watermarks),
            },
            "product": {
                "on_shelf": product.on_shelf,
                "issuer_risk": product.issuer_risk,
                "bank_risk": product.bank_risk,
                "minimum": product.minimum,
                "step": product.step,
                "cap": product.cap,
                "left": product.left,
                "sale_from": to_text(product.sale_from),
                "sale_until": to_text(product.sale_until),
                "disclosure_version": product.disclosure_version,
            },
            "customer": {
                "real_name_on_file": customer.real_name_on_file,
                "age_65": customer.age >= ELDER_AGE,
                "grade": customer.grade,
                "assessed_at": None if customer.assessed_at is None else to_text(customer.assessed_at),
                "confirmed_version": customer.confirmed_version,
                "explained": customer.explained,
                "ordered": customer.ordered,
                "history": customer.history.to_json(),
            },
            "limits": self.limits.to_json(),
            **({} if self.replay is None else {"replay": self.replay.to_json()}),
        }


def streams_to_json(watermarks: Mapping[str, Watermark]) -> dict[str, Any]:
    """Each stream with how far it was safely on disk: {name: {status, media_ms, at}}."""
    return {
        name: {"status": mark.status, "media_ms": mark.media_ms, "at": None if mark.at is None else to_text(mark.at)}
        for name, mark in watermarks.items()
    }
