"""A session's ledger of fairness from the trail as it stands in the database, and as reviewers see it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row

from compliance.fairness import RANKED_BY, Fairness, Ledger, Offer, Unfair
from compliance.findings import Finding
from compliance.rules import risk_name
from compliance.wire import FairnessView, OfferMoment, OfferView, UnfairView
from core.database import Database
from recording.chain import read_entry
from recording.trail import PAGE, Trail

TIMEOUT_S: Final = 60.0


async def read(db: Database, trail: Trail, session_id: str) -> Fairness:
    """The ledger of everything up to now, live or over. Raises TimeoutError after `TIMEOUT_S`."""
    ledger, after = Ledger(), 0
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            async with db.read() as tx:
                page = await trail.stored(tx, session_id, after, PAGE)
            await asyncio.to_thread(_take, ledger, page)
            if len(page) < PAGE:
                return await asyncio.to_thread(ledger.close)
            after = page[-1].seq


def _take(ledger: Ledger, page: Sequence[Row[Any]]) -> None:
    for row in page:
        try:
            ledger.add(read_entry(row.body, row.hash))
        except (ValueError, TypeError, KeyError) as error:  # what stands there is not believed
            ledger.skip(row.seq, error)


def view(found: Fairness, lang: str) -> FairnessView:
    """As it goes over the wire, in "en" or "zh"; in sentences products have their names."""
    names = {item.product: _name(item, lang) for item in found.offers}
    return FairnessView(
        proved=found.is_proved,
        entries=found.entries,
        orders=found.orders,
        products=len(found.sold),
        repriced=len(found.repriced),
        fields=list(found.fields),
        ranked_by=list(RANKED_BY),
        offers=[_offer(item, lang) for item in found.offers],
        findings=[_finding(item, names, lang) for item in found.findings],
        more=found.more,
    )


def _offer(item: Offer, lang: str) -> OfferView:
    terms = item.terms
    return OfferView(
        product=item.product,
        name=_name(item, lang),
        product_class=terms.product_class,
        risk=_risk(terms.risk),
        price=msgspec.json.decode(terms.price),
        disclosure=terms.disclosure,
        changed=list(item.changed),
        since=OfferMoment(item.since, item.since_ms),
        until=None if item.until is None else OfferMoment(item.until, item.until_ms),
        orders=item.orders,
        amounts=item.amounts,
        first=None if item.first is None else OfferMoment(*item.first),
        last=None if item.last is None else OfferMoment(*item.last),
    )


def _name(item: Offer, lang: str) -> str:
    return (item.name_zh if lang == "zh" else item.name_en) or item.product


def _finding(item: Unfair, names: Mapping[str, str], lang: str) -> UnfairView:
    product = item.params.get("product")
    told = Finding(item.code, item.where, {**item.params, "product": names.get(product, product)} if product else item.params)
    return UnfairView(code=item.code, seq=item.seq, media_ms=item.media_ms, text=told.text(lang))


def _risk(risk: int) -> str:
    try:
        return risk_name(risk)
    except ValueError:
        return str(risk)
