"""Placing and cancelling orders.

Life of an order:
1. The wish arrives with an idempotency key and waits for its group: all that came while the group before was at work. A group
   is one transaction; it never holds two orders of one customer (`core/grouping.py`).
2. Locks, always in this order: customer, the proposal's call (`Basis`), the sessions' trails, their trails after the seal,
   product; each kind in the order of its ids. So no two can wait for each other, and while they are held neither the customer's
   own orders, the proposal, the session's sale nor the stock can change. What somebody sits on is not waited for
   (`order_locks.py`).
3. Whose key has been used is given the order it was used for, or a conflict if the body differs.
4. The facts are read and the gate decides (`gate.py`), order by order. A refused one leaves nothing but one entry
   `order_refused`, at most one for each customer, session and code in ten seconds; its key may be used again.
5. The stock is taken by `UPDATE … WHERE left >= amount`: it can't go below zero even if a lock were missing.
6. The trail gets `order_placed` with the terms, the gate's inputs and verdict, and how far each stream was safely on disk.
   The entry's time and media time are the order's. What is bought in a replay goes to the trail after the seal, at the media
   time of the film's moment, which was looked up before (`replaying.py`): it stands under the seal.
7. The outbox gets its row: what the bank's core must hear can't be forgotten any more.
8. Commit. Only now is it acknowledged, and only now do others hear of it (`telling.py`), whether or not the customer still
   waits for the answer.
9. The outbox delivers; the core's answer moves the order on (`outbox.py`). Until `cancellable_until` the customer may cancel:
   the stock comes back, and the core hears of that by the outbox as well.

Steps 2 to 7 are `order_group.py`, 20 statements for a group however many orders are in it.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

import msgspec
import structlog
from aiohttp import web
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from commerce import errors, order_book, outbox_rows
from commerce.history import Historian, OwnOrders
from commerce.lifecycle import Event, IllegalEvent, State
from commerce.order_book import OnOrder, OrderChanged, OrderRecord
from commerce.order_group import OrderGroup, StockMovedError
from commerce.order_locks import RowsHeldError, StuckRows, held_up
from commerce.order_request import Basis, Outcomes, Request, Taken
from commerce.replaying import Past, Replays
from commerce.risk import RiskLimits
from commerce.sale import SaleMonitor
from commerce.telling import Step, Telling
from commerce.wire import Order, PlaceOrder, ReplayMoment
from core.canonical import canonical, sha256_hex
from core.clock import Clock, to_text
from core.database import Database, is_away
from core.errors import FORBIDDEN, Refused, Unavailable
from core.grouping import Grouping
from core.identity import Person, Role
from core.ids import new_id
from recording.trail import Trail

T = TypeVar("T")

# 私募投资基金募集行为管理办法, art. 29: a cooling-off time of at least 24 hours. We give it to every product.
COOLING_OFF: Final = timedelta(hours=24)
# One transaction of these takes a few dozen ms, and so much is what who comes next waits for it.
GROUP_MAX: Final = 100
# A rush of several seconds; beyond it "try again" is the better answer.
WAITING_MAX: Final = 5_000
_ATTEMPTS: Final = 5
# How often a group goes on without those that rest on a stuck row. One look finds all there are; what is more came since.
_ROUNDS: Final = 3
# All the time that the orders of a group that failed have together, one by one.
_ALONE_WITHIN_S: Final = 10.0
# PostgreSQL: serialization_failure, deadlock_detected. Each undoes the transaction; it may be tried again at once.
_TRANSIENT: Final = frozenset({"40001", "40P01"})
# At the process's end: so long the orders under way have, and so long telling of them.
_CLOSE_WITHIN_S: Final = 4.0
_TOLD_WITHIN_S: Final = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that exists. `created` is False when the key had been used for it before; `seq` is its entry's number."""

    order: Order
    created: bool
    seq: int
    record: OrderRecord


