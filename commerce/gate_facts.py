"""Loads what the gate looks at, inside the order's transaction and under its locks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import assessments, catalogue, customers, disclosing
from commerce.catalogue import Product
from commerce.gate import CustomerFacts, GateInput, ProductFacts, SessionFacts
from commerce.history import Historian
from commerce.risk import History, RiskLimits
from commerce.tables import sales, shelf
from commerce.wire import PlaceOrder
from compliance.rules import needs_extra_explanation
from core.clock import Clock
from core.errors import Refused
from recording import coverage, sessions
from recording.trail import lock_head


async def session_facts(tx: AsyncConnection, session_id: str) -> SessionFacts:
    """The session, its sale and its watermarks as they stand. Raises Refused(NOT_FOUND)."""
    session = await sessions.get(tx, session_id)
    sale = (await tx.execute(select(sales.c.open, sales.c.reason).where(sales.c.session_id == session_id))).one_or_none()
    return SessionFacts(
        id=session.id,
        kind=session.kind,
        state=str(session.state),
        required=session.required,
        watermarks=await coverage.watermarks(tx, session_id),
        sale_open=sale is not None and bool(sale.open),
        sale_reason=None if sale is None else sale.reason,
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
    await sessions.get(tx, wish.session)  # a session that isn't there gets no trail
    await lock_head(tx, wish.session)
    customer = await customers.get(tx, customer_id, lock=True)
    product = await _product(tx, wish.product)
    now = clock.now()  # after the waits: what is judged is how things stand once nobody else can change them
    session = await session_facts(tx, wish.session)
    on_shelf = await _on_shelf(tx, wish)
    product_facts = _nothing(wish.product, now) if product is None else _product_facts(product, on_shelf)
    facts = CustomerFacts(False, 0, None, None, None, False, 0, History())
    if customer is not None:
        facts = await _customer_facts(tx, historian, limits, customer, wish, order_id, product_facts, now)
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


async def _customer_facts(
    tx: AsyncConnection,
    historian: Historian,
    limits: RiskLimits,
    customer: customers.Customer,
    wish: PlaceOrder,
    order_id: str,
    product: ProductFacts,
    now: datetime,
) -> CustomerFacts:
    current = await assessments.latest(tx, customer.id)
    age = customer.age(now)
    explained = needs_extra_explanation(age, product.risk) and await disclosing.is_explained(
        tx, wish.session, customer.id, wish.product
    )
    return CustomerFacts(
        real_name_on_file=customer.identified,
        age=age,
        grade=None if current is None else current.grade,
        assessed_at=None if current is None else current.at,
        confirmed_version=await disclosing.confirmed_version(tx, wish.session, customer.id, wish.product),
        explained=explained,
        ordered=await customers.ordered_of(tx, customer.id, wish.product, but=order_id),
        history=await historian.history(tx, customer.id, product.currency, now, limits, but=order_id),
    )


async def _product(tx: AsyncConnection, product_id: str) -> Product | None:
    try:
        return await catalogue.get(tx, product_id, lock=True)
    except Refused:  # there is none: the gate says so in its turn
        return None


async def _on_shelf(tx: AsyncConnection, wish: PlaceOrder) -> bool:
    query = select(shelf.c.position).where(shelf.c.session_id == wish.session, shelf.c.product_id == wish.product)
    return (await tx.execute(query)).one_or_none() is not None


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
