"""The bank's own caution about an order, as pure rules over the customer's history.

`History` is what a rule may look at; `commerce/history.py` fills it from our own orders, and a bank may fill it from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """The figures of the risk rules; a bank sets its own. `amount_floor` in minor units: below it no amount is unusual."""

    velocity_orders: int = 10
    velocity_minutes: int = 10
    amount_factor: int = 10
    amount_floor: int = 50_000_000

    def to_json(self) -> dict[str, Any]:
        return dict(msgspec.to_builtins(self))


@dataclass(frozen=True, slots=True)
class History:
    """What is known of the customer's buying. `recent` orders within `RiskLimits.velocity_minutes`; `largest` order so far
    and all `holdings` with the bank, in minor units."""

    recent: int = 0
    largest: int = 0
    holdings: int = 0

    def to_json(self) -> dict[str, Any]:
        return dict(msgspec.to_builtins(self))


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule objects to. `call_helps`: the same order may go through in a call, where an adviser looks at it."""

    rule: str
    call_helps: bool
    sentence_en: str
    sentence_zh: str
    next_en: str
    next_zh: str

    def params(self) -> dict[str, str | bool]:
        """For `Refused(RISK_REVIEW, …)`."""
        return {
            "rule": self.rule,
            "call_helps": self.call_helps,
            "sentence_en": self.sentence_en,
            "sentence_zh": self.sentence_zh,
            "next_en": self.next_en,
            "next_zh": self.next_zh,
        }


@dataclass(frozen=True, slots=True)
class RiskRule:
    """One rule of the bank's caution. `objects` sees the history, the amount in minor units and the limits.

    Sentences are filled from the fields of `History` and `RiskLimits`.
    """

    name: str
    objects: Callable[[History, int, RiskLimits], bool]
    asks: str
    source: str
    call_helps: bool
    sentence_en: str
    sentence_zh: str
    next_en: str
    next_zh: str

    def judge(self, history: History, amount: int, limits: RiskLimits) -> Finding | None:
        """None when the rule has nothing against the order."""
        if not self.objects(history, amount, limits):
            return None
        figures = {**history.to_json(), **limits.to_json()}
        texts = (self.sentence_en, self.sentence_zh, self.next_en, self.next_zh)
        return Finding(self.name, self.call_helps, *(text.format_map(figures) for text in texts))


def _velocity(history: History, _amount: int, limits: RiskLimits) -> bool:
    return history.recent >= limits.velocity_orders


def _unusual_amount(history: History, amount: int, limits: RiskLimits) -> bool:
    known = max(history.largest, history.holdings)
    return amount > limits.amount_floor and amount > known * limits.amount_factor


RISK_RULES: Final[tuple[RiskRule, ...]] = (
    RiskRule(
        name="velocity",
        objects=_velocity,
        asks="fewer than {velocity_orders} orders were placed within {velocity_minutes} minutes, cancelled ones included",
        source="many orders in a short time look like pressure or a stolen account; a call does not make them fewer",
        call_helps=False,
        sentence_en="You have placed {recent} orders within {velocity_minutes} minutes.",
        sentence_zh="您在 {velocity_minutes} 分钟内已下 {recent} 笔订单。",
        next_en="Wait {velocity_minutes} minutes, or call an adviser if this was not you.",
        next_zh="请等待 {velocity_minutes} 分钟后再试；如非本人操作，请立即呼叫理财经理。",
    ),
    RiskRule(
        name="unusual_amount",
        objects=_unusual_amount,
        asks="the amount is at most {amount_floor:,} minor units, or at most {amount_factor} times the customer's "
        "largest order or holdings",
        source="an amount far above everything known of the customer: someone asks, as tellers do at the counter",
        call_helps=True,
        sentence_en="This amount is far above what you have bought so far.",
        sentence_zh="该金额明显高于您以往的购买水平。",
        next_en="Call an adviser, who goes through it with you and can place it in the call.",
        next_zh="请呼叫理财经理，由其与您核对后在通话中办理。",
    ),
)
