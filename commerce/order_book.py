"""Orders as they stand, and the one way to move one on: state, stock and trail entry change together or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import lifecycle, wire
from commerce.customers import PATIENCE_MS
from commerce.lifecycle import Event, State
from commerce.tables import orders, products
from commerce.trailing import append_or_after
from compliance.rules import product_risk, risk_name
from core.clock import Clock, to_text
from core.database import among, waiting_at_most
from core.errors import NOT_FOUND, Refused
from recording import kinds
from recording.trail import Draft, Entry, Trail

PAGE: Final = 200

_KIND_OF: Final = {
    Event.SEND: kinds.ORDER_SENT,
    Event.CONFIRM: kinds.ORDER_CONFIRMED,
    Event.REJECT: kinds.ORDER_REJECTED,
    Event.CANCEL: kinds.ORDER_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order with what is needed to show it. Amount in minor units, `media_ms` on the session's axis.

    `trail_seq` is the number of its entry: in the session's trail, or of one placed in a `replay` in that after the seal.
    `session_seq` is the last number of the session's trail at which something about it was written, or at which it was.
    """

    id: str
    customer_id: str
    session_id: str
    product_id: str
    product_en: str
    product_zh: str
    risk: int
    amount: int
    currency: str
    channel: str
    proposal_id: str | None
    state: State
    reason: str | None
    placed_at: datetime
    cancellable_until: datetime
    changed_at: datetime
    media_ms: int
    trail_seq: int
    session_seq: int
    replay: bool

    @property
    def told_seq(self) -> int:
        """The number pages know it by: of its entry, or of the session's last one when it came after the seal."""
        return self.session_seq if self.replay else self.trail_seq

    def view(self, lang: str) -> wire.Order:
        """As its customer sees it."""
        name = self.product_zh if lang == "zh" else self.product_en
        return wire.Order(
            id=self.id,
            session=self.session_id,
            product=wire.OrderedProduct(id=self.product_id, name=name, risk=risk_name(self.risk)),
            amount=self.amount,
            currency=self.currency,
            state=self.state.value,
            reason=self.reason,
            placed_at=to_text(self.placed_at),
            media_ms=self.media_ms,
            trail_seq=self.trail_seq,
            receipt_url=f"/receipt/{self.id}",
            cancellable_until=to_text(self.cancellable_until),
            replay=self.replay,
        )


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order was placed or moved on, and that is committed. `seq` is its entry's number, or of the session's last one when
    it came after the seal: pages go by one row of numbers."""

    order: OrderRecord
    seq: int


OnOrder = Callable[[OrderChanged], Awaitable[None]]

_WITH_PRODUCT = select(orders, products.c.name_en, products.c.name_zh).join(products, products.c.id == orders.c.product_id)
_SEVERAL = _WITH_PRODUCT.where(among(orders.c.id, "ids"))
# Whoever holds orders takes heads next and then products: he waits for none of them longer than a group of orders does.
_BRIEFLY = waiting_at_most(PATIENCE_MS)
_HOLD = _SEVERAL.where(_BRIEFLY).order_by(orders.c.id).with_for_update(of=orders, key_share=True)


async def get(tx: AsyncConnection, order_id: str, *, customer_id: str | None = None, lock: bool = False) -> OrderRecord:
    """One order; with `customer_id` only that customer's. Raises Refused(NOT_FOUND)."""
    query = _WITH_PRODUCT.where(orders.c.id == order_id)
    if customer_id is not None:
        query = query.where(orders.c.customer_id == customer_id)
    if lock:
        query = query.with_for_update(of=orders, key_share=True)
        query = query if tx.dialect.name == "sqlite" else query.where(_BRIEFLY)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise Refused(NOT_FOUND)
    return _record(row)


async def several(tx: AsyncConnection, order_ids: Collection[str]) -> dict[str, OrderRecord]:
    """These orders by id, as they stand; those that don't exist are left out."""
    return {row.id: _record(row) for row in await tx.execute(_SEVERAL, {"ids": order_ids})}


async def hold(tx: AsyncConnection, order_ids: Collection[str]) -> dict[str, OrderRecord]:
    """These orders by id, locked until the transaction ends, always in the order of their ids."""
    lock = _SEVERAL if tx.dialect.name == "sqlite" else _HOLD
    return {row.id: _record(row) for row in await tx.execute(lock, {"ids": order_ids})}


async def of_customer(
    tx: AsyncConnection, customer_id: str, *, session_id: str | None = None, changed_after_seq: int | None = None
) -> list[OrderRecord]:
    """A customer's orders, newest first, at most 200; of one session if given, there only those changed after an entry."""
    query = _WITH_PRODUCT.where(orders.c.customer_id == customer_id)
    if session_id is not None:
        query = query.where(orders.c.session_id == session_id)
    if changed_after_seq is not None:
        query = query.where(orders.c.changed_seq > changed_after_seq)
    query = query.order_by(orders.c.placed_at.desc(), orders.c.id.desc()).limit(PAGE)
    return [_record(row) for row in await tx.execute(query)]


