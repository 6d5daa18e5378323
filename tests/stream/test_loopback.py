"""Publish and watch over real UDP with stock aiortc peers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.errors import Refused
from stream.errors import SESSION_CLOSED, STREAM_NOT_FOUND
from stream.sink import StreamKey
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
