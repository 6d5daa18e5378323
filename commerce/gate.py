"""The sale gate: decides whether an order may be taken, from values alone. Pure; `orders.py` loads the values under locks.

The rules stand in `RULES` in their order, those of a replay in `REPLAY_RULES`; the first that refuses ends the matter.
docs/gate.md is written from these tables. What
the gate saw and what it decided go into the order and the trail (`GateInput.to_json`, `Verdict.to_json`), so that years later
the decision can be made again from the record. No rule sees a person's price, a commission, a margin or a sales target: no such
field exists (`gate_input.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from commerce import errors, gate_replay
from commerce.gate_input import CustomerFacts, GateInput, ProductFacts, ReplayFacts, SessionFacts, streams_to_json
from commerce.reasons import sentences
from commerce.risk import RISK_RULES
from compliance.rules import assessment_valid as still_valid
from compliance.rules import (
    assessment_valid_until,
    grade_name,
    needs_call,
    needs_extra_explanation,
    risk_name,
    suitable,
)
from core.clock import to_text
from core.errors import Problem, Refused
from core.money import Money
from recording.coverage import sale_blocker

__all__ = [
    "REPLAY_RULES",
    "RULES",
    "CustomerFacts",
    "GateInput",
    "ProductFacts",
    "ReplayFacts",
    "Rule",
    "SessionFacts",
    "Verdict",
    "blocker",
    "decide",
    "streams_to_json",
]


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


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it asks, in a sentence that ends the question "is it so that …", and on whose authority.

    `refuse` answers None when it is so, else the refusal, whose code is one of `codes`.
    """

    name: str
    refuse: Callable[[GateInput], Refused | None]
    asks: str
    source: str
    codes: tuple[Problem, ...]


