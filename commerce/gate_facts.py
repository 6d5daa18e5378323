"""Loads what the gate looks at, inside the order's transaction and under its locks.

The statements are built once and few: on SQLite each costs a change of thread, and an order waits for all of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, customers
from commerce.catalogue import Product
from commerce.gate import CustomerFacts, GateInput, ProductFacts, SessionFacts
from commerce.history import Historian
from commerce.lifecycle import STANDING
from commerce.risk import History, RiskLimits
from commerce.tables import assessments, disclosure_confirmations, explanations, orders, sales, shelf
from commerce.wire import PlaceOrder
from core.clock import Clock
from core.errors import NOT_FOUND, Refused
from recording import coverage
from recording.tables import sessions, trail_heads

_SESSION: BindParameter[str] = bindparam("session")
_CUSTOMER: BindParameter[str] = bindparam("customer")
_PRODUCT: BindParameter[str] = bindparam("product")
_ORDER: BindParameter[str] = bindparam("order")

_LOCK_TRAIL = select(trail_heads.c.seq).where(trail_heads.c.session_id == _SESSION).with_for_update()

_SESSION_FACTS = (
    select(sessions.c.id, sessions.c.kind, sessions.c.state, sessions.c.required, sales.c.open, sales.c.reason)
    .outerjoin(sales, sales.c.session_id == sessions.c.id)
    .where(sessions.c.id == _SESSION)
)

_LATEST = select(assessments.c.id).where(assessments.c.customer_id == _CUSTOMER)
_LATEST = _LATEST.order_by(assessments.c.at.desc(), assessments.c.id.desc()).limit(1)
_STANDING_ORDERS = (
    (orders.c.customer_id == _CUSTOMER)
    & (orders.c.product_id == _PRODUCT)
    & orders.c.state.in_(STANDING)
    & (orders.c.id != _ORDER)
)
_CONFIRMED = (
    (disclosure_confirmations.c.session_id == _SESSION)
    & (disclosure_confirmations.c.customer_id == _CUSTOMER)
    & (disclosure_confirmations.c.product_id == _PRODUCT)
)
_EXPLAINED = (
    (explanations.c.session_id == _SESSION)
    & (explanations.c.customer_id == _CUSTOMER)
    & (explanations.c.product_id == _PRODUCT)
)
# Everything about this customer, this product and this session in one row; without an assessment a row all the same.
_OTHER_FACTS = select(
    select(shelf.c.position)
    .where(shelf.c.session_id == _SESSION, shelf.c.product_id == _PRODUCT)
    .scalar_subquery()
    .label("place"),
    select(assessments.c.grade).where(assessments.c.id == _LATEST.scalar_subquery()).scalar_subquery().label("grade"),
    select(assessments.c.at).where(assessments.c.id == _LATEST.scalar_subquery()).scalar_subquery().label("assessed_at"),
    select(func.max(disclosure_confirmations.c.version)).where(_CONFIRMED).scalar_subquery().label("confirmed"),
    select(explanations.c.trail_seq).where(_EXPLAINED).scalar_subquery().label("explained"),
    select(func.coalesce(func.sum(orders.c.amount), 0)).where(_STANDING_ORDERS).scalar_subquery().label("ordered"),
)


async def session_facts(tx: AsyncConnection, session_id: str) -> SessionFacts:
    """The session, its sale and its watermarks as they stand. Raises Refused(NOT_FOUND)."""
    row = (await tx.execute(_SESSION_FACTS, {"session": session_id})).one_or_none()
    if row is None:
        raise Refused(NOT_FOUND)
    return SessionFacts(
        id=row.id,
        kind=row.kind,
        state=row.state,
        required=tuple(row.required),
        watermarks=await coverage.watermarks(tx, session_id),
        sale_open=bool(row.open),
        sale_reason=row.reason,
    )


async def load(
    tx: AsyncConnection,
    clock: Clock,
    historian: Historian,
    limits: RiskLimits,
    *,
    customer_id: str,
    order_id: str,
    wish: PlaceOrder,
    channel: str,
) -> tuple[GateInput, Product | None]:
    """Lock the session's trail, the customer and the product, in this order, then read. Raises Refused(NOT_FOUND)."""
    if tx.dialect.name != "sqlite":  # whose writing transactions come one at a time as it is
        await tx.execute(_LOCK_TRAIL, {"session": wish.session})
    customer = await customers.get(tx, customer_id, lock=True)
    product = await _product(tx, wish.product)
    now = clock.now()  # after the waits: what is judged is how things stand once nobody else can change them
    session = await session_facts(tx, wish.session)
    keys = {"session": wish.session, "customer": customer_id, "product": wish.product, "order": order_id}
    other = (await tx.execute(_OTHER_FACTS, keys)).one()
    product_facts = _nothing(wish.product, now) if product is None else _product_facts(product, other.place is not None)
    facts = CustomerFacts(False, 0, None, None, None, False, 0, History())
    if customer is not None:
        history = await historian.history(tx, customer_id, product_facts.currency, now, limits, but=order_id)
        facts = _customer_facts(customer, other, history, now)
    given = GateInput(
        now=now,
        channel=channel,
        amount=wish.amount,
        asked_version=wish.disclosure.version,
        has_proposal=wish.proposal is not None,
        session=session,
        product=product_facts,
        customer=facts,
        limits=limits,
    )
    return given, product


def _customer_facts(customer: customers.Customer, row: Row[Any], history: History, now: datetime) -> CustomerFacts:
    return CustomerFacts(
        real_name_on_file=customer.identified,
        age=customer.age(now),
        grade=row.grade,
        assessed_at=row.assessed_at,
        confirmed_version=row.confirmed,
        explained=row.explained is not None,
        ordered=int(row.ordered),
        history=history,
    )


async def _product(tx: AsyncConnection, product_id: str) -> Product | None:
    try:
        return await catalogue.get(tx, product_id, lock=True)
    except Refused:  # there is none: the gate says so in its turn
        return None


def _product_facts(product: Product, on_shelf: bool) -> ProductFacts:
    return ProductFacts(
        id=product.id,
        on_shelf=on_shelf,
        issuer_risk=product.issuer_risk,
        bank_risk=product.bank_risk,
        currency=product.currency,
        minimum=product.minimum,
        step=product.step,
        cap=product.cap,
        left=product.left,
        price=product.price,
        sale_from=product.sale_from,
        sale_until=product.sale_until,
        disclosure_version=product.disclosure.version,
        disclosure_sha256=product.disclosure.sha256,
    )


def _nothing(product_id: str, now: datetime) -> ProductFacts:
    """A product that doesn't exist is on no shelf; the gate ends there and never reads the rest."""
    return ProductFacts(product_id, False, 5, 5, "CNY", 1, 1, 0, 0, {}, now, now, 0, "")
