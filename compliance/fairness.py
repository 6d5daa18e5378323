"""The ledger of fairness: what was on offer when, at which terms, and that every order had exactly those. Pure.

Fed with a session's entries in order, it follows the shelf through `shelf_changed` and holds every `order_placed` against what
was on offer at its moment. So a record proves by itself that all customers saw one price (invariant 6), and that what stood
beside it for choosing and ranking knew nothing of what the seller earns (invariant 7): no entry has a field for it.

It keeps one line for each stretch of time in which a product's terms were the same, nothing for each order. What entries say is
foreign: every value is looked at before it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import rfc8785

from compliance.fairness_names import Names
from compliance.findings import MOST_FINDINGS, Findings
from core.canonical import canonical_value
from recording import kinds

# What products may be ranked and recommended by (commerce/catalogue.py `ranked`): so they stand on the shelf, by these names.
RANKED_BY: Final = ("class", "risk", "name_en")
# So many stretches are kept, some 600 bytes each; a day's show with a shelf of 50 has far fewer.
MOST_OFFERS: Final = 10_000
_MOST_NAMES: Final = 10_000
_MOST_TEXT: Final = 300
_SHORT: Final = 16
READ_KINDS: Final = frozenset({kinds.SHELF_CHANGED, kinds.ORDER_PLACED, kinds.SESSION_ENDED})
READ_FIELDS: Final = frozenset({"products", "product", "product_class", "amount", "currency", "price", "disclosure", "gate"})
# What of the shelf's entry is no term, or stands in a field of `Terms`; what the gate looks at of the rest.
_APART: Final = frozenset({"id", "name_en", "name_zh", "quota", "price", "class", "risk", "disclosure"})
_NAMED: Final = ("price", "product_class", "risk", "disclosure")
_FIRST_PRICE: Final = frozenset({"unit_price", "fee_bps"})
_GATE: Final = ("issuer_risk", "bank_risk", "minimum", "step", "cap", "sale_from", "sale_until")
_MOST_TERMS: Final = 4_000
_NO_SIGNS: Final = str.maketrans("", "", '{}"')
UNREADABLE: Final = (KeyError, TypeError, ValueError, RecursionError, rfc8785.CanonicalizationError)


@dataclass(frozen=True, slots=True)
class Terms:
    """What was on offer. `price` is canonical JSON, `risk` 1 to 5; `disclosure` is "version sha256".

    `rest` is the canonical JSON of all else that the shelf said, names and quota apart; of it `gate` is what the gate looks at.
    """

    price: str
    product_class: str
    risk: int
    disclosure: str
    rest: str
    gate: tuple[tuple[str, Any], ...]

    def changed(self, before: Terms) -> tuple[str, ...]:
        """The names of the terms that are others than before."""
        mine, theirs = json.loads(self.rest), json.loads(before.rest)
        names = [name for name in sorted({*mine, *theirs}) if mine.get(name) != theirs.get(name)]
        return (*(name for name in _NAMED if getattr(self, name) != getattr(before, name)), *names)


@dataclass(slots=True)
class _First:
    """The price of the first order of a product at some terms, and its entry; the same in every stretch with these terms."""

    price: str = ""
    seq: int = 0


@dataclass(slots=True)
class Offer:
    """A stretch of time in which a product was on offer at the same terms: from one entry (and media time, ms) to another.

    `changed` names the terms that were others in the product's stretch before; `until` is None while it lasts. Orders are
    counted, and summed in minor units by currency; `first` and `last` are the numbers and media times of the first and the
    last of them.
    """

    product: str
    name_en: str
    name_zh: str
    terms: Terms
    since: int
    since_ms: int | None
    changed: tuple[str, ...] = ()
    until: int | None = None
    until_ms: int | None = None
    orders: int = 0
    amounts: dict[str, int] = field(default_factory=dict)
    first: tuple[int, int | None] | None = None
    last: tuple[int, int | None] | None = None
    sold: _First = field(default_factory=_First, repr=False)


@dataclass(frozen=True, slots=True)
class Unfair:
    """One finding: a code of `compliance.findings.MESSAGES`, the entry it names, and what fills its sentence."""

    code: str
    seq: int
    media_ms: int | None
    params: Mapping[str, Any]

    @property
    def where(self) -> str:
        return f"entry {self.seq}"


@dataclass(frozen=True, slots=True)
class Fairness:
    """The whole ledger. `fields` are the names of all that the shelf ever said of a product; `more` findings are not listed."""

    entries: int
    orders: int
    offers: tuple[Offer, ...]
    fields: tuple[str, ...]
    findings: tuple[Unfair, ...]
    more: int

    @property
    def is_proved(self) -> bool:
        """Whether every order had the terms that were on offer, and nothing forbidden stands in the record."""
        return not self.findings

    @property
    def sold(self) -> frozenset[str]:
        """The products of which something was ordered."""
        return frozenset(offer.product for offer in self.offers if offer.orders)

    @property
    def repriced(self) -> frozenset[str]:
        """The products that were on offer at more than one price, one after the other: the same for all at each moment."""
        prices: dict[str, set[str]] = {}
        for offer in self.offers:
            prices.setdefault(offer.product, set()).add(offer.terms.price)
        return frozenset(product for product, found in prices.items() if len(found) > 1)

    def tell(self, findings: Findings) -> None:
        """Add what was found to a verification's findings."""
        for item in self.findings:
            findings.add(item.code, item.where, **item.params)
        if self.more:
            findings.add("fairness_more", "record", more=self.more)