def decide(given: GateInput) -> Verdict:
    """Ask every rule in order until one refuses."""
    passed: list[str] = []
    for rule in RULES if given.replay is None else REPLAY_RULES:
        refusal = rule.refuse(given)
        if refusal is not None:
            return Verdict(tuple(passed), rule.name, refusal)
        passed.append(rule.name)
    return Verdict(tuple(passed))


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
    """A call's orders answer a proposal of its adviser; so nobody slips into somebody's call over HTTP.

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
        finding = rule.judge(given.customer.history, given.amount, given.limits)
        if finding is not None and not (finding.call_helps and given.channel == "call"):
            return Refused(errors.RISK_REVIEW, **finding.params())
    return None


_SUITABILITY: Final = "国家金融监督管理总局令2025第7号 (in force 2026-02-01)"
_BANK: Final = "the product's own terms, as the bank set them"

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "session_live", _session_live, "the session is running: live, or in a pause of its host",
        "only then is there a recording to bind the order to (docs/decisions/0006)", (errors.SESSION_NOT_LIVE,),
    ),
    Rule(
        "sale_open", _sale_open,
        "everything required is safely on disk up to 5 s ago, and the trail's last word is that the sale is open",
        "银监办发〔2017〕110号: a sale is recorded; here what is not being recorded can't be sold", (errors.SALE_CLOSED,),
    ),
    Rule(
        "proposed", _proposed, "in a call the order answers its adviser's proposal, and elsewhere it names none",
        "银监办发〔2017〕110号: the recommendation is on the record, too",
        (errors.PROPOSAL_MISSING, errors.PROPOSAL_OUTSIDE_CALL),
    ),
    Rule(
        "identified", _identified, "the customer's verified real name is on file",
        f"{_SUITABILITY}: the seller knows the customer before selling", (errors.IDENTITY_MISSING,),
    ),
    Rule(
        "on_shelf", _on_shelf, "the product is on this session's shelf",
        "what is sold in a session is what its trail says was offered in it", (errors.PRODUCT_NOT_ON_SHELF,),
    ),
    Rule(
        "product_on_sale", _product_on_sale, "the product is in its sale window, its beginning included and its end not",
        _BANK, (errors.PRODUCT_SALE_CLOSED,),
    ),
    Rule(
        "assessed", _assessed, "the customer has filled in the risk questionnaire", _SUITABILITY, (errors.ASSESSMENT_MISSING,),
    ),
    Rule(
        "assessment_valid", _assessment_valid, "the newest assessment is at most 12 months old",
        f"{_SUITABILITY}: an assessment holds 12 months", (errors.ASSESSMENT_EXPIRED,),
    ),
    Rule(
        "suitable", _suitable, "the product's R, the higher of the issuer's and the bank's rating, is at most the customer's C",
        f"{_SUITABILITY}: at least five grades, and of two ratings the higher holds",
        (errors.RISK_TOO_HIGH, errors.ASSESSMENT_MISSING),
    ),
    Rule(
        "disclosed", _disclosed, "this customer has confirmed the product's current disclosure in this session",
        "银监办发〔2017〕110号: risks are disclosed and confirmed on the record",
        (errors.DISCLOSURE_MISSING, errors.DISCLOSURE_OUTDATED),
    ),
    Rule("minimum", _minimum, "the amount is at least the product's minimum", _BANK, (errors.BELOW_MINIMUM,)),
    Rule("step", _step, "above the minimum the amount goes in whole steps", _BANK, (errors.OFF_STEP,)),
    Rule("in_stock", _in_stock, "of the product at least the amount is left", _BANK, (errors.OUT_OF_STOCK,)),
    Rule(
        "within_cap", _within_cap, "with the customer's standing orders the amount stays within the product's cap",
        _BANK, (errors.CAP_EXCEEDED,),
    ),
    Rule(
        "elder_in_call", _elder_in_call, "a customer of 65 or over orders R3 or above in a call",
        f"{_SUITABILITY}: special care from 65 years on", (errors.ELDER_NEEDS_CALL,),
    ),
    Rule(
        "elder_explained", _elder_explained,
        "and does so only after the extra risk explanation, which the adviser's own entry in the trail proves",
        f"{_SUITABILITY}: special care from 65 years on", (errors.EXPLANATION_MISSING,),
    ),
    Rule(
        "risk_rules", _risk_rules, "none of the bank's risk rules objects; some let the same order through in a call",
        "the bank's own caution (`commerce/risk.py`)", (errors.RISK_REVIEW,),
    ),
)  # fmt: skip

_IN_REPLAY: Final[tuple[Rule, ...]] = (
    Rule(
        "replay_on", gate_replay.replay_on, "the bank sells in replays at all (`TELLERCAST_REPLAY_SALES`)",
        "docs/decisions/0019: off unless the bank wants it", (errors.REPLAY_SALES_OFF,),
    ),
    Rule(
        "replay_sealed", gate_replay.replay_sealed,
        "it is a show, it is over, its trail is sealed, and its replay is not withheld; a call never sells again",
        "only what is sealed can be proved to have been shown so", (errors.REPLAY_NOT_SEALED,),
    ),
    Rule(
        "replay_recorded", gate_replay.replay_recorded,
        "each stream the show required shows the film's moment, by a fragment under the seal and with all its tracks",
        "银监办发〔2017〕110号: a sale is recorded; here what is not recorded can't be sold", (errors.REPLAY_NOT_RECORDED,),
    ),
    Rule(
        "replay_on_shelf", gate_replay.replay_on_shelf, "the product was on the show's shelf at that moment",
        "what is sold in a replay is what its trail says was offered then", (errors.REPLAY_NOT_ON_SHELF,),
    ),
    Rule(
        "replay_terms", gate_replay.replay_terms,
        "class, price, rating, term, wording and disclosure are those of then, or the disclosure was confirmed since",
        "银监办发〔2017〕110号: what was said in the film may be true no more", (errors.REPLAY_TERMS_CHANGED,),
    ),
)  # fmt: skip


def _replayed() -> tuple[Rule, ...]:
    """The rules of a running session in their order, the three that ask for one exchanged for those of a replay."""
    on, sealed, recorded, on_shelf, terms = _IN_REPLAY
    instead = {"session_live": (on, sealed), "sale_open": (recorded,), "on_shelf": (on_shelf,)}
    rules: list[Rule] = []
    for rule in RULES:
        rules += (terms,) if rule.name == "disclosed" else ()
        rules += instead.get(rule.name, (rule,))
    return tuple(rules)


REPLAY_RULES: Final = _replayed()


def _money(given: GateInput, minor: int) -> str:
    return str(Money(minor, given.product.currency))


def _day(moment: datetime) -> str:
    return to_text(moment)[:10]
