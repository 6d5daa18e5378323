"""The outbox as a queue in the database: take up, lease, settle, send again. Any number of workers in any number of processes.

Life of a row:
1. `new`: written with the order, for the core. `take_up` makes it `waiting` and writes a row for each partner who wants to
   hear of it, in one transaction; so partners hear of an order also while the core is away.
2. `waiting`: `lease` moves `next_at` past the attempt's timeout and counts the attempt, for many rows in one statement. A
   worker that dies leaves its rows to the others when the lease is over.
3. `delivered` or `dead`, or `waiting` again with a later `next_at`: `settle`. A failure counts only from the lease it belongs
   to; an answer counts whoever brings it, once, also when the row was given up meanwhile.
An event is leased only when everything before it (same order, same receiver, lower `turn`) was delivered: one that is dead
holds back what follows until it is sent again. By turn, not by time: processes whose clocks differ may have written it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import outbox_rows
from commerce.outbox_rows import CORE, DEAD, DELIVERED, NEW, WAITING
from commerce.tables import outbox, receivers
from core.clock import Clock, to_text
from core.database import among

# How many attempts a row remembers; the count of all of them it keeps as well.
REMEMBERED: Final = 5
_LONGEST_ERROR: Final = 300


@dataclass(frozen=True, slots=True)
class Leased:
    """A row whose attempt is ours until the lease is over. `attempts` counts this one."""

    id: str
    receiver: str
    order_id: str | None
    """None where it is not about an order; such an event waits for no other."""
    kind: str
    payload: dict[str, Any]
    attempts: int
    recent: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an attempt: `delivered`, or else `error`, and `retry_at` unless repeating can't help any more.

    `said` and `reason` are the receiver's decision and its words for it, where it has any.
    """

    leased: Leased
    began: datetime
    took_ms: int
    delivered: bool
    status: int | None = None
    error: str = ""
    retry_at: datetime | None = None
    said: str = ""
    reason: str | None = None

    @property
    def state(self) -> str:
        if self.delivered:
            return DELIVERED
        return DEAD if self.retry_at is None else WAITING


async def take_up(tx: AsyncConnection, clock: Clock, most: int) -> int:
    """Make at most `most` new rows `waiting` and tell the partners' queues; how many there were."""
    now = clock.now()
    rows = (await tx.execute(_TAKE_UP, {"most": most})).all()
    if rows:
        for kind in (outbox_rows.PLACED, outbox_rows.CANCELLED):
            told = [outbox_rows.partner_payload(row.payload) for row in rows if row.kind == kind]
            await tell_partners(tx, now, kind, told)
    return len(rows)


async def tell_partners(tx: AsyncConnection, now: datetime, kind: str, told: Sequence[dict[str, Any]]) -> None:
    """Rows for every active partner who wants events of this kind."""
    if not told:
        return
    for row in await tx.execute(_ACTIVE):
        if kind in row.kinds:
            await outbox_rows.add_for_partner(tx, now, row.id, kind, told)


async def lease(tx: AsyncConnection, clock: Clock, receiver: str, most: int, for_s: float) -> list[Leased]:
    """At most `most` rows of this receiver that are due, earliest first, leased for `for_s` seconds."""
    now = clock.now()
    given = {"whose": receiver, "now": now, "most": most, "until": now + timedelta(seconds=for_s)}
    rows = (await tx.execute(_LEASE, given)).all()
    rows = sorted(rows, key=lambda row: row.id)
    return [Leased(r.id, r.receiver, r.order_id, r.kind, r.payload, r.attempts, r.recent) for r in rows]


async def due(tx: AsyncConnection, clock: Clock, receiver: str) -> bool:
    """Whether a lease would find something; asked first, so that who has nothing to do takes no writer's place."""
    found = select(outbox.c.id).where(*_due(receiver, clock.now())).limit(1)
    return (await tx.execute(found)).first() is not None


async def has_partners(tx: AsyncConnection) -> bool:
    """Whether anybody but the core is to hear of anything."""
    return (await tx.execute(_ACTIVE)).first() is not None


async def anything_new(tx: AsyncConnection) -> bool:
    """Whether `take_up` would find something."""
    query = select(outbox.c.id).where(outbox.c.receiver == CORE, outbox.c.state == NEW).limit(1)
    return (await tx.execute(query)).first() is not None


