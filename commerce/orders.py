"""Placing and cancelling orders.

Life of an order:
1. The wish arrives with an idempotency key. `claim`: the order's row is inserted under (customer, key), unique; who comes
   second with the same key waits here for the first, then is given the first's order, or a conflict if the body differs.
2. Locks, always in this order: order, the proposal's call (`stands`), the session's trail, customer, product. So no two can
   wait for each other, and while they are held neither the proposal, the session's sale, the stock nor the customer's own
   orders can change.
3. The facts are read and the gate decides (`gate.py`). A refusal rolls everything back, the claimed key included: it may be
   used again. One entry `order_refused`, in a transaction of its own and at most one for each customer, session and code in
   ten seconds, says that it happened.
4. The stock is taken by `UPDATE … WHERE left >= amount`: it can't go below zero even if a lock were missing.
5. The trail gets `order_placed` with the terms, the gate's inputs and verdict, and how far each stream was safely on disk.
   The entry's time and media time are the order's.
6. The outbox gets its row: what the bank's core must hear can't be forgotten any more.
7. Commit. Only now is it acknowledged, and only now do others hear of it.
8. The outbox delivers; the core's answer moves the order on (`outbox.py`). Until `cancellable_until` the customer may cancel:
   the stock comes back, and the core hears of that by the outbox as well.

Steps 1 to 6 are one method on one transaction (`_place_in`), which neither commits nor retries: a writer that groups several
orders into one commit puts each behind a savepoint, and no caller changes.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
import structlog
from aiohttp import web
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import errors, gate, gate_facts, order_book, outbox_rows
from commerce.catalogue import Product
from commerce.history import Historian, OwnOrders
from commerce.lifecycle import Event, IllegalEvent, State
from commerce.order_book import OnOrder, OrderChanged, OrderRecord
from commerce.risk import RiskLimits
from commerce.sale import SaleMonitor
from commerce.tables import orders, products, refusals
from commerce.trailing import append_or_after, insert_new, insert_or
from commerce.wire import Order, PlaceOrder
from core.canonical import canonical, sha256_hex
from core.clock import Clock, to_text
from core.database import Database
from core.errors import FORBIDDEN, NOT_FOUND, Refused, Unavailable
from core.identity import Person, Role
from core.ids import new_id
from core.money import Money
from recording import kinds
from recording.tables import sessions
from recording.trail import Draft, Trail

T = TypeVar("T")
# Raises Refused when what is ordered no longer stands; the floor above knows proposals.
Stands = Callable[[AsyncConnection], Awaitable[None]]

REFUSAL_EVERY_S: Final = 10
# 私募投资基金募集行为管理办法, art. 29: a cooling-off time of at least 24 hours. We give it to every product.
COOLING_OFF: Final = timedelta(hours=24)
_ATTEMPTS: Final = 5
# PostgreSQL: serialization_failure, deadlock_detected, lock_not_available. Each undoes the transaction; it may be tried again.
_TRANSIENT: Final = frozenset({"40001", "40P01", "55P03"})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that exists. `created` is False when the key had been used for it before; `seq` is its entry's number."""

    order: Order
    created: bool
    seq: int
    record: OrderRecord


@dataclass(frozen=True, slots=True)
class _Request:
    """One wish on its way: the order's id is born with it, so that every attempt speaks of the same order."""

    order_id: str
    customer_id: str
    wish: PlaceOrder
    channel: str
    hash: str
    stands: Stands | None = None


