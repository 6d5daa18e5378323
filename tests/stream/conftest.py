"""A running hub on a free UDP port, with its feed and a sink that remembers."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from core.clock import ManualClock, SystemClock
from stream.feed import Feed
from stream.hub import Hub
from stream.metrics import MediaMetrics
from stream.sender import Sender
from stream.settings import MediaSettings
from stream.sink import Kind, SinkOrder
from tests.stream.clients import PublisherClient, SubscriberClient
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
