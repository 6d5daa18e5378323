"""Orders placed while a finished session was seen again, held against what was on offer at their moment of the film. Pure.

They stand in the trail after the seal. What is bought then is the product of that day: where its class, price, rating or
disclosure are others than at the film's moment, the order has to say so. Its least amount, step, cap and sale window may differ
silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from compliance.fairness import UNREADABLE, Offer, canonical_price, differing, plain
from compliance.fairness_names import Names
from compliance.record import text_of, whole
from recording import kinds
from recording.chain import Entry

# The term that such an order says has changed, by what would be found otherwise.
_SAID_AS: Final = {"order_class": "class", "order_price": "price", "order_disclosure": "disclosure", "order_risk": "risk"}


def faults(offers: Sequence[Offer], ended: int | None, entry: Entry) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """(code, what fills its sentence) of everything that is wrong with an entry after the seal, if it is such an order.

    `ended` is the entry with which the session ended: what was on offer then was so to the last picture.
    """
    if entry.kind != kinds.ORDER_PLACED:
        return []
    found: list[tuple[str, Mapping[str, Any]]] = [
        ("field_forbidden", {"field": name}) for name in Names().forbidden(entry.data)
    ]
    try:
        return [*found, *_unlike(offers, ended, entry)]
    except UNREADABLE as error:
        return [*found, ("fairness_unreadable", {"detail": repr(error)})]


def _unlike(offers: Sequence[Offer], ended: int | None, entry: Entry) -> list[tuple[str, Mapping[str, Any]]]:
    data, product = entry.data, text_of(entry.data["product"])
    changed = {text_of(name) for name in data["replay"]["changed"]}
    offer = _offered_at(offers, ended, product, whole(entry.media_ms))
    if offer is None:
        return [("order_not_offered", {"product": product})]
    found: list[tuple[str, Mapping[str, Any]]] = list(differing(data, offer.terms))
    price = canonical_price(data.get("price"))
    if price != offer.terms.price:
        found.append(("order_price", {"price": plain(price), "offered": plain(offer.terms.price)}))
    return [
        (code, {"product": product, "since": offer.since, **told})
        for code, told in found
        if code != "order_terms" and _SAID_AS.get(code) not in changed
    ]


def _offered_at(offers: Sequence[Offer], ended: int | None, product: str, at: int) -> Offer | None:
    """The stretch in which a product was on offer at a media time, None when it was not; of several the last that began."""
    begun = [offer for offer in offers if offer.product == product and (offer.since_ms or 0) <= at]
    if not begun:
        return None
    last = begun[-1]
    taken_away = last.until is not None and last.until != ended and (last.until_ms or 0) <= at
    return None if taken_away else last
