"""What is known of a customer's buying, from our own orders: the facts the risk rules look at."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import customers
from commerce.lifecycle import STANDING
from commerce.risk import History, RiskLimits
from commerce.tables import orders


class Historian(Protocol):
    """Fills a `History` for the risk rules; a bank with more to go by puts its own in place of `OwnOrders`."""

    async def history(
        self, tx: AsyncConnection, customer_id: str, currency: str, now: datetime, limits: RiskLimits, *, but: str
    ) -> History:
        """The facts at `now`, without order `but`; inside the order's transaction, so it must answer at once."""
        ...


class OwnOrders:
    """The history as our own tables know it."""

    async def history(
        self, tx: AsyncConnection, customer_id: str, currency: str, now: datetime, limits: RiskLimits, *, but: str
    ) -> History:
        """Every attempt that became an order counts as recent, cancelled or not; only standing ones as bought."""
        mine = (orders.c.customer_id == customer_id) & (orders.c.id != but)
        since = now - timedelta(minutes=limits.velocity_minutes)
        recent = select(func.count()).select_from(orders).where(mine, orders.c.placed_at > since)
        bought = mine & (orders.c.currency == currency) & orders.c.state.in_(STANDING)
        largest = select(func.coalesce(func.max(orders.c.amount), 0)).where(bought)
        row = (await tx.execute(select(recent.scalar_subquery(), largest.scalar_subquery()))).one()
        return History(int(row[0]), int(row[1]), await customers.held_in(tx, customer_id, currency))
