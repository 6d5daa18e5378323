"""The house of rooms, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from core.clock import ManualClock
from core.database import Database
from tests.rooms.echo import EchoNamespace
from tests.rooms.house import House


@pytest.fixture
async def house(database: Database, clock: ManualClock) -> AsyncIterator[House]:
    async with House(database, clock) as made:
        yield made


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        yield session


@pytest.fixture
def echo(house: House) -> EchoNamespace:
    namespace = EchoNamespace(house.clock)
    house.sio.register_namespace(namespace)
    return namespace
