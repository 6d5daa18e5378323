"""Two media processes: who watches on the edge sees what is published at the home, and each harms itself alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import av
import numpy as np
import pytest
from aiohttp import web
from aiortc.mediastreams import VideoStreamTrack
from prometheus_client import CollectorRegistry

from core.clock import SystemClock
from core.errors import NOT_FOUND, Refused
from stream import edge as edge_module
from stream import relay as relay_module
from stream import relay_out
from stream.client import MediaClient
from stream.edge import Edge
from stream.errors import MEDIA_UNAVAILABLE, SESSION_CLOSED, STREAM_NOT_FOUND
from stream.feed import Feed
from stream.metrics import MediaMetrics
from stream.sink import StreamKey
from stream.subscriber import Subscriber
from tests.stream.clients import SubscriberClient, until
from tests.stream.conftest import Clients
from tests.stream.houses import KEY, SECRET, SETTINGS, Home, Side, open_side


@pytest.fixture
async def home(tmp_path: Path, feed: Feed) -> AsyncIterator[Home]:
    home = Home(tmp_path, feed)
    await home.start()
    yield home
    await home.stop()


@pytest.fixture
async def side(home: Home) -> AsyncIterator[Side]:
    side = await open_side(home)
    yield side
    await side.stop()


async def test_a_viewer_of_the_edge_sees_and_hears_what_is_published_at_the_home(
    home: Home, side: Side, clients: Clients
) -> None:
    publisher, viewer, neighbour = clients.publisher(brightness=200), clients.subscriber(), clients.subscriber()
    await home.publish(publisher)
    resource = await side.subscribe(viewer)
    await viewer.sees(200)
    assert (await viewer.frame("audio")).sample_rate == 48_000
    assert (await side.client.health()).subscribers == 1
    # The second viewer costs the home nothing, and both get sender reports, which keep picture and sound together.
    await side.subscribe(neighbour)
    await neighbour.sees(200)
    assert len(home.streams()[KEY].lines) == 1
    assert side.relay().connections == 1
    assert side.relay().publisher is not None
    await until(lambda: _synchronized(viewer) and _synchronized(neighbour))
    await side.client.delete(resource)
    await until(lambda: side.edge.streams()[0].subscribers == 1)


def _synchronized(viewer: SubscriberClient) -> bool:
    """Whether a sender report has come for both kinds."""
    sources = [s for r in viewer.pc.getReceivers() for s in r._RTCRtpReceiver__lsr]  # type: ignore[attr-defined]
    return len(sources) == 2


async def test_the_pictures_so_far_come_at_once(home: Home, side: Side, clients: Clients) -> None:
    """Nobody asks the publisher for a keyframe because somebody joins elsewhere."""
    publisher, first = clients.publisher(brightness=90), clients.subscriber()
    await home.publish(publisher)
    assert home.hub is not None
    lane = home.hub._channels[KEY].lanes["high"]
    await until(lambda: len(lane.cache.group) > 5)
    asked = home.hub.metrics.registry.get_sample_value("tellercast_media_keyframe_requests_sent_total")
    await side.subscribe(first)
    await until(lambda: bool(side.edge._channels[KEY].lanes["high"].cache.group))
    await first.sees(90)
    assert home.hub.metrics.registry.get_sample_value("tellercast_media_keyframe_requests_sent_total") == asked


async def test_what_is_published_anew_is_seen_by_who_stayed(home: Home, side: Side, clients: Clients) -> None:
    first, second, viewer = clients.publisher(brightness=60), clients.publisher(brightness=210), clients.subscriber()
    await home.publish(first)
    await side.subscribe(viewer)
    await viewer.sees(60)
    await first.close()
    await until(lambda: side.relay().publisher is None)
    with pytest.raises(Refused) as refused:
        await side.subscribe(clients.subscriber())
    assert refused.value.problem is STREAM_NOT_FOUND
    await home.publish(second)
    await viewer.sees(210)
    assert side.relay().connections == 1
    assert viewer.pc.connectionState == "connected"


async def test_a_taken_over_stream_goes_on(home: Home, side: Side, clients: Clients) -> None:
    first, second, viewer = clients.publisher(brightness=60), clients.publisher(brightness=210), clients.subscriber()
    await home.publish(first)
    await side.subscribe(viewer)
    await viewer.sees(60)
    await home.publish(second)
    await viewer.sees(210)


async def test_a_restart_of_the_home_leaves_the_viewers_of_the_edge(home: Home, side: Side, clients: Clients) -> None:
    first, second, viewer = clients.publisher(brightness=70), clients.publisher(brightness=220), clients.subscriber()
    await home.publish(first)
    await side.subscribe(viewer)
    await viewer.sees(70)
    runs = side.edge._last_run
    await home.stop()
    await until(lambda: side.relay().publisher is None)
    assert side.edge.streams()[0].subscribers == 1
    await home.start()
    await home.publish(second)  # whose runs have the numbers of the first one's
    await viewer.sees(220)
    assert side.edge._last_run > runs
    assert viewer.pc.connectionState == "connected"


async def test_a_line_that_broke_begins_again_at_a_keyframe(home: Home, side: Side, clients: Clients) -> None:
    """The publisher knows nothing of it and would send none for long."""
    viewer = clients.subscriber()
    await home.publish(clients.publisher(brightness=140))
    resource = await side.subscribe(viewer)
    await viewer.sees(140)
    assert home.hub is not None
    told, name = home.hub.metrics.registry.get_sample_value, "tellercast_media_keyframe_requests_sent_total"
    asked = told(name)
    home.hub.let_edges_go()
    await until(lambda: side.relay().connections == 2 and side.relay().publisher is not None)
    await until(lambda: told(name) != asked)
    role = side.edge._resources[resource].role
    assert isinstance(role, Subscriber)
    before, _octets = role.sent("video")
    await until(lambda: role.sent("video")[0] > before + 20)
    await viewer.sees(140)


async def test_who_joins_while_the_home_is_away_is_told_so(
    home: Home, side: Side, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_module, "_KNOWN_WITHIN_S", 0.3)
    await home.stop()
    with pytest.raises(Refused) as refused:
        await side.subscribe(clients.subscriber())
    assert refused.value.problem is MEDIA_UNAVAILABLE


async def test_many_who_join_at_once_share_one_line(home: Home, side: Side, clients: Clients) -> None:
    await home.publish(clients.publisher())
    offer = await clients.subscriber().offer()
    await asyncio.gather(*(side.client.subscribe(KEY.session, KEY.stream, offer) for _ in range(20)))
    assert side.relay().connections == 1
    assert len(home.streams()[KEY].lines) == 1


async def test_the_end_of_a_session_ends_its_viewers_on_the_edge(home: Home, side: Side, clients: Clients) -> None:
    other = StreamKey("ses_2", "host")
    viewer, bystander = clients.subscriber(), clients.subscriber()
    await home.publish(clients.publisher(brightness=100))
    await home.publish(clients.publisher(brightness=180), other)
    await side.subscribe(viewer)
    await side.subscribe(bystander, other)
    await viewer.sees(100)
    async with MediaClient(home.socket, SECRET) as media:
        await media.close_session(KEY.session)
    await until(lambda: [s.key for s in side.edge.streams()] == [other])
    await until(lambda: viewer.pc.connectionState == "closed")
    await until(lambda: KEY not in home.streams())
    with pytest.raises(Refused) as refused:
        await side.subscribe(clients.subscriber())
    assert refused.value.problem is SESSION_CLOSED
    await bystander.sees(180)


async def test_an_edge_that_comes_after_the_end_is_told_so(home: Home, side: Side, clients: Clients) -> None:
    async with MediaClient(home.socket, SECRET) as media:
        await media.close_session(KEY.session)
    with pytest.raises(Refused) as refused:
        await side.subscribe(clients.subscriber())
    assert refused.value.problem is SESSION_CLOSED
    await until(lambda: not side.edge._relays)


async def test_a_line_that_nobody_uses_is_given_up(
    home: Home, side: Side, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.publish(clients.publisher(brightness=100))
    viewer = clients.subscriber()
    await side.subscribe(viewer)
    await viewer.sees(100)
    monkeypatch.setattr(edge_module, "_UNUSED_S", 0.5)
    assert side.relay().publisher is not None
    await viewer.close()
    await until(lambda: not side.edge._relays and KEY not in home.streams())
    assert side.edge.streams() == []
    assert home.hub is not None
    channel = home.hub._channels[KEY]
    assert channel.publisher is not None
    assert channel.publisher.on_packet == channel.push  # nothing stands between any more


class Noise(VideoStreamTrack):
    """Much to send: no frame is like another."""

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        plane = np.random.default_rng(pts).integers(16, 235, (360 * 3 // 2, 640), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
        frame.pts, frame.time_base = pts, time_base
        return frame


async def test_an_edge_that_takes_nothing_is_cut_and_others_do_not_suffer(
    home: Home, side: Side, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_out.Line.__init__, "__defaults__", (256 * 1024,))
    noisy, viewer = clients.publisher(), clients.subscriber()
    next(t for t in noisy.pc.getTransceivers() if t.kind == "video").sender.replaceTrack(Noise())
    await home.publish(noisy)
    await side.subscribe(viewer)
    assert await viewer.frame("video") is not None
    _reader, writer = await asyncio.open_unix_connection(home.socket)
    writer.write(
        b"GET /v1/relay?session=ses_1&stream=host HTTP/1.1\r\nHost: media\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: " + b"A" * 22 + b"==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer shared\r\n\r\n"
    )
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    assert home.hub is not None
    told = home.hub.metrics.registry.get_sample_value
    await until(lambda: told("tellercast_media_relays") == 2)
    await until(lambda: told("tellercast_media_relays_cut_total") == 1, 60)
    assert told("tellercast_media_relays") == 1
    assert await viewer.frame("video") is not None
    assert side.relay().connections == 1
    writer.close()


async def test_wishes_for_keyframes_are_merged_on_the_way(home: Home, side: Side, clients: Clients) -> None:
    await home.publish(clients.publisher(brightness=100))
    viewer = clients.subscriber()
    await side.subscribe(viewer)
    await viewer.sees(100)
    assert home.hub is not None
    wished: list[str] = []
    channel = home.hub._channels[KEY]
    channel.request_keyframe = wished.append  # type: ignore[method-assign]
    for _ in range(100):
        side.edge._channels[KEY].request_keyframe("high")
        side.edge._channels[KEY].request_keyframe("low")  # there is none
    await until(lambda: bool(wished))
    assert set(wished) == {"high"}
    assert len(wished) <= 2


@pytest.mark.parametrize("query", ["session=../x&stream=host", "session=ses_1", "stream=host"])
async def test_a_relay_of_no_stream_is_refused(home: Home, query: str) -> None:
    connector = aiohttp.UnixConnector(home.socket)
    async with (
        aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {SECRET}"}) as http,
        http.get(f"http://media/v1/relay?{query}") as response,
    ):
        assert response.status == 400
        assert (await response.json())["code"] == "bad_request"


async def test_a_relay_is_guarded(home: Home, clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_module, "_KNOWN_WITHIN_S", 0.3)
    upstream = MediaClient(home.socket, "guessed")
    edge = Edge(SETTINGS, SystemClock(), MediaMetrics(CollectorRegistry()), upstream)
    await edge.start()
    with pytest.raises(Refused) as refused:
        await edge.subscribe(KEY, await clients.subscriber().offer())
    assert refused.value.problem is MEDIA_UNAVAILABLE
    assert home.streams() == {}
    await edge.stop()


async def test_an_edge_takes_no_publisher(side: Side, clients: Clients) -> None:
    """It has nothing that would record one."""
    with pytest.raises(Refused) as refused:
        await side.client.publish("ses_1", "host", datetime.now(UTC), await clients.publisher().offer())
    assert refused.value.problem is NOT_FOUND


async def test_a_home_that_says_nonsense_is_asked_again(tmp_path: Path, clients: Clients) -> None:
    spoken = 0

    async def relay(request: web.Request) -> web.WebSocketResponse:
        nonlocal spoken
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        spoken += 1
        if spoken == 1:
            await socket.send_str("nonsense")
        elif spoken == 2:
            await socket.send_str('{"type":"publisher","epoch":1}')
            await socket.send_bytes(b"nonsense")
        else:
            await socket.send_str('{"type":"gone"}')
        await socket.receive()
        return socket

    app = web.Application()
    app.router.add_get("/v1/relay", relay)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    path = str(tmp_path / f"{os.getpid()}.sock")
    await web.UnixSite(runner, path).start()
    edge = Edge(SETTINGS, SystemClock(), MediaMetrics(CollectorRegistry()), MediaClient(path, ""))
    await edge.start()
    edge._relay(KEY)
    await until(lambda: spoken == 3)
    await until(lambda: edge._relays[KEY].messages > 1)
    assert edge.streams() == []
    await edge.stop()
    await runner.cleanup()
    assert relay_module._LAST_PAUSE_S < edge_module._KNOWN_WITHIN_S  # who waits lives to see another attempt
