"""A Tellercast with its own folder, ports and database for each scenario, started as an operator starts it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.engine import make_url

from app.migrate import migrate
from app.settings import load
from core.database import Database
from tests.browser.server import Server
from tests.conftest import admin
from tests.scenarios.town import Town


@pytest.fixture
def environ() -> dict[str, str]:
    """The settings a scenario gives its server beside the database; none unless it overrides this."""
    return {}


@pytest.fixture
async def town(empty_database_url: str, tmp_path: Path, environ: dict[str, str]) -> AsyncIterator[Town]:
    """Ready, in demo mode; on SQLite and on PostgreSQL unless the scenario overrides `database_url`."""
    serving = await _as_a_bank_sets_it_up(empty_database_url, tmp_path)
    server = Server(tmp_path / "tellercast", environ={**environ, "TELLERCAST_DATABASE_URL": serving})
    town = Town(server, empty_database_url, aiohttp.ClientSession(), Database(empty_database_url))
    try:
        await asyncio.to_thread(server.start)
        yield town
    finally:
        await town.close()
        if server.process is not None and server.process.poll() is None:
            await asyncio.to_thread(server.stop)


async def _as_a_bank_sets_it_up(url: str, folder: Path) -> str:
    """On PostgreSQL the tables belong to one role and another serves, who can't change the record; answers its address."""
    owner = make_url(url)
    if owner.get_backend_name() == "sqlite":
        return url
    serving = owner.set(username=f"serves_{owner.database}")
    await admin(url.rpartition("/")[0], f"CREATE ROLE {serving.username} LOGIN")
    given = {"DATABASE_URL": serving.render_as_string(), "MIGRATION_DATABASE_URL": url, "DATA_DIR": str(folder / "owner")}
    await asyncio.to_thread(migrate, load({f"TELLERCAST_{name}": value for name, value in given.items()}))
    return serving.render_as_string()
