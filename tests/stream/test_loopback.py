"""Publish and watch over real UDP with stock aiortc peers."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from core.clock import ManualClock
from core.errors import Refused
from stream import carrier, closing, rtcp, rtp
from stream import feed as feed_module
from stream.admission import Admission
from stream.aiortc_private import new_certificate
from stream.channel import Channel
from stream.errors import MEDIA_FULL, MEDIA_UNAVAILABLE, SESSION_CLOSED, STREAM_NOT_FOUND, ConnectFailed
from stream.ice import MediaPort
from stream.metrics import MediaMetrics
from stream.peer import Peer
from stream.publisher import Publisher
from stream.sdp import negotiate_subscribe
from stream.settings import MediaSettings
from stream.sink import StreamKey
from stream.srtp import SrtpKeys
from stream.subscriber import Subscriber
from tests.stream.clients import PublisherClient, SubscriberClient, until
from tests.stream.conftest import Clients, House

KEY = StreamKey("ses_1", "host")


async def publish(house: House, client: PublisherClient, key: StreamKey = KEY) -> str:
    opened = await house.hub.publish(key, datetime.now(UTC), await client.offer())
    await client.answer(opened.sdp)
    return opened.resource


async def subscribe(house: House, client: SubscriberClient, key: StreamKey = KEY) -> str:
    opened = await house.hub.subscribe(key, await client.offer())
    await client.answer(opened.sdp)
    return opened.resource


async def test_picture_and_sound_go_through_and_are_recorded(house: House, clients: Clients) -> None:
    publisher, viewer = clients.publisher(brightness=200), clients.subscriber()
    await publish(house, publisher)
    await until(lambda: bool(house.records("publisher_joined")))
    await subscribe(house, viewer)
    await viewer.sees(200)
    assert (await viewer.frame("audio")).sample_rate == 48_000
    sink = house.sinks[0]
    assert sink.tracks == {"audio": ("opus", 48_000), "video": ("H264", 90_000)}
    await until(lambda: {k for k, *_ in sink.packets} == {"audio", "video"} and bool(sink.reports))
    await viewer.close()
    await publisher.close()
    await until(lambda: sink.ended is not None)
    assert sink.ended == "left"
    await until(lambda: bool(house.records("publisher_left")))
    assert house.records("publisher_left")[0]["reason"] == "left"


async def test_a_returning_publisher_takes_over_and_viewers_stay(house: House, clients: Clients) -> None:
    first, second, viewer = clients.publisher(brightness=60), clients.publisher(brightness=210), clients.subscriber()
    await publish(house, first)
    await until(lambda: bool(house.records("publisher_joined")))
    await subscribe(house, viewer)
    await viewer.sees(60)
    await publish(house, second)
    await viewer.sees(210)
    joined = house.records("publisher_joined")
    assert joined[1]["epoch"] > joined[0]["epoch"]
    assert house.records("publisher_left")[0]["reason"] == "replaced"
    assert house.sinks[0].ended == "left"
    assert viewer.pc.connectionState == "connected"


@pytest.mark.parametrize("kind", ["audio", "video"])
async def test_one_kind_alone_works(house: House, clients: Clients, kind: str) -> None:
    publisher = clients.publisher(audio=kind == "audio", video=kind == "video")
    viewer = clients.subscriber()
    await publish(house, publisher)
    await until(lambda: bool(house.records("publisher_joined")))
    await subscribe(house, viewer)
    assert await viewer.frame(kind) is not None


async def test_a_vanished_publisher_is_lost_and_its_viewers_stay(house: House, clients: Clients) -> None:
    publisher, viewer = clients.publisher(brightness=90), clients.subscriber()
    await publish(house, publisher)
    await until(lambda: bool(house.records("publisher_joined")))
    await subscribe(house, viewer)
    await viewer.sees(90)
    # Pull the cable: the peer goes on, its datagrams no longer arrive.
    for transceiver in publisher.pc.getTransceivers():
        transport = transceiver.sender.transport.transport._connection  # no public way to lose a cable
        for protocol in list(transport._protocols):
            protocol.transport.close()
    await until(lambda: bool(house.records("publisher_lost")))
    assert house.records("publisher_lost")[0]["reason"] == "lost"
    assert house.sinks[0].ended == "lost"
    assert house.hub.streams()[0].subscribers == 1
    with pytest.raises(Refused) as refused:
        await house.hub.subscribe(KEY, await clients.subscriber().offer())
    assert refused.value.problem is STREAM_NOT_FOUND
    back = clients.publisher(brightness=220)
    await publish(house, back)
    await viewer.sees(220)


async def test_a_broken_sink_never_disturbs_the_viewers(house: House, clients: Clients) -> None:
    publisher, viewer = clients.publisher(brightness=150), clients.subscriber()
    await publish(house, publisher)
    await until(lambda: bool(house.sinks))
    house.sinks[0].fail = True
    await until(lambda: bool(house.records("recording_failed")))
    await subscribe(house, viewer)
    await viewer.sees(150)
    assert len(house.records("recording_failed")) == 1


async def test_closing_a_session_ends_all_and_says_so_last(house: House, clients: Clients) -> None:
    publisher, viewer = clients.publisher(), clients.subscriber()
    await publish(house, publisher)
    await until(lambda: bool(house.records("publisher_joined")))
    await subscribe(house, viewer)
    await house.hub.close_session("ses_1")
    await house.hub.close_session("ses_1")
    assert house.sinks[0].ended == "session_closed"
    assert house.flushed == ["ses_1"]
    assert house.records("publisher_left")[0]["n"] < house.records("session_closed")[0]["n"]
    assert len(house.records("session_closed")) == 1
    assert house.hub.streams() == []
    with pytest.raises(Refused) as refused:
        await house.hub.publish(KEY, datetime.now(UTC), "v=0")
    assert refused.value.problem is SESSION_CLOSED


async def test_a_full_house_still_lets_its_host_in(house: House, clients: Clients) -> None:
    house.hub._admission = Admission(1, 1)
    publisher, viewer = clients.publisher(), clients.subscriber()
    await publish(house, publisher)
    await until(lambda: bool(house.records("publisher_joined")))
    with pytest.raises(Refused) as refused:
        await subscribe(house, viewer)
    assert refused.value.problem is MEDIA_FULL
    await publish(house, clients.publisher())
    with pytest.raises(Refused):
        await publish(house, clients.publisher())


async def test_what_a_person_sends_outlives_what_that_person_watches(house: House, clients: Clients) -> None:
    publisher, offer = clients.publisher(), await clients.subscriber().offer()
    opened = await house.hub.publish(KEY, datetime.now(UTC), await publisher.offer(), "person")
    await publisher.answer(opened.sdp)
    await until(lambda: bool(house.records("publisher_joined")))
    places = [(await house.hub.subscribe(KEY, offer, "person")).resource for _ in range(carrier._PEERS_A_PERSON - 1)]
    peers = [house.hub._resources[place] for place in places]
    for peer in peers:
        peer.connected = True
    await house.hub.subscribe(KEY, offer, "person")
    assert [peer.peer.ending for peer in peers] == [True] + [False] * (len(peers) - 1)
    assert not house.hub._resources[opened.resource].peer.ending


async def test_a_viewers_wishes_for_keyframes_are_few(clients: Clients, clock: ManualClock) -> None:
    viewer = Subscriber(KEY, clock, MediaMetrics(CollectorRegistry()))
    channel, asked = Channel(KEY), []
    channel.request_keyframe = asked.append  # type: ignore[method-assign]
    negotiated = negotiate_subscribe(await clients.subscriber().offer(), "host", channel.ssrc, "")
    ice = MediaPort(clock).session("user")
    viewer.attach(Peer(ice, new_certificate(), negotiated, on_rtp=viewer.on_rtp, on_rtcp=viewer.on_rtcp))
    channel.join(viewer)
    assert asked == ["high"]  # there is no picture yet: the first one is not its wish alone
    for _ in range(1000):
        viewer.on_rtcp(rtcp.pli(1, 2))
        clock.advance(0.01)
    assert 3 <= len(asked) <= 3 + 10 / 4


async def test_a_close_that_the_disk_delays_is_told_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = threading.Event()
    real = os.fsync
    monkeypatch.setattr(feed_module.os, "fsync", lambda file: (allowed.wait(10), real(file)))
    monkeypatch.setattr(closing, "_DURABLE_S", 0.05)
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            await house.hub.close_session("ses_1")
        assert refused.value.problem is MEDIA_UNAVAILABLE
    allowed.set()
    monkeypatch.setattr(closing, "_DURABLE_S", 10.0)
    await house.hub.close_session("ses_1")
    assert len(house.records("session_closed")) == 1
    assert house.flushed == ["ses_1"]


async def test_who_ends_while_connecting_takes_nothing_over(house: House, clients: Clients) -> None:
    first, second = clients.publisher(), clients.publisher()
    await publish(house, first)
    await until(lambda: bool(house.records("publisher_joined")))
    opened = await house.hub.publish(KEY, datetime.now(UTC), await second.offer())
    peer = house.hub._resources[opened.resource].peer
    real = peer._handshake

    async def ended_in_the_same_turn() -> None:
        await real()
        peer.end("left")

    peer._handshake = ended_in_the_same_turn  # type: ignore[method-assign]
    await second.answer(opened.sdp)
    await until(lambda: opened.resource not in house.hub._resources)
    assert len(house.records("publisher_joined")) == 1
    assert house.records("publisher_left") == []


async def test_a_flood_of_repeats_asked_for_is_not_read(house: House, clients: Clients) -> None:
    publisher, viewer = clients.publisher(brightness=100), clients.subscriber()
    await publish(house, publisher)
    await until(lambda: bool(house.records("publisher_joined")))
    resource = await subscribe(house, viewer)
    await viewer.sees(100)
    asked: list[int] = []
    peer = house.hub._resources[resource].peer
    peer._on_rtcp = lambda data: asked.append(len(data))
    sender = viewer.pc.getReceivers()[0].transport
    flood = rtcp.nack(1, 2, list(range(0, 1000, 17))) * 4
    for _ in range(200):
        await sender._send_rtp(flood)
    await viewer.sees(100)
    assert 0 < sum(asked) < 40_000 < 200 * len(flood)


async def test_more_than_a_publisher_may_send_is_dropped(clock: ManualClock) -> None:
    metrics = MediaMetrics(CollectorRegistry())
    publisher = Publisher(KEY, clock.now(), clock, MediaSettings(publisher_limit=80_000), metrics, lambda: 1)
    packet = rtp.header(96, False, 1, 0, 7) + bytes(1000)
    for _ in range(100):
        publisher.on_rtp(packet)
    dropped = metrics.registry.get_sample_value
    assert dropped("tellercast_media_packets_dropped_total", {"why": "flood"}) == 91
    clock.advance(1)
    publisher.on_rtp(packet)
    assert dropped("tellercast_media_packets_dropped_total", {"why": "flood"}) == 91


async def test_a_handshake_that_fails_tells_why_and_leaves_nothing(house: House, clients: Clients) -> None:
    offer = await clients.publisher().offer()
    opened = await house.hub.publish(KEY, datetime.now(UTC), offer)
    peer = house.hub._resources[opened.resource].peer
    peer.ice.connected.set()
    why: list[str] = []
    real = peer._dtls.handshake

    async def noted(fingerprints: tuple[tuple[str, str], ...]) -> SrtpKeys:
        try:
            return await real(fingerprints)
        except ConnectFailed as error:
            why.append(str(error))
            raise

    peer._dtls.handshake = noted  # type: ignore[method-assign]
    # A server hello where a client hello belongs.
    hello = (
        bytes.fromhex("16feff0000000000000000002e0200002200000000000000 22feff".replace(" ", "")) + bytes(32) + b"\0\xc0\x2b\0"
    )
    peer.ice.take(hello)
    await until(lambda: opened.resource not in house.hub._resources)
    assert why == ["the DTLS handshake failed: unexpected message"]
    assert house.hub._port._by_ufrag == {}
