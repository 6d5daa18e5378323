"""A real Redis of a test's own, which can be killed and started again at the same address. It keeps nothing."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.ports import free_port

_READY_WITHIN_S = 30.0


@dataclass
class RedisServer:
    """`log` of all its lives is in `folder`."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), "save": "", "appendonly": "no"}
        command = ["redis-server", *(part for name, value in settings.items() for part in (f"--{name}", value))]
        log = self.folder / "redis.log"
        with log.open("ab") as said:
            self.process = await asyncio.create_subprocess_exec(*command, stdout=said, stderr=said)
        async with asyncio.timeout(_READY_WITHIN_S), Redis(host="127.0.0.1", port=self.port) as client:
            while not await _pings(client):
                if self.process.returncode is not None:
                    raise RuntimeError(log.read_text())
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


async def _pings(client: Redis) -> bool:
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
