"""kill -9 of the web process while everybody buys: what was acknowledged exists, once, with its entry, stock and delivery."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from tests.scenarios.town import AMOUNT, Phone, Town, until

CUSTOMERS, ORDERS_EACH, KILLS = 18, 8, 3


@pytest.mark.timeout(300)
async def test_an_acknowledged_order_survives_sigkill_and_is_never_doubled(town: Town) -> None:
    await town.start_show()
    names = await town.crowd(CUSTOMERS)
    stock = await town.left()
    await town.camera()
    await town.sale_open()
    acknowledged: dict[tuple[str, str], str] = {}

    async def buyer(number: int, name: str) -> None:
        phone: Phone | None = await town.phone(name) if number % 3 == 0 else None
        for count in range(ORDERS_EACH):
            key = f"{name}-{count:04d}"
            order = await town.order_at_last(name, key, phone)
            acknowledged[name, key] = order["id"]

    buying = asyncio.gather(*(buyer(number, name) for number, name in enumerate(names)))
    await asyncio.gather(buying, _kill_now_and_then(town, acknowledged))

    assert len(acknowledged) == CUSTOMERS * ORDERS_EACH
    rows = await town.ordered()
    assert {(row.customer_id, row.key): row.id for row in rows} == acknowledged
    assert len(rows) == len(acknowledged), "a key made more than one order"
    assert await town.left() == stock - len(rows) * AMOUNT
    assert Counter(str(entry.data["order"]) for entry in await town.entries("order_placed")) == Counter(acknowledged.values())
    assert await town.deliveries() == dict.fromkeys(acknowledged.values(), 1)
    assert await town.chain_findings() == []

    for (name, key), order_id in list(acknowledged.items())[:: ORDERS_EACH // 2]:
        assert (await town.order_at_last(name, key))["id"] == order_id
    assert len(await town.ordered()) == len(acknowledged)
    verdict = await town.end_and_verify()
    assert (verdict["ok"], verdict["orders"]) == (True, len(acknowledged)), verdict


async def _kill_now_and_then(town: Town, acknowledged: dict[tuple[str, str], str]) -> None:
    """At moments chosen by chance: after some number of answers, and then after some number of turns of our own loop."""
    share = CUSTOMERS * ORDERS_EACH // KILLS
    for number in range(KILLS):
        wanted = number * share + random.randrange(5, share - 10)  # noqa: S311 - any moment will do

        async def reached(wanted: int = wanted) -> bool:
            return len(acknowledged) >= wanted

        await until(reached, f"{wanted} orders are acknowledged", 60)
        for _ in range(random.randrange(40)):  # noqa: S311
            await asyncio.sleep(0)
        before = town.server.child("web").pid
        town.server.kill("web")
        await town.up()
        assert town.server.child("web").pid != before
