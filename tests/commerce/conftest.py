"""A market to sell in: one live show whose recording is fresh, the demo's products on its shelf, its customers ready to buy."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from commerce import assessments, catalogue, customers, demo_data, disclosing, order_book, questionnaire, shelf
from commerce.order_book import OrderChanged
from commerce.orders import OrderDesk, Placed
from commerce.sale import SaleChanged, SaleMonitor
from commerce.tables import products
from commerce.wire import DisclosureVersion, PlaceOrder
from core.clock import ManualClock, media_ms
from core.database import Database
from core.identity import Person, Role
from recording import kinds, sessions
from recording.tables import sessions as sessions_table
from recording.tables import streams
from recording.trail import Entry, Trail

HOST = Person("adviser-1", Role.ADVISER, "周岚")
BOND = "prd-r2-bond"
MIXED = "prd-r3-mixed"
C5 = Person("customer-c5", Role.CUSTOMER, "赵敏")
C3 = Person("customer-c3", Role.CUSTOMER, "李文")
C1 = Person("customer-c1", Role.CUSTOMER, "陈晓")
ELDER = Person("customer-elder", Role.CUSTOMER, "王桂兰")
YUAN = 100


@dataclass
class Market:
    """Everything a test of buying needs; `told` and `sales` keep what was announced."""

    db: Database
    clock: ManualClock
    trail: Trail
    session: str = ""
    told: list[OrderChanged] = field(default_factory=list)
    sales: list[SaleChanged] = field(default_factory=list)
    keys: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.sale = SaleMonitor(self.db, self.trail, self.clock, self._on_sale)
        self.desk = OrderDesk(self.db, self.trail, self.clock, self.sale, on_change=self.on_order)

    async def on_order(self, change: OrderChanged) -> None:
        self.told.append(change)

    async def _on_sale(self, change: SaleChanged) -> None:
        self.sales.append(change)

    async def seed(self) -> None:
        """The demo's products and customers, and a session to sell in."""
        async with self.db.write() as tx:
            await demo_data.seed(tx, self.clock)
        self.session = await self.open_session()

    async def open_session(self, *, kind: str = "show", required: tuple[str, ...] = ("host",)) -> str:
        """A live session with everything on its shelf, recorded up to this moment, its sale open."""
        async with self.db.write() as tx:
            made = await sessions.create(tx, self.clock, kind=kind, title="年终理财专场", host_id=HOST.id, required=required)
            everything = [product.id for product in await catalogue.all_products(tx)]
            await shelf.put(tx, self.trail, made.id, HOST, everything)
            await sessions.move(tx, self.clock, self.trail, made.id, "start", HOST.id)
        for name in required:
            await self.record(name, session=made.id)
        await self.sale.check(made.id)
        self.sales.clear()
        return made.id

    async def record(self, stream: str = "host", *, session: str = "", status: str = "publishing", age_s: float = 0.0) -> None:
        """The stream's watermark as the intake would write it, `age_s` seconds behind the clock."""
        session_id = session or self.session
        at = self.clock.now() - timedelta(seconds=age_s)
        async with self.db.write() as tx:
            started = (await sessions.get(tx, session_id)).started_at
            assert started is not None
            values = {"status": status, "watermark_ms": media_ms(started, at), "watermark_at": at}
            row = (streams.c.session_id == session_id) & (streams.c.name == stream)
            if (await tx.execute(update(streams).where(row).values(values))).rowcount == 0:
                await tx.execute(insert(streams).values(session_id=session_id, name=stream, epoch=1, first_ms=0, **values))

    async def confirm(self, person: Person, product: str = BOND, *, session: str = "", version: int = 1) -> None:
        async with self.db.write() as tx:
            await disclosing.confirm(tx, self.trail, self.clock, person, session or self.session, product, version)

    async def explain(self, customer: Person, product: str, *, session: str) -> None:
        async with self.db.write() as tx:
            await disclosing.explain(tx, self.trail, self.clock, HOST, session, customer.id, product)

    async def customer(self, name: str, *, answers: str = "dddddddd") -> Person:
        """One more identified customer of 40, assessed today; C5 unless `answers` say otherwise."""
        now = self.clock.now()
        given = dict(zip((q.id for q in questionnaire.QUESTIONS), answers, strict=True))
        async with self.db.write() as tx:
            await customers.create(tx, self.clock, name, (now - timedelta(days=40.5 * 365.2425)).date(), "某某")
            await assessments.record(tx, name, now, given, questionnaire.evaluate(given))
        return Person(name, Role.CUSTOMER, "某某")

    async def product(self, product_id: str, **values: Any) -> None:
        async with self.db.write() as tx:
            await tx.execute(update(products).where(products.c.id == product_id).values(**values))

    async def left(self, product_id: str = BOND) -> int:
        async with self.db.read() as tx:
            return int((await tx.execute(select(products.c.left).where(products.c.id == product_id))).scalar_one())

    def wish(self, **changes: Any) -> PlaceOrder:
        fields: dict[str, Any] = {
            "session": self.session,
            "product": BOND,
            "amount": 10_000 * YUAN,
            "key": f"key-{next(self.keys):08d}",
            "disclosure": DisclosureVersion(1),
        }
        return PlaceOrder(**(fields | changes))

    async def buy(self, person: Person = C5, *, channel: str = "show", **changes: Any) -> Placed:
        """Confirm the disclosure and order."""
        wish = self.wish(**changes)
        await self.confirm(person, wish.product, session=wish.session)
        return await self.desk.place(person, wish, channel=channel)

    async def entries(self, *names: str, session: str = "") -> list[Entry]:
        async with self.db.read() as tx:
            return await self.trail.entries(tx, session or self.session, kinds=names or kinds.KINDS)

    async def orders(self, person: Person) -> list[order_book.OrderRecord]:
        async with self.db.read() as tx:
            return await order_book.of_customer(tx, person.id)

    async def set_state(self, state: str, *, session: str = "") -> None:
        """Straight into the table, for states a test doesn't want to walk to."""
        row = sessions_table.c.id == (session or self.session)
        async with self.db.write() as tx:
            await tx.execute(update(sessions_table).where(row).values(state=state))


@pytest.fixture
async def market(database: Database, clock: ManualClock) -> Market:
    made = Market(database, clock, Trail(clock))
    await made.seed()
    return made
