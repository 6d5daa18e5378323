"""What operators see and do about deliveries: how each stands, what went wrong, and sending dead letters again.

Who sent what again is kept in `delivery_acts`, not in a session's trail: the trail has what happened to an order, and sending
again changes nothing there until the receiver answers, which then gets its entry. Many at once would hold the trails of as many
sessions, some of them long sealed. Like the trail, that table takes no change (`recording/guards.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from prometheus_client import Gauge
from sqlalchemy import ColumnElement, Row, func, insert, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import delivery_errors, outbox_queue, webhook_receivers
from commerce.delivery_wire import ActView, Attempt, Delivery, DeliveryDetail
from commerce.outbox_rows import CORE, DEAD, DELIVERED, NEW, WAITING
from commerce.tables import delivery_acts, outbox
from commerce.webhook_receivers import SENT_AGAIN
from core.clock import Clock, to_text
from core.database import Database
from core.errors import NOT_FOUND, Refused
from core.identity import Person
from core.ids import new_id

PAGE: Final = 50
AT_ONCE: Final = 500
COUNTED: Final = 10_000
_ACTS: Final = 20
_MEASURED_EVERY_S: Final = 15.0

WAITING_NOW = Gauge("tellercast_deliveries_waiting", "Deliveries that wait", ["receiver"])
DEAD_NOW = Gauge("tellercast_deliveries_dead", "Deliveries given up until somebody sends them again", ["receiver"])
OLDEST_NOW = Gauge("tellercast_deliveries_oldest_seconds", "Age of what has waited longest", ["receiver"])

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Again:
    """How many dead letters were sent again, the greatest id among them ("" for none), and how many are dead now."""

    sent: int
    last: str
    left: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One receiver's queue. `delivered` is counted up to COUNTED."""

    waiting: int
    dead: int
    delivered: int
    oldest_at: datetime | None


async def names(tx: AsyncConnection) -> dict[str, str]:
    """Every receiver's name by id; the core has none of its own."""
    return {CORE: ""} | {one.id: one.name for one in await webhook_receivers.all_of(tx)}


async def page(
    tx: AsyncConnection,
    *,
    state: str | None = None,
    receiver: str | None = None,
    order: str | None = None,
    after: str | None = None,
) -> list[Delivery]:
    """Newest first, at most PAGE, older than `after`."""
    known = await names(tx)
    wanted: list[ColumnElement[bool]] = []
    if order is not None:
        wanted.append(outbox.c.order_id == order)
    else:  # by receiver and state, so that the index finds the few that are dead among millions
        wanted.append(outbox.c.receiver.in_([receiver] if receiver is not None else sorted(known)))
    if receiver is not None:
        wanted.append(outbox.c.receiver == receiver)
    if state is not None:
        wanted.append(outbox.c.state.in_((NEW, WAITING) if state == WAITING else (state,)))
    if after is not None:
        wanted.append(outbox.c.id < after)
    rows = await tx.execute(select(outbox).where(*wanted).order_by(outbox.c.id.desc()).limit(PAGE))
    return [Delivery(**_fields(row, known)) for row in rows]


async def one(tx: AsyncConnection, event_id: str) -> DeliveryDetail:
    """One delivery with its attempts. Raises Refused(NOT_FOUND)."""
    row = (await tx.execute(select(outbox).where(outbox.c.id == event_id))).one_or_none()
    if row is None:
        raise Refused(NOT_FOUND)
    before = (
        select(outbox.c.id)
        .where(
            outbox.c.order_id == row.order_id,
            outbox.c.receiver == row.receiver,
            outbox.c.turn < row.turn,
            outbox.c.state != DELIVERED,
        )
        .order_by(outbox.c.turn)
        .limit(1)
    )
    behind = (await tx.execute(before)).scalar_one_or_none() if row.state != DELIVERED else None
    mine = select(delivery_acts).where(delivery_acts.c.event_id == event_id)
    acts = list(await tx.execute(mine.order_by(delivery_acts.c.id.desc()).limit(_ACTS)))[::-1]
    return DeliveryDetail(
        **_fields(row, await names(tx)),
        recent=[Attempt(**attempt) for attempt in row.recent],
        acts=[ActView(at=to_text(act.at), person=act.person_id, act=act.act) for act in acts],
        behind=behind,
    )


