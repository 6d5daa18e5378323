"""The copy people watch: one ordinary MP4 in which every second is where the session had it, holes and all."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from core.clock import ManualClock
from core.ids import new_id
from recording.archive import FolderArchive
from recording.fragment import BadMedia
from recording.playable import Playable, make_playable
from recording.poster import make_poster
from recording.recorder import Recorder
from stream.sink import SinkOrder, StreamKey
from tests.recording.synthetic import Camera, MemoryFeed, Publisher, beeps, boxes, flashes

EPOCH = 1_795_334_400_123


class Studio:
    """Records publishers one after the other into one stream."""

    def __init__(self, root: Path, clock: ManualClock) -> None:
        self.root, self.feed, self.session = root, MemoryFeed(), new_id("ses")
        self.start = clock.now().timestamp()
        self.recorder = Recorder(FolderArchive(root, 0), self.feed, clock)
        self.recorder.start()
        self.epoch = EPOCH

    async def record(self, publisher: Publisher, until_s: float) -> None:
        self.epoch += 1
        order = SinkOrder(StreamKey(self.session, "host"), self.epoch, self.start, publisher.request_keyframe)
        sink = self.recorder.sink_factory(order)
        publisher.attach(sink)
        publisher.run(self.start + until_s)
        publisher.drain()
        sink.closed("left")
        await self.recorder.flush()

    def files(self) -> list[Path]:
        return [self.root / data["path"] for data in self.feed.of("fragment_sealed")]

    async def copy(self, files: list[Path] | None = None) -> tuple[Path, Playable]:
        out = self.root / "copy.mp4"
        return out, await make_playable(files or self.files(), out)


@pytest.fixture
async def studio(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Studio]:
    studio = Studio(tmp_path, clock)
    yield studio
    await studio.recorder.stop()


def assert_at_their_seconds(out: Path, playable: Playable, light_at: set[int], sound_at: set[int]) -> None:
    """Flashes and beeps stand where (media time - offset) says, and nowhere else."""
    offset = playable.offset_ms / 1000
    light, sound = [f + offset for f in flashes([out])], [b + offset for b in beeps([out])]
    assert {round(f) for f in light} == light_at
    assert {round(b) for b in sound} == sound_at
    network = 0.04  # what the simulated network delays everything by
    assert max(abs(f - network - round(f)) for f in light) <= 0.05
    assert max(abs(b - network - round(b)) for b in sound) <= 0.05


def assert_sound_is_unbroken(out: Path) -> None:
    with av.open(str(out)) as container:
        packets = [(p.pts, p.duration) for p in container.demux(audio=0) if p.pts is not None]
    expected = 0
    for pts, duration in packets:
        assert pts is not None
        assert pts == expected
        expected = pts + (duration or 0)


def assert_ordinary_mp4(out: Path) -> None:
    kinds = [kind for kind, _ in boxes(out.read_bytes())]
    assert kinds.index("moov") < kinds.index("mdat")
    assert "moof" not in kinds
    as_it_is = ["-fps_mode", "passthrough", "-enc_time_base:v", "1:90000", "-f", "null", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(out), *as_it_is]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert said.stderr == ""


async def test_a_recording_becomes_one_ordinary_file(studio: Studio) -> None:
    await studio.record(Publisher(studio.start + 0.5), 9.5)
    out, playable = await studio.copy()
    assert_ordinary_mp4(out)
    assert_sound_is_unbroken(out)
    assert_at_their_seconds(out, playable, set(range(1, 10)), set(range(1, 10)))
    assert 520 <= playable.offset_ms <= 580
    assert abs(playable.duration_ms - 9_000) < 150
    with av.open(str(out)) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["h264", "opus"]
        first = next(packet for packet in container.demux(video=0))
        assert (first.pts, first.is_keyframe) == (0, True)
    assert not list(studio.root.glob("*.part"))


async def test_a_fragment_that_is_missing_leaves_the_rest_in_its_place(studio: Studio) -> None:
    await studio.record(Publisher(studio.start), 11)
    files = studio.files()
    out, playable = await studio.copy(files[:1] + files[3:])
    assert_ordinary_mp4(out)
    assert_sound_is_unbroken(out)
    heard = {round(b + playable.offset_ms / 1000) for b in beeps([out])}
    assert heard.isdisjoint({3, 4, 5})
    assert_at_their_seconds(out, playable, heard - {0}, heard)


async def test_a_publisher_that_comes_back_with_another_size_plays_on(studio: Studio) -> None:
    await studio.record(Publisher(studio.start + 0.5), 4.5)
    await studio.record(Publisher(studio.start + 9.3, camera=Camera(640, 360)), 13.5)
    out, playable = await studio.copy()
    assert_ordinary_mp4(out)
    assert_sound_is_unbroken(out)
    there = {1, 2, 3, 4, 10, 11, 12, 13}
    assert_at_their_seconds(out, playable, there, there)
    with av.open(str(out)) as container:
        sizes = {(frame.width, frame.height) for frame in container.decode(video=0)}
    assert sizes == {(320, 240), (640, 360)}


async def test_a_publisher_that_overlaps_the_one_it_replaces_stays_decodable(studio: Studio) -> None:
    await studio.record(Publisher(studio.start + 0.5), 4.5)
    await studio.record(Publisher(studio.start + 4.3), 8.5)
    out, playable = await studio.copy()
    assert_ordinary_mp4(out)
    assert_sound_is_unbroken(out)
    assert_at_their_seconds(out, playable, set(range(1, 9)), set(range(1, 9)))


async def test_fragments_that_start_without_a_keyframe_play_on(studio: Studio) -> None:
    await studio.record(Publisher(studio.start + 0.5, answers=False), 9.5)
    assert [data["video"]["keyframe"] for data in studio.feed.of("fragment_sealed")][:2] == [True, False]
    out, playable = await studio.copy()
    assert_ordinary_mp4(out)
    assert_at_their_seconds(out, playable, set(range(1, 10)), set(range(1, 10)))


async def test_without_the_keyframe_it_refers_to_a_picture_is_left_out(studio: Studio) -> None:
    await studio.record(Publisher(studio.start + 0.5, answers=False), 9.5)
    files = studio.files()
    out, _ = await studio.copy([files[0], *files[2:]])
    assert_ordinary_mp4(out)
    assert max(flashes([out])) < 4


async def test_a_picture_that_joins_late_is_where_it_belongs(studio: Studio) -> None:
    publisher = Publisher(studio.start)
    publisher.pause("video", studio.start + 4.5)
    await studio.record(publisher, 8.9)
    out, playable = await studio.copy()
    assert_ordinary_mp4(out)
    assert playable.offset_ms < 100
    light = [f + playable.offset_ms / 1000 for f in flashes([out])]
    assert [round(f) for f in light] == [5, 6, 7, 8]
    assert max(abs(f - 0.04 - round(f)) for f in light) <= 0.05


async def test_sound_that_joins_late_is_preceded_by_silence(studio: Studio) -> None:
    publisher = Publisher(studio.start + 0.5)
    publisher.pause("audio", studio.start + 4.5)
    await studio.record(publisher, 8.5)
    out, playable = await studio.copy()
    assert_sound_is_unbroken(out)
    assert_at_their_seconds(out, playable, set(range(1, 9)), set(range(5, 9)))


async def test_sound_alone_is_playable(studio: Studio) -> None:
    await studio.record(Publisher(studio.start + 0.5, video=False), 6.5)
    out, playable = await studio.copy()
    assert_ordinary_mp4(out)
    assert_sound_is_unbroken(out)
    assert {round(b + playable.offset_ms / 1000) for b in beeps([out])} == set(range(1, 7))
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["audio"]


async def test_what_is_no_fragment_makes_no_copy(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"nothing of the kind")
    out = tmp_path / "copy.mp4"
    with pytest.raises(BadMedia):
        await make_playable([tmp_path / "bad.mp4"], out)
    with pytest.raises(BadMedia):
        await make_playable([], out)
    assert not out.exists()
    assert not list(tmp_path.glob("*.part"))


async def test_a_poster_shows_the_beginning(studio: Studio) -> None:
    await studio.record(Publisher(studio.start), 5)
    out = studio.root / "poster.jpg"
    await make_poster(studio.files(), out, width=160)
    with Image.open(out) as picture:
        assert (picture.format, picture.size) == ("JPEG", (160, 120))
        assert np.asarray(picture.convert("L")).mean() < 250
    assert not list(studio.root.glob("*.part"))


async def test_without_a_picture_there_is_no_poster(studio: Studio) -> None:
    await studio.record(Publisher(studio.start, video=False), 3)
    out = studio.root / "poster.jpg"
    with pytest.raises(BadMedia):
        await make_poster(studio.files(), out)
    assert not out.exists()


async def test_a_poster_that_takes_too_long_is_given_up(studio: Studio) -> None:
    await studio.record(Publisher(studio.start), 3)
    with pytest.raises(TimeoutError):
        await make_poster(studio.files(), studio.root / "poster.jpg", timeout=0.0)
    assert not list(studio.root.glob("*.part"))
