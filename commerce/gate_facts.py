"""Loads what the gate looks at, inside the orders' transaction and under its locks: for all orders of a group together.

The statements are the same however many orders there are, and few: on SQLite each costs a change of thread, and a whole group
waits for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, customers, replaying
from commerce.catalogue import Product
from commerce.customers import Standing
from commerce.gate import CustomerFacts, GateInput, ProductFacts, ReplayFacts, SessionFacts
from commerce.history import Buying, Historian
from commerce.lifecycle import STANDING
from commerce.replaying import Past
from commerce.risk import History, RiskLimits
from commerce.tables import disclosure_confirmations, explanations, orders, sales, shelf
from commerce.wire import PlaceOrder
from core.database import among
from core.errors import NOT_FOUND, Refused
from recording import coverage
from recording.tables import sessions

# Session, customer, product: whom a confirmation or an explanation is about.
Told = tuple[str, str, str]

_SESSIONS = (
    select(sessions.c.id, sessions.c.kind, sessions.c.state, sessions.c.required, sales.c.open, sales.c.reason)
    .outerjoin(sales, sales.c.session_id == sessions.c.id)
    .where(among(sessions.c.id, "sessions"))
)
_SHELVES = select(shelf.c.session_id, shelf.c.product_id).where(among(shelf.c.session_id, "sessions"))

_CONFIRMED = (
    select(
        disclosure_confirmations.c.session_id,
        disclosure_confirmations.c.customer_id,
        disclosure_confirmations.c.product_id,
        func.max(disclosure_confirmations.c.version).label("version"),
        func.max(disclosure_confirmations.c.at).label("at"),
    )
    .where(
        among(disclosure_confirmations.c.session_id, "sessions"),
        among(disclosure_confirmations.c.customer_id, "customers"),
        among(disclosure_confirmations.c.product_id, "products"),
    )
    .group_by(
        disclosure_confirmations.c.session_id, disclosure_confirmations.c.customer_id, disclosure_confirmations.c.product_id
    )
)
_EXPLAINED = select(explanations.c.session_id, explanations.c.customer_id, explanations.c.product_id).where(
    among(explanations.c.session_id, "sessions"),
    among(explanations.c.customer_id, "customers"),
    among(explanations.c.product_id, "products"),
)
_ORDERED = (
    select(orders.c.customer_id, orders.c.product_id, func.sum(orders.c.amount).label("amount"))
    .where(among(orders.c.customer_id, "customers"), among(orders.c.product_id, "products"), orders.c.state.in_(STANDING))
    .group_by(orders.c.customer_id, orders.c.product_id)
)


class Wished(Protocol):
    """An order that is asked for, as far as the gate cares."""

    @property
    def customer_id(self) -> str: ...

    @property
    def wish(self) -> PlaceOrder: ...

    @property
    def channel(self) -> str: ...

    @property
    def past(self) -> Past | None: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """How everything stands that a group's orders are judged by. `left` goes down as orders of the group are let through."""

    now: datetime
    limits: RiskLimits
    sessions: Mapping[str, SessionFacts]
    shelves: frozenset[tuple[str, str]]
    products: Mapping[str, Product]
    customers: Mapping[str, Standing]
    confirmed: Mapping[Told, tuple[int, datetime]]
    explained: frozenset[Told]
    ordered: Mapping[tuple[str, str], int]
    histories: Mapping[Buying, History]
    left: dict[str, int]
    changed: Mapping[str, datetime]

    def given(self, asked: Wished) -> GateInput:
        """What the gate sees of this order. Raises Refused(NOT_FOUND) when there is no such session."""
        wish = asked.wish
        session = self.sessions.get(wish.session)
        if session is None:
            raise Refused(NOT_FOUND)
        product = self._product(wish)
        return GateInput(
            now=self.now,
            channel=asked.channel,
            amount=wish.amount,
            asked_version=wish.disclosure.version,
            has_proposal=wish.proposal is not None,
            session=session,
            product=product,
            customer=self._customer(asked, product.currency),
            limits=self.limits,
            replay=self._replay(asked),
        )

    def _replay(self, asked: Wished) -> ReplayFacts | None:
        if asked.past is None:
            return None
        product = asked.wish.product
        confirmed = self.confirmed.get((asked.wish.session, asked.customer_id, product))
        confirmed_at = confirmed[1] if confirmed is not None else None
        return asked.past.facts(self.products.get(product), self.changed.get(product), confirmed_at)

    def _product(self, wish: PlaceOrder) -> ProductFacts:
        product = self.products.get(wish.product)
        if product is None:  # it is on no shelf, either: the gate ends there and never reads the rest
            return ProductFacts(wish.product, False, 5, 5, "CNY", 1, 1, 0, 0, {}, self.now, self.now, 0, "")
        return ProductFacts(
            id=product.id,
            on_shelf=(wish.session, product.id) in self.shelves,
            issuer_risk=product.issuer_risk,
            bank_risk=product.bank_risk,
            currency=product.currency,
            minimum=product.minimum,
            step=product.step,
            cap=product.cap,
            left=self.left[product.id],
            price=product.price,
            sale_from=product.sale_from,
            sale_until=product.sale_until,
            disclosure_version=product.disclosure.version,
            disclosure_sha256=product.disclosure.sha256,
        )

    def _customer(self, asked: Wished, currency: str) -> CustomerFacts:
        standing = self.customers.get(asked.customer_id)
        if standing is None:
            return CustomerFacts(False, 0, None, None, None, False, 0, History())
        told = (asked.wish.session, asked.customer_id, asked.wish.product)
        return CustomerFacts(
            real_name_on_file=standing.customer.identified,
            age=standing.customer.age(self.now),
            grade=standing.grade,
            assessed_at=standing.assessed_at,
            confirmed_version=self.confirmed[told][0] if told in self.confirmed else None,
            explained=told in self.explained,
            ordered=self.ordered.get((asked.customer_id, asked.wish.product), 0),
            history=self.histories.get((asked.customer_id, currency), History()),
        )


