"""The light ends are real ones: our own hub takes them as a publisher and as viewers, and what they count is true."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiortc.rtp import RTCP_PSFB_PLI, RtcpPsfbPacket
from prometheus_client import CollectorRegistry

from bench.descriptions import offer
from bench.media import KEY
from bench.peer import Identity, LightPeer, Remote
from bench.sink import Sink
from bench.sinks import Sinks
from bench.source import Publisher
from core.clock import SystemClock
from stream.feed import Feed
from stream.hub import Hub
from stream.metrics import MediaMetrics
from stream.settings import MediaSettings
from tests.stream.clients import WAIT_S, until


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    feed = Feed(tmp_path / "feed.jsonl", SystemClock())
    settings = MediaSettings(bind_host="127.0.0.1", subscriber_timeout_s=600.0)  # who leaves has to say so
    hub = Hub(settings, feed, SystemClock(), MediaMetrics(CollectorRegistry()))
    await hub.start()
    yield hub
    await hub.stop()
    feed.close()


@pytest.fixture
async def publisher(hub: Hub) -> AsyncIterator[Publisher]:
    """The source, publishing."""
    publisher = Publisher(stamped=True)
    opened = await hub.publish(KEY, datetime.now(UTC), publisher.offer())
    await publisher.connect(opened.sdp)
    running = asyncio.create_task(publisher.run())
    yield publisher
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    publisher.close()


@pytest.fixture
def resources() -> list[str]:
    """Those of the sinks, in the order of their coming."""
    return []


@pytest.fixture
async def sinks(hub: Hub, publisher: Publisher, resources: list[str]) -> AsyncIterator[Sinks]:
    """None yet; those who join come in by the hub itself."""
    sinks = Sinks()

    async def door(sink: Sink) -> None:
        opened = await hub.subscribe(KEY, offer(sink.peer.transport_lines(), "recvonly"))
        resources.append(opened.resource)
        await sink.connect(Remote.read(opened.sdp), WAIT_S)

    sinks.door = door
    draining = asyncio.create_task(sinks.drain_forever())
    yield sinks
    await sinks.close()
    draining.cancel()
    with suppress(asyncio.CancelledError):
        await draining


def watching(hub: Hub) -> Callable[[int], bool]:
    return lambda count: sum(view.subscribers for view in hub.streams()) == count


async def test_sinks_join_receive_and_leave(hub: Hub, sinks: Sinks) -> None:
    await until(lambda: bool(hub.streams()))
    joined = await sinks.join(count=3, within_s=0.1)
    assert (joined["joined"], joined["failed"], joined["failures"]) == (3, 0, {})
    assert joined["srtp"] == ["SRTP_AEAD_AES_128_GCM"]
    async with asyncio.timeout(WAIT_S):
        while (figures := await sinks.figures())["packets"] < 600 or not (await sinks.delays())["samples"]:
            await asyncio.sleep(0.02)
    assert figures["unauthentic"] == 0
    assert figures["verified"] >= 3 * 20
    assert figures["expected"] == figures["packets"]
    delays = await sinks.delays()
    # How long is the machine's business.
    assert 0 < delays["p50_ms"] < WAIT_S * 1e3
    assert watching(hub)(3)
    await sinks.leave(2)
    await until(lambda: watching(hub)(1))


async def test_a_sink_that_the_server_ends_is_counted(hub: Hub, sinks: Sinks, resources: list[str]) -> None:
    await until(lambda: bool(hub.streams()))
    await sinks.join(count=2, within_s=0.0)
    await hub.delete(resources[0])
    async with asyncio.timeout(WAIT_S):
        while (await sinks.figures())["ended_by_server"] != 1:
            await asyncio.sleep(0.02)


async def test_a_keyframe_that_a_viewer_asks_for_is_asked_of_the_source(hub: Hub, publisher: Publisher) -> None:
    await until(lambda: bool(hub.streams()))
    peer = LightPeer(Identity())
    opened = await hub.subscribe(KEY, offer(peer.transport_lines(), "recvonly"))
    await peer.connect(Remote.read(opened.sdp), WAIT_S)
    video = int(re.findall(r"^a=ssrc:(\d+) cname", opened.sdp, re.MULTILINE)[1])
    peer.send(peer.outbound.protect_rtcp(bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=video))))
    await until(lambda: publisher.source.keyframes_asked == 1)
    peer.goodbye()


async def test_a_server_with_another_certificate_is_refused(hub: Hub, publisher: Publisher) -> None:
    await until(lambda: bool(hub.streams()))
    peer = LightPeer(Identity())
    opened = await hub.subscribe(KEY, offer(peer.transport_lines(), "recvonly"))
    remote = Remote.read(opened.sdp)
    other = Remote(remote.ufrag, remote.password, remote.address, "00:" * 31 + "00")
    with pytest.raises(ConnectionError, match="certificate"):
        await peer.connect(other, WAIT_S)
    peer.socket.close()
