"""What is announced is on the disk; what is not wholly there is gone; a full disk is told once and survived."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import itertools
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.ids import new_id
from recording.archive import FolderArchive, Place
from recording.fragment import Contents, Media, Muxer, Sample, describe
from recording.recorder import Recorder
from stream.sink import SinkOrder, StreamKey
from tests.disks import small_disk
from tests.recording.synthetic import MemoryFeed, Publisher

EPOCH = 1_795_334_400_123
SILENCE = b"\xf8\xff\xfe"


def _sound(first_ms: int, packets: int = 50) -> Media:
    return Media(audio=[Sample(first_ms * 48 + i * 960, 960, SILENCE) for i in range(packets)])


@pytest.fixture
def place() -> Place:
    return Place(new_id("ses"), "host", EPOCH, 0)


def test_a_fragment_is_written_hashed_and_readable(tmp_path: Path, place: Place) -> None:
    archive = FolderArchive(tmp_path, 0)
    data, contents = Muxer().mux(_sound(5_000))
    stored = archive.write(place, data)
    assert stored.path == f"{place.session}/host/{EPOCH}-000000.mp4"
    assert stored.sha256 == hashlib.sha256(data).hexdigest() == archive.sha256(stored.path)
    assert stored.bytes == len(data) == archive.path(stored.path).stat().st_size
    assert describe(archive.path(stored.path)) == contents == Contents(5_000, 6_000, None, {"codec": "opus"})


def test_what_is_recorded_is_never_replaced(tmp_path: Path, place: Place) -> None:
    archive = FolderArchive(tmp_path, 0)
    archive.write(place, b"first")
    with pytest.raises(FileExistsError):
        archive.write(place, b"second")
    assert archive.path(place.path).read_bytes() == b"first"


def test_below_the_floor_nothing_is_written_and_nothing_left(tmp_path: Path, place: Place) -> None:
    archive = FolderArchive(tmp_path, 2**60)
    with pytest.raises(OSError, match="space") as caught:
        archive.write(place, b"data")
    assert caught.value.errno == errno.ENOSPC
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "path",
    [
        "../etc/passwd", "/etc/passwd", "", "incoming/x.part", "ses_01jd/host/0000000000001-000000.mp4",
        "ses_01jdaaaaaaaaaaaaaaaaaaaaaa/../0000000000001-000000.mp4", "ses_01jdaaaaaaaaaaaaaaaaaaaaaa/host/1-0.mp4",
        "ses_01jdaaaaaaaaaaaaaaaaaaaaaa/host/0000000000001-000000.mp4\n", "ses_01jdaaaaaaaaaaaaaaaaaaaaaa/host/x.mp4",
    ],
)  # fmt: skip
def test_paths_that_are_no_fragments_are_not_read(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match=r"path|place"):
        FolderArchive(tmp_path, 0).path(path)


def test_names_that_are_no_ids_become_no_paths() -> None:
    for bad in (Place("../x", "host", 1, 0), Place(new_id("ses"), "a/b", 1, 0), Place(new_id("ses"), "host", -1, 0)):
        with pytest.raises(ValueError, match="no place"):
            bad.path  # noqa: B018


def test_recovery_announces_what_was_written_and_removes_what_was_not(tmp_path: Path, place: Place) -> None:
    archive = FolderArchive(tmp_path, 0)
    muxer = Muxer()
    told = archive.write(place, muxer.mux(_sound(0))[0])
    archive.announced(told.path)
    untold = archive.write(Place(place.session, "host", EPOCH, 1), muxer.mux(_sound(1_000))[0])
    (tmp_path / "incoming" / "half.part").write_bytes(b"half")

    events = list(FolderArchive(tmp_path, 0).recover())

    assert [(event["path"], event["start_ms"], event["sha256"]) for event in events] == [(untold.path, 1_000, untold.sha256)]
    assert list((tmp_path / "incoming").iterdir()) == []
    assert list(archive.recover()) == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", megabytes=2) as folder:
        yield folder


def _fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as ballast:
        while ballast.write(bytes(4096)):
            pass


async def test_a_full_disk_is_told_once_and_recovered_from(disk: Path, clock: ManualClock) -> None:
    feed, session, start = MemoryFeed(), new_id("ses"), clock.now().timestamp()
    recorder = Recorder(FolderArchive(disk, 0), feed, clock)
    recorder.start()
    publisher = Publisher(start)
    sink = recorder.sink_factory(SinkOrder(StreamKey(session, "host"), EPOCH, start, publisher.request_keyframe))
    publisher.attach(sink)

    publisher.run(start + 5)
    await recorder.flush()
    ballast = disk / "ballast"
    _fill(ballast)
    publisher.run(start + 13)
    await recorder.flush()
    ballast.unlink()
    publisher.run(start + 18)
    publisher.drain()
    sink.closed("left")
    await recorder.stop()

    failed = feed.of("recording_failed")
    assert [data["reason"] for data in failed] == ["disk_full"]
    assert len(feed.of("recording_recovered")) == 1
    order = [kind for kind in feed.kinds if kind != "fragment_sealed"]
    assert order == ["recording_failed", "recording_recovered", "stream_closed"]
    sealed = feed.of("fragment_sealed")
    assert feed.of("stream_closed")[0]["fragments"] == len(sealed)
    assert any(after["start_ms"] - before["end_ms"] > 2_000 for before, after in itertools.pairwise(sealed))
    for data in sealed:
        assert hashlib.sha256((disk / data["path"]).read_bytes()).hexdigest() == data["sha256"]
        assert describe(disk / data["path"]).start_ms == data["start_ms"]
    assert list((disk / "incoming").iterdir()) == []


async def test_a_feed_that_refuses_loses_nothing(tmp_path: Path, clock: ManualClock) -> None:
    feed, session, start = MemoryFeed(), new_id("ses"), clock.now().timestamp()
    recorder = Recorder(FolderArchive(tmp_path, 0), feed, clock)
    recorder.start()
    publisher = Publisher(start, video=False)
    sink = recorder.sink_factory(SinkOrder(StreamKey(session, "host"), EPOCH, start, lambda: None))
    publisher.attach(sink)
    feed.refuse = True
    publisher.run(start + 5)
    with pytest.raises(TimeoutError):  # written, but not announced
        await recorder.flush(timeout=0.5)
    assert feed.records == []
    assert len(list((tmp_path / "incoming").glob("*.pending"))) == 2
    feed.refuse = False
    sink.closed("left")
    await recorder.flush()
    assert feed.kinds == ["fragment_sealed"] * 3 + ["stream_closed"]
    assert list((tmp_path / "incoming").iterdir()) == []
    await recorder.stop()


KILLED = """
import json, sys
from pathlib import Path
from core.clock import ManualClock
from recording.archive import FolderArchive
from recording.recorder import Recorder
from stream.sink import SinkOrder, StreamKey
from tests.recording.synthetic import Publisher

