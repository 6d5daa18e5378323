"""A bank's core that outlives whatever is killed: a receiver on a port of its own that dedupes by event id and keeps books."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web

from commerce import outbox_rows, signing
from tests.ports import free_port

SECRET = "of the test only"


@dataclass
class Core:
    """`effects` holds for each order what was done, once for an event; `arrivals` counts how often each event came."""

    port: int = field(default_factory=free_port)
    effects: dict[str, list[str]] = field(default_factory=dict)
    arrivals: Counter[str] = field(default_factory=Counter)
    _runner: web.AppRunner | None = None

    @property
    def environ(self) -> dict[str, str]:
        """The settings of a server that tells this core."""
        return {"TELLERCAST_CORE_URL": f"http://127.0.0.1:{self.port}/", "TELLERCAST_CORE_SECRET": SECRET}

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/", self.take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def take(self, request: web.Request) -> web.Response:
        """One event."""
        raw = await request.read()
        event = await request.json()
        if signing.verify(SECRET.encode(), request.headers, raw, time.time()) != event["event"]:
            return web.json_response({"error": "signature"}, status=401)
        assert event["kind"] == outbox_rows.PLACED
        self.arrivals[event["event"]] += 1
        if self.arrivals[event["event"]] == 1:
            self.effects.setdefault(event["order"], []).append(event["event"])
        return web.json_response({"state": "confirmed"})
