"""The whole web side in this process, over a fresh SQLite file; its media process is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from app.migrate import migrate
from app.settings import Settings, load
from app.web import open_web


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"TELLERCAST_DATA_DIR": str(tmp_path), "TELLERCAST_DEMO": "1"})


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[TestServer]:
    """The application, served on loopback in demo mode. Nothing runs beside the requests."""
    async for server in serve(settings):
        yield server


async def serve(settings: Settings) -> AsyncIterator[TestServer]:
    """Migrates, opens and serves; closes what was opened."""
    await asyncio.to_thread(migrate, settings)
    async with open_web(settings) as built:
        server = TestServer(built.application)
        await server.start_server()
        try:
            yield server
        finally:
            await server.close()


async def sign_in(server: TestServer, name: str | None) -> dict[str, str]:
    """The headers of somebody signed in; none for nobody."""
    if name is None:
        return {}
    async with aiohttp.ClientSession() as client, client.post(server.make_url("/api/demo/login"), json={"as": name}) as answer:
        assert answer.status == 200, await answer.text()
        return {"Authorization": f"Bearer {(await answer.json())['token']}"}
