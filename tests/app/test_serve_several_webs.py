"""`tellercast serve` with several web processes: one port, WebSocket alone; whichever dies is started again, Redis may die."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from app.settings import SettingsError, load
from tests.browser.server import Server
from tests.redis_server import RedisServer

WEBS = 2
LATEST_S = 60


@pytest.fixture
async def server(redis: RedisServer, tmp_path: Path) -> AsyncIterator[Server]:
    installed = Server(tmp_path, environ={"TELLERCAST_REDIS_URL": redis.url, "TELLERCAST_WEBS": str(WEBS)})
    try:
        await asyncio.to_thread(installed.start)
        yield installed
    finally:
        if installed.process is not None and installed.process.poll() is None:
            await asyncio.to_thread(installed.stop)


def webs(server: Server) -> dict[int, psutil.Process]:
    assert server.process is not None
    found = {}
    for child in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.Error):  # it is dying as we look
            if "web" in child.cmdline():
                found[child.pid] = child
    return found


def served(process: psutil.Process, port: int) -> int:
    """How many clients this process has."""
    with contextlib.suppress(psutil.Error):
        return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr[1] == port for one in process.net_connections("tcp"))
    return 0


async def opened(http: aiohttp.ClientSession, server: Server) -> aiohttp.ClientWebSocketResponse:
    return await http.ws_connect(f"{server.url}/socket.io/?EIO=4&transport=websocket")


async def test_they_share_the_port_and_one_that_dies_is_started_again(server: Server, redis: RedisServer) -> None:
    limits: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=20), "connector": aiohttp.TCPConnector(limit=0)}
    async with aiohttp.ClientSession(**limits) as http:
        async with asyncio.timeout(LATEST_S):
            while server.log.count("web process ready") < WEBS:
                await asyncio.sleep(0.05)
        polled = await http.get(f"{server.url}/socket.io/?EIO=4&transport=polling")
        assert polled.status == 400
        sockets: list[Any] = []
        async with asyncio.timeout(LATEST_S):
            while not all(served(process, server.http_port) for process in webs(server).values()) or len(webs(server)) < WEBS:
                sockets.append(await opened(http, server))
                assert (await sockets[-1].receive_str()).startswith("0")
        before = webs(server)
        victim = next(iter(before.values()))
        lost = served(victim, server.http_port)
        victim.kill()
        async with asyncio.timeout(LATEST_S):
            while server.log.count("web process ready") < WEBS + 1:
                assert (await http.get(f"{server.url}/healthz")).status == 200  # the other goes on
                await asyncio.sleep(0.05)
            [fresh] = [process for pid, process in webs(server).items() if pid not in before]
            while not served(fresh, server.http_port):
                sockets.append(await opened(http, server))
        assert lost
        for socket in sockets:
            await socket.close()
        await redis.kill()
        async with asyncio.timeout(LATEST_S):
            while (await (await http.get(f"{server.url}/readyz")).json()).get("redis") != "away":
                await asyncio.sleep(0.05)
            while "tellercast_redis_up 0.0" not in await (await http.get(f"{server.url}/metrics")).text():
                await asyncio.sleep(0.05)
        ready = await http.get(f"{server.url}/readyz")
        assert (ready.status, (await ready.json())["ready"]) == (200, True)  # it goes on by itself
    assert await asyncio.to_thread(server.stop) == 0


def test_several_without_a_redis_are_refused() -> None:
    with pytest.raises(SettingsError, match="REDIS_URL"):
        load({"TELLERCAST_WEBS": "2"})
    with pytest.raises(SettingsError, match="WEBS"):
        load({"TELLERCAST_WEBS": "0"})