async def load(
    tx: AsyncConnection, now: datetime, historian: Historian, limits: RiskLimits, asked: Collection[Wished]
) -> Facts:
    """How things stand for all of these. The caller holds their customers, trails and products still."""
    keys = {
        "sessions": {one.wish.session for one in asked},
        "customers": {one.customer_id for one in asked},
        "products": {one.wish.product for one in asked},
    }
    products = await catalogue.by_ids(tx, keys["products"])
    wanted = {(one.customer_id, products[one.wish.product].currency) for one in asked if one.wish.product in products}
    confirmed = await tx.execute(_CONFIRMED, keys)
    replayed = {one.wish.product for one in asked if one.past is not None}
    return Facts(
        now=now,
        limits=limits,
        sessions=await session_facts(tx, keys["sessions"]),
        shelves=frozenset(tuple(row) for row in await tx.execute(_SHELVES, {"sessions": keys["sessions"]})),
        products=products,
        customers=await customers.standing(tx, keys["customers"]),
        confirmed={(row.session_id, row.customer_id, row.product_id): (row.version, row.at) for row in confirmed},
        explained=frozenset(tuple(row) for row in await tx.execute(_EXPLAINED, keys)),
        ordered={
            (row.customer_id, row.product_id): int(row.amount)
            for row in await tx.execute(_ORDERED, {name: keys[name] for name in ("customers", "products")})
        },
        histories=await historian.histories(tx, wanted, now, limits),
        left={product.id: product.left for product in products.values()},
        changed=await replaying.changed_at(tx, replayed) if replayed else {},
    )


async def session_fact(tx: AsyncConnection, session_id: str) -> SessionFacts:
    """One session, its sale and its watermarks. Raises Refused(NOT_FOUND)."""
    found = (await session_facts(tx, (session_id,))).get(session_id)
    if found is None:
        raise Refused(NOT_FOUND)
    return found


async def session_facts(tx: AsyncConnection, session_ids: Collection[str]) -> dict[str, SessionFacts]:
    """The sessions, their sales and their watermarks as they stand; unknown ones are missing."""
    rows = (await tx.execute(_SESSIONS, {"sessions": session_ids})).all()
    marks = await coverage.watermarks_of(tx, session_ids)
    return {
        row.id: SessionFacts(
            id=row.id,
            kind=row.kind,
            state=row.state,
            required=tuple(row.required),
            watermarks=marks[row.id],
            sale_open=bool(row.open),
            sale_reason=row.reason,
        )
        for row in rows
    }
