"""The shelf of a session: which products it offers, in which order, and which is being explained. Every change is trailed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, errors
from commerce.catalogue import Product
from commerce.tables import shelf
from commerce.wire import Shelf, ShelfProduct
from core.clock import Clock
from core.errors import BAD_REQUEST, NOT_FOUND, Refused
from core.identity import Person
from recording import kinds
from recording.trail import Draft, Trail, lock_head

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
    await lock_head(tx, session_id)  # one change of a shelf at a time
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
    terms = [_terms(known[product]) for product in product_ids]
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


def _terms(product: Product) -> dict[str, object]:
    """What the trail keeps of an offer: enough to show that the price was the product's (invariant 6)."""
    return {
        "id": product.id,
        "name_en": product.name_en,
        "name_zh": product.name_zh,
        "class": product.product_class,
        "risk": product.risk,
        "price": dict(product.price),
        "disclosure": {"version": product.disclosure.version, "sha256": product.disclosure.sha256},
    }
