"""A home and its edges in one test, each behind its own internal API on a Unix socket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry

from core.clock import SystemClock
from stream.client import MediaClient
from stream.edge import Edge
from stream.feed import Feed
from stream.hub import Hub
from stream.metrics import MediaMetrics
from stream.relay import Relay
from stream.relay_out import Outflow
from stream.routes import edge_app, internal_app
from stream.settings import MediaSettings
from stream.sink import StreamKey
from tests.stream.clients import PublisherClient, SubscriberClient, until

KEY = StreamKey("ses_1", "host")
SECRET = "shared"
SETTINGS = MediaSettings(bind_host="127.0.0.1", publisher_timeout_s=3.0)


@dataclass
class Home:
    """The home behind its internal API; `stop` and `start` are a restart."""

    folder: Path
    feed: Feed
    hub: Hub | None = None
    runner: web.AppRunner | None = None

    @property
    def socket(self) -> str:
        return str(self.folder / "media.sock")

    async def start(self) -> None:
        self.hub = Hub(SETTINGS, self.feed, SystemClock(), MediaMetrics(CollectorRegistry()))
        await self.hub.start()
        self.runner = web.AppRunner(internal_app(self.hub, self.feed, SECRET))
        await self.runner.setup()
        Path(self.socket).unlink(missing_ok=True)
        await web.UnixSite(self.runner, self.socket).start()

    async def stop(self) -> None:
        if self.hub is not None and self.runner is not None:
            await self.hub.stop()
            await self.runner.cleanup()
        self.hub = self.runner = None

    def streams(self) -> dict[StreamKey, Outflow]:
        assert self.hub is not None
        return self.hub._outflows._flows

    async def publish(self, client: PublisherClient, key: StreamKey = KEY) -> None:
        assert self.hub is not None
        before = {s.key: s.epoch for s in self.hub.streams()}.get(key)
        async with MediaClient(self.socket, SECRET) as media:
            opened = await media.publish(key.session, key.stream, datetime.now(UTC), await client.offer())
        await client.answer(opened.sdp)
        hub = self.hub
        await until(lambda: {s.key: s.epoch for s in hub.streams()}.get(key) != before)


@dataclass
class Side:
    """An edge, and web's client for it."""

    edge: Edge
    client: MediaClient
    runner: web.AppRunner

    async def subscribe(self, viewer: SubscriberClient, key: StreamKey = KEY) -> str:
        opened = await self.client.subscribe(key.session, key.stream, await viewer.offer())
        await viewer.answer(opened.sdp)
        return opened.resource

    def relay(self, key: StreamKey = KEY) -> Relay:
        return self.edge._relays[key]

    async def stop(self) -> None:
        await self.client.close()
        await self.edge.stop()
        await self.runner.cleanup()


async def open_side(home: Home, name: str = "edge") -> Side:
    upstream = MediaClient(home.socket, SECRET, connections=0)
    edge = Edge(SETTINGS, SystemClock(), MediaMetrics(CollectorRegistry()), upstream)
    await edge.start()
    runner = web.AppRunner(edge_app(edge, SECRET))
    await runner.setup()
    socket = str(home.folder / f"{name}.sock")
    await web.UnixSite(runner, socket).start()
    return Side(edge, MediaClient(socket, SECRET), runner)
