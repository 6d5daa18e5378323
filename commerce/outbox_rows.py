"""The rows of the outbox: what somebody outside must be told, written in the transaction that makes it true.

One row for each event and receiver. Of orders `add` writes the bank's core's, `new`; when the outbox takes it up, it becomes
`waiting` and every partner who wants to hear of it gets a row of their own, in one transaction (`outbox_queue.take_up`). Of a
session's seal partners alone are told, at once.
"""

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
from recording.register import Seal

CORE: Final = "core"

PLACED: Final = "order_placed"
CONFIRMED: Final = "order_confirmed"
REJECTED: Final = "order_rejected"
CANCELLED: Final = "order_cancelled"
SEALED: Final = "session_sealed"
# What a receiver hears of an order, it hears in this order: an event leaves when what stands before it was delivered.
TURN: Final = {PLACED: 0, CONFIRMED: 1, REJECTED: 1, CANCELLED: 2, SEALED: 0}

NEW: Final = "new"
WAITING: Final = "waiting"
DELIVERED: Final = "delivered"
DEAD: Final = "dead"


Told = tuple[OrderRecord, dict[str, Any] | None]


async def add(tx: AsyncConnection, clock: Clock, order: OrderRecord, kind: str, *, price: dict[str, Any] | None = None) -> str:
    """One event for the core; answers its id, by which the core knows a repetition."""
    return (await add_all(tx, clock.now(), kind, [(order, price)]))[0]


async def add_all(tx: AsyncConnection, now: datetime, kind: str, told: Sequence[Told]) -> list[str]:
    """The same for many orders in one statement, each with its product's public terms or None; answers the ids in order."""
    rows = [_row(now, kind, order, price) for order, price in told]
    if rows:
        await tx.execute(insert(outbox), rows)
    return [row["id"] for row in rows]


async def add_for_partner(tx: AsyncConnection, now: datetime, receiver: str, kind: str, told: Sequence[dict[str, Any]]) -> None:
    """Rows for a partner who wants to hear of these; each `told` is a `partner_payload` or `seal_facts`."""
    rows = []
    for payload in told:
        event_id = new_id("obx")
        stamped = {"event": event_id, "kind": kind, "at": to_text(now), **payload}
        row = {"id": event_id, "receiver": receiver, "order_id": payload.get("order"), "kind": kind, "payload": stamped}
        rows.append(row | _fresh(now, kind, WAITING))
    if rows:
        await tx.execute(insert(outbox), rows)


def partner_payload(core: dict[str, Any]) -> dict[str, Any]:
    """What a partner hears of an order, from what the core is told of it: nothing that says who the customer is."""
    return {name: core[name] for name in _PARTNERS if name in core}


_PARTNERS: Final = ("order", "session", "product", "amount", "currency", "placed_at", "media_ms", "trail_seq", "replay")


def seal_facts(seal: Seal) -> dict[str, Any]:
    """A session's seal as partners hear of it: what the register says of it, and nothing of what was said or bought."""
    return {
        "session": seal.session_id,
        "number": seal.number,
        "sealed_at": to_text(seal.at),
        "entries": seal.entries,
        "fragments": seal.fragments,
        "root": seal.root,
        "key": seal.key_id,
        "prev": seal.prev,
        "hash": seal.hash,
        "checkpoint": seal.checkpoint,
    }


def order_facts(order: OrderRecord) -> dict[str, Any]:
    """An order as the core hears of it; `replay` only of one placed in a replay."""
    replay = {"replay": True} if order.replay else {}
    return {
        "order": order.id,
        "customer": order.customer_id,
        "session": order.session_id,
        "product": order.product_id,
        "amount": order.amount,
        "currency": order.currency,
        "placed_at": to_text(order.placed_at),
        "media_ms": order.media_ms,
        "trail_seq": order.trail_seq,
        **replay,
    }


def _row(now: datetime, kind: str, order: OrderRecord, price: dict[str, Any] | None) -> dict[str, Any]:
    event_id = new_id("obx")
    payload = {"event": event_id, "kind": kind, "at": to_text(now), **order_facts(order)}
    if price is not None:
        payload["price"] = price
    return {"id": event_id, "receiver": CORE, "order_id": order.id, "kind": kind, "payload": payload} | _fresh(now, kind, NEW)


def _fresh(now: datetime, kind: str, state: str) -> dict[str, Any]:
    return {"turn": TURN[kind], "state": state, "attempts": 0, "recent": [], "created_at": now, "next_at": now}
