"""The market, the core's stand-in on a real port, and our outbox towards it: what tests of delivering stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from commerce import order_book
from commerce.outbox import Outbox, OutboxLimits
from commerce.sandbox_core import PATH, SandboxCore
from commerce.tables import outbox
from tests.commerce.conftest import YUAN, Market

SECRET = b"of the demo only"
LIMITS = OutboxLimits(attempts=4)


@dataclass
class Bank:
    """The market, the core's stand-in on a real port, and our outbox towards it."""

    market: Market
    core: SandboxCore
    outbox: Outbox
    http: aiohttp.ClientSession
    url: str

    async def buy(self, yuan: int = 10_000) -> str:
        return (await self.market.buy(amount=yuan * YUAN)).order.id

    async def later(self) -> int:
        """Past any wait, then one round."""
        self.market.clock.advance(700)
        return await self.outbox.deliver_due()

    async def order(self, order_id: str) -> order_book.OrderRecord:
        async with self.market.db.read() as tx:
            return await order_book.get(tx, order_id)

    async def rows(self) -> list[Any]:
        async with self.market.db.read() as tx:  # placed before cancelled
            return list((await tx.execute(select(outbox).order_by(outbox.c.kind.desc(), outbox.c.id))).all())


@asynccontextmanager
async def open_bank(market: Market) -> AsyncIterator[Bank]:
    """With the core listening."""
    core = SandboxCore(SECRET, market.clock)
    async with TestServer(core.app()) as server, aiohttp.ClientSession() as http:
        url = str(server.make_url(PATH))
        worker = Outbox(market.db, market.trail, market.clock, http, url, SECRET, on_change=market.on_order, limits=LIMITS)
        yield Bank(market, core, worker, http, url)
        core.closing.set()
