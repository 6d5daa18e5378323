"""Brings what waits for one receiver to it, at least once, in each order's own order, until it answers.

The courier leases many rows at once, sends them side by side, and writes down what came of them in groups: whatever arrives
while one transaction is at work goes into the next. Nothing is kept in memory that isn't in the database, so it may be killed
at any moment: what it held is sent again when the lease is over, under the same event id.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import aiohttp
import structlog
from prometheus_client import Counter
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import errors, outbox_queue, outbox_rows
from commerce.order_book import OnOrder, OrderChanged
from commerce.order_locks import held_up
from commerce.outbox_breaker import Breaker
from commerce.outbox_post import Address, Reply, post
from commerce.outbox_queue import Leased, Result
from core.clock import Clock
from core.database import Database
from core.errors import Unavailable
from core.grouping import Grouping

_log = structlog.get_logger(__name__)

ATTEMPTS = Counter("tellercast_delivery_attempts", "Attempts at deliveries", ["receiver", "outcome"])

_LANDING_S: Final = 5.0
_SETTLE_TRIES: Final = 3
_WAITING_MAX: Final = 10_000
# Each result of a group that waits for a stuck row in vain holds its session's trail meanwhile; the others stay leased.
_HELD_UPS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How patient a courier is. With these an event is tried for about an hour and a half before it is a dead letter.

    `batch` rows at most are under way at once; `group` results at most are written down in one transaction. `linger_s` after
    something new it looks, so that a rush is leased by the hundred.
    """

    timeout_s: float = 10.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 600.0
    attempts: int = 18
    batch: int = 128
    group: int = 100
    poll_s: float = 1.0
    linger_s: float = 0.05

    @property
    def lease_s(self) -> float:
        return self.timeout_s * 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a reply is to be taken: decided, or else why not and whether to ask again."""

    delivered: bool
    error: str = ""
    again: bool = True
    said: str = ""
    reason: str | None = None


class Courier(ABC):
    """One receiver's; any number may run. `wake()` when there is something new spares it the wait for the next look.

    `on_committed` is told of every commit that prepared something or moved orders on.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        http: aiohttp.ClientSession,
        receiver: str,
        *,
        on_change: OnOrder | None = None,
        on_committed: Callable[[], None] | None = None,
        limits: OutboxLimits | None = None,
    ) -> None:
        self._db, self._clock, self._http = db, clock, http
        self._receiver = receiver
        self._on_change = on_change
        self._on_committed = on_committed
        self._limits = limits or OutboxLimits()
        self._breaker = Breaker()
        self._awake = asyncio.Event()
        self._landed = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None] | None] = set()
        self._settling: Grouping[Result, OrderChanged | None] = Grouping(
            self._settle_group,
            most=self._limits.group,
            waiting_max=_WAITING_MAX,
            full=lambda: Unavailable(errors.DESK_BUSY),
            one_each=lambda result: result.leased.order_id,
        )

    @abstractmethod
    def address(self) -> Address | None:
        """Where to, and what signs it; None while nothing may be sent."""

    @abstractmethod
    def judge(self, leased: Leased, reply: Reply) -> Verdict:
        """What the reply means."""

    async def prepare(self, tx: AsyncConnection) -> bool:
        """Something to be done in the transaction before the lease; whether anything was."""
        return False

    async def has_to_prepare(self, tx: AsyncConnection) -> bool:
        """Whether `prepare` would find anything."""
        return False

    async def on_leased(self, tx: AsyncConnection, rows: Sequence[Leased]) -> list[OrderChanged]:
        """In the transaction of the lease, before the first byte leaves."""
        return []

    async def on_settled(self, tx: AsyncConnection, results: Sequence[Result]) -> list[OrderChanged]:
        """In the transaction that writes down these results, which count."""
        return []

    def wake(self) -> None:
        """There is something new."""
        self._awake.set()

    async def run(self) -> None:
        """Deliver what is due, again and again, until cancelled."""
        try:
            while True:
                self._awake.clear()
                busy = False
                try:
                    await self._room()
                    count, prepared = await self._begin(self._limits.batch - len(self._under_way))
                    busy = prepared or count > 0
                except (SQLAlchemyError, OSError):  # the database is away; what waits there still waits
                    _log.exception("outbox_failed", receiver=self._receiver)
                if not busy:
                    await self._rest()
        finally:
            await self._land()

    async def deliver_due(self) -> int:
        """One round: at most `batch` events that are due, side by side, to their end. How many were tried."""
        count, _prepared = await self._begin(self._limits.batch)
        if self._under_way:
            await asyncio.wait(self._under_way)
        return count

    async def _begin(self, most: int) -> tuple[int, bool]:
        """Lease and send off; how many, and whether anything was prepared."""
        now_s = self._clock.monotonic()
        most = self._breaker.most(now_s, most) if self.address() is not None else 0
        async with self._db.read() as tx:
            to_prepare = await self.has_to_prepare(tx)
            if not to_prepare and not (most and await outbox_queue.due(tx, self._clock, self._receiver)):
                return 0, False
        async with self._db.write() as tx:
            prepared = await self.prepare(tx) if to_prepare else False
            rows = await outbox_queue.lease(tx, self._clock, self._receiver, most, self._limits.lease_s) if most else []
            changes: dict[str | None, OrderChanged] = {one.order.id: one for one in await self.on_leased(tx, rows)}
        if prepared and self._on_committed is not None:
            self._on_committed()
        probe = self._breaker.is_open
        if rows:
            self._breaker.probing(now_s, self._limits.lease_s)
        for row in rows:
            task = asyncio.create_task(self._deliver(row, changes.get(row.order_id), probe=probe))
            self._under_way.add(task)
            task.add_done_callback(self._has_landed)
        return len(rows), prepared

    async def _deliver(self, row: Leased, change: OrderChanged | None, *, probe: bool) -> None:
        """One attempt. Only where it can't be written down, the row stays leased and comes up again when that is over."""
        try:
            await self._tell(change)
            result = await self._ask(row, probe=probe)
            await self._tell(await self._settling.do(result))
        except Exception:
            _log.exception("outbox_delivery_failed", event_id=row.id, receiver=self._receiver)

    async def _ask(self, row: Leased, *, probe: bool) -> Result:
        began, began_s = self._clock.now(), self._clock.monotonic()
        task = asyncio.current_task()
        self._asking.add(task)
        try:
            address = self.address()
            if address is None:  # switched off since the lease
                reply = Reply(error="not active")
            else:
                reply = await post(self._http, address, row.id, row.payload, began, self._limits.timeout_s)
        except Exception as error:  # whatever it is, the attempt counts, or it would be made for ever
            reply = Reply(error=self._unexpected(row, error))
        finally:
            self._asking.discard(task)
        if reply.away:
            self._breaker.away(self._clock.monotonic(), probe=probe)
        else:
            self._breaker.answered()
            if probe:  # it is back: whoever rests need not wait for the next look
                self._awake.set()
        return self._result(row, began, round((self._clock.monotonic() - began_s) * 1000), reply)

    def _result(self, row: Leased, began: datetime, took_ms: int, reply: Reply) -> Result:
        try:
            verdict = self.judge(row, reply)
        except Exception as wrong:
            verdict = Verdict(delivered=False, error=self._unexpected(row, wrong))
        retry_at = None
        if not verdict.delivered and verdict.again and row.attempts < self._limits.attempts:
            asked_for = min(reply.retry_after_s, self._limits.longest_wait_s)
            retry_at = self._clock.now() + timedelta(seconds=max(wait_s(row.attempts, self._limits), asked_for))
        delivered, status, error = verdict.delivered, reply.status, verdict.error
        return Result(row, began, took_ms, delivered, status, error, retry_at, verdict.said, verdict.reason)

    def _unexpected(self, row: Leased, error: Exception) -> str:
        kind = type(error).__name__
        _log.error("outbox_attempt_failed", event_id=row.id, receiver=self._receiver, error=kind, exc_info=error)
        return f"unexpected {kind}"

    async def _settle_group(self, results: Sequence[Result]) -> list[OrderChanged | Exception | None]:
        """All in one transaction; when that fails each in its own, so that one which can't be written down spoils no other."""
        try:
            return list(await self._settle(results))
        except (SQLAlchemyError, OSError) as error:
            kind = type(error).__name__
            _log.warning("outbox_group_failed", receiver=self._receiver, results=len(results), error=kind)
        outcomes: list[OrderChanged | Exception | None] = []
        held_ups = 0
        for result in results:
            if held_ups == _HELD_UPS_MAX:
                outcomes.append(Unavailable(errors.DESK_BUSY))
                continue
            outcome = await self._settle_one(result)
            held_ups += isinstance(outcome, Exception) and held_up(outcome)
            outcomes.append(outcome)
        return outcomes

    async def _settle_one(self, result: Result) -> OrderChanged | Exception | None:
        """An answer that contradicts what stands in our tables is put off like a failure, until somebody looks at it."""
        error: Exception | None = None
        for _try in range(_SETTLE_TRIES):
            try:
                return (await self._settle([result]))[0]
            except (IntegrityError, DataError) as wrong:
                why = str(wrong.orig).partition("\n")[0]  # what follows names the row's contents
                _log.error("outbox_not_written_down", event_id=result.leased.id, receiver=self._receiver, error=why)
                result, error = self._put_off(result, wrong), wrong
            except (SQLAlchemyError, OSError) as failed:
                error = failed
                if held_up(failed):  # the row stays leased, and comes up again
                    break
        return error

    def _put_off(self, result: Result, wrong: Exception) -> Result:
        retry_at = None
        if result.leased.attempts < self._limits.attempts:
            retry_at = self._clock.now() + timedelta(seconds=wait_s(result.leased.attempts, self._limits))
        return replace(result, delivered=False, error=f"not written down: {type(wrong).__name__}", retry_at=retry_at)

    async def _settle(self, results: Sequence[Result]) -> list[OrderChanged | None]:
        async with self._db.write() as tx:
            counted = await outbox_queue.settle(tx, results)
            changes = await self.on_settled(tx, counted)
        for result in counted:
            self._count(result)
        if changes and self._on_committed is not None:
            self._on_committed()
        by_order: dict[str | None, OrderChanged] = {change.order.id: change for change in changes}
        return [by_order.get(result.leased.order_id) for result in results]

    def _count(self, result: Result) -> None:
        ATTEMPTS.labels(self._receiver, result.state).inc()
        if result.state != outbox_rows.DEAD:
            return
        row = result.leased
        _log.error(
            "outbox_dead_letter",
            event_id=row.id,
            receiver=row.receiver,
            order=row.order_id,
            attempts=row.attempts,
            error=result.error,
        )

    async def _tell(self, change: OrderChanged | None) -> None:
        """After the commit: what goes wrong here must not keep the receiver from hearing of the order."""
        if change is None or self._on_change is None:
            return
        try:
            await self._on_change(change)
        except Exception:
            _log.exception("order_not_announced", order=change.order.id)

    async def _room(self) -> None:
        """Until half of the places are free, or `linger_s` has gone by with any: a lease is for many rows."""
        half, until_s = self._limits.batch // 2, time.monotonic() + self._limits.linger_s
        while len(self._under_way) > half:
            is_full, left_s = len(self._under_way) >= self._limits.batch, until_s - time.monotonic()
            if left_s <= 0 and not is_full:
                return
            self._landed.clear()
            try:
                async with asyncio.timeout(None if is_full else left_s):
                    await self._landed.wait()
            except TimeoutError:
                return

    def _has_landed(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._landed.set()

    async def _rest(self) -> None:
        pause = self._breaker.wait_s(self._clock.monotonic()) or self._limits.poll_s
        try:
            await asyncio.wait_for(self._awake.wait(), min(pause, self._limits.poll_s))
        except TimeoutError:
            return
        await asyncio.sleep(self._limits.linger_s)

    async def _land(self) -> None:
        """Who still waits for an answer gives up, and is sent again later; who has one writes it down."""
        for task in self._asking:
            if task is not None:
                task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LANDING_S)


def wait_s(attempts: int, limits: OutboxLimits) -> float:
    """Doubling from `first_wait_s`, at most `longest_wait_s`; jitter takes up to half so that workers don't march in step."""
    full = min(limits.first_wait_s * 2.0 ** (attempts - 1), limits.longest_wait_s)
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads rivals, hides nothing
