"""Two web processes and a Redis that is killed and started again under load: no order event is lost, and comments go on.

Everybody has a phone at one process, where he buys and cancels, and a tablet at the other, which hears of it; he comments from
both. What was acknowledged to the phone has to reach the tablet, whether it was done before, during or after the outage.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from app.identity import Identity
from bench.orders import _crowd, _keep_recording, open_market
from bench.service import ROOT, environ, web
from commerce.tables import products
from core.database import Database
from core.identity import Person, Role
from recording import kinds
from tests.commerce.conftest import BOND, Market
from tests.redis_server import RedisServer
from tests.rooms.house import Tab

PEOPLE, ORDERS_EACH_PHASE = 8, 12
WITHIN_S = 60
# A person may say one comment a second (rooms/comments.py); the load keeps below that.
PAUSE_S = 1.2


@dataclass
class Both:
    """Both processes with their Redis; `tokens` by name."""

    redis: RedisServer
    market: Market
    addresses: tuple[str, str]
    tokens: dict[str, str]
    folder: Path
    unit: int
    http: aiohttp.ClientSession

    async def redis_is(self, said: str) -> bool:
        for address in self.addresses:
            async with self.http.get(f"{address}/readyz") as answer:
                if (await answer.json())["redis"] != said:
                    return False
        return True


@dataclass
class Household:
    """One person with his phone and his tablet, and what the phone was told."""

    name: str
    both: Both
    phone: Tab
    tablet: Tab
    states: dict[str, str] = field(default_factory=dict)  # by order: the last that was acknowledged
    said: dict[str, int] = field(default_factory=dict)  # by comment that was acknowledged: at which process
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def goes_on(self, over: asyncio.Event) -> None:
        """Buys, cancels every other purchase, and comments from both devices."""
        both = self.both
        while not over.is_set():
            number = next(self.numbers)
            wish = {"session": both.market.session, "product": BOND, "amount": both.unit, "key": f"{self.name}-{number:06}"}
            ack = await self.phone.room("order", {**wish, "disclosure": {"version": 1}})
            assert ack["ok"], ack
            order = str(ack["order"]["id"])
            self.states[order] = "placed"
            if number % 2:
                headers = {"Authorization": f"Bearer {both.tokens[self.name]}"}
                async with both.http.post(f"{both.addresses[0]}/api/orders/{order}/cancel", headers=headers) as answer:
                    assert answer.status == 200, await answer.text()
                self.states[order] = "cancelled"
            door = (number // 2 + int(self.name[-1])) % 2
            ack = await self.devices[door].room("comment", {"session": both.market.session, "text": f"第{number}句"})
            assert ack["ok"], ack
            self.said[ack["id"]] = door
            try:
                async with asyncio.timeout(PAUSE_S):
                    await over.wait()
            except TimeoutError:
                continue

    @property
    def devices(self) -> tuple[Tab, Tab]:
        """By the process they are connected to."""
        return self.phone, self.tablet

    def unheard(self) -> dict[str, str]:
        """What the phone was told of orders and the tablet was not."""
        heard = {(told["order"]["id"], told["order"]["state"]) for told in self.tablet.all("order")}
        return {order: state for order, state in self.states.items() if (order, state) not in heard}


@pytest.fixture
async def both(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Both]:
    migrated = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", "migrate", cwd=ROOT, env=environ(empty_database_url, tmp_path)
    )
    assert await migrated.wait() == 0
    redis, over = RedisServer(tmp_path), asyncio.Event()
    async with AsyncExitStack() as stack:
        db = Database(empty_database_url)
        stack.push_async_callback(db.close)
        market = await open_market(db)
        names = await _crowd(market, PEOPLE)
        async with db.read() as tx:
            unit = int((await tx.execute(select(products.c.minimum).where(products.c.id == BOND))).scalar_one())
        watermarks = asyncio.create_task(_keep_recording(market, over))
        stack.push_async_callback(asyncio.wait, [watermarks])
        stack.callback(over.set)
        await redis.start()
        stack.push_async_callback(redis.kill)
        joined = {"TELLERCAST_REDIS_URL": redis.url}
        webs = [
            await stack.enter_async_context(web(empty_database_url, tmp_path, f"web-{number}", **joined)) for number in (1, 2)
        ]
        identity = Identity(webs[0].secret, secure_cookie=False)
        tokens = {name: identity.token(Person(name, Role.CUSTOMER, "某某")) for name in names}
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN_S)))
        yield Both(redis, market, (webs[0].address, webs[1].address), tokens, tmp_path, unit, http)


async def households(both: Both, stack: AsyncExitStack) -> list[Household]:
    made = []
    for name, token in both.tokens.items():
        devices = []
        for address in both.addresses:
            tab = await Tab(address, token, "zh").open()
            stack.push_async_callback(tab.close)
            assert (await tab.room("join", {"session": both.market.session}))["ok"]
            devices.append(tab)
        made.append(Household(name, both, *devices))
    return made


async def until(what: str, holds: Callable[[], bool | Awaitable[bool]], load: asyncio.Future[Any] | None = None) -> None:
    """Waits for it; a load that has failed meanwhile says so."""
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                held = holds()
                if held if isinstance(held, bool) else await held:
                    return
                if load is not None and load.done():
                    load.result()
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {WITHIN_S} s: {what}")


def shown(tab: Tab) -> set[str]:
    return {one["id"] for batch in tab.all("comments") for one in batch["comments"]}


@pytest.mark.timeout(300)
async def test_no_order_event_is_lost_and_comments_go_on(both: Both) -> None:
    async with AsyncExitStack() as stack:
        await until("joined", lambda: both.redis_is("joined"))
        homes = await households(both, stack)
        over = asyncio.Event()
        load = asyncio.gather(*(home.goes_on(over) for home in homes))
        stack.callback(load.cancel)
        stack.callback(over.set)

        def placed() -> int:
            return sum(len(home.states) for home in homes)

        async def more_orders(what: str) -> None:
            enough = placed() + ORDERS_EACH_PHASE
            await until(f"orders {what}", lambda: placed() >= enough, load)

        await more_orders("before")
        await until("others' comments before", lambda: all(shown(homes[0].tablet) & home.said.keys() for home in homes), load)

        await both.redis.kill()
        await until("away", lambda: both.redis_is("away"), load)
        during = {order for home in homes for order in home.states}
        await more_orders("during")
        mid = [dict(home.states) for home in homes]
        await until(
            "orders heard of while Redis is away",
            lambda: all(not (states.keys() & home.unheard().keys()) for home, states in zip(homes, mid, strict=True)),
            load,
        )
        assert {order for states in mid for order in states} - during  # some were placed while it was away
        assert await both.redis_is("away")

        before = {one for home in homes for one in home.said}
        await both.redis.start()
        back_at = time.monotonic()

        def go_on() -> bool:
            """Every device has seen a comment that was made at the other process since."""
            since = [{one for home in homes for one, at in home.said.items() if at == door} - before for door in (0, 1)]
            return all(shown(home.devices[door]) & since[1 - door] for home in homes for door in (0, 1))

        await until("comments from the other process after", go_on, load)
        resumed_s = time.monotonic() - back_at
        await until("joined again", lambda: both.redis_is("joined"), load)
        await more_orders("after")
        over.set()
        async with asyncio.timeout(WITHIN_S):
            await load
        await until("every order's last state at the tablet", lambda: not any(home.unheard() for home in homes))
        print(json.dumps({"orders": placed(), "comments_resumed_s": round(resumed_s, 2)}))
        await nothing_is_missing(both, homes)


async def nothing_is_missing(both: Both, homes: list[Household]) -> None:
    market = both.market
    async with market.db.read() as tx:
        said = await market.trail.entries(tx, market.session, kinds=(kinds.COMMENT,))
        bought = await market.trail.entries(tx, market.session, kinds=(kinds.ORDER_PLACED,))
    assert {one for home in homes for one in home.said} == {entry.data["id"] for entry in said}
    assert {order for home in homes for order in home.states} == {entry.data["order"] for entry in bought}
    for number in (1, 2):
        log = (both.folder / f"web-{number}.log").read_text()
        assert (log.count("redis is away"), log.count("redis is back")) == (1, 1)
        assert "Cannot publish" not in log
        assert "Traceback" not in log
