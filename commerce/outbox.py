"""Delivers order events to the bank's core, at least once, in each order's own order, until the core answers.

The protocol: POST of canonical JSON, signed (`signing.py`). The core answers 200 with {"state": "confirmed" | "rejected" |
"cancelled", "reason"?}, or 202 when it has not decided yet and wants to be asked again with the same event. 408, 425, 429, 5xx,
a timeout or no connection: again, later and later. Any other answer won't get better by repeating: the event becomes a dead
letter. It is logged (`outbox_dead_letter`) and stays in the table with its error; no command sends it again, whoever mended the
cause calls `requeue`. Nothing is ever dropped.

An order's cancellation leaves only after the core has answered its `order_placed`; while that is a dead letter, it waits. So
whenever a dead letter is sent again, the last that the core hears of a cancelled order is that it is cancelled.

A worker leases a row by moving its `next_at` past the attempt's timeout. One that dies leaves the row to the others when the
lease is over; the core, which dedupes by event id, sees the same event twice and answers the same.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import msgspec
import structlog
from aiohttp import web
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import order_book, signing
from commerce.lifecycle import Event, IllegalEvent
from commerce.order_book import OnOrder, OrderChanged
from commerce.outbox_rows import CANCELLED, DEAD, DELIVERED, PLACED, WAITING
from commerce.tables import outbox
from core.canonical import canonical
from core.clock import Clock
from core.database import Database
from core.errors import NOT_FOUND, Refused
from recording.trail import Trail

_log = structlog.get_logger(__name__)

ACTOR: Final = "core"
_MAX_ANSWER: Final = 64 * 1024
_AGAIN: Final = frozenset({408, 425, 429})
_ANSWERS: Final = {PLACED: frozenset({"confirmed", "rejected"}), CANCELLED: frozenset({"cancelled"})}


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How patient the outbox is. With these an event is tried for about an hour and a half before it is a dead letter."""

    timeout_s: float = 10.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 600.0
    attempts: int = 18
    batch: int = 20
    poll_s: float = 1.0


