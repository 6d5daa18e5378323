"""What a publisher's packets become: numbers that leap are another run or a stray, never minutes of silence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from core.clock import ManualClock
from stream import rtp
from stream.aiortc_private import new_certificate
from stream.channel import Channel
from stream.ice import MediaPort
from stream.metrics import MediaMetrics
from stream.peer import Peer
from stream.publisher import Publisher
from stream.rtp import MediaPacket
from stream.sdp import negotiate_publish
from stream.settings import MediaSettings
from stream.sink import SinkOrder, StreamKey
from tests.stream.conftest import RememberingSink
from tests.stream.test_sdp import AUDIO, HEAD, VIDEO, offer

KEY = StreamKey("ses_1", "host")
OPUS, H264 = 111, 108
KEYFRAME = b"\x65\x88\x84"


class Stage:
    """A publisher in its channel, before any network: what it sends is noted as viewers and recorder get it."""

    def __init__(self, clock: ManualClock, sdp: str = offer(HEAD, AUDIO, VIDEO)) -> None:
        self.clock = clock
        self.metrics = MediaMetrics(CollectorRegistry())
        runs = iter(range(1, 1000))
        self.publisher = Publisher(KEY, clock.now(), clock, MediaSettings(), self.metrics, lambda: next(runs))
        negotiated = negotiate_publish(sdp, "host")
        ice = MediaPort(clock).session("user")
        peer = Peer(ice, new_certificate(), negotiated, on_rtp=self.publisher.on_rtp, on_rtcp=self.publisher.on_rtcp)
        self.rtcp: list[bytes] = []
        peer.send_rtcp = self.rtcp.append  # type: ignore[method-assign,assignment]
        self.publisher.attach(peer)
        self.recorded = RememberingSink(SinkOrder(KEY, 1, 0.0, lambda: None))
        self.publisher.sink = self.recorded
        self.forwarded: list[MediaPacket] = []
        channel = Channel(KEY)
        channel.replace(self.publisher)
        self.publisher.on_packet = self._noting(channel.push)

    def _noting(self, push: Callable[[MediaPacket], bool]) -> Callable[[MediaPacket], bool]:
        def noted(packet: MediaPacket) -> bool:
            taken = push(packet)
            if taken:
                self.forwarded.append(packet)
            return taken

        return noted

    def send(self, kind: int, *numbers: int) -> None:
        for number in numbers:
            self.clock.advance(0.02)
            self.publisher.on_rtp(rtp.header(kind, True, number % 2**16, number * 960 % 2**32, kind) + KEYFRAME)

    def strays(self) -> float:
        return self.metrics.registry.get_sample_value("tellercast_media_packets_dropped_total", {"why": "stray"}) or 0.0


@pytest.fixture
async def stage(clock: ManualClock) -> Stage:
    return Stage(clock)


@pytest.mark.parametrize("kind", [OPUS, H264])
@pytest.mark.parametrize("start", [15_000, 30_000])
async def test_numbers_set_back_or_ahead_begin_a_new_run(stage: Stage, kind: int, start: int) -> None:
    stage.send(kind, *range(20_000, 20_100))
    stage.send(kind, *range(start, start + 100))
    assert [packet.run for packet in stage.forwarded] == [1] * 100 + [2] * 99  # the first one might have been a stray
    assert [number for _kind, number, *_ in stage.recorded.packets] == [*range(20_000, 20_100), *range(start + 1, start + 100)]


async def test_one_stray_packet_is_left_out_and_nothing_else(stage: Stage) -> None:
    stage.send(OPUS, *range(20_000, 20_100), 50_000, *range(20_100, 20_200), 50_001, *range(20_200, 20_300))
    assert {packet.run for packet in stage.forwarded} == {1}
    assert [number for _kind, number, *_ in stage.recorded.packets] == list(range(20_000, 20_300))
    assert stage.strays() == 2


async def test_who_leaps_with_every_packet_is_neither_seen_nor_recorded(stage: Stage) -> None:
    stage.send(OPUS, *(i * 3001 for i in range(1, 20)))  # one more comes near the first again
    assert len(stage.forwarded) == len(stage.recorded.packets) == 1


async def test_numbers_that_wrap_go_on(stage: Stage) -> None:
    stage.send(OPUS, *range(65_000, 66_000))
    assert len(stage.forwarded) == 1000
    assert stage.strays() == 0