class OrderDesk:
    """The only door to an order. `on_change` is told after the commit; `wake` (of the outbox) likewise."""

    def __init__(
        self,
        db: Database,
        trail: Trail,
        clock: Clock,
        sale: SaleMonitor,
        *,
        on_change: OnOrder | None = None,
        wake: Callable[[], None] | None = None,
        historian: Historian | None = None,
        limits: RiskLimits | None = None,
        cooling_off: timedelta = COOLING_OFF,
    ) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._sale = sale
        self._on_change = on_change
        self._wake = wake
        self._historian = historian or OwnOrders()
        self._limits = limits or RiskLimits()
        self._cooling_off = cooling_off

    async def place(
        self, person: Person, wish: PlaceOrder, *, channel: str = "show", lang: str = "en", stands: Stands | None = None
    ) -> Placed:
        """Take the order or refuse it. `channel` is "call" only where the caller has checked the call and its proposal.

        `stands` is asked inside the transaction before a new order is taken, not for one the key has been used for already.
        Raises Refused with one of `commerce.errors`, FORBIDDEN for anyone but a customer, NOT_FOUND for no such session,
        Unavailable(DESK_BUSY) when the database could not take it; then the same key may simply be sent again.
        """
        if person.role is not Role.CUSTOMER:
            raise Refused(FORBIDDEN)
        body = {**msgspec.to_builtins(wish), "channel": channel}
        request = _Request(new_id("ord"), person.id, wish, channel, sha256_hex(canonical(body)), stands)
        try:
            record, created = await self._again(lambda: self._commit(request))
        except Refused as refusal:
            await self._after_refusal(request, refusal)
            raise
        if created:
            await self._tell(OrderChanged(record, record.trail_seq))
        return Placed(record.view(lang), created, record.trail_seq, record)

    async def cancel(self, person: Person, order_id: str) -> OrderChanged:
        """The customer withdraws the order within its cooling-off time; cancelling twice is the same as once.

        Raises Refused(NOT_FOUND), Refused(COOLING_OFF_OVER), Refused(NOT_CANCELLABLE), Unavailable(DESK_BUSY).
        """
        change, new = await self._again(lambda: self._cancel(person, order_id))
        if new:
            await self._tell(change)
        return change

    async def _commit(self, request: _Request) -> tuple[OrderRecord, bool]:
        """One order, one transaction. A batching writer would queue the request here and await its part of the batch."""
        async with self._db.write() as tx:
            return await self._place_in(tx, request)

    async def _place_in(self, tx: AsyncConnection, request: _Request) -> tuple[OrderRecord, bool]:
        if not await self._claim(tx, request):
            return await self._earlier(tx, request), False
        if request.stands is not None:
            await request.stands(tx)
        given, product = await gate_facts.load(
            tx,
            self._clock,
            self._historian,
            self._limits,
            customer_id=request.customer_id,
            order_id=request.order_id,
            wish=request.wish,
            channel=request.channel,
        )
        verdict = gate.decide(given)
        if verdict.refusal is not None:
            raise verdict.refusal
        if product is None:  # the gate refuses what is on no shelf
            raise Refused(errors.PRODUCT_NOT_ON_SHELF, product=request.wish.product)
        await self._take_stock(tx, request, given)
        snapshot = {"inputs": given.to_json(), "verdict": verdict.to_json()}
        record = await self._write_down(tx, request, given, snapshot, product)
        await outbox_rows.add(tx, self._clock, record, outbox_rows.PLACED, price=dict(product.price))
        return record, True

    async def _claim(self, tx: AsyncConnection, request: _Request) -> bool:
        wish, now = request.wish, self._clock.now()
        return await insert_new(
            tx,
            orders,
            id=request.order_id,
            customer_id=request.customer_id,
            key=wish.key,
            request_hash=request.hash,
            session_id=wish.session,
            product_id=wish.product,
            amount=wish.amount,
            currency="",
            channel=request.channel,
            proposal_id=wish.proposal,
            state=State.PLACED.value,
            placed_at=now,
            cancellable_until=now,
            changed_at=now,
            media_ms=0,
            trail_seq=0,
            changed_seq=0,
            snapshot={},
        )

    async def _earlier(self, tx: AsyncConnection, request: _Request) -> OrderRecord:
        mine = (orders.c.customer_id == request.customer_id) & (orders.c.key == request.wish.key)
        row = (await tx.execute(select(orders.c.id, orders.c.request_hash).where(mine))).one()
        if row.request_hash != request.hash:
            raise Refused(errors.IDEMPOTENCY_CONFLICT)
        return await order_book.get(tx, row.id)

    async def _take_stock(self, tx: AsyncConnection, request: _Request, given: gate.GateInput) -> None:
        amount, product = request.wish.amount, products.c
        enough = (product.id == request.wish.product) & (product.left >= amount)
        taken = await tx.execute(update(products).where(enough).values({"left": product.left - amount}))
        if taken.rowcount != 1:
            raise Refused(
                errors.OUT_OF_STOCK, left=given.product.left, left_text=str(Money(given.product.left, given.product.currency))
            )

    async def _write_down(
        self, tx: AsyncConnection, request: _Request, given: gate.GateInput, snapshot: dict[str, Any], product: Product
    ) -> OrderRecord:
        wish = request.wish
        data = {
            "order": request.order_id,
            "product": wish.product,
            "product_class": product.product_class,
            "amount": wish.amount,
            "currency": product.currency,
            "price": dict(product.price),
            "channel": request.channel,
            "proposal": wish.proposal,
            "disclosure": {"version": product.disclosure.version, "sha256": product.disclosure.sha256},
            "streams": gate.streams_to_json(given.session.watermarks),
            "gate": snapshot,
        }
        draft = Draft(kinds.ORDER_PLACED, Role.CUSTOMER.value, data, {"customer": request.customer_id})
        [entry] = await self._trail.append(tx, wish.session, draft)
        record = OrderRecord(
            id=request.order_id,
            customer_id=request.customer_id,
            session_id=wish.session,
            product_id=product.id,
            product_en=product.name_en,
            product_zh=product.name_zh,
            risk=product.risk,
            amount=wish.amount,
            currency=product.currency,
            channel=request.channel,
            proposal_id=wish.proposal,
            state=State.PLACED,
            reason=None,
            placed_at=entry.at,
            cancellable_until=entry.at + self._cooling_off,
            changed_at=entry.at,
            media_ms=entry.media_ms or 0,
            trail_seq=entry.seq,
        )
        known = ("currency", "placed_at", "changed_at", "cancellable_until", "media_ms", "trail_seq")
        values: dict[str, Any] = {name: getattr(record, name) for name in known}
        values |= {"changed_seq": entry.seq, "snapshot": snapshot}
        await tx.execute(update(orders).where(orders.c.id == request.order_id).values(values))
        return record

    async def _cancel(self, person: Person, order_id: str) -> tuple[OrderChanged, bool]:
        async with self._db.write() as tx:
            order = await order_book.get(tx, order_id, customer_id=person.id, lock=True)
            if order.state is State.CANCELLED:
                return OrderChanged(order, order.trail_seq), False
            if order.state is State.REJECTED:
                raise Refused(errors.NOT_CANCELLABLE, state=order.state.value)
            if self._clock.now() > order.cancellable_until:
                raise Refused(errors.COOLING_OFF_OVER, cancellable_until=to_text(order.cancellable_until))
            actor = Role.CUSTOMER.value
            change = await order_book.move(tx, self._trail, self._clock, order_id, Event.CANCEL, actor=actor)
            if change is None:
                raise IllegalEvent(f"cancel while {order.state}")
            await outbox_rows.add(tx, self._clock, change.order, outbox_rows.CANCELLED)
            return change, True

    async def _after_refusal(self, request: _Request, refusal: Refused) -> None:
        """Note the refusal; and when the recording has fallen back behind the sale's row, close it for all at once.

        The customer is told the refusal whatever becomes of this: a database that fails here is logged.
        """
        code = refusal.problem.code
        if isinstance(refusal, Unavailable) or refusal.problem in (errors.IDEMPOTENCY_CONFLICT, NOT_FOUND):
            return
        try:
            await self._again(lambda: self._note_refusal(request, code, refusal.params))
            if refusal.problem is errors.SALE_CLOSED:
                await self._sale.check(request.wish.session)
        except (Unavailable, SQLAlchemyError, OSError) as error:
            _log.error("refusal_not_noted", session=request.wish.session, code=code, error=repr(error.__cause__ or error))

    async def _note_refusal(self, request: _Request, code: str, params: dict[str, Any]) -> None:
        now, wish = self._clock.now(), request.wish
        async with self._db.write() as tx:
            if not await self._may_note(tx, request, code, now):
                return
            data = {
                "product": wish.product,
                "amount": wish.amount,
                "code": code,
                "channel": request.channel,
                "params": {name: value for name, value in params.items() if "_" not in name},  # codes and figures, no sentences
            }
            draft = Draft(kinds.ORDER_REFUSED, Role.CUSTOMER.value, data, {"customer": request.customer_id})
            await append_or_after(tx, self._trail, wish.session, draft)

    async def _may_note(self, tx: AsyncConnection, request: _Request, code: str, now: datetime) -> bool:
        session_id = request.wish.session
        known = select(func.count()).select_from(sessions).where(sessions.c.id == session_id)
        if (await tx.execute(known)).scalar_one() == 0:
            return False
        row = {"session_id": session_id, "customer_id": request.customer_id, "code": code, "at": now}
        long_ago = refusals.c.at <= now - timedelta(seconds=REFUSAL_EVERY_S)
        keys = [refusals.c.session_id, refusals.c.customer_id, refusals.c.code]
        upsert = (
            insert_or(tx, refusals).values(row).on_conflict_do_update(index_elements=keys, set_={"at": now}, where=long_ago)
        )
        return (await tx.execute(upsert)).rowcount == 1

    async def _again(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do the transaction, again if the database undid it for another's sake. Raises Unavailable(DESK_BUSY)."""
        for attempt in range(_ATTEMPTS):
            try:
                return await work()
            except (PoolTimeout, TimeoutError) as error:
                raise Unavailable(errors.DESK_BUSY) from error
            except DBAPIError as error:
                if error.connection_invalidated or _sqlite_busy(error.orig):
                    raise Unavailable(errors.DESK_BUSY) from error
                if getattr(error.orig, "sqlstate", None) not in _TRANSIENT:
                    raise
                _log.warning("order_retried", attempt=attempt, sqlstate=getattr(error.orig, "sqlstate", None))
            await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads rivals, hides nothing
        raise Unavailable(errors.DESK_BUSY)

    async def _tell(self, change: OrderChanged) -> None:
        """After the commit: what goes wrong here can't undo the order, so it is logged and the order is acknowledged."""
        if self._wake is not None:
            self._wake()
        if self._on_change is None:
            return
        try:
            await self._on_change(change)
        except Exception:
            _log.exception("order_not_announced", order=change.order.id)


def _sqlite_busy(error: object) -> bool:
    """Somebody else holds SQLite's one write lock, and has for longer than we wait for it."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


ORDERS = web.AppKey("orders", OrderDesk)
