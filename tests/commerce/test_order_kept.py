"""What was agreed when an order was placed stands, whoever writes SQL; only its life goes on."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from commerce.tables import orders
from tests.commerce.conftest import C5, Market

VALUES = {"state": "'rejected'", "reason": "'no funds'", "changed_at": "1", "changed_seq": "99"}
VALUES |= {"amount": "1", "placed_at": "1", "cancellable_until": "1", "media_ms": "1", "trail_seq": "1", "snapshot": "'{}'"}
VALUES |= {"channel": "'call'"}
ANOTHER = "'xyz'"
LIVES = ("state", "reason", "changed_at", "changed_seq")


async def test_only_what_lives_on_changes(market: Market) -> None:
    placed = (await market.buy(C5)).order
    for name in (column.name for column in orders.columns):
        change = f"UPDATE orders SET {name} = {VALUES.get(name, ANOTHER)}"  # noqa: S608 - our own names
        async with market.db.engine.connect() as tx:
            if name in LIVES:
                await tx.execute(text(change))
            else:
                with pytest.raises(DBAPIError, match="orders: what stands there is kept"):
                    await tx.execute(text(change))
            await tx.rollback()
    assert [order.id for order in await market.orders(C5)] == [placed.id]


async def test_no_order_goes(market: Market) -> None:
    placed = (await market.buy(C5)).order
    if market.db.is_sqlite:
        statements = ["DELETE FROM orders", f"INSERT OR REPLACE INTO orders SELECT * FROM orders WHERE id = '{placed.id}'"]  # noqa: S608
    else:
        statements = ["DELETE FROM orders", "TRUNCATE orders CASCADE"]
    for statement in statements:
        async with market.db.engine.connect() as tx:
            with pytest.raises(DBAPIError, match="orders: what stands there is"):
                await tx.execute(text(statement))
    assert [order.id for order in await market.orders(C5)] == [placed.id]
