"""A running hub on a free UDP port, with its feed and a sink that remembers; an installation, for those who come by HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from core.clock import ManualClock, SystemClock
from stream.feed import Feed
from stream.hub import Hub
from stream.metrics import MediaMetrics
from stream.sender import Sender
from stream.settings import MediaSettings
from stream.sink import Kind, SinkOrder
from tests.browser.server import Server
from tests.stream.clients import PublisherClient, SubscriberClient
from tests.stream.doors import STUN, Doors
from tests.stream.seats import Viewer


@dataclass
class RememberingSink:
    """A PacketSink that keeps what it was told."""

    order: SinkOrder
    tracks: dict[str, tuple[str, int]] = field(default_factory=dict)
    packets: list[tuple[Kind, int, int, bytes]] = field(default_factory=list)
    reports: list[tuple[Kind, float, int]] = field(default_factory=list)
    ended: str | None = None
    fail: bool = False

    def track(self, kind: Kind, codec: str, clock_rate: int) -> None:
        self.tracks[kind] = (codec, clock_rate)

    def rtp(self, kind: Kind, payload: bytes, *, timestamp: int, sequence: int, marker: bool, arrival: float) -> None:
        if self.fail:
            raise RuntimeError("the recorder broke")
        self.packets.append((kind, sequence, timestamp, payload))

    def sender_report(self, kind: Kind, *, ntp: float, timestamp: int, arrival: float) -> None:
        self.reports.append((kind, ntp, timestamp))

    def closed(self, reason: str) -> None:
        self.ended = reason


@dataclass
class House:
    """The hub under test and all it touches."""

    hub: Hub
    feed: Feed
    sinks: list[RememberingSink]
    flushed: list[str]

    def records(self, kind: str) -> list[dict[str, Any]]:

        return [r for r in (json.loads(line) for _, line in self.feed.lines(self.feed.acked, 10_000)) if r["kind"] == kind]


class Clients:
    """Makes WebRTC ends and closes them all when the test is over."""

    def __init__(self) -> None:
        self._made: list[PublisherClient | SubscriberClient] = []

    def publisher(self, **options: Any) -> PublisherClient:
        self._made.append(client := PublisherClient(**options))
        return client

    def subscriber(self, **options: Any) -> SubscriberClient:
        self._made.append(client := SubscriberClient(**options))
        return client

    async def close(self) -> None:
        for client in self._made:
            await client.close()


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    clients = Clients()
    yield clients
    await clients.close()


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    feed = Feed(tmp_path / "feed" / "feed.jsonl", SystemClock())
    yield feed
    feed.close()


@pytest.fixture
async def house(feed: Feed) -> AsyncIterator[House]:
    sinks: list[RememberingSink] = []
    flushed: list[str] = []

    def make(order: SinkOrder) -> RememberingSink:
        sinks.append(RememberingSink(order))
        return sinks[-1]

    async def flush(session: str) -> None:
        flushed.append(session)

    settings = MediaSettings(bind_host="127.0.0.1", publisher_timeout_s=3.0)
    hub = Hub(settings, feed, SystemClock(), MediaMetrics(CollectorRegistry()), sink_factory=make, flush=flush)
    await hub.start()
    yield House(hub, feed, sinks, flushed)
    await hub.stop()


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        yield made


@pytest.fixture
def sender(udp: socket.socket, clock: ManualClock) -> Iterator[Sender]:
    yield Sender(udp, clock)
    while Viewer.made:
        Viewer.made.pop().udp.close()


@pytest.fixture(scope="package")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """`tellercast serve --demo` with the seeded show live."""
    server = Server(tmp_path_factory.mktemp("whip") / "tellercast", environ={"TELLERCAST_ICE_SERVERS": STUN}).start()
    try:
        tokens = {
            name: str(_asked(server, "POST", "/api/demo/login", {"as": name})["token"]) for name in ("adviser-1", "customer-c3")
        }
        show = _asked(server, "GET", "/api/shows", token=tokens["adviser-1"])["upcoming"][0]["id"]
        session = _asked(server, "POST", f"/api/shows/{show}/start", {}, tokens["adviser-1"])["session"]
        yield Doors(server, str(session), tokens)
    finally:
        server.stop()


def _asked(server: Server, method: str, path: str, body: object = None, token: str = "") -> dict[str, Any]:
    """What the API answers to who holds `token`; fails when it refuses."""

    async def ask() -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent = aiohttp.request(method, server.url + path, json=body, headers=headers, raise_for_status=True)
        async with sent as answer:
            return dict(await answer.json())

    return asyncio.run(ask())


@pytest.fixture
async def publisher() -> AsyncIterator[PublisherClient]:
    client = PublisherClient()
    yield client
    await client.close()


@pytest.fixture
async def viewer() -> AsyncIterator[SubscriberClient]:
    client = SubscriberClient()
    yield client
    await client.close()
