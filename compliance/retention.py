"""How long a recording must be kept: the rules as data with their sources, and the pure function over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from compliance.rules import add_months


class Anchor(StrEnum):
    """From when a period runs."""

    SESSION_END = "session_end"
    PRODUCT_END = "product_end"  # the product matures, or its contract ends
    DISPUTE_END = "dispute_end"


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Keep for `months` from `anchor`. `product_class` None means any. Terms are in days; None means no bound."""

    jurisdiction: str
    anchor: Anchor
    months: int
    source: str
    product_class: str | None = None
    term_over_days: int | None = None
    term_up_to_days: int | None = None
    on_request: bool = False


# The settings may replace this table; it holds what the sources say, and nothing is ever kept shorter than its longest match.
RETENTION_RULES: Final[tuple[RetentionRule, ...]] = (
    RetentionRule("cn", Anchor.SESSION_END, 60, "house default, above 银监办发〔2017〕110号 and 〔2026〕9号 (replays 3 years)"),
    RetentionRule("cn", Anchor.PRODUCT_END, 6, "银监办发〔2017〕110号：6 months after the product or contract ends"),
    RetentionRule("cn", Anchor.DISPUTE_END, 24, "house default, above 银监办发〔2017〕110号 (until disputes are settled)"),
    RetentionRule("cn", Anchor.PRODUCT_END, 60, "保监发〔2017〕54号：term up to one year", "insurance", term_up_to_days=366),
    RetentionRule("cn", Anchor.PRODUCT_END, 120, "保监发〔2017〕54号：term over one year", "insurance", term_over_days=366),
    RetentionRule("cn-securities", Anchor.SESSION_END, 240, "China, securities firms: 20 years"),
    RetentionRule("eu", Anchor.SESSION_END, 60, "MiFID II art. 16(7): 5 years, also when no deal results"),
    RetentionRule("eu", Anchor.SESSION_END, 84, "MiFID II art. 16(7): 7 years on the authority's request", on_request=True),
    RetentionRule("uk", Anchor.SESSION_END, 60, "FCA SYSC 10A: 5 years"),
    RetentionRule("uk", Anchor.SESSION_END, 84, "FCA SYSC 10A: 7 years on request", on_request=True),
    RetentionRule("us", Anchor.SESSION_END, 72, "SEC 17a-4: 6 years, 2 of them readily at hand"),
)


@dataclass(frozen=True, slots=True)
class Sold:
    """A product sold in the session. `ends_at` None with `runs` True means it still runs and its end is not known."""

    product_class: str
    ends_at: datetime | None
    runs: bool = True
    term_days: int | None = None


@dataclass(frozen=True, slots=True)
class Disputes:
    """What disputes there are about a session: one still open, and when the last settled one ended."""

    open: bool = False
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """Until when: None means that it can't be said yet and nothing may go. `reasons` are the sources that decide."""

    until: datetime | None
    reasons: tuple[str, ...]


def keep_until(
    session_end: datetime,
    *,
    jurisdiction: str = "cn",
    sold: Sequence[Sold] = (),
    disputes: Disputes | None = None,
    requested: bool = False,
    rules: Sequence[RetentionRule] = RETENTION_RULES,
) -> Keep:
    """The latest date of all rules that apply. Raises ValueError for a jurisdiction the table doesn't know."""
    ours = [rule for rule in rules if rule.jurisdiction == jurisdiction and (requested or not rule.on_request)]
    if not ours:
        raise ValueError(f"no retention rule for {jurisdiction!r}")
    disputes = disputes or Disputes()
    if disputes.open:
        return Keep(None, ("an open dispute",))
    dates: list[tuple[datetime, str]] = []
    for rule in ours:
        if rule.anchor is Anchor.SESSION_END:
            dates.append((add_months(session_end, rule.months), rule.source))
        elif rule.anchor is Anchor.DISPUTE_END:
            if disputes.ended_at is not None:
                dates.append((add_months(disputes.ended_at, rule.months), rule.source))
        else:
            for item in (item for item in sold if _concerns(rule, item)):
                if item.ends_at is None and item.runs:
                    return Keep(None, (rule.source,))
                dates.append((add_months(item.ends_at or session_end, rule.months), rule.source))
    until = max(date for date, _ in dates)
    return Keep(until, tuple(sorted({source for date, source in dates if date == until})))


def _concerns(rule: RetentionRule, item: Sold) -> bool:
    if rule.product_class is not None and rule.product_class != item.product_class:
        return False
    # A term that is not known counts as long: the longer period is the safe one.
    if rule.term_up_to_days is not None and (item.term_days is None or item.term_days > rule.term_up_to_days):
        return False
    return rule.term_over_days is None or item.term_days is None or item.term_days > rule.term_over_days
