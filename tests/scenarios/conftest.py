"""A Tellercast with its own folder, ports and database for each scenario, started as an operator starts it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from core.database import Database
from tests.browser.server import Server
from tests.scenarios.town import Town


@pytest.fixture
async def town(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """Ready, in demo mode; on SQLite and on PostgreSQL unless the scenario chooses (`only_on`)."""
    server = Server(tmp_path / "tellercast", environ={"TELLERCAST_DATABASE_URL": empty_database_url})
    town = Town(server, empty_database_url, aiohttp.ClientSession(), Database(empty_database_url))
    try:
        await asyncio.to_thread(server.start)
        yield town
    finally:
        await town.close()
        if server.process is not None and server.process.poll() is None:
            await asyncio.to_thread(server.stop)
