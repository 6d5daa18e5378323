"""A receipt: the order, its terms as they stand in the trail, and where the record has it, so that it can be checked there."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import customers, wire
from commerce.order_book import OrderRecord
from commerce.tables import orders
from core.clock import to_text
from recording import kinds, register
from recording.chain import Entry, read_entry
from recording.tables import sessions, trail_entries
from recording.trail import after_trail

_STATE_OF: Final[dict[str, wire.OrderState]] = {
    kinds.ORDER_PLACED: "placed",
    kinds.ORDER_SENT: "sent",
    kinds.ORDER_CONFIRMED: "confirmed",
    kinds.ORDER_REJECTED: "rejected",
    kinds.ORDER_CANCELLED: "cancelled",
}
_MOST_STEPS: Final = 20  # an order has at most five, and answers that came late


async def of_order(tx: AsyncConnection, order: OrderRecord, lang: str) -> wire.Receipt:
    """The receipt of an order, in a language."""
    trail, late = order.session_id, after_trail(order.session_id)
    last = select(orders.c.changed_seq).where(orders.c.id == order.id).scalar_subquery()
    own = trail_entries.c.seq.between(order.trail_seq, last)
    before = [] if order.replay else await _about(tx, trail, order.id, own)
    since = trail_entries.c.seq >= order.trail_seq if order.replay else true()
    entries = [*before, *await _about(tx, late, order.id, since)]
    placed = next(entry for entry in entries if entry.kind == kinds.ORDER_PLACED)
    seal = await register.seal_of(tx, order.session_id)
    title = (await tx.execute(select(sessions.c.title).where(sessions.c.id == order.session_id))).scalar_one_or_none()
    customer = await customers.get(tx, order.customer_id)
    return wire.Receipt(
        **msgspec.structs.asdict(order.view(lang)),
        customer=None if customer is None or customer.real_name is None else customer.real_name.reveal(),
        session_title=title or "",
        channel=placed.data["channel"],
        product_class=placed.data["product_class"],
        price=price_of(placed.data["price"]),
        disclosure=wire.ReceiptDisclosure(**placed.data["disclosure"]),
        entry_hash=placed.hash,
        history=[_step(entry, late=entry.session == late) for entry in entries],
        seal=None if seal is None else wire.ReceiptSeal(number=seal.number, at=to_text(seal.at), entries=seal.entries),
    )


async def _about(tx: AsyncConnection, trail: str, order_id: str, within: ColumnElement[bool]) -> list[Entry]:
    """The entries of a trail that move this order, in their order. Ids are random, so that few others match even by chance.

    `within` keeps the search off the rest of a long show's trail.
    """
    query = (
        select(trail_entries.c.body, trail_entries.c.hash)
        .where(
            trail_entries.c.session_id == trail,
            within,
            trail_entries.c.kind.in_(sorted(_STATE_OF)),
            trail_entries.c.body.contains(order_id, autoescape=True),
        )
        .order_by(trail_entries.c.seq)
        .limit(_MOST_STEPS)
    )
    found = [read_entry(row.body, row.hash) for row in await tx.execute(query)]
    return [entry for entry in found if entry.data["order"] == order_id and not entry.data.get("late")]


def _step(entry: Entry, *, late: bool) -> wire.ReceiptStep:
    return wire.ReceiptStep(
        state=_STATE_OF[entry.kind],
        at=to_text(entry.at),
        reason=entry.data.get("reason"),
        seq=entry.seq,
        after_seal=late,
    )


def price_of(kept: dict[str, Any]) -> wire.Price:
    """As the entry has it; the first ones knew a price of one unit alone."""
    if "kind" in kept:
        return wire.Price(**kept)
    return wire.Price(kind="price", value=kept["unit_price"], date=None, fee_bps=kept["fee_bps"])
