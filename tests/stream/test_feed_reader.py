"""The feed as the web side reads it, over the internal API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.errors import Unavailable
from stream import routes
from stream.client import MediaClient
from stream.feed import Feed
from tests.stream.clients import until
from tests.stream.houses import SECRET, Home


async def test_a_stop_waits_for_no_heartbeat_and_tells_what_is_durable(
    tmp_path: Path, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "HEARTBEAT_S", 3600.0)
    home = Home(tmp_path, feed)
    await home.start()
    told: list[int] = []

    async def read() -> None:
        async for record in web.feed(0):
            told.append(record["n"])  # noqa: PERF401 - each is looked at as it comes

    async with MediaClient(home.socket, SECRET) as web, asyncio.timeout(30):
        reading = asyncio.create_task(read())
        await asyncio.to_thread(feed.append, "joined", {})
        await until(lambda: bool(told))
        await asyncio.to_thread(feed.append, "left", {})
        await home.stop()
        with pytest.raises(Unavailable):
            await reading
    assert told == list(range(1, feed.last + 1))
