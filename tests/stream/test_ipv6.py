"""The one port takes IPv6 beside IPv4 when it is bound to `::`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from aioice import stun
from prometheus_client import CollectorRegistry

from core.clock import ManualClock, SystemClock
from stream.feed import Feed
from stream.hub import Hub
from stream.ice import MediaPort
from stream.metrics import MediaMetrics
from stream.settings import MediaSettings
from stream.sink import StreamKey
from tests.stream.clients import until
from tests.stream.conftest import Clients, RememberingSink
from tests.stream.test_ice import request

KEY = StreamKey("ses_1", "host")


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")], ids=["IPv6", "IPv4"])
async def test_a_port_bound_to_all_answers_both_by_their_plain_addresses(
    clock: ManualClock, family: socket.AddressFamily, host: str
) -> None:
    port = MediaPort(clock)
    await port.open("::", 0)
    loop = asyncio.get_running_loop()
    with closing(port), socket.socket(family, socket.SOCK_DGRAM) as wire:
        wire.setblocking(False)
        wire.connect((host, port.number))
        session = port.session("them")
        wire.send(request(session.local.ufrag, "them", session.local.password, {}))
        async with asyncio.timeout(5):
            answer = stun.parse_message(await loop.sock_recv(wire, 2048))
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == (host, wire.getsockname()[1])
        wire.send(b"\x16to us")
        assert await session._recv() == b"\x16to us"
        assert session.send(b"\x80to them")
        async with asyncio.timeout(5):
            assert await loop.sock_recv(wire, 2048) == b"\x80to them"


@pytest.fixture
async def hub(feed: Feed) -> AsyncIterator[Hub]:
    async def flush(_session: str) -> None:
        pass

    settings = MediaSettings(bind_host="::", public_addresses=("127.0.0.1", "::1"))
    hub = Hub(settings, feed, SystemClock(), MediaMetrics(CollectorRegistry()), sink_factory=RememberingSink, flush=flush)
    await hub.start()
    yield hub
    await hub.stop()


async def test_who_has_only_ipv6_and_who_has_only_ipv4_see_each_other(
    hub: Hub, feed: Feed, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only(address: str) -> None:
        monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_families: [address])

    publisher, viewer = clients.publisher(brightness=120), clients.subscriber()
    only("::1")
    opened = await hub.publish(KEY, SystemClock().now(), await publisher.offer())
    assert f" ::1 {hub.port} typ host" in opened.sdp
    await publisher.answer(opened.sdp)
    await until(lambda: any("publisher_joined" in str(line) for _, line in feed.lines(0, 10)))
    only("127.0.0.1")
    await viewer.answer((await hub.subscribe(KEY, await viewer.offer())).sdp)
    await viewer.sees(120)
