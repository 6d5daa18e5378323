"""Several web processes on one PostgreSQL: selling, taking the feed in, delivering, ending and sealing at the same time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy.exc import DBAPIError

from commerce import errors
from commerce.orders import OrderDesk
from commerce.outbox import Outbox
from commerce.sale import SaleMonitor
from commerce.sandbox_core import PATH, SandboxCore
from core.database import Database
from core.errors import Refused
from recording import kinds, seal, sessions
from recording.closing import Closer
from recording.intake import Intake
from recording.keys import SigningKeys
from tests.commerce.conftest import BOND, YUAN, Market
from tests.compliance.sealed import build
from tests.recording.web_side import LocalFeed

SECRET = b"of the demo only"
WEBS = 3
BUYERS = 12


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    return postgresql_url


class _Web:
    """What each process has of its own."""

    def __init__(self, market: Market, url: str, http: aiohttp.ClientSession, feed: LocalFeed, folder: Path) -> None:
        self.db = Database(market.db.url.render_as_string(hide_password=False))
        trail, clock = market.trail, market.clock
        review = build(self.db, clock, folder)
        self.sale = SaleMonitor(self.db, trail, clock)
        self.desk = OrderDesk(self.db, trail, clock, self.sale)
        self.outbox = Outbox(self.db, trail, clock, http, url, SECRET)
        self.intake = Intake(self.db, trail, clock, feed, _nobody)
        keys = SigningKeys(folder / "keys")
        self.closer = Closer(self.db, trail, clock, keys, on_finding=review.screening.on_finding, on_change=_nobody)


async def _nobody(_session: str, _kind: str, _data: dict[str, Any]) -> None:
    """Rooms are not played here."""


@pytest.fixture
async def webs(market: Market, tmp_path: Path) -> AsyncIterator[tuple[list[_Web], LocalFeed]]:
    feed, core = LocalFeed(), SandboxCore(SECRET, market.clock)
    async with TestServer(core.app()) as server, aiohttp.ClientSession() as http:
        made = [_Web(market, str(server.make_url(PATH)), http, feed, tmp_path) for _ in range(WEBS)]
        yield made, feed
        for web in made:
            await web.db.close()


def _fragment(session: str, index: int) -> dict[str, Any]:
    path = f"{session}/host/{1:013d}-{index:06d}.mp4"
    numbers = {"epoch": 1, "index": index, "start_ms": index * 3000, "end_ms": index * 3000 + 3000, "bytes": 1}
    return {"session": session, "stream": "host", "path": path, "sha256": hashlib.sha256(path.encode()).hexdigest(), **numbers}


async def test_everything_at_once_on_several_webs(market: Market, webs: tuple[list[_Web], LocalFeed], tmp_path: Path) -> None:
    processes, feed = webs
    people = [await market.customer(f"buyer-{n}") for n in range(BUYERS)]
    for person in people:
        await market.confirm(person)
    for index in range(10):
        feed.append("fragment_sealed", **_fragment(market.session, index))
    bought: list[str] = []
    cancelled: list[str] = []
    refused: list[str] = []

    async def buy(n: int) -> None:
        desk = processes[n % WEBS].desk
        try:
            placed = await desk.place(people[n], market.wish(amount=10_000 * YUAN, product=BOND))
        except Refused as refusal:
            refused.append(refusal.problem.code)
            return
        bought.append(placed.order.id)
        if n % 4 == 0:
            await desk.cancel(people[n], placed.order.id)
            cancelled.append(placed.order.id)

    async def end() -> None:
        async with processes[0].db.write() as tx:
            await sessions.move(tx, market.clock, market.trail, market.session, "end", "adviser-1")
        feed.append("session_closed", session=market.session)

    async def deliver(web: _Web) -> None:
        """As its loop does: when others have held a trail for too long, it tries again."""
        while True:
            with suppress(DBAPIError):
                await web.outbox.deliver_due()
                return

    def background() -> list[Any]:
        works = ((web.intake.follow(), deliver(web), web.sale.check_all(), web.closer.sweep()) for web in processes)
        return [work for several in works for work in several]

    await asyncio.gather(*(buy(n) for n in range(BUYERS // 2)), *background())
    market.clock.advance(3)
    await asyncio.gather(end(), *(buy(n) for n in range(BUYERS // 2, BUYERS)), *background())
    for _ in range(3):
        market.clock.advance(60)
        await asyncio.gather(*background())

    assert len(bought) + len(refused) == BUYERS
    assert len(bought) >= BUYERS // 2
    assert set(refused) <= {errors.SESSION_NOT_LIVE.code, errors.SALE_CLOSED.code}
    trail = market.trail
    async with market.db.read() as tx:
        sealed = await sessions.get(tx, market.session)
        assert sealed.sealed_at is not None
        keys = SigningKeys(tmp_path / "keys").public()
        assert await seal.check_session(tx, trail, keys, market.session) == []
        assert await trail.count(tx, market.session, {kinds.FRAGMENT}) == 10
        assert await trail.count(tx, market.session, {kinds.ORDER_PLACED}) == len(bought)
        assert await trail.count(tx, market.session, {kinds.ORDER_UNCOVERED}) == 0
    assert await processes[0].outbox.counts() == {"waiting": 0, "delivered": len(bought) + len(cancelled), "dead": 0}
