"""Two crowds want the last of a product at once, over HTTP and over sockets, and every wish is sent twice."""

from __future__ import annotations

import asyncio

import pytest

from tests.scenarios.town import AMOUNT, Phone, Refusal, Town

LEFT = 11


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    """Where writers run side by side; on SQLite they stand in line anyway (tests/commerce has both)."""
    return postgresql_url


@pytest.mark.timeout(180)
async def test_the_last_of_a_product_goes_to_as_many_as_there_is_for(town: Town) -> None:
    await town.start_show()
    names = await town.crowd(20)
    await town.stock(LEFT * AMOUNT)
    phones = [await town.phone(name) for name in names[10:]]
    await town.camera()
    await town.sale_open()

    async def wish(who: str, key: str, phone: Phone | None) -> str:
        try:
            return str((await town.order_at_last(who, key, phone))["id"])
        except Refusal as refusal:
            return refusal.code

    wishes = [
        (name, f"{name}-wish", phone) for name, phone in zip(names, [None] * 10 + phones, strict=True) for _again in range(2)
    ]
    ids = await asyncio.gather(*(wish(*one) for one in wishes))
    assert ids[::2] == ids[1::2], "the same key got two answers"
    won = set(ids) - {"out_of_stock"}
    assert len(won) == LEFT
    assert await town.left() == 0
    rows = await town.ordered()
    assert {row.id for row in rows} == won
    assert sum(row.amount for row in rows) == LEFT * AMOUNT
    assert len(await town.entries("order_placed")) == LEFT
    assert await town.chain_findings() == []
