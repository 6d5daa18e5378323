"""The gate's rules for buying while a finished show is seen again, and what has changed since it was on. Pure.

What was said, shown and offered at a moment of a sealed show stands in its record and changes no more; what is bought is the
product of today. So the first four rules ask for that moment, the fifth whether the customer knows what has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from commerce import errors
from commerce.gate_input import GateInput, ReplayFacts
from core.errors import Refused

# What somebody who hears of a product goes by, by its name in the shelf's entries, and how it is called in a refusal.
TERMS: Final[dict[str, tuple[str, str]]] = {
    "class": ("its class", "类别"),
    "price": ("its price", "价格"),
    "risk": ("its risk rating", "风险等级"),
    "term_days": ("its term", "期限"),
    "rate_text_en": ("the wording of its return", "收益表述"),
    "rate_text_zh": ("the wording of its return", "收益表述"),
    "disclosure": ("its disclosure", "风险揭示书"),
}


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of those terms that are others than they were; a term the record does not tell counts as changed."""
    return tuple(name for name in TERMS if name not in then or then[name] != now[name])


def replay_on(given: GateInput) -> Refused | None:
    """Only where the bank has said so (docs/decisions/0019)."""
    return _on(_of(given), given.product.id)


def replay_sealed(given: GateInput) -> Refused | None:
    """A show that may be seen again, under its seal: what it is bound to can change no more."""
    return _sealed(given.session.kind, given.session.state, _of(given))


def replay_recorded(given: GateInput) -> Refused | None:
    """Invariant 1: each stream that was required shows that moment."""
    return _recorded(_of(given))


def replay_on_shelf(given: GateInput) -> Refused | None:
    """What is sold in a replay was offered then."""
    return _on_shelf(_of(given), given.product.id)


def replay_terms(given: GateInput) -> Refused | None:
    """Who hears of old terms and buys at new ones has confirmed the disclosure beside the new ones."""
    moment = _of(given)
    return None if not moment.changed or moment.confirmed_since else terms_changed(given.product.id, moment.changed)


def terms_changed(product_id: str, names: Sequence[str]) -> Refused:
    """Which of TERMS are others than in the film."""
    en, zh = (list(dict.fromkeys(TERMS[name][lang] for name in names)) for lang in (0, 1))
    told = {"changed": list(names), "changed_en": ", ".join(en), "changed_zh": "、".join(zh)}
    return Refused(errors.REPLAY_TERMS_CHANGED, product=product_id, **told)


def moment_closed(kind: str, state: str, moment: ReplayFacts, product_id: str) -> Refused | None:
    """Why nothing of this product is sold at that moment of such a session to anybody; None when nothing stands against it."""
    return _on(moment, product_id) or _sealed(kind, state, moment) or _recorded(moment) or _on_shelf(moment, product_id)


def _on(moment: ReplayFacts, product_id: str) -> Refused | None:
    return None if moment.is_on else Refused(errors.REPLAY_SALES_OFF, product=product_id)


def _sealed(kind: str, state: str, moment: ReplayFacts) -> Refused | None:
    is_past = kind == "show" and state == "ended"
    return None if is_past and moment.is_sealed else Refused(errors.REPLAY_NOT_SEALED)


def _recorded(moment: ReplayFacts) -> Refused | None:
    return None if moment.is_recorded else Refused(errors.REPLAY_NOT_RECORDED, ms=moment.media_ms)


def _on_shelf(moment: ReplayFacts, product_id: str) -> Refused | None:
    return None if moment.on_shelf else Refused(errors.REPLAY_NOT_ON_SHELF, product=product_id, ms=moment.media_ms)


def _of(given: GateInput) -> ReplayFacts:
    if given.replay is None:
        raise ValueError("a rule of replays was asked about a running session")
    return given.replay
