"""The sale gate: decides whether an order may be taken, from values alone. Pure; `orders.py` loads the values under locks.

The rules stand in `RULES` in the order of the design; the first that refuses ends the matter. What the gate saw and what it
decided go into the order and the trail (`GateInput.to_json`, `Verdict.to_json`), so that years later the decision can be
made again from the record. No rule sees a person's price, a commission, a margin or a sales target: no such field exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from commerce import errors
from commerce.reasons import sentences
from commerce.risk import RISK_RULES, History, RiskLimits
from compliance.rules import (
    ELDER_AGE,
    assessment_valid_until,
    grade_name,
    needs_call,
    needs_extra_explanation,
    product_risk,
    risk_name,
    suitable,
)
from compliance.rules import assessment_valid as still_valid
from core.clock import to_text
from core.errors import Refused
from core.money import Money
from recording.coverage import Watermark, sale_blocker


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
class GateInput:
    """Everything the gate looks at, and nothing else."""

    now: datetime
    channel: str
    amount: int
    asked_version: int
    has_proposal: bool
    session: SessionFacts
    product: ProductFacts
    customer: CustomerFacts
    limits: RiskLimits = field(default_factory=RiskLimits)

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
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided: the rules that were passed, and the refusal if one refused."""

    passed: tuple[str, ...]
    refused_by: str | None = None
    refusal: Refused | None = None

    @property
    def allowed(self) -> bool:
        return self.refusal is None

    def to_json(self) -> dict[str, Any]:
        """The snapshot for order and trail."""
        code = None if self.refusal is None else self.refusal.problem.code
        return {"allowed": self.allowed, "code": code, "refused_by": self.refused_by, "passed": list(self.passed)}


Rule = Callable[[GateInput], Refused | None]


def decide(given: GateInput) -> Verdict:
    """Ask every rule in order until one refuses."""
    passed: list[str] = []
    for name, rule in RULES:
        refusal = rule(given)
        if refusal is not None:
            return Verdict(tuple(passed), name, refusal)
        passed.append(name)
    return Verdict(tuple(passed))


def streams_to_json(watermarks: Mapping[str, Watermark]) -> dict[str, Any]:
    """Each stream with how far it was safely on disk: {name: {status, media_ms, at}}."""
    return {
        name: {"status": mark.status, "media_ms": mark.media_ms, "at": None if mark.at is None else to_text(mark.at)}
        for name, mark in watermarks.items()
    }


def blocker(session: SessionFacts, now: datetime) -> str | None:
    """Why nothing may be sold in this session now, looked up afresh; None when nothing stands against it."""
    if session.state == "scheduled":
        return "session_not_started"
    if session.state not in _RUNNING:
        return "session_ended"
    return sale_blocker(session.required, session.watermarks, now)


# In a pause the shelf stays open: black and silence are recorded, and an order is bound to them (docs/decisions/0006).
_RUNNING: Final = frozenset({"live", "paused"})


def _session_live(given: GateInput) -> Refused | None:
    """Only in a running session is there a recording to bind the order to (design, "The sale gate")."""
    return None if given.session.state in _RUNNING else Refused(errors.SESSION_NOT_LIVE)


def _sale_open(given: GateInput) -> Refused | None:
    """Invariant 1. The watermarks are judged here and now; the trail's own "sale closed" binds as well, so that no order
    ever stands between a sale_closed and the next sale_opened."""
    reason = blocker(given.session, given.now)
    if reason is None and not given.session.sale_open:
        reason = given.session.sale_reason or "recording_not_started"
    if reason is None:
        return None
    en, zh = sentences(reason)
    return Refused(errors.SALE_CLOSED, reason=reason, sentence_en=en, sentence_zh=zh)


def _proposed(given: GateInput) -> Refused | None:
    """A call's orders answer a proposal of its adviser (build contract); so nobody slips into somebody's call over HTTP.

    Elsewhere there is no proposal that could be answered, and a made-up one has no place on the record.
    """
    in_call = given.session.kind == "call"
    if in_call != (given.channel == "call") or (in_call and not given.has_proposal):
        return Refused(errors.PROPOSAL_MISSING)
    return Refused(errors.PROPOSAL_OUTSIDE_CALL) if given.has_proposal and not in_call else None


def _identified(given: GateInput) -> Refused | None:
    """A real name on file (design; 总局令2025第7号 asks the seller to know the customer before selling)."""
    return None if given.customer.real_name_on_file else Refused(errors.IDENTITY_MISSING)


def _on_shelf(given: GateInput) -> Refused | None:
    """What is sold in a session is what its trail says was offered in it (design)."""
    return None if given.product.on_shelf else Refused(errors.PRODUCT_NOT_ON_SHELF, product=given.product.id)


def _product_on_sale(given: GateInput) -> Refused | None:
    """The product's own sale window, from inclusive, until exclusive (design)."""
    product = given.product
    if product.sale_from <= given.now < product.sale_until:
        return None
    return Refused(errors.PRODUCT_SALE_CLOSED, sale_from=_day(product.sale_from), sale_until=_day(product.sale_until))