class Printed:
    def append(self, kind, data):
        print(json.dumps([kind, data]), flush=True)
        return 0

clock = ManualClock()
start = clock.now().timestamp()
recorder = Recorder(FolderArchive(Path(sys.argv[1]), 0), Printed(), clock)
recorder.start()
publisher = Publisher(start)
order = SinkOrder(StreamKey(sys.argv[2], "host"), 1795334400123, start, publisher.request_keyframe)
publisher.attach(recorder.sink_factory(order))
publisher.run(start + 3600)
"""


async def test_sigkill_takes_nothing_that_was_announced(tmp_path: Path) -> None:
    session = new_id("ses")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(tmp_path), session, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    lines = [await asyncio.wait_for(process.stdout.readline(), 60) for _ in range(6)]
    process.send_signal(signal.SIGKILL)
    rest = await asyncio.wait_for(process.stdout.read(), 20)
    await process.wait()
    lines += [line for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]

    announced = [json.loads(line)[1] for line in lines]
    assert len(announced) >= 6
    for data in announced:
        assert hashlib.sha256((tmp_path / data["path"]).read_bytes()).hexdigest() == data["sha256"]
        found = describe(tmp_path / data["path"])
        assert (found.start_ms, found.end_ms, found.video, found.audio) == tuple(
            data[name] for name in ("start_ms", "end_ms", "video", "audio")
        )
    recovered = list(FolderArchive(tmp_path, 0).recover())
    on_disk = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.mp4")}
    assert on_disk == {data["path"] for data in [*announced, *recovered]}
    assert list((tmp_path / "incoming").iterdir()) == []
