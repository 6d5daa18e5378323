"""While the database is away every door says so, and asks to come again; nobody has to start anything when it is back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import aiohttp
import asyncpg
import pytest
import socketio
from aiohttp.test_utils import TestServer

from app.settings import Settings
from tests.app.conftest import serve, sign_in
from tests.conftest import admin


@dataclass
class Installation:
    """A site whose PostgreSQL database can be taken away and given back."""

    site: TestServer
    server_url: str
    name: str

    async def lose(self) -> None:
        """As when the server stops: connections end, and no new one is taken."""
        await self._turn(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS false')

    async def fail_over_to_standby(self) -> None:
        """Connections end, and whoever comes now may read."""
        await self._turn(f'ALTER DATABASE "{self.name}" SET default_transaction_read_only = on')

    async def _turn(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server_url.replace("+asyncpg", "") + "/postgres")
        try:
            await connection.execute(statement)
            await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", self.name)
        finally:
            await connection.close()

    async def promote(self) -> None:
        """Whoever comes from now on may write; who is connected may not."""
        await admin(self.server_url, f'ALTER DATABASE "{self.name}" RESET default_transaction_read_only')

    async def give_back(self) -> None:
        await admin(self.server_url, f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS true')


@pytest.fixture
async def installation(settings: Settings, postgresql_url: str) -> AsyncIterator[Installation]:
    name = f"away_{uuid.uuid4().hex}"
    await admin(postgresql_url, f'CREATE DATABASE "{name}"')
    async for site in serve(replace(settings, database_url=f"{postgresql_url}/{name}")):
        yield Installation(site, postgresql_url, name)
    await admin(postgresql_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def test_a_database_that_is_away_is_said_at_every_door(installation: Installation) -> None:
    site = installation.site
    headers = await sign_in(site, "customer-c3")
    socket = socketio.AsyncClient(reconnection=False)
    async with aiohttp.ClientSession(headers=headers) as http:
        lobby = await (await http.get(site.make_url("/api/shows"))).json()
        session = lobby["upcoming"][0]["session"]
        token = headers["Authorization"].removeprefix("Bearer ")
        await socket.connect(str(site.make_url("/")), namespaces=["/room"], auth={"token": token, "lang": "zh"})
        try:
            await installation.lose()
            async with http.get(site.make_url("/api/orders")) as answer:
                said = await answer.json()
                assert (answer.status, said["code"], said["door"]) == (503, "database_away", "retry")
                assert int(answer.headers["Retry-After"]) >= 1
            body = {"session": session, "product": "prd-r2-bond", "amount": 100_000}
            wish = {**body, "key": "while-it-is-away", "disclosure": {"version": 1}}
            async with http.post(site.make_url("/api/orders"), json=wish) as answer:
                assert (answer.status, (await answer.json())["code"]) == (503, "database_away")
            refused = await socket.call("join", {"session": session}, namespace="/room", timeout=10)
            assert (refused["ok"], refused["error"]["code"]) == (False, "database_away")
            assert refused["error"]["title"] == "暂时无法访问系统数据。"

            await installation.give_back()
            async with http.get(site.make_url("/api/orders")) as answer:
                assert answer.status == 200
            assert (await socket.call("join", {"session": session}, namespace="/room", timeout=10))["ok"]
        finally:
            await socket.shutdown()


async def test_a_standby_that_takes_no_orders_is_left_once_there_is_a_primary(installation: Installation) -> None:
    site = installation.site
    async with aiohttp.ClientSession(headers=await sign_in(site, "customer-c3")) as http:
        lobby = await (await http.get(site.make_url("/api/shows"))).json()
        session = lobby["upcoming"][0]["session"]
        body = {"session": session, "product": "prd-r2-bond", "amount": 100_000, "disclosure": {"version": 1}}

        async def ask() -> tuple[int, str]:
            async with http.post(site.make_url("/api/orders"), json={**body, "key": "while-it-only-reads"}) as answer:
                return answer.status, (await answer.json())["code"]

        await installation.fail_over_to_standby()
        for _ in range(3):
            assert await ask() in {(503, "database_away"), (503, "order_desk_busy")}
        await installation.promote()
        async with asyncio.timeout(20):
            while (answered := await ask())[0] == 503:
                pass
        assert answered == (409, "session_not_live")
