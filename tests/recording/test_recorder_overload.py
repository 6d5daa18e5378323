"""A disk or a feed that hangs never blocks the loop: what does not fit is dropped, told once, and recovered from."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from core.clock import ManualClock
from core.ids import new_id
from recording.archive import FolderArchive
from recording.cutting import Limits
from recording.recorder import Recorder
from recording.writer import QUEUE_JOBS
from stream.errors import FeedStalled
from stream.sink import SinkOrder, StreamKey
from tests.recording.synthetic import MemoryFeed


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


async def test_what_does_not_fit_is_dropped_and_told_once(tmp_path: Path, clock: ManualClock) -> None:
    feed, session, start = HangingFeed(), new_id("ses"), clock.now().timestamp()
    recorder = Recorder(FolderArchive(tmp_path, 0), feed, clock, Limits(most_bytes=1))  # a fragment for each packet
    recorder.start()
    sink = recorder.sink_factory(SinkOrder(StreamKey(session, "host"), 1, start, lambda: None))
    sink.track("audio", "opus", 48_000)

    def send(first: int, count: int) -> None:
        for i in range(first, first + count):
            arrival = start + i * 0.02
            sink.rtp("audio", b"\xf8\xff\xfe", timestamp=i * 960, sequence=i % 2**16, marker=True, arrival=arrival)

    send(0, QUEUE_JOBS + 100)
    feed.go.set()
    await recorder.flush()
    send(QUEUE_JOBS + 100, 5)
    sink.closed("left")
    await recorder.close_session(session)
    await recorder.stop()

    assert [data["reason"] for data in feed.of("recording_failed")] == ["overloaded"]
    order = [kind for kind in feed.kinds if kind != "fragment_sealed"]
    assert order == ["recording_failed", "recording_recovered", "stream_closed", "session_closed"]
    sealed = feed.of("fragment_sealed")
    assert QUEUE_JOBS <= len(sealed) < QUEUE_JOBS + 100
    assert feed.of("stream_closed")[0]["fragments"] == len(sealed)


async def test_what_the_feed_writes_later_is_told_once_and_marked_until_then(tmp_path: Path, clock: ManualClock) -> None:
    feed, session, start = StalledFeed(), new_id("ses"), clock.now().timestamp()
    recorder = Recorder(FolderArchive(tmp_path, 0), feed, clock)
    recorder.start()
    sink = recorder.sink_factory(SinkOrder(StreamKey(session, "host"), 1, start, lambda: None))
    sink.track("audio", "opus", 48_000)
    for i in range(10):
        sink.rtp("audio", b"\xf8\xff\xfe", timestamp=i * 960, sequence=i, marker=True, arrival=start + i * 0.02)
    sink.closed("left")
    await recorder.close_session(session)
    await recorder.stop()
    assert feed.kinds == ["fragment_sealed", "stream_closed", "session_closed"]
    assert FolderArchive(tmp_path, 0).unannounced() == [feed.of("fragment_sealed")[0]["path"]]
