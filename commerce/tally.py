"""What a session has sold, as sums: the host sees these and never who bought."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce.lifecycle import STANDING
from commerce.tables import orders
from commerce.wire import Tally


async def of_session(tx: AsyncConnection, session_id: str) -> list[Tally]:
    """Standing orders of the session, one sum per currency, by currency; empty when nothing was sold."""
    query = (
        select(orders.c.currency, func.count().label("count"), func.sum(orders.c.amount).label("amount"))
        .where(orders.c.session_id == session_id, orders.c.state.in_(STANDING))
        .group_by(orders.c.currency)
        .order_by(orders.c.currency)
    )
    return [Tally(count=row[1], amount=int(row[2]), currency=row[0]) for row in await tx.execute(query)]
