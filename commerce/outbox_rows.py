"""The rows of the outbox: what the bank's core must be told, written in the transaction that makes it true."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
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
    [event_id] = await add_all(tx, clock.now(), kind, [(order, price)])
    return event_id


async def add_all(
    tx: AsyncConnection, now: datetime, kind: str, told: Sequence[tuple[OrderRecord, dict[str, Any] | None]]
) -> list[str]:
    """The same for many orders in one statement, each with its product's public terms or None; answers the ids in order."""
    rows = [_row(now, kind, order, price) for order, price in told]
    if rows:
        await tx.execute(insert(outbox), rows)
    return [row["id"] for row in rows]


def _row(now: datetime, kind: str, order: OrderRecord, price: dict[str, Any] | None) -> dict[str, Any]:
    event_id = new_id("obx")
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
    return row | {"created_at": now, "next_at": now}