class Said(Protocol):
    """An entry as far as the ledger reads it."""

    @property
    def seq(self) -> int: ...

    @property
    def media_ms(self) -> int | None: ...

    @property
    def kind(self) -> str: ...

    @property
    def data(self) -> Mapping[str, Any]: ...


class Ledger:
    """Feed it every entry of a session in order, then `close`. Never raises on what they contain.

    Who has looked through an entry's names already (`Names`) may give it to `hear`, and only if it is of `READ_KINDS`, with
    those of its data that are `READ_FIELDS`.
    """

    def __init__(self) -> None:
        self._entries = 0
        self._orders = 0
        self._offers: list[Offer] = []
        self._now: dict[str, Offer] = {}
        self._latest: dict[str, Offer] = {}
        self._sold: dict[tuple[str, Terms], _First] = {}
        self._fields: set[str] = set()
        self._names = Names()
        self._findings: list[Unfair] = []
        self._more = 0
        self._is_full = False
        self.ended: int | None = None

    def add(self, entry: Said) -> None:
        """The next entry."""
        self._entries += 1
        for name in self._names.forbidden(entry.data):
            self._find("field_forbidden", entry, field=name[:_MOST_TEXT])
        if entry.kind in READ_KINDS:
            self.hear(entry)

    def hear(self, entry: Said) -> None:
        """The next entry that speaks of terms; its names are known."""
        try:
            if entry.kind == kinds.SHELF_CHANGED:
                self._shelf(entry)
            elif entry.kind == kinds.ORDER_PLACED:
                self._orders += 1
                self._order(entry)
            elif entry.kind == kinds.SESSION_ENDED:
                self.ended = entry.seq
                for offer in self._now.values():
                    offer.until, offer.until_ms = entry.seq, entry.media_ms
        except UNREADABLE as error:
            self._find("fairness_unreadable", entry, detail=repr(error))

    def skip(self, seq: int, error: Exception) -> None:
        """An entry that can't be read at all."""
        self._entries += 1
        self._keep(Unfair("fairness_unreadable", seq, None, {"detail": repr(error)}))

    @property
    def offers(self) -> Sequence[Offer]:
        """What was on offer so far, in the order in which it began."""
        return self._offers

    def close(self) -> Fairness:
        """What all of them come to."""
        return Fairness(
            entries=self._entries,
            orders=self._orders,
            offers=tuple(self._offers),
            fields=tuple(sorted(self._fields)),
            findings=tuple(self._findings),
            more=self._more,
        )

    def _find(self, code: str, entry: Said, **params: Any) -> None:
        self._keep(Unfair(code, entry.seq, entry.media_ms, params))

    def _keep(self, found: Unfair) -> None:
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(found)
        else:
            self._more += 1

    def _shelf(self, entry: Said) -> None:
        """What is on offer from this entry on; a product whose terms stay as they were is one stretch."""
        before, self._now = self._now, {}
        for said in entry.data["products"]:
            product, terms = _text(said["id"]), _offered(said)
            self._see_fields(said, entry)
            kept = before.get(product)
            if kept is not None and kept.terms == terms:
                self._now[product] = kept
            elif self._has_room(entry):
                names = _text(said.get("name_en", "")), _text(said.get("name_zh", ""))
                sold = self._sold.setdefault((product, terms), _First())
                last = self._latest.get(product)
                changed = terms.changed(last.terms) if last is not None else ()
                offer = Offer(product, *names, terms, entry.seq, entry.media_ms, changed, sold=sold)
                self._now[product] = self._latest[product] = offer
                self._offers.append(offer)
        for product, offer in before.items():
            if self._now.get(product) is not offer:
                offer.until, offer.until_ms = entry.seq, entry.media_ms

    def _see_fields(self, said: Mapping[str, Any], entry: Said) -> None:
        """Whoever wants to rank them again from the record has to find there what they were ranked by."""
        if missing := [name for name in RANKED_BY if name not in said]:
            self._find("fairness_not_told", entry, product=said["id"], missing=", ".join(missing))
        if len(self._fields) < _MOST_NAMES:
            self._fields.update(_text(name) for name in said)

    def _has_room(self, entry: Said) -> bool:
        if len(self._offers) >= MOST_OFFERS and not self._is_full:
            self._is_full = True
            self._find("fairness_full", entry, most=MOST_OFFERS)
        return not self._is_full

    def _order(self, entry: Said) -> None:
        data = entry.data
        product, price = _text(data["product"]), canonical_price(data.get("price"))
        offer = self._now.get(product)
        if offer is None:
            if not self._is_full:
                self._find("order_not_offered", entry, product=product)
            return
        self._count(offer, entry)
        if price != offer.terms.price:
            prices = {"price": plain(price), "offered": plain(offer.terms.price)}
            self._find("order_price", entry, product=product, since=offer.since, **prices)
        for code, told in differing(data, offer.terms):
            self._find(code, entry, product=product, since=offer.since, **told)
        sold = offer.sold
        if not sold.price:
            sold.price, sold.seq = price, entry.seq
        elif price != sold.price:
            self._find("orders_differ", entry, product=product, price=plain(price), first=plain(sold.price), other=sold.seq)

    @staticmethod
    def _count(offer: Offer, entry: Said) -> None:
        amount, currency = _whole(entry.data["amount"]), _text(entry.data["currency"])
        if offer.amounts and currency not in offer.amounts:
            raise ValueError(f"another currency than before: {currency}")
        place = entry.seq, entry.media_ms
        offer.orders += 1
        offer.amounts[currency] = offer.amounts.get(currency, 0) + amount
        offer.first = offer.first or place
        offer.last = place


