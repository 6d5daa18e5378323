"""A web process of the product, started as in service, for benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from app.settings import secret_file
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
_READY_WITHIN_S = 60.0


async def migrate(url: str, folder: Path) -> None:
    """Make the tables. Raises RuntimeError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", "migrate", cwd=ROOT, env=environ(url, folder)
    )
    if await process.wait():
        raise RuntimeError("the tables could not be made")


@dataclass(frozen=True)
class Service:
    """The web process that is measured, its address, and the secret its tokens are signed with."""

    process: psutil.Process
    address: str
    secret: bytes

    def cpu_s(self) -> float:
        used = self.process.cpu_times()
        return float(used.user + used.system)


@asynccontextmanager
async def web(url: str, folder: Path, name: str = "web", **settings: str) -> AsyncIterator[Service]:
    """A web process as in service; what it says is in `NAME.log`."""
    port = free_port()
    data = folder / "var"
    variables = environ(url, folder) | {"TELLERCAST_HTTP_PORT": str(port)}
    secret = hmac.digest(secret_file(data / "secret"), b"tellercast/identity", hashlib.sha256)
    variables["TELLERCAST_RISK_VELOCITY_ORDERS"] = str(10**6)  # the same few hundred buy again and again
    variables |= settings
    command = [sys.executable, "-m", "app.cli", "web"]
    said = folder / f"{name}.log"
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=variables, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(_READY_WITHIN_S), aiohttp.ClientSession() as http:
            while not await _answers(http, f"http://127.0.0.1:{port}/healthz"):
                if process.returncode is not None:
                    raise RuntimeError(said.read_text())
                await asyncio.sleep(0.1)
        yield Service(psutil.Process(process.pid), f"http://127.0.0.1:{port}", secret)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def environ(url: str, folder: Path) -> dict[str, str]:
    """What the product's processes are started with: nothing of whoever started the benchmark."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TELLERCAST_")}
    return own | {"TELLERCAST_DATABASE_URL": url, "TELLERCAST_DATA_DIR": str(folder / "var")}


async def _answers(http: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with http.get(address) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
