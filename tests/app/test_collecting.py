"""Each media process, started as an operator starts it, looks after its garbage and tells how long that takes."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.browser.server import ROOT

READY_WITHIN_S = 60.0
TOLD = 'tellercast_media_collection_seconds_count{generation="2"} 1.0'


async def figures(path: Path) -> str:
    """The metrics of the process behind that socket, "" while it is starting."""
    if not path.exists():
        return ""
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
            session.get("http://media/metrics") as answer,
        ):
            return await answer.text()
    except aiohttp.ClientConnectionError:
        return ""


@pytest.mark.parametrize(("arguments", "name"), [([], "media.sock"), (["--edge", "1"], "media-1.sock")])
async def test_a_media_process_has_collected_once_when_it_is_ready(tmp_path: Path, arguments: list[str], name: str) -> None:
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith("TELLERCAST_")},
        "TELLERCAST_DATA_DIR": str(tmp_path),
        "TELLERCAST_MEDIA_UDP_PORT": "0",
        "TELLERCAST_MEDIA_PROCESSES": "2",
    }
    command = [sys.executable, "-m", "app.cli", "media", *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environ)
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while TOLD not in await figures(tmp_path / name):
                assert process.returncode is None
                await asyncio.sleep(0.05)
    finally:
        process.terminate()
        code = await process.wait()
    assert code == 0