class CoreAnswer(msgspec.Struct, frozen=True):
    """What the core says to an event."""

    state: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Leased:
    id: str
    order_id: str
    kind: str
    payload: dict[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    """`answer` when the core has decided; otherwise why not, and whether asking again can help."""

    answer: CoreAnswer | None = None
    error: str = ""
    again: bool = True


class Outbox:
    """The worker; any number may run. `wake()` after an order spares it the wait for the next look."""

    def __init__(
        self,
        db: Database,
        trail: Trail,
        clock: Clock,
        http: aiohttp.ClientSession,
        url: str,
        secret: bytes,
        *,
        on_change: OnOrder | None = None,
        limits: OutboxLimits | None = None,
    ) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._http = http
        self._url = url
        self._secret = secret
        self._on_change = on_change
        self._limits = limits or OutboxLimits()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """There is something new."""
        self._awake.set()

    async def run(self) -> None:
        """Deliver what is due, again and again, until cancelled."""
        while True:
            self._awake.clear()
            try:
                busy = await self.deliver_due() > 0
            except (SQLAlchemyError, OSError):  # the database is away; what waits there still waits
                _log.exception("outbox_failed")
                busy = False
            if not busy:
                await self._rest()

    async def deliver_due(self) -> int:
        """One round: at most `batch` events that are due, side by side. How many were tried."""
        leased = await self._lease()
        await asyncio.gather(*(self._deliver(row) for row in leased))
        return len(leased)

    async def requeue(self, event_id: str) -> None:
        """Send a dead letter again, from the first attempt on. Raises Refused(NOT_FOUND) if it isn't one.

        Safe for an order that was cancelled meanwhile: its cancellation still waits, and follows.
        """
        fresh = {"state": WAITING, "attempts": 0, "next_at": self._clock.now()}
        dead = (outbox.c.id == event_id) & (outbox.c.state == DEAD)
        async with self._db.write() as tx:
            if (await tx.execute(update(outbox).where(dead).values(fresh))).rowcount != 1:
                raise Refused(NOT_FOUND)
        self.wake()

    async def counts(self) -> dict[str, int]:
        """How many events are waiting, delivered, dead."""
        async with self._db.read() as tx:
            found = await tx.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state))
            return dict.fromkeys((WAITING, DELIVERED, DEAD), 0) | {row[0]: row[1] for row in found}

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._awake.wait(), self._limits.poll_s)
        except TimeoutError:
            return

    async def _lease(self) -> list[_Leased]:
        now = self._clock.now()
        earlier = outbox.alias("earlier")
        # By kind, not by time: processes whose clocks differ may have written the two. And a dead one may be sent again.
        unanswered = (
            select(earlier.c.id)
            .where(earlier.c.order_id == outbox.c.order_id, earlier.c.state != DELIVERED, earlier.c.kind == PLACED)
            .exists()
        )
        in_turn = (outbox.c.kind == PLACED) | ~unanswered
        due = (
            select(outbox)
            .where(outbox.c.state == WAITING, outbox.c.next_at <= now, in_turn)
            .order_by(outbox.c.next_at, outbox.c.id)
            .limit(self._limits.batch)
            .with_for_update(skip_locked=True)
        )
        async with self._db.write() as tx:
            rows = [_Leased(r.id, r.order_id, r.kind, r.payload, r.attempts + 1) for r in await tx.execute(due)]
            if not rows:
                return []
            until = now + timedelta(seconds=self._limits.timeout_s * 2)
            chosen = outbox.c.id.in_([row.id for row in rows])
            await tx.execute(update(outbox).where(chosen).values(attempts=outbox.c.attempts + 1, next_at=until))
        return rows

    async def _deliver(self, row: _Leased) -> None:
        """One attempt. An error of ours leaves the row leased: it comes up again when the lease is over."""
        try:
            if row.kind == PLACED:
                await self._tell(await self._mark_sent(row))
            outcome = await self._ask(row)
            await self._tell(await self._keep(row, outcome))
        except Exception:
            _log.exception("outbox_delivery_failed", event_id=row.id)

    async def _mark_sent(self, row: _Leased) -> OrderChanged | None:
        """Before the first byte leaves: an order that is still `placed` has certainly not reached the core."""
        async with self._db.write() as tx:
            try:
                return await order_book.move(tx, self._trail, self._clock, row.order_id, Event.SEND, actor=ACTOR)
            except IllegalEvent:  # cancelled meanwhile: the core hears of both, in their order
                return None

    async def _keep(self, row: _Leased, outcome: _Outcome) -> OrderChanged | None:
        """Write down what came of it, with the order's step in the same transaction."""
        now = self._clock.now()
        values: dict[str, Any] = {"error": outcome.error[:300] or None}
        if outcome.answer is not None:
            values["state"] = DELIVERED
        elif outcome.again and row.attempts < self._limits.attempts:
            values["next_at"] = now + timedelta(seconds=_wait(row.attempts, self._limits))
        else:
            values["state"] = DEAD
            _log.error("outbox_dead_letter", event_id=row.id, order=row.order_id, attempts=row.attempts, error=outcome.error)
        async with self._db.write() as tx:
            mine = (outbox.c.id == row.id) & (outbox.c.state == WAITING)
            if (await tx.execute(update(outbox).where(mine).values(values))).rowcount != 1:
                return None  # our lease had run out and another worker was faster
            if outcome.answer is None or row.kind != PLACED:
                return None
            return await self._answered(tx, row, outcome.answer)

    async def _answered(self, tx: AsyncConnection, row: _Leased, answer: CoreAnswer) -> OrderChanged | None:
        event = Event.CONFIRM if answer.state == "confirmed" else Event.REJECT
        reason = None if answer.reason is None else answer.reason[:200]
        try:
            return await order_book.move(tx, self._trail, self._clock, row.order_id, event, actor=ACTOR, reason=reason)
        except IllegalEvent:  # the customer had cancelled; the answer goes on the record and changes nothing
            order = await order_book.get(tx, row.order_id)
            await order_book.note(tx, self._trail, order, event, actor=ACTOR, reason=reason, late=True)
            return None

    async def _tell(self, change: OrderChanged | None) -> None:
        """After the commit: what goes wrong here must not keep the core from hearing of the order."""
        if change is None or self._on_change is None:
            return
        try:
            await self._on_change(change)
        except Exception:
            _log.exception("order_not_announced", order=change.order.id)

    async def _ask(self, row: _Leased) -> _Outcome:
        body = canonical(row.payload)
        unix_s = int((self._clock.now() - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
        headers = {"Content-Type": "application/json", **signing.sign(self._secret, row.id, unix_s, body)}
        timeout = aiohttp.ClientTimeout(total=self._limits.timeout_s)
        try:
            async with self._http.post(
                self._url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                raw = await response.content.read(_MAX_ANSWER)
                return _read(response.status, raw, row.kind)
        except TimeoutError:
            return _Outcome(error=f"no answer within {self._limits.timeout_s} s")
        except aiohttp.ClientError as error:
            return _Outcome(error=f"{type(error).__name__}: {error}")


def _read(status: int, raw: bytes, kind: str) -> _Outcome:
    if status == HTTPStatus.OK:
        try:
            answer = msgspec.json.decode(raw, type=CoreAnswer)
        except msgspec.MsgspecError as error:
            return _Outcome(error=f"unreadable answer: {error}")
        if answer.state in _ANSWERS[kind]:
            return _Outcome(answer=answer)
        return _Outcome(error=f"unknown state {answer.state!r}", again=False)
    if status == HTTPStatus.ACCEPTED:
        return _Outcome(error="not decided yet")
    return _Outcome(error=f"status {status}", again=status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR)


def _wait(attempts: int, limits: OutboxLimits) -> float:
    """Doubling from `first_wait_s`, at most `longest_wait_s`; jitter takes up to half so that workers don't march in step."""
    full = min(limits.first_wait_s * 2.0 ** (attempts - 1), limits.longest_wait_s)
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads rivals, hides nothing


OUTBOX = web.AppKey("outbox", Outbox)
