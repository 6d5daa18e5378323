"""The bank's own caution about an order, as pure rules over the customer's history.

`History` is what a rule may look at; `commerce/history.py` fills it from our own orders, and a bank may fill it from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """The figures of the risk rules; a bank sets its own. `amount_floor` in minor units: below it no amount is unusual."""

    velocity_orders: int = 10
    velocity_minutes: int = 10
    amount_factor: int = 10
    amount_floor: int = 50_000_000

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class History:
    """What is known of the customer's buying. `recent` orders within `RiskLimits.velocity_minutes`; `largest` order so far
    and all `holdings` with the bank, in minor units."""

    recent: int = 0
    largest: int = 0
    holdings: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule objects to. `call_helps`: the same order may go through in a call, where an adviser looks at it."""

    rule: str
    call_helps: bool
    sentence_en: str
    sentence_zh: str
    next_en: str
    next_zh: str

    def params(self) -> dict[str, str]:
        """For `Refused(RISK_REVIEW, …)`."""
        return {
            "rule": self.rule,
            "sentence_en": self.sentence_en,
            "sentence_zh": self.sentence_zh,
            "next_en": self.next_en,
            "next_zh": self.next_zh,
        }


RiskRule = Callable[[History, int, RiskLimits], Finding | None]


def velocity(history: History, _amount: int, limits: RiskLimits) -> Finding | None:
    """Many orders in a short time look like pressure or a stolen account; a call does not make them fewer."""
    if history.recent < limits.velocity_orders:
        return None
    return Finding(
        rule="velocity",
        call_helps=False,
        sentence_en=f"You have placed {history.recent} orders within {limits.velocity_minutes} minutes.",
        sentence_zh=f"您在 {limits.velocity_minutes} 分钟内已下 {history.recent} 笔订单。",
        next_en=f"Wait {limits.velocity_minutes} minutes, or call an adviser if this was not you.",
        next_zh=f"请等待 {limits.velocity_minutes} 分钟后再试；如非本人操作，请立即呼叫理财经理。",
    )


def unusual_amount(history: History, amount: int, limits: RiskLimits) -> Finding | None:
    """An amount far above everything known of the customer: someone should ask, as tellers do at the counter."""
    known = max(history.largest, history.holdings)
    if amount <= limits.amount_floor or amount <= known * limits.amount_factor:
        return None
    return Finding(
        rule="unusual_amount",
        call_helps=True,
        sentence_en="This amount is far above what you have bought so far.",
        sentence_zh="该金额明显高于您以往的购买水平。",
        next_en="Call an adviser, who goes through it with you and can place it in the call.",
        next_zh="请呼叫理财经理，由其与您核对后在通话中办理。",
    )


RISK_RULES: Final[tuple[RiskRule, ...]] = (velocity, unusual_amount)
