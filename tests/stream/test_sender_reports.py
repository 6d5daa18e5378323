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


async def test_one_compound_tells_of_sound_and_picture(house: House) -> None:
    subscriber, wire, sent = show(house)
    for _ in range(4):
        house.push(house.frame(900))
    subscriber.on_rtcp(rtcp.nack(1, house.channel.ssrc("video"), [house.video(wire)[1].sequence]))
    assert len(house.video(wire)) == 7
    subscriber.tick(house.clock.monotonic(), Told(house))
    [compound] = sent
    reports = {p.ssrc: p.sender_info for p in RtcpPacket.parse(compound) if isinstance(p, RtcpSrPacket)}
    audio, video = reports.pop(house.channel.ssrc("audio")), reports.pop(house.channel.ssrc("video"))
    assert not reports
    assert (audio.packet_count, audio.octet_count) == (1, 100)
    assert (video.packet_count, video.octet_count) == (7, 2000 + 4 * 900)
    assert audio.ntp_timestamp == video.ntp_timestamp


async def test_it_is_told_once_a_second_at_first_and_then_ever_more_seldom(house: House) -> None:
    subscriber, _wire, sent = show(house)
    senders, at = Told(house), []
    for turn in range(100):
        house.clock.advance(TICK_S)
        subscriber.tick(house.clock.monotonic(), senders)
        at += [turn] * (len(sent) - len(at))
    gaps = [(b - a) * TICK_S for a, b in itertools.pairwise(at)]
    assert gaps == [1, 2, 4, 5, 5, 5]


async def test_on_a_lossy_line_it_is_told_once_a_second(house: House) -> None:
    subscriber, _wire, sent = show(house)
    subscriber.lost = 0.03
    senders = Told(house)
    for _ in range(40):
        house.clock.advance(TICK_S)
        subscriber.tick(house.clock.monotonic(), senders)
    assert len(sent) == 10


async def test_who_was_sent_nothing_is_told_nothing(house: House) -> None:
    subscriber, wire = house.viewer()
    sent: list[bytes] = []
    wire.send_rtcp = sent.append  # type: ignore[method-assign]
    house.channel.join(subscriber)
    subscriber.tick(house.clock.monotonic(), Told(house))
    assert sent == []
