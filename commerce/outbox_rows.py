"""The rows of the outbox: what the bank's core must be told, written in the transaction that makes it true."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce.order_book import OrderRecord
from commerce.tables import outbox
from core.clock import Clock, to_text
from core.ids import new_id

PLACED: Final = "order_placed"
CANCELLED: Final = "order_cancelled"
WAITING: Final = "waiting"
DELIVERED: Final = "delivered"
DEAD: Final = "dead"


async def add(tx: AsyncConnection, clock: Clock, order: OrderRecord, kind: str, *, price: dict[str, Any] | None = None) -> str:
    """One event for the core; answers its id, by which the core knows a repetition."""
    event_id, now = new_id("obx"), clock.now()
    payload: dict[str, Any] = {
        "event": event_id,
        "kind": kind,
        "at": to_text(now),
        "order": order.id,
        "customer": order.customer_id,
        "session": order.session_id,
        "product": order.product_id,
        "amount": order.amount,
        "currency": order.currency,
        "placed_at": to_text(order.placed_at),
        "media_ms": order.media_ms,
        "trail_seq": order.trail_seq,
    }
    if price is not None:
        payload["price"] = price
    row = {"id": event_id, "order_id": order.id, "kind": kind, "payload": payload, "state": WAITING, "attempts": 0}
    await tx.execute(insert(outbox).values(**row, created_at=now, next_at=now))
    return event_id