class OrderDesk:
    """The only door to an order. After the commit `noted` is called at once with each change, `on_change` is awaited beside the
    answers and given up when that takes too long, and `wake` (of the outbox) is called."""

    def __init__(
        self,
        db: Database,
        trail: Trail,
        clock: Clock,
        sale: SaleMonitor,
        *,
        on_change: OnOrder | None = None,
        noted: Callable[[OrderChanged], None] | None = None,
        wake: Callable[[], None] | None = None,
        historian: Historian | None = None,
        limits: RiskLimits | None = None,
        cooling_off: timedelta = COOLING_OFF,
        group_max: int = GROUP_MAX,
        replays: Replays | None = None,
    ) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._sale = sale
        self._on_change = on_change
        self._noted = noted
        self._wake = wake
        self.replays = replays
        self._checking: dict[str, asyncio.Task[None]] = {}
        self._stuck = StuckRows(db)
        self._telling = Telling()
        self._group = OrderGroup(trail, clock, historian or OwnOrders(), limits or RiskLimits(), cooling_off)
        self._grouping: Grouping[Request, Taken] = Grouping(
            self._place_all,
            most=group_max,
            waiting_max=WAITING_MAX,
            full=lambda: Unavailable(errors.DESK_BUSY),
            one_each=lambda request: request.customer_id,
        )

    async def place(
        self, person: Person, wish: PlaceOrder, *, channel: str = "show", lang: str = "en", basis: Basis | None = None
    ) -> Placed:
        """Take the order or refuse it. `channel` is "call" only where the caller has checked the call and its proposal.

        What it rests on is held and asked inside the transaction before a new order is taken, not for one the key has been used
        for already.
        Raises Refused with one of `commerce.errors`, FORBIDDEN for anyone but a customer, NOT_FOUND for no such session,
        Unavailable(DESK_BUSY) when the database could not take it; then the same key may simply be sent again.
        """
        if person.role is not Role.CUSTOMER:
            raise Refused(FORBIDDEN)
        body = {**msgspec.to_builtins(wish), "channel": channel}
        if wish.replay is None:
            del body["replay"]  # so that a key that was used before replays sold stays the same order's
        past = await self.past(wish.session, wish.product, wish.replay) if wish.replay is not None else None
        request = Request(new_id("ord"), person.id, wish, channel, sha256_hex(canonical(body)), basis, past)
        taken = await self._grouping.do(request)
        record = taken.record
        return Placed(record.view(lang), taken.created, record.told_seq, record)

    async def past(self, session_id: str, product_id: str, moment: ReplayMoment) -> Past:
        """A moment of a finished show, as far as it matters for selling the product there. Raises Unavailable(DESK_BUSY)."""
        if self.replays is None:
            return Past(False, moment.media_ms)
        return await self._again(partial(self.replays.past, session_id, product_id, moment.media_ms))

    async def cancel(self, person: Person, order_id: str) -> OrderChanged:
        """The customer withdraws the order within its cooling-off time; cancelling twice is the same as once.

        Raises Refused(NOT_FOUND), Refused(COOLING_OFF_OVER), Refused(NOT_CANCELLABLE), Unavailable(DESK_BUSY).
        """
        change, new = await self._again(lambda: self._cancel(person, order_id))
        if new:
            self._tell([change], [partial(self._announce, change)])
        return change

    @property
    def sells_in_replays(self) -> bool:
        return self.replays is not None and self.replays.is_on

    async def close(self) -> None:
        """At the process's end: take no order any more, answer those that wait, and leave no task behind. Bounded in time."""
        await self._grouping.close(_CLOSE_WITHIN_S)
        checks = list(self._checking.values())
        for check in checks:  # whoever runs the monitor next looks by himself
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)
        await self._telling.close(_TOLD_WITHIN_S)

    async def _place_all(self, requests: Sequence[Request]) -> Sequence[Taken | Exception]:
        """One group, one commit, without those that rest on a row on which somebody sits: these may come again.

        However many such rows there are, one look finds them; what is found stuck only in the last round waits for nobody.
        """
        found: dict[str, Taken | Exception] = {}
        unseen: set[str] = set()
        try:
            for _ in range(_ROUNDS):
                aside = unseen | await self._again(lambda: self._stuck.resting_on(requests))
                going = [request for request in requests if request.order_id not in aside]
                try:
                    found = dict(zip((one.order_id for one in going), await self._together(going), strict=True))
                    break
                except RowsHeldError:
                    _log.warning("orders_held_up", orders=len(going))
                    unseen |= await self._again(lambda: self._stuck.find(going))  # noqa: B023 - it is awaited here
        except (Unavailable, RowsHeldError) as error:
            _log.warning("order_group_busy", orders=len(requests), why=repr(error.__cause__ or error))
        outcomes = [found.get(request.order_id) or Unavailable(errors.DESK_BUSY) for request in requests]
        self._check_sales(requests, outcomes)
        self._tell_of(requests, outcomes)
        return outcomes

    def _tell_of(self, requests: Sequence[Request], outcomes: Sequence[Taken | Exception]) -> None:
        """Others hear of each order that was taken, also of one whose customer has given up waiting for the answer."""
        changes: list[OrderChanged] = []
        steps: list[Step] = []
        for request, outcome in zip(requests, outcomes, strict=True):
            if isinstance(outcome, Taken) and outcome.created:
                changes.append(OrderChanged(outcome.record, outcome.record.told_seq))
                steps.append(partial(self._announce, changes[-1]))
                if request.basis is not None:
                    steps.append(request.basis.told)
        if changes:
            self._tell(changes, steps)

    async def _together(self, requests: Sequence[Request]) -> Sequence[Taken | Exception]:
        """All in one transaction; when it fails and is no rival's doing, each alone, so that one spoils nobody else's order.

        Raises Unavailable, RowsHeldError.
        """
        if not requests:
            return []
        try:
            return await self._again(lambda: self._commit(requests))
        except (Unavailable, RowsHeldError):
            raise
        except Exception:
            _log.exception("order_group_failed", orders=len(requests))
        until = asyncio.get_running_loop().time() + _ALONE_WITHIN_S
        outcomes: list[Taken | Exception] = []
        for request in requests:
            in_time = not outcomes or asyncio.get_running_loop().time() < until
            outcomes.append(await self._alone(request) if in_time else Unavailable(errors.DESK_BUSY))
        return outcomes

    async def _alone(self, request: Request) -> Taken | Exception:
        """An order whose group failed. Its refusal is told even when the database fails to note it."""
        for note in (True, False):
            try:
                return (await self._again(partial(self._commit, [request], note=note)))[0]
            except RowsHeldError:
                return Unavailable(errors.DESK_BUSY)
            except Exception as error:  # its traceback is the group's
                _log.error("order_failed", order=request.order_id, noted=note, error=repr(error))
                failure = error
        return failure

    async def _commit(self, requests: Sequence[Request], *, note: bool = True) -> Outcomes:
        try:
            async with self._db.write() as tx:
                return await self._group.place_all(tx, requests, note=note)
        except DBAPIError as error:
            if held_up(error):
                raise RowsHeldError from error
            raise

    def _check_sales(self, requests: Sequence[Request], outcomes: Sequence[Taken | Exception]) -> None:
        """Where the recording has fallen back behind the sale's row, close the sale for all at once; nobody's answer waits."""
        pairs = zip(requests, outcomes, strict=True)
        closed = {r.wish.session for r, o in pairs if isinstance(o, Refused) and o.problem is errors.SALE_CLOSED}
        for session_id in sorted(closed - self._checking.keys()):
            task = asyncio.create_task(self._check_sale(session_id), context=contextvars.Context())
            self._checking[session_id] = task

    async def _check_sale(self, session_id: str) -> None:
        try:
            await self._sale.check(session_id)
        except Exception as error:  # the monitor's own round comes by in half a second
            _log.error("sale_not_checked", session=session_id, error=repr(error))
        finally:
            del self._checking[session_id]

    async def _cancel(self, person: Person, order_id: str) -> tuple[OrderChanged, bool]:
        async with self._db.write() as tx:
            order = await order_book.get(tx, order_id, customer_id=person.id, lock=True)
            if order.state is State.CANCELLED:
                return OrderChanged(order, order.told_seq), False
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

    async def _again(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do the transaction, again if the database undid it for another's sake. Raises Unavailable(DESK_BUSY)."""
        for attempt in range(_ATTEMPTS):
            try:
                return await work()
            except StockMovedError:
                _log.warning("order_retried", attempt=attempt, why="stock moved")
            except (SQLAlchemyError, OSError) as error:
                if is_away(error):
                    raise Unavailable(errors.DESK_BUSY) from error
                state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
                if state not in _TRANSIENT:
                    raise
                _log.warning("order_retried", attempt=attempt, sqlstate=state)
            await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads rivals, hides nothing
        raise Unavailable(errors.DESK_BUSY)

    def _tell(self, changes: Sequence[OrderChanged], steps: Sequence[Step]) -> None:
        """After the commit: nothing that goes wrong here can undo it, and nobody's answer waits for it."""
        if self._wake is not None:
            self._wake()
        for change in changes:
            self._note(change)
        self._telling.later(steps)

    def _note(self, change: OrderChanged) -> None:
        try:
            if self._noted is not None:
                self._noted(change)
        except Exception:
            _log.exception("order_not_noted", order=change.order.id)

    async def _announce(self, change: OrderChanged) -> None:
        if self._on_change is not None:
            await self._on_change(change)


ORDERS = web.AppKey("orders", OrderDesk)
