"""`tellercast serve` when it can't start: it says why and what to change, and does not try for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from app.process import CANNOT_START, only_one
from app.serve import Child, _watch
from tests.browser.server import ROOT
from tests.ports import free_port


def serve(folder: Path, http_port: int, udp_port: int) -> subprocess.CompletedProcess[str]:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TELLERCAST_")},
        "TELLERCAST_DATA_DIR": str(folder),
        "TELLERCAST_HTTP_PORT": str(http_port),
        "TELLERCAST_MEDIA_UDP_PORT": str(udp_port),
    }
    command = [sys.executable, "-m", "app.cli", "serve", "--demo"]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_a_taken_http_port_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = serve(tmp_path, port, free_port(udp=True))
    assert ended.returncode == CANNOT_START
    assert f"port {port} can't be used" in ended.stderr
    assert "TELLERCAST_HTTP_PORT" in ended.stderr
    assert "ready" not in ended.stdout


def test_a_taken_udp_port_ends_it_and_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 0))
        ended = serve(tmp_path, free_port(), other.getsockname()[1])
    assert ended.returncode != 0
    assert "TELLERCAST_MEDIA_UDP_PORT" in ended.stderr


def test_two_do_not_share_a_data_directory(tmp_path: Path) -> None:
    with only_one(tmp_path / "serve.lock"):
        ended = serve(tmp_path, free_port(), free_port(udp=True))
    assert ended.returncode == CANNOT_START
    assert "another Tellercast already runs" in ended.stderr


async def test_what_was_being_started_when_the_end_came_is_ended_too() -> None:
    stopping = asyncio.Event()
    child = Child("media", ("sleep", "60"), dict(os.environ))
    watcher = asyncio.create_task(_watch(child, stopping))
    await asyncio.sleep(0)  # its start is under way
    stopping.set()
    await child.stop()
    await asyncio.wait_for(watcher, 10)
    assert child.process is not None
    assert child.process.returncode == -signal.SIGTERM


async def test_one_that_can_not_be_started_is_tried_again_until_the_end() -> None:
    stopping = asyncio.Event()
    child = Child("media", ("/nowhere/at/all",), {})
    watcher = asyncio.create_task(_watch(child, stopping))
    async with asyncio.timeout(10):
        while child.deaths < 2:
            await asyncio.sleep(0)
    assert not watcher.done()
    stopping.set()
    await asyncio.wait_for(watcher, 10)