async def of_customers(tx: AsyncConnection, customer_ids: Collection[str], session_id: str) -> dict[str, list[OrderRecord]]:
    """Those of one session by customer, each's newest first and at most 200; who has none is left out."""
    newest = (orders.c.placed_at.desc(), orders.c.id.desc())
    place = func.row_number().over(partition_by=orders.c.customer_id, order_by=newest).label("place")
    there = (orders.c.session_id == session_id, orders.c.customer_id.in_(customer_ids))
    numbered = select(orders.c.id, place).where(*there).subquery()
    query = _WITH_PRODUCT.join(numbered, numbered.c.id == orders.c.id).where(numbered.c.place <= PAGE).order_by(*newest)
    found: dict[str, list[OrderRecord]] = {}
    for row in await tx.execute(query):
        found.setdefault(row.customer_id, []).append(_record(row))
    return found


async def changed_since(
    tx: AsyncConnection, trail: Trail, customer_ids: Collection[str], since: datetime
) -> list[OrderChanged]:
    """These customers' orders that were placed or have moved on since then, as they stand now, the longest unchanged first.

    Each with its session's last number: what is read here is how things are at that entry.
    """
    query = _WITH_PRODUCT.where(among(orders.c.customer_id, "customers"), orders.c.changed_at > since)
    rows = await tx.execute(query.order_by(orders.c.changed_at, orders.c.id), {"customers": customer_ids})
    found = [_record(row) for row in rows]
    last = {session_id: await trail.last(tx, session_id) for session_id in {order.session_id for order in found}}
    return [OrderChanged(order, last[order.session_id]) for order in found]


async def move(
    tx: AsyncConnection, trail: Trail, clock: Clock, order_id: str, event: Event, *, actor: str, reason: str | None = None
) -> OrderChanged | None:
    """One step of the order's life, its entry, and the stock back if it ended without a purchase. None: it was there already.

    Raises Refused(NOT_FOUND), IllegalEvent. Locks order, trail, product, in the order of `orders.py`.
    """
    order = await get(tx, order_id, lock=True)
    state = lifecycle.advance(order.state, event)
    if state is order.state:
        return None
    entry = await note(tx, trail, order, event, actor=actor, reason=reason)
    changed = replace(order, state=state, reason=reason or order.reason, changed_at=clock.now())
    values: dict[str, Any] = {"state": state.value, "reason": changed.reason, "changed_at": changed.changed_at}
    seq = entry.seq
    if entry.session == order.session_id:
        values["changed_seq"] = seq
    else:
        seq = await trail.last(tx, order.session_id)
    await tx.execute(update(orders).where(orders.c.id == order_id).values(values))
    if state in lifecycle.RETURNS_STOCK:
        back = {"left": products.c.left + order.amount}
        await tx.execute(update(products).where(products.c.id == order.product_id).values(back))
    return OrderChanged(changed, seq)


async def note(
    tx: AsyncConnection, trail: Trail, order: OrderRecord, event: Event, *, actor: str, reason: str | None, late: bool = False
) -> Entry:
    """The entry that says it; `late` for an answer that came when the order had ended already and changes nothing."""
    return await append_or_after(tx, trail, order.session_id, draft(order, event, actor=actor, reason=reason, late=late))


def draft(order: OrderRecord, event: Event, *, actor: str, reason: str | None, late: bool = False) -> Draft:
    """What that entry says."""
    data: dict[str, Any] = {"order": order.id, "product": order.product_id, "amount": order.amount, "currency": order.currency}
    if reason is not None:
        data["reason"] = reason
    if late:
        data["late"] = True
    return Draft(_KIND_OF[event], actor, data, {"customer": order.customer_id})


def _record(row: Row[Any]) -> OrderRecord:
    return OrderRecord(
        id=row.id,
        customer_id=row.customer_id,
        session_id=row.session_id,
        product_id=row.product_id,
        product_en=row.name_en,
        product_zh=row.name_zh,
        risk=_risk_then(row),
        amount=row.amount,
        currency=row.currency,
        channel=row.channel,
        proposal_id=row.proposal_id,
        state=State(row.state),
        reason=row.reason,
        placed_at=row.placed_at,
        cancellable_until=row.cancellable_until,
        changed_at=row.changed_at,
        media_ms=row.media_ms,
        trail_seq=row.trail_seq,
        session_seq=row.changed_seq,
        replay="replay" in row.snapshot["inputs"],
    )


def _risk_then(row: Row[Any]) -> int:
    """The rating when the order was placed, from its snapshot: a later change of rating doesn't rewrite receipts."""
    seen = row.snapshot["inputs"]["product"]
    return product_risk(seen["issuer_risk"], seen["bank_risk"])
