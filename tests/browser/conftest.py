"""Browsers, people and running servers for the tests through the outermost door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.browser.media_files import Devices, make_devices
from tests.browser.people import People
from tests.browser.server import Server


@pytest.fixture(scope="session")
def host_devices(tmp_path_factory: pytest.TempPathFactory) -> Devices:
    return make_devices(tmp_path_factory.mktemp("host"), "host", (24, 60, 110))


@pytest.fixture(scope="session")
def caller_devices(tmp_path_factory: pytest.TempPathFactory) -> Devices:
    return make_devices(tmp_path_factory.mktemp("caller"), "caller", (120, 60, 30), tone_hz=600)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A fresh installation in demo mode, stopped (and its clean end checked) after the test."""
    running = Server(tmp_path / "tellercast").start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
async def people(server: Server) -> AsyncIterator[People]:
    """People with browsers, at the test's own server. What pages logged is shown when the test fails."""
    async with async_playwright() as playwright:
        people = People(playwright, server.url)
        try:
            yield people
        finally:
            await people.close(server)
