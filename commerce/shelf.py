"""The shelf of a session: which products it offers, in which order, and which is being explained. Every change is trailed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, errors
from commerce.catalogue import Product
from commerce.tables import shelf
from commerce.wire import Shelf, ShelfProduct
from core.clock import Clock, to_text
from core.database import among
from core.errors import BAD_REQUEST, NOT_FOUND, Refused
from core.identity import Person
from recording import kinds
from recording.lifecycle import FINAL
from recording.tables import sessions
from recording.trail import Draft, Head, Trail, lock_head

MAX_PRODUCTS = 50


@dataclass(frozen=True, slots=True)
class ShelfState:
    """A shelf at trail number `seq`; what rooms must broadcast after the commit. `view(lang)` for one reader's language."""

    session_id: str
    seq: int
    products: tuple[Product, ...]
    pinned: str | None

    def view(self, clock: Clock, lang: str) -> Shelf:
        """As everybody in the session sees it."""
        now = clock.now()
        items = [ShelfProduct(**p.fields(now, lang), pinned=p.id == self.pinned) for p in self.products]
        return Shelf(session=self.session_id, seq=self.seq, products=items, pinned=self.pinned)


async def read(tx: AsyncConnection, trail: Trail, session_id: str) -> ShelfState:
    """The shelf as it stands; empty for a session that has none."""
    rows = (await tx.execute(select(shelf).where(shelf.c.session_id == session_id).order_by(shelf.c.position))).all()
    known = await catalogue.by_ids(tx, [row.product_id for row in rows])
    pinned = next((row.product_id for row in rows if row.pinned), None)
    seq = await trail.last(tx, session_id)
    return ShelfState(session_id, seq, tuple(known[row.product_id] for row in rows), pinned)


async def put(tx: AsyncConnection, trail: Trail, session_id: str, person: Person, product_ids: Sequence[str]) -> ShelfState:
    """Offer exactly these, in this order; a pin on one that goes is gone with it. The caller knows that `person` may.

    Raises Refused(BAD_REQUEST) for doubles or more than 50, Refused(NOT_FOUND) for an unknown product, TrailSealed.
    """
    if len(set(product_ids)) != len(product_ids) or len(product_ids) > MAX_PRODUCTS:
        raise Refused(BAD_REQUEST, detail=f"products: at most {MAX_PRODUCTS}, each once")
    await lock_head(tx, session_id, briefly=True)  # one change of a shelf at a time
    await catalogue.hold(tx, product_ids)  # the terms that are entered are those on offer: nobody changes them meanwhile
    known = await catalogue.by_ids(tx, product_ids)
    if len(known) != len(product_ids):
        raise Refused(NOT_FOUND)
    before = await read(tx, trail, session_id)
    pinned = before.pinned if before.pinned in product_ids else None
    await tx.execute(delete(shelf).where(shelf.c.session_id == session_id))
    rows = [
        {"session_id": session_id, "product_id": product, "position": place, "pinned": int(product == pinned)}
        for place, product in enumerate(product_ids)
    ]
    if rows:
        await tx.execute(insert(shelf), rows)
    terms = [terms_of(known[product]) for product in product_ids]
    [entry] = await trail.append(tx, session_id, Draft(kinds.SHELF_CHANGED, person.id, {"products": terms, "pinned": pinned}))
    return ShelfState(session_id, entry.seq, tuple(known[product] for product in product_ids), pinned)


async def add(tx: AsyncConnection, trail: Trail, session_id: str, person: Person, product_id: str) -> ShelfState:
    """Offer one more, if it isn't offered yet (a proposal in a call does). Same errors as `put`."""
    before = await read(tx, trail, session_id)
    ids = [product.id for product in before.products]
    return before if product_id in ids else await put(tx, trail, session_id, person, [*ids, product_id])


