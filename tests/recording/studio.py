"""A recorder at work for tests: its archive, its feed, and a session that has begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.clock import ManualClock
from core.ids import new_id
from recording.archive import FolderArchive
from recording.recorder import Recorder, TrackSink
from stream.sink import SinkOrder, StreamKey
from tests.recording.synthetic import MemoryFeed, Publisher

EPOCH = 1_795_334_400_123


class Studio:
    """A recorder with its archive, its feed and a session that started at `start`."""

    def __init__(self, root: Path, clock: ManualClock) -> None:
        self.root = root
        self.feed = MemoryFeed()
        self.session = new_id("ses")
        self.start = clock.now().timestamp()
        self.recorder = Recorder(FolderArchive(root, 0), self.feed, clock)
        self.recorder.start()

    def sink(self, publisher: Publisher, epoch: int = EPOCH) -> TrackSink:
        key = StreamKey(self.session, "host")
        sink = self.recorder.sink_factory(SinkOrder(key, epoch, self.start, publisher.request_keyframe))
        publisher.attach(sink)
        return sink

    async def record(self, publisher: Publisher, until_s: float) -> None:
        sink = self.sink(publisher)
        publisher.run(self.start + until_s)
        publisher.drain()
        sink.closed("left")
        await self.recorder.flush()

    def holes(self, track: str) -> list[dict[str, Any]]:
        """What was said to be missing of a track, in the order it was said."""
        sealed = self.feed.of("fragment_sealed")
        return [hole for data in sealed for hole in data.get("holes", []) if hole["track"] == track]

    @property
    def files(self) -> list[Path]:
        return [self.root / data["path"] for data in self.feed.of("fragment_sealed")]
