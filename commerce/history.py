"""What is known of a customer's buying, from our own orders: the facts the risk rules look at."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import BindParameter, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce.lifecycle import STANDING
from commerce.risk import History, RiskLimits
from commerce.tables import holdings, orders


class Historian(Protocol):
    """Fills a `History` for the risk rules; a bank with more to go by puts its own in place of `OwnOrders`."""

    async def history(
        self, tx: AsyncConnection, customer_id: str, currency: str, now: datetime, limits: RiskLimits, *, but: str
    ) -> History:
        """The facts at `now`, without order `but`; inside the order's transaction, so it must answer at once."""
        ...


_CUSTOMER: BindParameter[str] = bindparam("customer")
_CURRENCY: BindParameter[str] = bindparam("currency")
_SINCE: BindParameter[datetime] = bindparam("since")
_BUT: BindParameter[str] = bindparam("but")
_MINE = (orders.c.customer_id == _CUSTOMER) & (orders.c.id != _BUT)
_BOUGHT = _MINE & (orders.c.currency == _CURRENCY) & orders.c.state.in_(STANDING)
_HELD = (holdings.c.customer_id == _CUSTOMER) & (holdings.c.currency == _CURRENCY)
_FACTS = select(
    select(func.count()).select_from(orders).where(_MINE, orders.c.placed_at > _SINCE).scalar_subquery(),
    select(func.coalesce(func.max(orders.c.amount), 0)).where(_BOUGHT).scalar_subquery(),
    select(func.coalesce(func.sum(holdings.c.amount), 0)).where(_HELD).scalar_subquery(),
)


class OwnOrders:
    """The history as our own tables know it."""

    async def history(
        self, tx: AsyncConnection, customer_id: str, currency: str, now: datetime, limits: RiskLimits, *, but: str
    ) -> History:
        """Every attempt that became an order counts as recent, cancelled or not; only standing ones as bought."""
        since = now - timedelta(minutes=limits.velocity_minutes)
        row = (await tx.execute(_FACTS, {"customer": customer_id, "currency": currency, "since": since, "but": but})).one()
        return History(int(row[0]), int(row[1]), int(row[2]))
