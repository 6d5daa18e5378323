"""Delivers order events to the bank's core, at least once, in each order's own order, until the core answers.

The protocol: POST of canonical JSON, signed (`signing.py`). The core answers 200 with {"state": "confirmed" | "rejected" |
"cancelled", "reason"?}, or 202 when it has not decided yet and wants to be asked again with the same event. 408, 425, 429, 5xx,
a timeout or no connection: again, later and later. Any other answer won't get better by repeating: the event becomes a dead
letter, which operators see and send again (`deliveries.py`). Nothing is ever dropped.

An order's cancellation leaves only after the core has answered its `order_placed`; while that is a dead letter, it waits. So
whenever a dead letter is sent again, the last that the core hears of a cancelled order is that it is cancelled.

The core, which dedupes by event id, may see the same event twice and answers the same. How rows are leased and settled is told
in `outbox_queue.py`, how they are sent in `outbox_courier.py`. Without an address of the core nothing is sent to it, but what
is new is still taken up, so that partners hear of it (`webhooks.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import aiohttp
import msgspec
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import outbox_queue
from commerce.lifecycle import Event
from commerce.order_book import OnOrder, OrderChanged
from commerce.outbox_courier import Courier, OutboxLimits, Verdict
from commerce.outbox_moves import Step, move_all
from commerce.outbox_post import Address, Reply
from commerce.outbox_queue import Leased, Result
from commerce.outbox_rows import CANCELLED, CONFIRMED, CORE, PLACED, REJECTED, order_facts, partner_payload
from commerce.tables import outbox
from core.clock import Clock
from core.database import Database
from core.errors import NOT_FOUND, Refused
from recording.trail import Trail

__all__ = ["OUTBOX", "Outbox", "OutboxLimits"]

_ANSWERS: Final = {PLACED: frozenset({"confirmed", "rejected"}), CANCELLED: frozenset({"cancelled"})}
_EVENTS: Final = {"confirmed": (Event.CONFIRM, CONFIRMED), "rejected": (Event.REJECT, REJECTED)}
_TAKEN_UP: Final = 500
_LONGEST_REASON: Final = 200


class CoreAnswer(msgspec.Struct, frozen=True):
    """What the core says to an event."""

    state: str
    reason: str | None = None


class Outbox(Courier):
    """The core's courier; any number may run, in any number of processes. `url` may be empty: no core, partners alone.

    `on_partners` is called after a commit in which partners' queues may have got something.
    """

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
        on_partners: Callable[[], None] | None = None,
        limits: OutboxLimits | None = None,
    ) -> None:
        super().__init__(db, clock, http, CORE, on_change=on_change, on_committed=on_partners, limits=limits)
        self._trail = trail
        self._address = Address(url, (secret,)) if url else None

    def address(self) -> Address | None:
        return self._address

    def judge(self, leased: Leased, reply: Reply) -> Verdict:
        """By the protocol above."""
        if reply.status == HTTPStatus.OK:
            return _decided(leased.kind, reply.body)
        if reply.status == HTTPStatus.ACCEPTED:
            return Verdict(delivered=False, error="not decided yet")
        return Verdict(delivered=False, error=reply.error or f"status {reply.status}", again=reply.may_change)

    async def has_to_prepare(self, tx: AsyncConnection) -> bool:
        """Where there is neither a core nor a partner, what is new stays so until there is: no order waits for idle work."""
        if self._address is None and not await outbox_queue.has_partners(tx):
            return False
        return await outbox_queue.anything_new(tx)

    async def prepare(self, tx: AsyncConnection) -> bool:
        """Take up what is new, a bounded number at a time."""
        return await outbox_queue.take_up(tx, self._clock, _TAKEN_UP) > 0

    async def on_leased(self, tx: AsyncConnection, rows: Sequence[Leased]) -> list[OrderChanged]:
        """Before the first byte leaves: an order that is still `placed` has certainly not reached the core.

        One that was cancelled meanwhile stays cancelled: the core hears of both, in their order.
        """
        steps = [Step(row.order_id, Event.SEND) for row in rows if row.kind == PLACED and row.order_id is not None]
        return await move_all(tx, self._trail, self._clock, steps)

    async def on_settled(self, tx: AsyncConnection, results: Sequence[Result]) -> list[OrderChanged]:
        """The core's decisions move their orders on, and partners are to hear of them."""
        decided = [(r.leased.order_id, r) for r in results if r.delivered and r.leased.kind == PLACED]
        steps = [Step(order, _EVENTS[r.said][0], r.reason) for order, r in decided if order is not None]
        changes = await move_all(tx, self._trail, self._clock, steps)
        for state, (_event, kind) in _EVENTS.items():
            told = [partner_payload(order_facts(change.order)) for change in changes if change.order.state.value == state]
            await outbox_queue.tell_partners(tx, self._clock.now(), kind, told)
        return changes

    async def requeue(self, event_id: str) -> None:
        """Send a dead letter again, from the first attempt on. Raises Refused(NOT_FOUND) if it isn't one.

        Safe for an order that was cancelled meanwhile: its cancellation still waits, and follows.
        """
        async with self._db.write() as tx:
            if not await outbox_queue.send_again(tx, self._clock, outbox.c.id == event_id, 1):
                raise Refused(NOT_FOUND)
        self.wake()

    async def counts(self) -> dict[str, int]:
        """How many events are waiting, delivered, dead."""
        async with self._db.read() as tx:
            return await outbox_queue.counts(tx)


def _decided(kind: str, body: bytes) -> Verdict:
    try:
        answer = msgspec.json.decode(body, type=CoreAnswer)
    except msgspec.MsgspecError as error:
        return Verdict(delivered=False, error=f"unreadable answer: {error}")
    if answer.state not in _ANSWERS[kind]:
        return Verdict(delivered=False, error=f"unknown state {answer.state!r}", again=False)
    reason = None if answer.reason is None else answer.reason[:_LONGEST_REASON].replace("\0", "")
    return Verdict(delivered=True, said=answer.state, reason=reason)


OUTBOX = web.AppKey("outbox", Outbox)
