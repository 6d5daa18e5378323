"""Customers as the seller must know them: identified or not, how old, which grade, what they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import assessments
from commerce.tables import assessments as assessments_table
from commerce.tables import customers, holdings, orders, products
from commerce.wire import CustomerCard
from compliance.rules import CHINA, ELDER_AGE, age_on, grade_name
from core.clock import Clock, to_text
from core.database import Database, among, waiting_at_most
from core.errors import NOT_FOUND, Refused
from core.pii import Pii

# Milliseconds. A group of orders takes some 60; who holds a row for a second is no rival but stuck (`order_locks.py`).
PATIENCE_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer; name and birth date don't print themselves."""

    id: str
    real_name: Pii[str] | None
    birth_date: Pii[date]

    @property
    def identified(self) -> bool:
        return self.real_name is not None

    def age(self, now: datetime) -> int:
        """Full years, by the calendar where the bank is."""
        born = self.birth_date.reveal()
        return age_on(datetime(born.year, born.month, born.day, tzinfo=CHINA), now.astimezone(CHINA))


@dataclass(frozen=True, slots=True)
class Holding:
    """What a customer holds of one class, and the share in per cent that their plan aims at."""

    product_class: str
    amount: int
    currency: str
    target_percent: int


@dataclass(frozen=True, slots=True)
class PastOrder:
    """One line of a customer's history with us."""

    at: datetime
    product_en: str
    product_zh: str
    amount: int
    currency: str
    state: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What an adviser sees beside the video: no more than advice needs, and nothing the bank earns (invariant 7)."""

    grade: int | None
    assessed_at: datetime | None
    age_65: bool
    holdings: tuple[Holding, ...]
    history: tuple[PastOrder, ...]


class Customers:
    """The customers for those above who hold no transaction."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def view(self, person_id: str) -> CustomerCard | None:
        """The customer's own card, None when the bank knows nobody by this id."""
        async with self._db.read() as tx:
            return await card(tx, self._clock, person_id)


CUSTOMERS = web.AppKey("customers", Customers)


async def card(tx: AsyncConnection, clock: Clock, person_id: str) -> CustomerCard | None:
    """The customer's own card, None when the bank knows nobody by this id."""
    customer = await get(tx, person_id)
    if customer is None:
        return None
    now = clock.now()
    current = await assessments.latest(tx, person_id)
    return CustomerCard(
        grade=grade_name(current.grade) if current is not None and current.valid(now) else None,
        assessed_at=None if current is None else to_text(current.at),
        age_65=customer.age(now) >= ELDER_AGE,
    )


async def get(tx: AsyncConnection, person_id: str) -> Customer | None:
    """The customer, None when the bank knows nobody by this id."""
    row = (await tx.execute(select(customers).where(customers.c.person_id == person_id))).one_or_none()
    return None if row is None else _customer(row)


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer as the gate sees one: with the latest assessment's grade (1 to 5) and time, None without any."""

    customer: Customer
    grade: int | None
    assessed_at: datetime | None


_LATEST = (
    select(assessments_table.c.id)
    .where(assessments_table.c.customer_id == customers.c.person_id)
    .order_by(assessments_table.c.at.desc(), assessments_table.c.id.desc())
    .limit(1)
    .correlate(customers)
    .scalar_subquery()
)
_STANDING = (
    select(customers, assessments_table.c.grade, assessments_table.c.at)
    .outerjoin(assessments_table, assessments_table.c.id == _LATEST)
    .where(among(customers.c.person_id, "customers"))
)
_LOCK = (
    select(customers.c.person_id)
    .where(among(customers.c.person_id, "customers"), waiting_at_most(PATIENCE_MS))
    .order_by(customers.c.person_id)
    .with_for_update(key_share=True)
)


async def hold(tx: AsyncConnection, person_ids: Collection[str]) -> None:
    """Hold these customers still until the transaction ends, always in the order of their ids.

    For them, and for whatever the transaction locks after, it waits `PATIENCE_MS` at most.
    """
    if tx.dialect.name != "sqlite":  # whose writing transactions come one at a time as it is
        await tx.execute(_LOCK, {"customers": person_ids})


async def standing(tx: AsyncConnection, person_ids: Collection[str]) -> dict[str, Standing]:
    """Those of them that the bank knows, as the gate sees them, by id."""
    rows = await tx.execute(_STANDING, {"customers": person_ids})
    return {row.person_id: Standing(_customer(row), row.grade, row.at) for row in rows}


async def of(tx: AsyncConnection, person_ids: Iterable[str]) -> dict[str, Customer]:
    """Those of them that the bank knows, by id."""
    query = select(customers).where(customers.c.person_id.in_(sorted(person_ids)))
    return {row.person_id: _customer(row) for row in await tx.execute(query)}


def _customer(row: Row[Any]) -> Customer:
    return Customer(row.person_id, None if row.real_name is None else Pii(row.real_name), Pii(row.birth_date))


async def create(tx: AsyncConnection, clock: Clock, person_id: str, birth_date: date, real_name: str | None = None) -> Customer:
    """A customer the bank now knows."""
    row = {"person_id": person_id, "real_name": real_name, "birth_date": birth_date, "created_at": clock.now()}
    await tx.execute(insert(customers).values(**row))
    return Customer(person_id, None if real_name is None else Pii(real_name), Pii(birth_date))


async def identify(tx: AsyncConnection, person_id: str, real_name: str) -> None:
    """A verified real name is now on file. Raises Refused(NOT_FOUND)."""
    changed = await tx.execute(update(customers).where(customers.c.person_id == person_id).values(real_name=real_name))
    if changed.rowcount != 1:
        raise Refused(NOT_FOUND)


async def picture(tx: AsyncConnection, clock: Clock, person_id: str) -> Picture:
    """The adviser's view of a customer, with the latest 20 orders. Raises Refused(NOT_FOUND)."""
    customer = await get(tx, person_id)
    if customer is None:
        raise Refused(NOT_FOUND)
    now = clock.now()
    current = await assessments.latest(tx, person_id)
    held = await tx.execute(select(holdings).where(holdings.c.customer_id == person_id).order_by(holdings.c.product_class))
    past = await tx.execute(
        select(orders.c.placed_at, products.c.name_en, products.c.name_zh, orders.c.amount, orders.c.currency, orders.c.state)
        .join(products, products.c.id == orders.c.product_id)
        .where(orders.c.customer_id == person_id)
        .order_by(orders.c.placed_at.desc())
        .limit(20)
    )
    valid = current is not None and current.valid(now)
    return Picture(
        grade=current.grade if current is not None and valid else None,
        assessed_at=None if current is None else current.at,
        age_65=customer.age(now) >= ELDER_AGE,
        holdings=tuple(
            Holding(row._mapping[holdings.c.product_class], row.amount, row.currency, row.target_percent) for row in held
        ),
        history=tuple(PastOrder(r.placed_at, r.name_en, r.name_zh, r.amount, r.currency, r.state) for r in past),
    )