async def pin(tx: AsyncConnection, trail: Trail, session_id: str, person: Person, product_id: str | None) -> ShelfState:
    """Bring a product to the front, or with None take the pin away. Pinning what is pinned changes nothing.

    Raises Refused(PRODUCT_NOT_ON_SHELF), TrailSealed.
    """
    await lock_head(tx, session_id)
    before = await read(tx, trail, session_id)
    if product_id == before.pinned:
        return before
    if product_id is not None and product_id not in {product.id for product in before.products}:
        raise Refused(errors.PRODUCT_NOT_ON_SHELF, product=product_id)
    await tx.execute(update(shelf).where(shelf.c.session_id == session_id).values(pinned=0))
    if product_id is None:
        draft = Draft(kinds.PRODUCT_UNPINNED, person.id, {"product": before.pinned})
    else:
        chosen = (shelf.c.session_id == session_id) & (shelf.c.product_id == product_id)
        await tx.execute(update(shelf).where(chosen).values(pinned=1))
        draft = Draft(kinds.PRODUCT_PINNED, person.id, {"product": product_id})
    [entry] = await trail.append(tx, session_id, draft)
    return ShelfState(session_id, entry.seq, before.products, product_id)


async def offering(tx: AsyncConnection, product_ids: Collection[str]) -> set[str]:
    """The sessions that are not over and have any of these on their shelves."""
    here = sessions.c.id == shelf.c.session_id
    query = select(shelf.c.session_id).distinct().join(sessions, here)
    query = query.where(among(shelf.c.product_id, "products"), sessions.c.state.not_in(sorted(FINAL)))
    return set((await tx.execute(query, {"products": product_ids})).scalars())


async def terms_changed(
    tx: AsyncConnection, trail: Trail, heads: Sequence[Head], person: Person, changed: Collection[str]
) -> list[ShelfState]:
    """Products `changed` have other terms now: one entry in each of these trails, so that they show what was on offer when.

    `heads` are those of the sessions that offer one of them, locked in this transaction and not sealed, the products likewise.
    """
    query = select(shelf).where(among(shelf.c.session_id, "sessions")).order_by(shelf.c.session_id, shelf.c.position)
    rows = (await tx.execute(query, {"sessions": [head.trail for head in heads]})).all()
    known = await catalogue.by_ids(tx, {row.product_id for row in rows})
    shelves = {head.trail: [row for row in rows if row.session_id == head.trail] for head in heads}
    work: list[tuple[Head, list[Draft]]] = []
    for head in heads:
        offered = [known[row.product_id] for row in shelves[head.trail]]
        data = {
            "products": [terms_of(product) for product in offered],
            "pinned": next((row.product_id for row in shelves[head.trail] if row.pinned), None),
            "changed": [product.id for product in offered if product.id in changed],
        }
        work.append((head, [Draft(kinds.SHELF_CHANGED, person.id, data)]))
    made = await trail.append_all(tx, work)
    return [
        ShelfState(
            entry.session,
            entry.seq,
            tuple(known[row.product_id] for row in shelves[entry.session]),
            next((row.product_id for row in shelves[entry.session] if row.pinned), None),
        )
        for [entry] in made
    ]


def terms_of(product: Product) -> dict[str, object]:
    """What the trail keeps of an offer: everything that it is, so that what was on offer when, and that it was the same for
    everyone (invariant 6), can be shown from the trail alone."""
    return {
        "id": product.id,
        "name_en": product.name_en,
        "name_zh": product.name_zh,
        "class": product.product_class,
        "risk": product.risk,
        "issuer_risk": product.issuer_risk,
        "bank_risk": product.bank_risk,
        "term_days": product.term_days,
        "rate_text_en": product.rate_text_en,
        "rate_text_zh": product.rate_text_zh,
        "currency": product.currency,
        "minimum": product.minimum,
        "step": product.step,
        "cap": product.cap,
        "quota": product.quota,
        "price": dict(product.price),
        "sale_from": to_text(product.sale_from),
        "sale_until": to_text(product.sale_until),
        "disclosure": {"version": product.disclosure.version, "sha256": product.disclosure.sha256},
    }
