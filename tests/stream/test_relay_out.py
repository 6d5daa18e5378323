"""The home's side of a relay: what is told to an edge, in which order, and as how many messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from core.clock import ManualClock
from stream.channel import Channel
from stream.metrics import MediaMetrics
from stream.relay_out import Line, Outflows
from stream.relay_wire import ClockTold, PublisherGone, PublisherTold, SessionOver, read_packets, read_told
from stream.repair import SenderClock
from stream.rtp import MediaPacket
from stream.sink import StreamKey

KEY = StreamKey("ses_1", "host")
KEYFRAME = b"\x65" + bytes(50)


@dataclass
class Origin:
    """A publisher that sends what the test says."""

    clock: ManualClock
    epoch: int = 7
    profile: str = "42e01f"
    has_low: bool = False
    senders: SenderClock = field(default_factory=SenderClock)
    on_packet: Callable[[MediaPacket], bool] | None = None

    def request_keyframe(self, low: bool = False) -> None:
        """Nobody hears it."""

    def send(self, sequence: int, *, run: int = 1, kind: str = "video", keyframe: bool = False) -> bool:
        packet = MediaPacket(
            "video" if kind == "video" else "audio", run, sequence, sequence * 3000, True, KEYFRAME, keyframe,
            self.clock.monotonic(),
        )  # fmt: skip
        assert self.on_packet is not None
        return self.on_packet(packet)


@dataclass
class Stage:
    clock: ManualClock
    outflows: Outflows
    channel: Channel
    origin: Origin

    def publish(self) -> None:
        self.channel.replace(self.origin)
        self.outflows.began(KEY, self.channel)


@pytest.fixture
def stage(clock: ManualClock) -> Stage:
    return Stage(clock, Outflows(clock, MediaMetrics(CollectorRegistry())), Channel(KEY), Origin(clock))


async def sent(line: Line) -> list[str | bytes]:
    """All that waits to be sent, as the edge gets it."""
    await asyncio.sleep(0)  # what was collected in this turn of the loop is on its way
    got: list[str | bytes] = []

    async def send(message: str | bytes) -> None:
        got.append(message)

    running = asyncio.create_task(line.run(send))
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return got


def numbers(message: str | bytes) -> list[int]:
    assert isinstance(message, bytes)
    return [packet.sequence for packet in read_packets(message, 0)]


async def test_what_came_together_travels_together_and_once(stage: Stage) -> None:
    stage.publish()
    line = stage.outflows.open(KEY, stage.channel, group=True)
    assert [type(read_told(str(m))) for m in await sent(line)] == [PublisherTold, ClockTold]
    for n in (100, 101, 102):
        assert stage.origin.send(n, keyframe=n == 100)
    assert not stage.origin.send(101)  # it came before
    _clock, packets = await sent(line)
    assert numbers(packets) == [100, 101, 102]
    stage.origin.send(103)
    [packets] = await sent(line)
    assert numbers(packets) == [103]


async def test_an_edge_gets_the_picture_so_far_with_its_age_and_nothing_twice(stage: Stage) -> None:
    stage.publish()
    first = stage.outflows.open(KEY, stage.channel, group=True)
    stage.origin.send(100, keyframe=True)
    stage.clock.advance(1.5)
    stage.origin.send(101)
    second = stage.outflows.open(KEY, stage.channel, group=True)
    third = stage.outflows.open(KEY, stage.channel, group=False)
    stage.origin.send(102)
    told, picture, _clock, packets = await sent(second)
    assert read_told(str(told)) == PublisherTold(7, "42e01f")
    assert isinstance(picture, bytes)
    assert [(p.sequence, p.at) for p in read_packets(picture, 10)] == [(100, 8.5), (101, 10)]
    assert numbers(packets) == [102]
    assert [numbers(m) for m in await sent(third) if isinstance(m, bytes)] == [[102]]
    assert [n for m in await sent(first) if isinstance(m, bytes) for n in numbers(m)] == [100, 101, 102]


async def test_the_clock_of_a_new_source_goes_before_its_packets(stage: Stage) -> None:
    stage.publish()
    line = stage.outflows.open(KEY, stage.channel, group=False)
    stage.origin.send(100, keyframe=True)
    stage.origin.senders.heard("video", 90_000, 1e9, 5000, 1e9)
    stage.outflows.tick(10)
    stage.outflows.tick(20)  # nothing new to tell
    await sent(line)
    stage.origin.send(101)
    stage.origin.senders.forget("video")  # as a publisher whose source changes
    stage.origin.send(9000, run=2, keyframe=True)
    before, clock, after = await sent(line)
    assert numbers(before) == [101]
    assert read_told(str(clock)) == ClockTold(0.0, {})
    assert numbers(after) == [9000]


async def test_the_clock_is_told_when_it_has_changed(stage: Stage) -> None:
    stage.publish()
    line = stage.outflows.open(KEY, stage.channel, group=False)
    await sent(line)
    stage.outflows.tick(10)
    stage.outflows.tick(20)
    assert len(await sent(line)) == 1
    stage.origin.senders.heard("audio", 48_000, 1e9, 5000, 1e9)
    stage.outflows.tick(29)
    assert await sent(line) == []
    stage.outflows.tick(30)
    assert [read_told(str(m)) for m in await sent(line)] == [ClockTold(0.0, {"audio": (1e9, 5000, 48_000)})]


async def test_publishers_come_and_go(stage: Stage) -> None:
    line = stage.outflows.open(KEY, None, group=True)
    stage.publish()
    stage.origin.send(100, keyframe=True)
    stage.channel.release(stage.origin)
    stage.outflows.gone(KEY)
    told = await sent(line)
    assert numbers(told.pop(3)) == [100]  # before the word that its sender is gone
    assert [type(read_told(str(m))) for m in told] == [PublisherGone, PublisherTold, ClockTold, PublisherGone]


async def test_nothing_stands_between_without_an_edge(stage: Stage) -> None:
    stage.publish()
    assert stage.origin.on_packet == stage.channel.push
    lines = [stage.outflows.open(KEY, stage.channel, group=True) for _ in range(2)]
    assert stage.origin.on_packet != stage.channel.push
    stage.outflows.close(KEY, lines[0])
    assert stage.origin.on_packet != stage.channel.push
    stage.outflows.close(KEY, lines[1])
    stage.outflows.close(KEY, lines[1])
    assert stage.origin.on_packet == stage.channel.push


async def test_the_end_of_a_session_is_the_last_that_is_said(stage: Stage) -> None:
    stage.publish()
    mine = stage.outflows.open(KEY, stage.channel, group=True)
    other = stage.outflows.open(StreamKey("ses_2", "host"), None, group=True)
    stage.outflows.closed("ses_1")
    stage.origin.send(100, keyframe=True)
    assert [type(read_told(str(m))) for m in await sent(mine)] == [PublisherTold, ClockTold, SessionOver]
    assert [type(read_told(str(m))) for m in await sent(other)] == [PublisherGone]
    assert [type(read_told(str(m))) for m in await sent(stage.outflows.refuse())] == [SessionOver]


async def test_a_line_that_is_not_emptied_is_cut(stage: Stage) -> None:
    line, cuts = Line(most_bytes=100), []
    line.on_cut = lambda: cuts.append(1)
    line.put(bytes(60))
    line.put(bytes(40))
    assert not line.cut
    line.put(b"x")
    line.put(b"x")
    assert line.cut
    assert cuts == [1]
    assert await sent(line) == []


async def test_what_was_sent_makes_room(stage: Stage) -> None:
    line = Line(most_bytes=100)
    for _ in range(5):
        line.put(bytes(90))
        assert len(await sent(line)) == 1
    assert not line.cut
