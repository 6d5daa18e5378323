"""`tellercast serve` with two media processes: who watches on the second sees the show, and its death is but a blink."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from core.database import Database
from core.errors import Unavailable
from stream.client import MediaClient
from stream.pool import MediaPool
from stream.wire import OpenedOut
from tests.browser.server import Server
from tests.ports import free_port
from tests.scenarios.town import Town
from tests.stream.clients import SubscriberClient, until


def _two_udp_ports() -> int:
    """The first of two that follow each other and are free."""
    while True:
        first = free_port(udp=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("0.0.0.0", first + 1))
            except (OSError, OverflowError):
                continue
            return first


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    database = f"sqlite+aiosqlite:///{tmp_path}/tellercast.db"
    environ = {"TELLERCAST_DATABASE_URL": database, "TELLERCAST_MEDIA_PROCESSES": "2"}
    server = Server(tmp_path / "t", udp_port=_two_udp_ports(), environ=environ)
    town = Town(server, database, aiohttp.ClientSession(), Database(database))
    try:
        await asyncio.to_thread(server.start)
        yield town
    finally:
        await town.close()
        if server.process is not None and server.process.poll() is None:
            assert await asyncio.to_thread(server.stop) == 0


def _edges(server: Server) -> list[psutil.Process]:
    assert server.process is not None
    found = []
    for process in psutil.Process(server.process.pid).children():
        try:
            if process.cmdline()[-4:] == ["media", "--edge", "1", "--with-parent"]:
                found.append(process)
        except psutil.Error:  # it is dying as we look
            continue
    return found


async def _watch(pool: MediaPool, town: Town, viewer: SubscriberClient) -> OpenedOut:
    """Asks again while the process is being started, as a page does."""
    async with asyncio.timeout(60):
        while True:
            try:
                opened = await pool.subscribe(town.session, "host", await viewer.offer())
            except Unavailable:
                await pool.look()
                continue
            await viewer.answer(opened.sdp)
            return opened


@pytest.mark.timeout(240)
async def test_a_show_is_seen_on_both_media_processes_and_outlives_the_death_of_one(town: Town) -> None:
    await town.start_show()
    await town.camera()
    await town.sale_open()  # what the home receives is being recorded
    var = town.server.folder / "var"
    pool = MediaPool([MediaClient(str(var / name), "") for name in ("media.sock", "media-1.sock")], home_first=0)
    at_home, beside, again = SubscriberClient(), SubscriberClient(), SubscriberClient()
    try:
        first = await _watch(pool, town, at_home)
        assert first.resource.startswith("rsc_")
        assert f" {town.server.udp_port} typ host" in first.sdp
        second = await _watch(pool, town, beside)
        assert second.resource.startswith("1.rsc_")
        assert f" {town.server.udp_port + 1} typ host" in second.sdp
        await at_home.sees(200)
        await beside.sees(200)

        [edge] = _edges(town.server)
        edge.kill()
        await asyncio.to_thread(edge.wait, 10)
        await until(lambda: bool(_edges(town.server)), 30)
        edge_alone = MediaPool([MediaClient(str(var / "media-1.sock"), "")])
        async with asyncio.timeout(60):
            while not await edge_alone._home.healthy():
                await asyncio.sleep(0.05)
        await pool.look()
        third = await _watch(pool, town, again)
        assert third.resource.startswith("1.rsc_")
        await again.sees(200)
        await at_home.sees(200)  # and never knew
        assert (await town.sale())["open"]
        await edge_alone.close()

        await town.ask("adviser-1", "POST", f"/api/shows/{town.show}/end")
        await until(lambda: again.pc.connectionState == "closed" and at_home.pc.connectionState == "closed", 30)
    finally:
        for viewer in (at_home, beside, again):
            await viewer.close()
        await pool.close()
