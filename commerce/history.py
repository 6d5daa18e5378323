"""What is known of customers' buying, from our own orders: the facts the risk rules look at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import BindParameter, bindparam, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce.lifecycle import STANDING
from commerce.risk import History, RiskLimits
from commerce.tables import holdings, orders
from core.database import among

# A customer's id and the currency of the order that is judged.
Buying = tuple[str, str]


class Historian(Protocol):
    """Fills a `History` for the risk rules; a bank with more to go by puts its own in place of `OwnOrders`."""

    async def histories(
        self, tx: AsyncConnection, wanted: Collection[Buying], now: datetime, limits: RiskLimits
    ) -> Mapping[Buying, History]:
        """The facts at `now` for each of `wanted`; inside the orders' transaction, so it must answer at once."""
        ...


_SINCE: BindParameter[datetime] = bindparam("since")
_RECENT = func.count(case((orders.c.placed_at > _SINCE, 1)))
_LARGEST = func.max(case((orders.c.state.in_(STANDING), orders.c.amount)))
_BOUGHT = (
    select(orders.c.customer_id, orders.c.currency, _RECENT.label("recent"), _LARGEST.label("largest"))
    .where(among(orders.c.customer_id, "customers"))
    .group_by(orders.c.customer_id, orders.c.currency)
)
_HELD = (
    select(holdings.c.customer_id, holdings.c.currency, func.sum(holdings.c.amount).label("amount"))
    .where(among(holdings.c.customer_id, "customers"))
    .group_by(holdings.c.customer_id, holdings.c.currency)
)


class OwnOrders:
    """The history as our own tables know it."""

    async def histories(
        self, tx: AsyncConnection, wanted: Collection[Buying], now: datetime, limits: RiskLimits
    ) -> dict[Buying, History]:
        """Every attempt that became an order counts as recent, cancelled or not; only standing ones as bought."""
        people = {customer for customer, _currency in wanted}
        since = now - timedelta(minutes=limits.velocity_minutes)
        recent: Counter[str] = Counter()
        largest: defaultdict[Buying, int] = defaultdict(int)
        for row in await tx.execute(_BOUGHT, {"customers": people, "since": since}):
            recent[row.customer_id] += row.recent
            largest[row.customer_id, row.currency] = row.largest or 0
        held = {(row.customer_id, row.currency): int(row.amount) for row in await tx.execute(_HELD, {"customers": people})}
        return {one: History(recent[one[0]], largest[one], held.get(one, 0)) for one in wanted}
