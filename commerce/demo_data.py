"""What the demo starts with: products R1 to R5 and four customers. Seeding again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import assessments, catalogue, customers, questionnaire
from commerce.demo_products import PRODUCTS
from commerce.tables import holdings, products
from core.clock import Clock

_QUESTIONS: Final = tuple(question.id for question in questionnaire.QUESTIONS)
_WAN: Final = 10_000 * 100  # ten thousand yuan, in fen


@dataclass(frozen=True, slots=True)
class DemoCustomer:
    """A customer; `answers` one letter for each question in order, `holdings` {class: (fen, target per cent)}."""

    id: str
    name: str
    age: float
    answers: str
    holdings: dict[str, tuple[int, int]]


CUSTOMERS: Final = (
    DemoCustomer("customer-c1", "陈晓", 36.5, "dbaaabba", {"deposit": (18 * _WAN, 80), "wealth": (4 * _WAN, 20)}),
    DemoCustomer(
        "customer-c3", "李文", 41.5, "dcbbbbcb",
        {"deposit": (30 * _WAN, 30), "wealth": (45 * _WAN, 45), "fund": (9 * _WAN, 15), "insurance": (6 * _WAN, 10)},
    ),
    DemoCustomer(
        "customer-c5", "赵敏", 48.5, "dddddddd",
        {"deposit": (20 * _WAN, 10), "wealth": (60 * _WAN, 25), "fund": (210 * _WAN, 60), "insurance": (10 * _WAN, 5)},
    ),
    DemoCustomer("customer-elder", "王桂兰", 71.5, "bbcccbbb", {"deposit": (60 * _WAN, 60), "wealth": (35 * _WAN, 40)}),
)  # fmt: skip


async def seed(tx: AsyncConnection, clock: Clock) -> None:
    """Products, disclosures, customers, assessments and holdings, where they are missing."""
    now = clock.now()
    there = set((await tx.execute(select(products.c.id))).scalars())
    for product in PRODUCTS:
        if product.id in there:
            continue
        window = {"sale_from": now - timedelta(days=30), "sale_until": now + timedelta(days=365)}
        columns = product.columns((now - timedelta(days=1)).date()) | window
        await catalogue.put(tx, clock, columns, product.disclosure_en(), product.disclosure_zh())
    for customer in CUSTOMERS:
        if await customers.get(tx, customer.id) is None:
            await _customer(tx, clock, customer)


async def _customer(tx: AsyncConnection, clock: Clock, customer: DemoCustomer) -> None:
    now = clock.now()
    birth_date = (now - timedelta(days=customer.age * 365.2425)).date()
    await customers.create(tx, clock, customer.id, birth_date, customer.name)
    answers = dict(zip(_QUESTIONS, customer.answers, strict=True))
    await assessments.record(tx, customer.id, now - timedelta(days=30), answers, questionnaire.evaluate(answers))
    rows = [
        {"customer_id": customer.id, "product_class": name, "amount": amount, "currency": "CNY", "target_percent": target}
        for name, (amount, target) in customer.holdings.items()
    ]
    await tx.execute(insert(holdings), rows)
