"""A product's terms and what may stand in them: pure, one small check for each field, then those that look at several.

Every check answers the value as it is kept or raises `Wrong`; all that is wrong is told at once, field by field. Amounts are
integers of the currency's minor unit, times aware UTC, a price a decimal text: it is shown as it was written ("1.0000") and
never reckoned with here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast

from commerce import catalogue_errors as errors
from commerce.wire import PriceKind, ProductClass
from core.clock import from_text, to_text
from core.errors import Problem
from core.money import EXPONENTS, Money

CLASSES: Final = ("deposit", "wealth", "fund", "insurance")
PRICE_KINDS: Final = ("price", "nav", "rate")
MOST_AMOUNT: Final = 10**15  # as `commerce.wire.Amount`: exact as a number of JSON
MOST_TERM_DAYS: Final = 36_500
MOST_FEE_BPS: Final = 10_000
MOST_NAME: Final = 120
MOST_RATE_TEXT: Final = 300
MOST_DISCLOSURE: Final = 20_000

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_PRICE: Final = re.compile(r"\d{1,9}(\.\d{1,6})?")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
# They turn the order of what is read around it: a name could be made to look like another one.
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Wrong(Exception):  # noqa: N818 - a finding about a field, caught where the fields are read
    """A field can't be taken; `problem` says why, with `params` for its sentence."""

    def __init__(self, problem: Problem, **params: Any) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.params = params


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of a form, one column of a file; `column` names it, "" is the whole."""

    column: str
    problem: Problem
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs (`price`), is worth on `date` (`nav`) or earns in per cent a year (`rate`); the fee beside it."""

    kind: PriceKind
    value: str
    date: date | None
    fee_bps: int

    def to_json(self) -> dict[str, Any]:
        """As it stands in the database, in the trail and in what the bank's core is told."""
        day = self.date.isoformat() if self.date is not None else None
        return {"kind": self.kind, "value": self.value, "date": day, "fee_bps": self.fee_bps}


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything an operator decides of a product, but for its disclosure. No person, commission or target is in it."""

    product_class: ProductClass
    name_en: str
    name_zh: str
    rate_text_en: str
    rate_text_zh: str
    issuer_risk: int
    bank_risk: int
    term_days: int | None
    currency: str
    minimum: int
    step: int
    cap: int | None
    quota: int
    price: Price
    sale_from: datetime
    sale_until: datetime

    def columns(self) -> dict[str, Any]:
        """The columns of `products`."""
        return {name: getattr(self, name) for name in _NAMES} | {"price": self.price.to_json()}

    def to_json(self) -> dict[str, Any]:
        """As the product's history keeps them."""
        known = {"class" if name == "product_class" else name: value for name, value in self.columns().items()}
        return known | {"sale_from": to_text(self.sale_from), "sale_until": to_text(self.sale_until)}

    def keeping(self, before: Terms) -> Terms:
        """The same, the price written as `before` if it is the same number: spreadsheets drop zeros."""
        if Decimal(self.price.value) != Decimal(before.price.value):
            return self
        return replace(self, price=replace(self.price, value=before.price.value))


_NAMES: Final = tuple(one.name for one in fields(Terms))


def product_id(text: str) -> str:
    """Raises Wrong(PRODUCT_ID_INVALID)."""
    if not _ID.fullmatch(text):
        raise Wrong(errors.PRODUCT_ID_INVALID)
    return text


def written(most: int, *, lines: bool = False) -> Callable[[str], str]:
    """A check of a text of at most `most` characters that holds something and can be shown; with `lines` several lines."""

    def check(text: str) -> str:
        kept = text.replace("\r\n", "\n").strip()
        if not kept:
            raise Wrong(errors.FIELD_MISSING)
        if len(kept) > most:
            raise Wrong(errors.FIELD_TOO_LONG, length=len(kept), most=most)
        if any(not _showable(char, lines) for char in kept):
            raise Wrong(errors.FIELD_UNPRINTABLE)
        return kept

    return check


def _showable(char: str, lines: bool) -> bool:
    if char in "\n\t":
        return lines
    return char not in _TURNING and unicodedata.category(char) not in _UNPRINTABLE


def _class(text: str) -> ProductClass:
    if text not in CLASSES:
        raise Wrong(errors.CLASS_UNKNOWN, given=text[:20])
    return cast("ProductClass", text)


def _currency(text: str) -> str:
    if text not in EXPONENTS:
        raise Wrong(errors.CURRENCY_UNKNOWN, given=text[:20], known=", ".join(EXPONENTS))
    return text


def _risk(grade: int) -> int:
    if not 1 <= grade <= 5:  # noqa: PLR2004 - R1 to R5
        raise Wrong(errors.RISK_OUT_OF_RANGE)
    return grade


def _term(days: int | None) -> int | None:
    if days is not None and not 1 <= days <= MOST_TERM_DAYS:
        raise Wrong(errors.TERM_OUT_OF_RANGE, most=MOST_TERM_DAYS)
    return days


