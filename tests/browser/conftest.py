"""Browsers, people and running servers for the tests through the outermost door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.browser.media_files import Devices, make_devices
from tests.browser.people import People
from tests.browser.server import Server
from tests.browser.stage import Stage

PASSED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "one_server: its tests leave nothing behind but a show, and share a server with others")


@pytest.fixture(scope="session")
def host_devices(tmp_path_factory: pytest.TempPathFactory) -> Devices:
    return make_devices(tmp_path_factory.mktemp("host"), "host", (24, 60, 110))


@pytest.fixture(scope="session")
def caller_devices(tmp_path_factory: pytest.TempPathFactory) -> Devices:
    return make_devices(tmp_path_factory.mktemp("caller"), "caller", (120, 60, 30), tone_hz=600)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    running = Server(tmp_path_factory.mktemp("stage") / "tellercast").start()
    try:
        yield Stage(running)
    finally:
        running.stop()


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A fresh installation in demo mode, stopped after the test; where the module is marked `one_server`, the stage's."""
    if request.node.get_closest_marker("one_server") is not None:
        shared: Stage = request.getfixturevalue("stage")
        shared.clear()
        yield shared.server
        shared.clear()
        return
    running = Server(tmp_path / "tellercast").start()
    try:
        yield running
    finally:
        running.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
async def people(server: Server, request: pytest.FixtureRequest) -> AsyncIterator[People]:
    """People with browsers, at the test's server. When the test fails, what pages logged and showed last is kept."""
    async with async_playwright() as playwright:
        people = People(playwright, server.url)
        try:
            yield people
        finally:
            await people.close(server, pictures=not request.node.stash.get(PASSED, False))
