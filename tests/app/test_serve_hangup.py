"""SIGHUP sent to `tellercast serve`: its web processes read their files anew; it ends only with its terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.app.test_lexicon_reload import RULE, put
from tests.app.test_serve_several_webs import WEBS, webs
from tests.browser.server import ROOT, Server
from tests.ports import free_port
from tests.redis_server import RedisServer

LATEST_S = 60
READ = "the lexicon's file is in force"
AT_A_TERMINAL = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(LATEST_S):
        while not holds():
            await asyncio.sleep(0.02)


@pytest.fixture
async def server(redis: RedisServer, tmp_path: Path) -> AsyncIterator[Server]:
    rules = tmp_path / "rules.toml"
    put(rules, RULE.format("甲乙丙"))
    several = {"TELLERCAST_REDIS_URL": redis.url, "TELLERCAST_WEBS": str(WEBS)}
    installed = Server(tmp_path, environ={**several, "TELLERCAST_LEXICON": str(rules)})
    yield installed
    if installed.process is not None and installed.process.poll() is None:
        assert await asyncio.to_thread(installed.stop) == 0


async def test_each_web_process_reads_its_files_anew_and_one_that_is_only_starting_does_not_end(server: Server) -> None:
    await asyncio.to_thread(server.start)
    await until(lambda: server.log.count("web process ready") == WEBS)
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)  # the file is as it was: nobody would read it by himself
    await until(lambda: server.log.count(READ) == WEBS)

    next(iter(webs(server).values())).kill()
    async with asyncio.timeout(LATEST_S):
        while server.log.count("web process ready") == WEBS:  # and a new one is as young as can be
            server.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.02)
    assert server.log.count("process died") == 1
    assert server.process.poll() is None


def test_the_end_of_its_terminal_is_its_end(tmp_path: Path) -> None:
    master, slave = os.openpty()
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TELLERCAST_")},
        "TELLERCAST_DATA_DIR": str(tmp_path / "var"),
        "TELLERCAST_HTTP_PORT": str(free_port()),
        "TELLERCAST_MEDIA_UDP_PORT": str(free_port(udp=True)),
    }
    command = [sys.executable, "-c", AT_A_TERMINAL, os.ttyname(slave), "-m", "app.cli", "serve", "--demo"]
    with (tmp_path / "server.log").open("wb") as log, subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=log, start_new_session=True
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            assert b"ready" in process.stdout.readline()
            os.close(slave)
            os.close(master)
            assert process.wait(LATEST_S) == 0
        finally:
            process.kill()
