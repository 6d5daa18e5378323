"""A connection that brings no request, or begins one and does not go on, is closed by the running web process."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from app.migrate import migrate
from app.settings import Settings
from app.web import IDLE_S, run_web
from tests.ports import free_port


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Once it listens."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)


async def test_a_connection_without_a_request_is_closed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 60 < IDLE_S < 120
    monkeypatch.setattr("app.web.IDLE_S", 0.05)
    monkeypatch.setattr("app.web.collect_rarely", lambda: None)  # it is for the rest of a process's life
    await asyncio.to_thread(migrate, settings)
    settings, stopping = replace(settings, http_port=free_port()), asyncio.Event()
    serving = asyncio.create_task(run_web(settings, stopping))
    try:
        for begun in (b"", b"GET /socket.io/?EIO=4&transp"):
            reader, writer = await connected(settings.http_port)
            writer.write(begun)
            assert await asyncio.wait_for(reader.read(), 20) == b""
            writer.close()
    finally:
        stopping.set()
        assert await serving == 0