async def settle(tx: AsyncConnection, results: Sequence[Result]) -> list[Result]:
    """Write down what came of attempts, at most one for each row; those that count."""
    held = {row.id: row for row in await tx.execute(_HOLD, {"ids": {result.leased.id for result in results}})}
    counted: list[Result] = []
    rows: list[dict[str, Any]] = []
    for result in results:
        row, leased = held[result.leased.id], result.leased
        ours = row.state == WAITING and row.attempts == leased.attempts
        if row.state == DELIVERED or not (result.delivered or ours):
            continue  # our lease had run out and another worker was faster
        counted.append(result)
        error = result.error[:_LONGEST_ERROR] or None
        attempt = {"at": to_text(result.began), "ms": result.took_ms, "status": result.status, "error": error}
        recent = [*row.recent, attempt][-REMEMBERED:]
        next_at = result.retry_at or row.next_at
        rows.append(
            {"row": leased.id, "now_state": result.state, "now_error": error, "now_recent": recent, "now_next": next_at}
        )
    if rows:
        await tx.execute(_SETTLE, rows)
    return counted


async def send_again(tx: AsyncConnection, clock: Clock, wanted: ColumnElement[bool], most: int) -> list[tuple[str, str]]:
    """Dead letters that fit `wanted`, oldest first, begin from the first attempt on: (event, receiver) of each."""
    dead = (
        select(outbox.c.id)
        .where(wanted, outbox.c.state == DEAD)
        .order_by(outbox.c.id)
        .limit(most)
        .with_for_update()
        .cte("dead")
    )
    fresh = {"state": WAITING, "attempts": 0, "next_at": clock.now()}
    again = update(outbox).where(outbox.c.id.in_(select(dead.c.id))).values(fresh)
    rows = await tx.execute(again.returning(outbox.c.id, outbox.c.receiver))
    return sorted((row.id, row.receiver) for row in rows)


def _due(receiver: object, now: object) -> tuple[ColumnElement[bool], ...]:
    earlier = outbox.alias("earlier")
    before = (
        select(earlier.c.id)
        .where(
            earlier.c.order_id == outbox.c.order_id,
            earlier.c.receiver == outbox.c.receiver,
            earlier.c.turn < outbox.c.turn,
            earlier.c.state != DELIVERED,
        )
        .exists()
    )
    in_turn = (outbox.c.turn == 0) | ~before
    return outbox.c.receiver == receiver, outbox.c.state == WAITING, outbox.c.next_at <= now, in_turn


def _lease() -> CTE:
    # Its own step, not a plain subquery: PostgreSQL may run that more than once, and lease more than asked for.
    return (
        select(outbox.c.id)
        .where(*_due(bindparam("whose"), bindparam("now", type_=outbox.c.next_at.type)))
        .order_by(outbox.c.next_at, outbox.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )


def _new() -> CTE:
    """A cancellation is not taken up before the order it cancels, whoever takes that up: partners' rows come in their order."""
    earlier = outbox.alias("earlier")
    before = select(earlier.c.id).where(earlier.c.order_id == outbox.c.order_id, earlier.c.turn < outbox.c.turn)
    in_turn = (outbox.c.turn == 0) | ~before.where(earlier.c.state == NEW).exists()
    return (
        select(outbox.c.id)
        .where(outbox.c.receiver == CORE, outbox.c.state == NEW, in_turn)
        .order_by(outbox.c.next_at, outbox.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )


_ACTIVE = select(receivers.c.id, receivers.c.kinds).where(receivers.c.active == 1).order_by(receivers.c.id)
_NEW, _DUE = _new(), _lease()
_TAKE_UP = (
    update(outbox)
    .where(outbox.c.id.in_(select(_NEW.c.id)))
    .values(state=WAITING)
    .returning(outbox.c.id, outbox.c.kind, outbox.c.payload)
)
_LEASE = (
    update(outbox)
    .where(outbox.c.id.in_(select(_DUE.c.id)))
    .values(attempts=outbox.c.attempts + 1, next_at=bindparam("until", type_=outbox.c.next_at.type))
    .returning(
        outbox.c.id,
        outbox.c.receiver,
        outbox.c.order_id,
        outbox.c.kind,
        outbox.c.payload,
        outbox.c.attempts,
        outbox.c.recent,
    )
)
_HOLD = (
    select(outbox.c.id, outbox.c.state, outbox.c.attempts, outbox.c.recent, outbox.c.next_at)
    .where(among(outbox.c.id, "ids"))
    .order_by(outbox.c.id)
    .with_for_update()
)
_SETTLE = (
    update(outbox)
    .where(outbox.c.id == bindparam("row"))
    .values(
        state=bindparam("now_state"),
        error=bindparam("now_error"),
        recent=bindparam("now_recent", type_=outbox.c.recent.type),
        next_at=bindparam("now_next", type_=outbox.c.next_at.type),
    )
)
_COUNT = select(outbox.c.state, func.count()).group_by(outbox.c.state)


async def counts(tx: AsyncConnection) -> dict[str, int]:
    """How many rows are waiting (new ones among them), delivered, dead."""
    found = {row[0]: row[1] for row in await tx.execute(_COUNT)}
    found[WAITING] = found.get(WAITING, 0) + found.pop(NEW, 0)
    return dict.fromkeys((WAITING, DELIVERED, DEAD), 0) | found
