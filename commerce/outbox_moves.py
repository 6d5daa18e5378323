"""The steps of many orders in one transaction: what `order_book.move` does for one, with one statement of each kind for all.

A step that has no place any more is no error here. A delivery that was about to begin is passed over; an answer that came
when the order had ended already goes on the record as late, and changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, lifecycle, order_book
from commerce.lifecycle import Event, IllegalEvent, State
from commerce.order_book import OrderChanged, OrderRecord
from commerce.tables import orders, products
from core.clock import Clock
from core.database import among
from recording.tables import trail_heads
from recording.trail import Draft, Entry, Head, Trail, after_trail, lock_heads

ACTOR: Final = "core"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an order's life, with the core's words for it if it has any."""

    order_id: str
    event: Event
    reason: str | None = None


@dataclass(slots=True)
class _Work:
    """A step that leaves an entry; `state` is None for one that comes too late."""

    step: Step
    order: OrderRecord
    state: State | None
    trail: str = ""


async def move_all(tx: AsyncConnection, trail: Trail, clock: Clock, steps: Sequence[Step]) -> list[OrderChanged]:
    """Take the steps, at most one for each order; those that changed something, in the order in which they came.

    Locks orders, trails and products, in this order and each by name, as placing and cancelling do.
    """
    held = await order_book.hold(tx, {step.order_id for step in steps})
    work = [made for step in steps if (made := _judge(step, held[step.order_id])) is not None]
    if not work:
        return []
    entries = await _append(tx, trail, work)
    now = clock.now()
    moved = [(one, entry) for one, entry in zip(work, entries, strict=True) if one.state is not None]
    if not moved:
        return []
    changes = [_changed(one, entry, now) for one, entry in moved]
    await _write(tx, moved, changes)
    await _give_back(tx, [change.order for change in changes])
    return await _with_last_numbers(tx, moved, changes)


def _judge(step: Step, order: OrderRecord) -> _Work | None:
    try:
        state = lifecycle.advance(order.state, step.event)
    except IllegalEvent:
        return None if step.event is Event.SEND else _Work(step, order, None)
    return None if state is order.state else _Work(step, order, state)


async def _append(tx: AsyncConnection, trail: Trail, work: Sequence[_Work]) -> list[Entry]:
    """An entry for each, in its session's trail, or in the trail after the seal."""
    heads = await lock_heads(tx, {one.order.session_id for one in work})
    sealed = {name for name, head in heads.items() if head.sealed}
    if sealed:
        heads |= await lock_heads(tx, {after_trail(name) for name in sealed})
    parts: dict[str, tuple[Head, list[Draft], list[int]]] = {}
    for place, one in enumerate(work):
        one.trail = after_trail(one.order.session_id) if one.order.session_id in sealed else one.order.session_id
        step = one.step
        made = order_book.draft(one.order, step.event, actor=ACTOR, reason=step.reason, late=one.state is None)
        _head, drafts, places = parts.setdefault(one.trail, (heads[one.trail], [], []))
        drafts.append(made)
        places.append(place)
    appended = await trail.append_all(tx, [(head, drafts) for head, drafts, _places in parts.values()])
    found: dict[int, Entry] = {}
    for (_head, _drafts, places), entries in zip(parts.values(), appended, strict=True):
        found.update(zip(places, entries, strict=True))
    return [found[place] for place in range(len(work))]


def _changed(one: _Work, entry: Entry, now: datetime) -> OrderChanged:
    state = one.state or one.order.state
    return OrderChanged(replace(one.order, state=state, reason=one.step.reason or one.order.reason, changed_at=now), entry.seq)


async def _write(tx: AsyncConnection, moved: Sequence[tuple[_Work, Entry]], changes: Sequence[OrderChanged]) -> None:
    """An order knows the last entry of its session's own trail; numbers of the trail after the seal are another row."""
    own: list[dict[str, Any]] = []
    late: list[dict[str, Any]] = []
    for (one, _entry), change in zip(moved, changes, strict=True):
        order = change.order
        values = {"order": order.id, "now_state": order.state.value, "now_reason": order.reason, "now_at": order.changed_at}
        if one.trail == order.session_id:
            own.append(values | {"now_seq": change.seq})
        else:
            late.append(values)
    if own:
        await tx.execute(_MOVE_ON, own)
    if late:
        await tx.execute(_MOVE, late)


async def _give_back(tx: AsyncConnection, ended: Sequence[OrderRecord]) -> None:
    back: defaultdict[str, int] = defaultdict(int)
    for order in ended:
        if order.state in lifecycle.RETURNS_STOCK:
            back[order.product_id] += order.amount
    await catalogue.hold(tx, back)  # in the database's own order of ids, as everybody does
    for product_id in sorted(back):
        await tx.execute(_BACK, {"product": product_id, "amount": back[product_id]})


async def _with_last_numbers(
    tx: AsyncConnection, moved: Sequence[tuple[_Work, Entry]], changes: list[OrderChanged]
) -> list[OrderChanged]:
    """Pages go by the session's own numbers: what came after the seal is told with the last of those."""
    late = {one.order.session_id for one, _entry in moved if one.trail != one.order.session_id}
    if not late:
        return changes
    last = {row.session_id: row.seq for row in await tx.execute(_LAST, {"trails": late})}
    return [replace(change, seq=last.get(change.order.session_id, change.seq)) for change in changes]


_MOVE = (
    update(orders)
    .where(orders.c.id == bindparam("order"))
    .values(state=bindparam("now_state"), reason=bindparam("now_reason"), changed_at=bindparam("now_at"))
)
_MOVE_ON = _MOVE.values(changed_seq=bindparam("now_seq"))
_BACK = update(products).where(products.c.id == bindparam("product")).values({"left": products.c.left + bindparam("amount")})
_LAST = select(trail_heads.c.session_id, trail_heads.c.seq).where(among(trail_heads.c.session_id, "trails"))
