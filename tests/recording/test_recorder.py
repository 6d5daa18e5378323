"""Packets of a publisher become fragments that can be read, in sync, on the session's axis, each announced with its hash."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.ids import new_id
from recording.archive import FolderArchive
from recording.cutting import Limits
from recording.recorder import KeyframeAsker, Recorder
from stream.sink import SinkOrder, StreamKey
from tests.recording.studio import EPOCH, Studio
from tests.recording.synthetic import Camera, MemoryFeed, Network, Publisher, beeps, boxes, flashes, tfdt


def assert_whole(studio: Studio) -> None:
    """Every announced fragment is on the disk as announced, and says its own times."""
    before = None
    for data in studio.feed.of("fragment_sealed"):
        content = (studio.root / data["path"]).read_bytes()
        assert len(content) == data["bytes"]
        assert hashlib.sha256(content).hexdigest() == data["sha256"]
        kinds = [kind for kind, _ in boxes(content)]
        assert kinds[:2] == ["ftyp", "moov"]
        assert "elst" not in kinds
        rates = ([90_000] if data["video"] else []) + ([48_000] if data["audio"] else [])
        starts = [at / rate * 1000 for at, rate in zip(tfdt(content), rates, strict=True)]
        assert abs(min(starts) - data["start_ms"]) <= 1
        assert all(isinstance(data[name], int) for name in ("start_ms", "end_ms", "index", "epoch"))
        if before is not None:
            assert data["index"] > before["index"]
            assert data["start_ms"] - before["end_ms"] >= -40
        before = data


def assert_in_sync(files: list[Path], expected: int) -> None:
    light, sound = flashes(files), beeps(files)
    pairs = [(flash, beep) for flash in light for beep in sound if abs(flash - beep) < 0.4]
    assert len(pairs) >= expected
    assert max(abs(flash - beep) for flash, beep in pairs) <= 0.06


@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize("ppm", [0, 150])
async def test_flash_and_beep_stay_together(studio: Studio, reports: bool, ppm: float) -> None:
    network = Network(jitter=0.03, duplicate=0.05, late=0.05)
    publisher = Publisher(studio.start + 1.3, network=network, reports=reports, ppm=ppm, skew_s=-41.0)
    await studio.record(publisher, 15)

    assert_whole(studio)
    assert_in_sync(studio.files, 12)
    sealed = studio.feed.of("fragment_sealed")
    assert all(1_900 <= data["end_ms"] - data["start_ms"] <= 4_000 for data in sealed[:-1])
    assert all(data["video"] == {"codec": "h264", "width": 320, "height": 240, "keyframe": True} for data in sealed)
    assert all(abs(after["start_ms"] - before["end_ms"]) <= 40 for before, after in itertools.pairwise(sealed))
    assert 1_300 <= sealed[0]["start_ms"] <= 1_400
    assert abs(sealed[-1]["end_ms"] - 15_000) < 150
    # A second of the session is a second of the file: the beep is where the wall clock had it, but for the network's delay.
    assert all(abs(beep % 1.0) < 0.08 for beep in beeps(studio.files))
    assert studio.feed.kinds[-1] == "stream_closed"
    closed = studio.feed.of("stream_closed")[0]
    assert closed["fragments"] == len(sealed)
    assert closed["end_ms"] == sealed[-1]["end_ms"]
    assert closed["reason"] == "left"


async def test_reports_put_a_slow_picture_beside_its_sound(studio: Studio) -> None:
    publisher = Publisher(studio.start + 0.2, network=Network(video_delay=0.3, jitter=0.04), skew_s=90.0)
    await studio.record(publisher, 8.9)
    assert_whole(studio)
    assert_in_sync(studio.files, 8)


async def test_a_publisher_slightly_before_the_session_starts_at_0(studio: Studio) -> None:
    await studio.record(Publisher(studio.start - 0.2), 4)
    assert_whole(studio)
    assert studio.feed.of("fragment_sealed")[0]["start_ms"] == 0


async def test_a_loss_freezes_the_picture_until_a_keyframe_and_is_told(studio: Studio) -> None:
    def lose(kind: str, number: int, capture: float) -> bool:
        return kind == "video" and 4.4 < capture - studio.start < 4.5

    publisher = Publisher(studio.start, network=Network(lose=lose))
    await studio.record(publisher, 9)

    assert_whole(studio)
    assert_in_sync(studio.files, 8)
    assert studio.holes("audio") == []
    [hole] = studio.holes("video")
    assert hole["reason"] == "packets_lost"
    assert 4_380 <= hole["from_ms"] <= 4_560
    assert hole["to_ms"] - hole["from_ms"] < 800  # asked for at once


async def test_without_keyframes_the_watermark_moves_all_the_same(studio: Studio) -> None:
    publisher = Publisher(studio.start, answers=False)
    ages: list[float] = []
    sink = studio.sink(publisher)

    def watch(now: float) -> None:
        sink.tick(now)
        ages.append(now - studio.start - sink._cutter.end_ms / 1000)

    publisher.run(studio.start + 12, watch)
    publisher.drain()
    sink.closed("left")
    await studio.recorder.flush()

    assert max(ages) < 5.0
    assert_whole(studio)
    starts = [data["video"]["keyframe"] for data in studio.feed.of("fragment_sealed") if data["video"]]
    assert starts == [True] + [False] * (len(starts) - 1)
    assert len(starts) == 4
    assert 4 < publisher.keyframes_asked < 24
    assert len(flashes(studio.files[:1])) >= 2


async def test_sound_alone_is_cut_by_time(studio: Studio) -> None:
    await studio.record(Publisher(studio.start, video=False), 7)
    assert_whole(studio)
    sealed = studio.feed.of("fragment_sealed")
    assert [round((data["end_ms"] - data["start_ms"]) / 1000, 1) for data in sealed[:-1]] == [2.0, 2.0, 2.0]
    assert all(data["video"] is None and data["audio"] == {"codec": "opus"} for data in sealed)


async def test_picture_alone_is_recorded(studio: Studio) -> None:
    await studio.record(Publisher(studio.start, audio=False), 5)
    assert_whole(studio)
    assert all(data["audio"] is None for data in studio.feed.of("fragment_sealed"))
    assert len(flashes(studio.files)) >= 4


async def test_a_change_of_size_starts_a_fragment(studio: Studio) -> None:
    publisher = Publisher(studio.start)
    sink = studio.sink(publisher)
    publisher.run(studio.start + 3)
    publisher.camera = Camera(640, 480)
    publisher.request_keyframe()
    publisher.run(studio.start + 6)
    publisher.drain()
    sink.closed("left")
    await studio.recorder.flush()

    assert_whole(studio)
    sealed = studio.feed.of("fragment_sealed")
    assert {data["video"]["width"] for data in sealed} == {320, 640}
    change = next(data for data in sealed if data["video"]["width"] == 640)
    assert abs(change["start_ms"] - 3_060) < 60
    assert_in_sync(studio.files, 4)


async def test_a_picture_that_stops_does_not_hold_back_the_sound(studio: Studio, clock: ManualClock) -> None:
    publisher = Publisher(studio.start)
    sink = studio.sink(publisher)
    publisher.run(studio.start + 3)
    asked = publisher.keyframes_asked
    publisher.pause("video", studio.start + 9)
    publisher.run(studio.start + 12)
    publisher.drain()
    sink.closed("lost")
    await studio.recorder.flush()

    assert_whole(studio)
    sealed = studio.feed.of("fragment_sealed")
    assert any(data["video"] is None for data in sealed)
    assert max(data["end_ms"] - data["start_ms"] for data in sealed) <= 4_000
    assert publisher.keyframes_asked > asked
    assert {hole["reason"] for hole in studio.holes("video")} == {"nothing_sent"}
    assert_in_sync(studio.files, 5)


async def test_silence_of_everything_is_written_by_the_tick(studio: Studio, clock: ManualClock) -> None:
    publisher = Publisher(studio.start)
    studio.sink(publisher)
    publisher.run(studio.start + 1)
    clock.advance(5.0)
    studio.recorder.tick()
    await studio.recorder.flush()
    assert len(studio.feed.of("fragment_sealed")) == 1


async def test_names_that_are_no_ids_get_no_sink(studio: Studio) -> None:
    for session, stream in (("../etc", "host"), (studio.session, "../host"), (studio.session, "")):
        with pytest.raises(ValueError, match="no place"):
            studio.recorder.sink_factory(SinkOrder(StreamKey(session, stream), EPOCH, studio.start, lambda: None))


async def test_garbage_in_the_picture_is_a_failed_recording_until_there_is_a_picture(studio: Studio) -> None:
    publisher = Publisher(studio.start, video=False)
    sink = studio.sink(publisher)
    sink.track("video", "H264", 90_000)
    garbage = [b"\x67" + b"\xff" * 9, b"\x68\xff", b"\x65" + b"\x00" * 30]
    for i, nal in enumerate(garbage):
        sink.rtp("video", nal, timestamp=0, sequence=i, marker=i == 2, arrival=studio.start + 0.05)
    sink.tick(studio.start + 0.5)
    publisher.run(studio.start + 8)
    sink.closed("left")
    await studio.recorder.flush()
    assert [data["reason"] for data in studio.feed.of("recording_failed")] == ["media_invalid"]
    assert studio.feed.of("recording_recovered") == []  # by its sound alone
    assert len(studio.feed.of("fragment_sealed")) >= 2
    assert_whole(studio)


def test_keyframes_are_asked_for_often_at_first_and_seldom_later() -> None:
    asked: list[float] = []
    now = 0.0
    asker = KeyframeAsker(lambda: asked.append(now))
    while now < 30.0:
        asker.consider(True, now)
        now += 0.01
    assert 10 <= sum(moment < 6.0 for moment in asked) <= 13
    assert sum(moment >= 6.0 for moment in asked) <= 13


def test_what_waits_in_memory_is_bounded(tmp_path: Path, clock: ManualClock) -> None:
    feed = MemoryFeed()
    recorder = Recorder(FolderArchive(tmp_path, 0), feed, clock, Limits(most_bytes=20_000))
    publisher = Publisher(clock.now().timestamp())
    sink = recorder.sink_factory(
        SinkOrder(StreamKey(new_id("ses"), "host"), EPOCH, clock.now().timestamp(), publisher.request_keyframe)
    )
    publisher.attach(sink)
    publisher.run(clock.now().timestamp() + 3)
    assert sink._cutter._bytes <= 40_000