def examine(entries: Iterable[Said]) -> Fairness:
    """The ledger of a whole session at once."""
    ledger = Ledger()
    for entry in entries:
        ledger.add(entry)
    return ledger.close()


def _offered(said: Mapping[str, Any]) -> Terms:
    rest = canonical_value({name: value for name, value in said.items() if name not in _APART}).decode()
    if len(rest) > _MOST_TERMS:
        raise ValueError(f"terms of more than {_MOST_TERMS} characters")
    gate = tuple((name, said[name]) for name in _GATE if name in said)
    named = canonical_price(said["price"]), _text(said["class"]), _whole(said["risk"]), _disclosure(said["disclosure"])
    return Terms(*named, rest, gate)


def plain(price: str) -> str:
    """A price for a sentence: each of its fields, without the signs of JSON."""
    return price.translate(_NO_SIGNS).replace(":", " ").replace(",", ", ")


def differing(data: Mapping[str, Any], offered: Terms) -> list[tuple[str, dict[str, str]]]:
    """(code, what fills its sentence) of the terms beside the price that an order has otherwise than they were on offer."""
    found: list[tuple[str, dict[str, str]]] = []
    if (disclosure := _disclosure(data.get("disclosure"))) != offered.disclosure:
        found.append(("order_disclosure", {"ordered": _short(disclosure), "offered": _short(offered.disclosure)}))
    if (named := data.get("product_class", offered.product_class)) != offered.product_class:
        found.append(("order_class", {"ordered": _text(named), "offered": offered.product_class}))
    rated = data
    for name in ("gate", "inputs", "product"):
        rated = rated.get(name, {})
        if not isinstance(rated, Mapping):
            raise TypeError(f"not an object: {name}")
    if "issuer_risk" in rated and (risk := max(_whole(rated["issuer_risk"]), _whole(rated["bank_risk"]))) != offered.risk:
        found.append(("order_risk", {"ordered": f"R{risk}", "offered": f"R{offered.risk}"}))
    for name, value in offered.gate:
        if rated.get(name, value) != value:
            found.append(("order_terms", {"name": name, "ordered": str(rated[name]), "offered": str(value)}))
    return found


def _short(disclosure: str) -> str:
    """Enough of a hash to look it up."""
    return disclosure if len(disclosure) <= _SHORT else f"{disclosure[:_SHORT]}…"


def canonical_price(value: Any) -> str:
    """Its canonical text. The first trails knew a price of one unit alone: that is the same price as one of kind "price"."""
    if isinstance(value, dict) and value.keys() == _FIRST_PRICE:
        value = {"kind": "price", "value": value["unit_price"], "date": None, "fee_bps": value["fee_bps"]}
    return _text(canonical_value(value).decode())


def _disclosure(value: Any) -> str:
    return "none" if value is None else f"{_whole(value['version'])} {_text(value['sha256'])}"


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"not a whole number: {value!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    if len(value) > _MOST_TEXT:
        raise ValueError(f"longer than {_MOST_TEXT} characters: {value[:_MOST_TEXT]!r}")
    return value