def _assessed(given: GateInput) -> Refused | None:
    """There is an assessment (总局令2025第7号)."""
    return Refused(errors.ASSESSMENT_MISSING) if given.customer.assessed_at is None else None


def _assessment_valid(given: GateInput) -> Refused | None:
    """It is at most 12 months old (总局令2025第7号)."""
    at = given.customer.assessed_at
    if at is None or still_valid(at, given.now):
        return None
    return Refused(errors.ASSESSMENT_EXPIRED, valid_until=_day(assessment_valid_until(at)))


def _suitable(given: GateInput) -> Refused | None:
    """The product's R is at most the customer's C; of two ratings the higher holds (总局令2025第7号)."""
    risk, grade = given.product.risk, given.customer.grade
    if grade is not None and suitable(risk, grade):
        return None
    if grade is None:
        return Refused(errors.ASSESSMENT_MISSING)
    return Refused(errors.RISK_TOO_HIGH, risk=risk_name(risk), grade=grade_name(grade), highest=risk_name(grade))


def _disclosed(given: GateInput) -> Refused | None:
    """The current disclosure version, confirmed by this customer in this session (design; 银监办发〔2017〕110号)."""
    current, confirmed = given.product.disclosure_version, given.customer.confirmed_version
    if confirmed is None:
        return Refused(errors.DISCLOSURE_MISSING, product=given.product.id, current=current)
    if confirmed != current or given.asked_version != current:
        seen = confirmed if confirmed != current else given.asked_version
        return Refused(errors.DISCLOSURE_OUTDATED, product=given.product.id, current=current, confirmed=seen)
    return None


def _minimum(given: GateInput) -> Refused | None:
    """At least the product's minimum."""
    product = given.product
    if given.amount >= product.minimum:
        return None
    return Refused(errors.BELOW_MINIMUM, minimum=product.minimum, minimum_text=_money(given, product.minimum))


def _step(given: GateInput) -> Refused | None:
    """The minimum and whole steps above it."""
    product = given.product
    over = (given.amount - product.minimum) % product.step
    if over == 0:
        return None
    lower, upper = given.amount - over, given.amount - over + product.step
    return Refused(
        errors.OFF_STEP,
        step=product.step,
        lower=lower,
        upper=upper,
        minimum_text=_money(given, product.minimum),
        step_text=_money(given, product.step),
        lower_text=_money(given, lower),
        upper_text=_money(given, upper),
    )


def _in_stock(given: GateInput) -> Refused | None:
    """No more than is left (invariant 3; the conditional UPDATE in `orders.py` is the lock on it)."""
    left = given.product.left
    return None if given.amount <= left else Refused(errors.OUT_OF_STOCK, left=left, left_text=_money(given, left))


def _within_cap(given: GateInput) -> Refused | None:
    """No customer orders more than the product's cap in all (invariant 3)."""
    cap, ordered = given.product.cap, given.customer.ordered
    if cap is None or ordered + given.amount <= cap:
        return None
    rest = max(0, cap - ordered)
    return Refused(
        errors.CAP_EXCEEDED,
        cap=cap,
        ordered=ordered,
        rest=rest,
        cap_text=_money(given, cap),
        ordered_text=_money(given, ordered),
        rest_text=_money(given, rest),
    )


def _elder_in_call(given: GateInput) -> Refused | None:
    """65 or over and R3 or above: only in a call (design; 总局令2025第7号 on customers of 65 and over)."""
    if not needs_call(given.customer.age, given.product.risk, given.channel):
        return None
    return Refused(errors.ELDER_NEEDS_CALL, risk=risk_name(given.product.risk), product=given.product.id)


def _elder_explained(given: GateInput) -> Refused | None:
    """... after the extra risk explanation, which the adviser's own entry in the trail proves (same source)."""
    if given.customer.explained or not needs_extra_explanation(given.customer.age, given.product.risk):
        return None
    return Refused(errors.EXPLANATION_MISSING, risk=risk_name(given.product.risk), product=given.product.id)


def _risk_rules(given: GateInput) -> Refused | None:
    """The bank's own caution (design, "risk rules"): each may refuse, or send the order to a call with an adviser."""
    for rule in RISK_RULES:
        finding = rule(given.customer.history, given.amount, given.limits)
        if finding is not None and not (finding.call_helps and given.channel == "call"):
            return Refused(errors.RISK_REVIEW, **finding.params())
    return None


RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("session_live", _session_live),
    ("sale_open", _sale_open),
    ("proposed", _proposed),
    ("identified", _identified),
    ("on_shelf", _on_shelf),
    ("product_on_sale", _product_on_sale),
    ("assessed", _assessed),
    ("assessment_valid", _assessment_valid),
    ("suitable", _suitable),
    ("disclosed", _disclosed),
    ("minimum", _minimum),
    ("step", _step),
    ("in_stock", _in_stock),
    ("within_cap", _within_cap),
    ("elder_in_call", _elder_in_call),
    ("elder_explained", _elder_explained),
    ("risk_rules", _risk_rules),
)


def _money(given: GateInput, minor: int) -> str:
    return str(Money(minor, given.product.currency))


def _day(moment: datetime) -> str:
    return to_text(moment)[:10]
