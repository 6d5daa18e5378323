"""What a receiver is told of the sender's clock, how often, and how much it says was sent."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
from aiortc.rtp import RtcpPacket, RtcpSrPacket

from core.clock import ManualClock
from stream import rtcp
from stream.ice import MediaPort
from stream.repair import SenderClock
from stream.subscriber import Subscriber
from tests.stream.watchers import House, Wire

TICK_S = 0.25


@pytest.fixture
async def port() -> AsyncIterator[MediaPort]:
    port = MediaPort(ManualClock())
    await port.open("127.0.0.1", 0)
    yield port
    port.close()


@pytest.fixture(params=["python", "compiled"])
def house(request: pytest.FixtureRequest, port: MediaPort) -> Iterator[House]:
    house = House(port if request.param == "compiled" else None)
    yield house
    for wire in house.wires:
        wire.close()


class Told(SenderClock):
    """A publisher that has told its clock."""

    def __init__(self, house: House) -> None:
        super().__init__()
        wall = house.clock.now().timestamp()
        self.heard("video", 90_000, wall, 3000, wall)
        self.heard("audio", 48_000, wall, 960, wall)


def show(house: House) -> tuple[Subscriber, Wire, list[bytes]]:
    subscriber, wire = house.viewer()
    sent: list[bytes] = []
    wire.send_rtcp = sent.append  # type: ignore[method-assign]
    house.channel.join(subscriber)
    house.push(house.frame(1000, 1000, key=True))
    house.channel.push(house.sound())
    return subscriber, wire, sent


async def test_each_tells_what_was_sent(house: House) -> None:
    subscriber, wire, sent = show(house)
    for _ in range(4):
        house.push(house.frame(900))
    subscriber.on_rtcp(rtcp.nack(1, house.channel.ssrc("video"), [house.video(wire)[1].sequence]))
    assert len(house.video(wire)) == 7
    subscriber.tick(house.clock.monotonic(), Told(house))
    assert len(sent) == 2  # GStreamer takes a compound for the stream of its first report
    reports = {p.ssrc: p.sender_info for one in sent for p in RtcpPacket.parse(one) if isinstance(p, RtcpSrPacket)}
    audio, video = reports.pop(house.channel.ssrc("audio")), reports.pop(house.channel.ssrc("video"))
    assert not reports
    assert (audio.packet_count, audio.octet_count) == (1, 100)
    assert (video.packet_count, video.octet_count) == (7, 2000 + 4 * 900)
    assert audio.ntp_timestamp == video.ntp_timestamp


def gaps(house: House, subscriber: Subscriber, senders: SenderClock, sent: list[bytes], seconds: float) -> list[float]:
    """How far apart reports are, in seconds, from now on."""
    sent.clear()
    at = [0.0]
    for turn in range(1, round(seconds / TICK_S) + 1):
        house.clock.advance(TICK_S)
        subscriber.tick(house.clock.monotonic(), senders)
        if sent:
            at.append(turn * TICK_S)
            sent.clear()
    return [b - a for a, b in itertools.pairwise(at)]


async def test_it_is_told_once_a_second_at_first_and_then_seldom(house: House) -> None:
    subscriber, _wire, sent = show(house)
    senders = Told(house)
    subscriber.tick(house.clock.monotonic(), senders)
    assert gaps(house, subscriber, senders, sent, 20) == [1, 1, 1, 1, 5, 5, 5]


async def test_on_a_lossy_line_it_is_told_once_a_second(house: House) -> None:
    subscriber, _wire, sent = show(house)
    senders = Told(house)
    gaps(house, subscriber, senders, sent, 30)
    subscriber.lost = 0.03
    assert gaps(house, subscriber, senders, sent, 10)[1:] == [1] * 9


async def test_a_picture_that_begins_later_and_another_publisher_are_told_of_at_once(house: House) -> None:
    subscriber, _wire = house.viewer()
    sent: list[bytes] = []
    subscriber.peer.send_rtcp = sent.append  # type: ignore[method-assign,union-attr]
    house.channel.join(subscriber)
    house.channel.push(house.sound())
    senders = Told(house)
    gaps(house, subscriber, senders, sent, 30)
    house.push(house.frame(1000, key=True))
    subscriber.tick(house.clock.monotonic(), senders)
    assert [rtcp.parse(one)[0].ssrc for one in sent] == [house.channel.ssrc("video")]  # type: ignore[union-attr]
    gaps(house, subscriber, senders, sent, 30)
    house.run += 1
    house.push(house.frame(1000, key=True))
    sent.clear()
    house.clock.advance(1)
    subscriber.tick(house.clock.monotonic(), senders)
    assert house.channel.ssrc("video") in [rtcp.parse(one)[0].ssrc for one in sent]  # type: ignore[union-attr]


async def test_who_was_sent_nothing_is_told_nothing(house: House) -> None:
    subscriber, wire = house.viewer()
    sent: list[bytes] = []
    wire.send_rtcp = sent.append  # type: ignore[method-assign]
    house.channel.join(subscriber)
    subscriber.tick(house.clock.monotonic(), Told(house))
    assert sent == []