def _amount(minor: int, least: int = 1) -> int:
    if not least <= minor <= MOST_AMOUNT:
        raise Wrong(errors.AMOUNT_OUT_OF_RANGE, most_text=f"{MOST_AMOUNT // 100:,}")
    return minor


def _cap(minor: int | None) -> int | None:
    return None if minor is None else _amount(minor)


def _quota(minor: int) -> int:
    return _amount(minor, least=0)  # zero: nothing is to be sold, yet or any more


def _price_kind(text: str) -> PriceKind:
    if text not in PRICE_KINDS:
        raise Wrong(errors.PRICE_KIND_UNKNOWN, given=text[:20])
    return cast("PriceKind", text)


def _price_value(text: str) -> str:
    if not _PRICE.fullmatch(text) or not text.isascii() or Decimal(text) <= 0:
        raise Wrong(errors.PRICE_UNREADABLE, given=text[:20])
    return text


def _price_date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        if not _DATE.fullmatch(text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as error:
        raise Wrong(errors.DATE_UNREADABLE, given=text[:20]) from error


def _fee(bps: int) -> int:
    if not 0 <= bps <= MOST_FEE_BPS:
        raise Wrong(errors.FEE_OUT_OF_RANGE, most=MOST_FEE_BPS)
    return bps


def _time(text: str) -> datetime:
    try:
        moment = from_text(text)
        if not 2000 <= moment.year <= 9000:  # noqa: PLR2004 - what a slip of the finger makes, and no calendar shows
            raise ValueError(text)
    except (ValueError, OverflowError) as error:
        raise Wrong(errors.TIME_UNREADABLE, given=text[:40]) from error
    return moment


# Column of a file, name of a field → its check. In the order in which files and forms have them.
CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "class": _class,
    "name_en": written(MOST_NAME),
    "name_zh": written(MOST_NAME),
    "rate_text_en": written(MOST_RATE_TEXT),
    "rate_text_zh": written(MOST_RATE_TEXT),
    "issuer_risk": _risk,
    "bank_risk": _risk,
    "term_days": _term,
    "currency": _currency,
    "minimum": _amount,
    "step": _amount,
    "cap": _cap,
    "quota": _quota,
    "price_kind": _price_kind,
    "price_value": _price_value,
    "price_date": _price_date,
    "fee_bps": _fee,
    "sale_from": _time,
    "sale_until": _time,
}
disclosure_text: Final = written(MOST_DISCLOSURE, lines=True)


def check(given: Mapping[str, Any], now: datetime) -> tuple[Terms | None, list[Fault]]:
    """The terms, or None and everything that is wrong. `given` has the keys of CHECKS; one that is missing was found wrong
    before, when it was read."""
    known: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, rule in CHECKS.items():
        if name in given:
            try:
                known[name] = rule(given[name])
            except Wrong as wrong:
                faults.append(Fault(name, wrong.problem, wrong.params))
    faults += _together(known, now)
    if faults or len(known) < len(CHECKS):
        return None, faults
    price = Price(known.pop("price_kind"), known.pop("price_value"), known.pop("price_date"), known.pop("fee_bps"))
    return Terms(product_class=known.pop("class"), price=price, **known), []


def _together(known: Mapping[str, Any], now: datetime) -> Iterator[Fault]:
    """What is wrong with several fields beside each other, of those that are right by themselves."""
    if {"minimum", "cap", "currency"} <= known.keys() and known["cap"] is not None and known["cap"] < known["minimum"]:
        cap, minimum = Money(known["cap"], known["currency"]), Money(known["minimum"], known["currency"])
        yield Fault("cap", errors.CAP_BELOW_MINIMUM, {"cap_text": str(cap), "minimum_text": str(minimum)})
    if {"price_kind", "price_date"} <= known.keys():
        day = known["price_date"]
        if known["price_kind"] == "nav" and day is None:
            yield Fault("price_date", errors.NAV_DATE_MISSING)
        elif known["price_kind"] != "nav" and day is not None:
            yield Fault("price_date", errors.PRICE_DATE_UNWANTED)
        elif day is not None and day > (now + timedelta(hours=14)).date():  # somewhere it is that day already
            yield Fault("price_date", errors.NAV_DATE_AHEAD)
    # Equal is a sale that never opens: what was withdrawn before it began.
    if {"sale_from", "sale_until"} <= known.keys() and known["sale_until"] < known["sale_from"]:
        yield Fault("sale_until", errors.WINDOW_UPSIDE_DOWN)


def differing(before: Terms, after: Terms) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands otherwise, as it was and as it is; two empty ones when nothing does."""
    was, now = before.to_json(), after.to_json()
    names = [name for name in was if was[name] != now[name]]
    return {name: was[name] for name in names}, {name: now[name] for name in names}
