"""A disk or a feed that hangs never blocks the loop: what does not fit is dropped, told once, and recovered from."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.ids import new_id
from recording.archive import FolderArchive
from recording.cutting import Limits
from recording.recorder import CUTS_AT_ONCE, CUTS_S, Recorder, TrackSink
from recording.writer import QUEUE_JOBS, SHARE_JOBS
from stream.errors import FeedStalled
from stream.sink import SinkOrder, StreamKey
from tests.recording.synthetic import Camera, MemoryFeed, packetise

SILENCE = b"\xf8\xff\xfe"


class HangingFeed(MemoryFeed):
    """Its first append waits until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def append(self, kind: str, data: dict[str, Any]) -> int:
        if not self.go.wait(60):
            raise OSError("never told to go")
        return super().append(kind, data)


class StalledFeed(MemoryFeed):
    """Keeps every record but says that it is not on the disk yet."""

    def append(self, kind: str, data: dict[str, Any]) -> int:
        super().append(kind, data)
        raise FeedStalled(kind)


class Crowd:
    """Publishers of sound alone, whose every packet is a fragment of its own."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.feed, self.session, self.start = HangingFeed(), new_id("ses"), clock.now().timestamp()
        self.recorder = Recorder(FolderArchive(folder, 0), self.feed, clock, Limits(most_bytes=1))
        self.recorder.start()

    def join(self, stream: str) -> TrackSink:
        sink = self.recorder.sink_factory(SinkOrder(StreamKey(self.session, stream), 1, self.start, lambda: None))
        sink.track("audio", "opus", 48_000)
        return sink

    def send(self, sink: TrackSink, first: int, count: int, every_s: float = 2.0) -> None:
        for i in range(first, first + count):
            arrival, timestamp = self.start + i * every_s, round(i * every_s * 48_000)
            sink.rtp("audio", SILENCE, timestamp=timestamp, sequence=i % 2**16, marker=True, arrival=arrival)

    async def end(self) -> None:
        self.feed.go.set()
        await self.recorder.stop()

    def told(self, kind: str, stream: str) -> list[dict[str, Any]]:
        return [data for data in self.feed.of(kind) if data["stream"] == stream]


async def test_more_than_a_publishers_share_is_dropped_and_told_once(tmp_path: Path, clock: ManualClock) -> None:
    crowd = Crowd(tmp_path, clock)
    greedy, honest = crowd.join("customer"), crowd.join("host")
    crowd.send(greedy, 0, SHARE_JOBS + 20)
    crowd.send(honest, 0, 10)
    crowd.feed.go.set()
    await crowd.recorder.flush()
    crowd.send(greedy, SHARE_JOBS + 20, 5)
    await crowd.end()

    assert [data["reason"] for data in crowd.told("recording_failed", "customer")] == ["overloaded"]
    order = [kind for kind, data in crowd.feed.records if data["stream"] == "customer" and kind != "fragment_sealed"]
    assert order == ["recording_failed", "recording_recovered", "stream_closed"]
    # Not with what was queued before the loss and written after it.
    assert [data["media_ms"] for data in crowd.told("recording_recovered", "customer")] == [(SHARE_JOBS + 20) * 2000]
    sealed = crowd.told("fragment_sealed", "customer")
    assert len(sealed) == SHARE_JOBS + 5
    assert crowd.told("stream_closed", "customer")[0]["fragments"] == len(sealed)
    assert len(crowd.told("fragment_sealed", "host")) == 10
    assert crowd.told("recording_failed", "host") == []


async def test_all_together_have_a_bound(tmp_path: Path, clock: ManualClock) -> None:
    crowd = Crowd(tmp_path, clock)
    for i in range(QUEUE_JOBS // SHARE_JOBS + 1):
        crowd.send(crowd.join(f"stream{i}"), 0, SHARE_JOBS)
    crowd.feed.go.set()
    await crowd.recorder.flush()
    await crowd.end()
    assert len(crowd.feed.of("fragment_sealed")) == QUEUE_JOBS
    assert len(crowd.feed.of("recording_failed")) == 1


async def test_a_publisher_that_cuts_too_often_is_recorded_no_longer(tmp_path: Path, clock: ManualClock) -> None:
    crowd = Crowd(tmp_path, clock)
    crowd.feed.go.set()
    sink = crowd.join("customer")
    crowd.send(sink, 0, 500, every_s=0.02)
    await crowd.recorder.flush()
    assert len(crowd.feed.of("fragment_sealed")) == pytest.approx(CUTS_AT_ONCE, abs=1)
    assert [data["reason"] for data in crowd.feed.of("recording_failed")] == ["cut_too_often"]
    sink.closed("left")
    await crowd.end()
    assert crowd.feed.of("recording_recovered") == []
    assert crowd.feed.kinds[-1] == "stream_closed"


@pytest.mark.parametrize("way", ["clocks", "sizes"])
async def test_leaping_clocks_and_changing_sizes_do_not_cut_for_ever(tmp_path: Path, clock: ManualClock, way: str) -> None:
    feed, start = MemoryFeed(), clock.now().timestamp()
    recorder = Recorder(FolderArchive(tmp_path, 0), feed, clock)
    recorder.start()
    sink = recorder.sink_factory(SinkOrder(StreamKey(new_id("ses"), "customer"), 1, start, lambda: None))
    sink.track("video", "H264", 90_000)
    pictures = [packetise(Camera(width, 240).encode(0.0, 0, keyframe=True)) for width in (320, 336)]
    number = 0
    for i in range(300):
        step, picture = (180_000, pictures[0]) if way == "clocks" else (3000, pictures[i % 2])
        for payload, marker in picture:
            arrival = start + i / 30
            sink.rtp("video", payload, timestamp=i * step, sequence=number, marker=marker, arrival=arrival)
            number += 1
    sink.closed("left")
    await recorder.stop()
    assert len(feed.of("fragment_sealed")) <= CUTS_AT_ONCE + 300 / 30 * CUTS_S
    assert [data["reason"] for data in feed.of("recording_failed")] == ["cut_too_often"]


async def test_what_the_feed_writes_later_is_told_once_and_marked_until_then(tmp_path: Path, clock: ManualClock) -> None:
    feed, session, start = StalledFeed(), new_id("ses"), clock.now().timestamp()
    recorder = Recorder(FolderArchive(tmp_path, 0), feed, clock)
    recorder.start()
    sink = recorder.sink_factory(SinkOrder(StreamKey(session, "host"), 1, start, lambda: None))
    sink.track("audio", "opus", 48_000)
    for i in range(10):
        sink.rtp("audio", b"\xf8\xff\xfe", timestamp=i * 960, sequence=i, marker=True, arrival=start + i * 0.02)
    sink.closed("left")
    await recorder.stop()
    assert feed.kinds == ["fragment_sealed", "stream_closed"]
    assert FolderArchive(tmp_path, 0).unannounced() == [feed.of("fragment_sealed")[0]["path"]]