async def again(tx: AsyncConnection, clock: Clock, person: Person, event_id: str) -> DeliveryDetail:
    """Send one dead letter again. Raises Refused(NOT_FOUND), Refused(NOT_DEAD)."""
    sent = await outbox_queue.send_again(tx, clock, outbox.c.id == event_id, 1)
    if not sent:
        raise Refused(delivery_errors.NOT_DEAD, state=(await one(tx, event_id)).state)
    await _record(tx, clock, person, sent)
    return await one(tx, event_id)


async def all_again(
    tx: AsyncConnection, clock: Clock, person: Person | None, receiver: str | None, *, after: str = ""
) -> Again:
    """Send at most AT_ONCE dead letters of a receiver (None: of all) again, oldest first, with ids greater than `after`.

    `person` is None for somebody at the machine itself. Raises Refused(NOT_FOUND) for a receiver nobody knows.
    """
    known = await names(tx)
    if receiver is not None and receiver not in known:
        raise Refused(NOT_FOUND)
    wanted = true() if receiver is None else outbox.c.receiver == receiver
    sent = await outbox_queue.send_again(tx, clock, wanted & (outbox.c.id > after), AT_ONCE)
    await _record(tx, clock, person, sent)
    left = 0
    for name in known if receiver is None else (receiver,):
        left += (await _count(tx, name, DEAD))[0]
    return Again(len(sent), sent[-1][0] if sent else "", left)


async def standing(tx: AsyncConnection, receiver: str) -> Standing:
    """How a receiver's queue stands."""
    counted = [await _count(tx, receiver, state) for state in (NEW, WAITING)]
    dead, _oldest = await _count(tx, receiver, DEAD)
    some = select(outbox.c.id).where(outbox.c.receiver == receiver, outbox.c.state == DELIVERED).limit(COUNTED).subquery()
    delivered = int((await tx.execute(select(func.count()).select_from(some))).scalar_one())
    oldest = [moment for _number, moment in counted if moment is not None]
    return Standing(sum(number for number, _moment in counted), dead, delivered, min(oldest, default=None))


async def measure(db: Database, clock: Clock) -> None:
    """Sets the gauges, again and again, until cancelled."""
    while True:
        try:
            async with db.read() as tx:
                for receiver in await names(tx):
                    now = await standing(tx, receiver)
                    age_s = 0.0 if now.oldest_at is None else (clock.now() - now.oldest_at).total_seconds()
                    WAITING_NOW.labels(receiver).set(now.waiting)
                    DEAD_NOW.labels(receiver).set(now.dead)
                    OLDEST_NOW.labels(receiver).set(max(0.0, age_s))
        except (SQLAlchemyError, OSError):
            _log.exception("deliveries_not_measured")
        await asyncio.sleep(_MEASURED_EVERY_S)


async def _count(tx: AsyncConnection, receiver: str, state: str) -> tuple[int, datetime | None]:
    mine = (outbox.c.receiver == receiver) & (outbox.c.state == state)
    number, oldest = (await tx.execute(select(func.count(), func.min(outbox.c.created_at)).where(mine))).one()
    return int(number), oldest


async def _record(tx: AsyncConnection, clock: Clock, person: Person | None, sent: list[tuple[str, str]]) -> None:
    if not sent:
        return
    who, now = (person.id if person is not None else "command line"), clock.now()
    common: dict[str, Any] = {"at": now, "person_id": who, "act": SENT_AGAIN, "data": {}}
    rows = [{"id": new_id("act"), "receiver": receiver, "event_id": event_id, **common} for event_id, receiver in sent]
    await tx.execute(insert(delivery_acts), rows)


def _fields(row: Row[Any], known: dict[str, str]) -> dict[str, Any]:
    state = WAITING if row.state == NEW else row.state
    return {
        "id": row.id,
        "receiver": row.receiver,
        "receiver_name": known.get(row.receiver, ""),
        "order": row.order_id,
        "session": row.payload.get("session"),
        "kind": row.kind,
        "state": state,
        "attempts": row.attempts,
        "created_at": to_text(row.created_at),
        "next_at": to_text(row.next_at) if state == WAITING else None,
        "error": row.error,
    }
