"""The life of orders under everything at once (generated): after each moment the books agree, whatever came together in it."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from commerce import errors, lifecycle, outbox_rows
from commerce.lifecycle import Event, State
from commerce.orders import OrderDesk, Placed
from commerce.outbox_moves import Step, move_all
from commerce.sale import SaleMonitor
from commerce.tables import orders, outbox
from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from recording import kinds
from recording.seal import check_session
from recording.trail import Trail, after_trail
from tests.commerce.conftest import BOND, MIXED, YUAN, Market
from tests.conftest import ReusedDatabase

PEOPLE, DESKS, SESSIONS = 4, 2, 2
# A few in every run; `TELLERCAST_TEST_LIVES=500 pytest tests/commerce/test_order_life.py` looks longer.
LIVES = int(os.environ.get("TELLERCAST_TEST_LIVES", "6"))
STOCK, CAP = 60_000 * YUAN, 25_000 * YUAN
AMOUNTS = (1, 5_000 * YUAN, 10_000 * YUAN, 20_000 * YUAN)
EVENTS = {
    kinds.ORDER_SENT: Event.SEND,
    kinds.ORDER_CONFIRMED: Event.CONFIRM,
    kinds.ORDER_REJECTED: Event.REJECT,
    kinds.ORDER_CANCELLED: Event.CANCEL,
}
MAY_REFUSE = (
    errors.SALE_CLOSED, errors.BELOW_MINIMUM, errors.OFF_STEP, errors.OUT_OF_STOCK, errors.CAP_EXCEEDED, errors.RISK_REVIEW,
    errors.IDEMPOTENCY_CONFLICT, errors.COOLING_OFF_OVER, errors.NOT_CANCELLABLE,
)  # fmt: skip

MakeDatabase = Callable[[], Awaitable[Database]]

places = st.builds(
    lambda who, desk, session, product, amount, key: ("place", who, desk, session, product, amount, key),
    st.integers(0, PEOPLE - 1),
    st.integers(0, DESKS - 1),
    st.integers(0, SESSIONS - 1),
    st.sampled_from((BOND, MIXED)),
    st.sampled_from(AMOUNTS),
    st.integers(0, 30),
)
cancels = st.builds(lambda which, desk: ("cancel", which, desk), st.integers(0, 20), st.integers(0, DESKS - 1))
answers = st.builds(
    lambda which, event: ("answer", which, event),
    st.lists(st.integers(0, 20), min_size=1, max_size=3, unique=True),
    st.sampled_from((Event.SEND, Event.CONFIRM, Event.REJECT)),
)


class OrderLife(RuleBasedStateMachine):
    """Customers at two desks as two web processes have them, the core's answers, the clock and the recording."""

    def __init__(self, make: MakeDatabase) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._make = make
        self._others: list[Database] = []
        self.acknowledged: dict[str, tuple[str, str]] = {}  # order: (customer, key)
        self.withdrawn: set[str] = set()

    def run(self, work: Awaitable[Any]) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(60):
                return await work

        return self._runner.run(bounded())

    def teardown(self) -> None:
        async def close() -> None:
            for db in [self.market.db, *self._others]:
                await db.close()

        if hasattr(self, "market"):
            self.run(close())
        self._runner.close()

    @initialize()
    def open(self) -> None:
        self.run(self._open())

    async def _open(self) -> None:
        clock = ManualClock()
        db = await self._make()
        self.market = market = Market(db, clock, Trail(clock))
        await market.seed()
        for product in (BOND, MIXED):
            await market.product(product, quota=STOCK, left=STOCK, cap=CAP)
        self.people = [await market.customer(f"buyer-{n}") for n in range(PEOPLE)]
        self.sessions = [market.session, *[await market.open_session() for _ in range(SESSIONS - 1)]]
        for person, product, session in itertools.product(self.people, (BOND, MIXED), self.sessions):
            await market.confirm(person, product, session=session)
        self.desks = [market.desk]
        for _ in range(DESKS - 1):
            other = db
            if not db.is_sqlite:  # which several processes never share
                other = Database(db.url.render_as_string(hide_password=False))
                self._others.append(other)
            self.desks.append(OrderDesk(other, market.trail, clock, SaleMonitor(other, market.trail, clock)))

    # --- what happens ------------------------------------------------------------------------------------------------------

    @rule(doings=st.lists(places | cancels | answers, min_size=1, max_size=8))
    def at_once(self, doings: list[tuple[Any, ...]]) -> None:
        self.run(self._at_once(doings))

    async def _at_once(self, doings: list[tuple[Any, ...]]) -> None:
        known = sorted(self.acknowledged)
        works: list[Awaitable[None]] = []
        for what, *details in doings:
            if what == "place":
                works.append(self._place(*details))
            elif known and what == "cancel":
                works.append(self._cancel(known[details[0] % len(known)], self.desks[details[1]]))
            elif known:
                works.append(self._answer(sorted({known[n % len(known)] for n in details[0]}), details[1]))
        await asyncio.gather(*works)

    async def _place(self, who: int, desk: int, session: int, product: str, amount: int, key: int) -> None:
        person = self.people[who]
        wish = self.market.wish(session=self.sessions[session], product=product, amount=amount, key=f"generated-{key:02d}")
        try:
            placed: Placed = await self.desks[desk].place(person, wish)
        except Refused as refusal:
            if refusal.problem not in MAY_REFUSE:
                raise
            return
        mine = (person.id, wish.key)
        earlier = [order for order, whose in self.acknowledged.items() if whose == mine]
        assert earlier in ([], [placed.order.id]), "one key, two orders"
        assert not (earlier and placed.created), "acknowledged as new twice"
        self.acknowledged[placed.order.id] = mine

    async def _cancel(self, order_id: str, desk: OrderDesk) -> None:
        person = next(person for person in self.people if person.id == self.acknowledged[order_id][0])
        try:
            await desk.cancel(person, order_id)
        except Refused as refusal:
            if refusal.problem not in MAY_REFUSE:
                raise
            return
        self.withdrawn.add(order_id)

    async def _answer(self, order_ids: list[str], event: Event) -> None:
        """As the outbox brings them; what the database undoes for another's sake is brought again."""
        steps = [Step(order_id, event, "insufficient funds" if event is Event.REJECT else None) for order_id in order_ids]
        while True:
            try:
                async with self.market.db.write() as tx:
                    await move_all(tx, self.market.trail, self.market.clock, steps)
                return
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in {"40001", "40P01"}:
                    raise

    @rule(hours=st.sampled_from((0, 1, 25)))
    def time_passes(self, hours: int) -> None:
        self.market.clock.advance(hours * 3600 + 601)  # past what the velocity rule looks back to
        for session in self.sessions:
            self.run(self.market.record(session=session))

    @precondition(lambda self: hasattr(self, "market"))
    @rule(
        which=st.integers(0, SESSIONS - 1),
        age_s=st.sampled_from((0.0, 0.0, 6.0)),
        status=st.sampled_from(("publishing", "publishing", "lost")),
    )
    def the_recording_changes(self, which: int, age_s: float, status: str) -> None:
        self.run(self.market.record(session=self.sessions[which], status=status, age_s=age_s))
        self.run(self.market.sale.check(self.sessions[which]))

    # --- what holds --------------------------------------------------------------------------------------------------------

    @invariant()
    def the_books_agree(self) -> None:
        if hasattr(self, "market"):
            self.run(self._books_agree())

    async def _books_agree(self) -> None:
        async with self.market.db.read() as tx:
            rows = {row.id: row for row in await tx.execute(select(orders))}
            told = Counter((row.order_id, row.kind) for row in await tx.execute(select(outbox)))
            entries = []
            for session in self.sessions:
                assert await check_session(tx, self.market.trail, [], session) == ["not sealed"]
                assert await self.market.trail.last(tx, after_trail(session)) == 0
                entries += [entry async for entry in self.market.trail.stream(tx, session)]
        assert {order: (row.customer_id, row.key) for order, row in rows.items()} == self.acknowledged
        standing = [row for row in rows.values() if row.state in lifecycle.STANDING]
        for product in (BOND, MIXED):
            sold = sum(row.amount for row in standing if row.product_id == product)
            assert await self.market.left(product) + sold == STOCK
        held: defaultdict[tuple[str, str], int] = defaultdict(int)
        for row in standing:
            held[row.customer_id, row.product_id] += row.amount
        assert all(amount <= CAP for amount in held.values())
        self._lives_agree(rows, entries)
        for order, row in rows.items():
            assert told[order, outbox_rows.PLACED] == 1
            assert told[order, outbox_rows.CANCELLED] == (row.state == State.CANCELLED)
        assert all(rows[order].state == State.CANCELLED for order in self.withdrawn)

    def _lives_agree(self, rows: dict[str, Any], entries: list[Any]) -> None:
        """The trail tells each order's life, legally and to its present state, and none began while the sale was closed."""
        lives: dict[str, State] = {}
        is_open = False  # of one session after the other: each begins with its sale closed
        for entry in entries:
            if entry.kind in (kinds.SALE_OPENED, kinds.SALE_CLOSED):
                is_open = entry.kind == kinds.SALE_OPENED
            elif entry.kind == kinds.ORDER_PLACED:
                order, row = entry.data["order"], rows[entry.data["order"]]
                assert is_open
                assert order not in lives
                assert (row.trail_seq, row.amount) == (entry.seq, entry.data["amount"])
                lives[order] = State.PLACED
            elif entry.kind in EVENTS and not entry.data.get("late"):
                order = entry.data["order"]
                lives[order] = lifecycle.advance(lives[order], EVENTS[entry.kind])
        assert lives == {order: State(row.state) for order, row in rows.items()}


@pytest.mark.timeout(180)
def test_the_books_agree_whatever_happens_together(
    database_url: str, filled_sqlite: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    numbers = iter(range(10**6))

    async def make() -> Database:
        if database_url.startswith("sqlite"):
            path = tmp_path / f"life-{next(numbers)}.db"
            shutil.copyfile(filled_sqlite, path)
            return Database(f"sqlite+aiosqlite:///{path}")
        reused: ReusedDatabase = request.getfixturevalue("reused_postgresql")
        await reused.empty()
        return Database(reused.url)

    run_state_machine_as_test(
        lambda: OrderLife(make),  # type: ignore[arg-type]  # whatever makes one will do
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
