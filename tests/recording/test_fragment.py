"""A fragment's file stands alone, keeps media time as it is, and says of itself what its event says."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recording.assembly import START_CODE
from recording.fragment import BadMedia, Media, Muxer, Sample, describe
from tests.recording.synthetic import Camera, boxes, nal_units, tfdt

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def shots() -> list[bytes]:
    camera = Camera()
    return [camera.encode(i / 30, i * 3000, keyframe=i == 0) for i in range(30)]


def _media(shots: list[bytes], first_ms: int, sound_ms: int) -> Media:
    video = [Sample(first_ms * 90 + i * 3000, 3000, shot, keyframe=i == 0) for i, shot in enumerate(shots)]
    audio = [Sample(sound_ms * 48 + i * 960, 960, b"\xf8\xff\xfe") for i in range(50)]
    parameters = b"".join(START_CODE + unit for unit in nal_units(shots[0]) if unit[0] & 0x1F in (7, 8))
    return Media(video, audio, parameters, shots[0])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, DAY_MS), st.integers(-900, 900))
def test_media_time_is_kept_whatever_it_is(tmp_path: Path, shots: list[bytes], first_ms: int, apart: int) -> None:
    sound_ms = max(0, first_ms + apart)
    data, contents = Muxer().mux(_media(shots, first_ms, sound_ms))
    file = tmp_path / "fragment.mp4"
    file.write_bytes(data)
    assert tfdt(data) == [first_ms * 90, sound_ms * 48]
    assert "elst" not in [kind for kind, _ in boxes(data)]
    assert describe(file) == contents
    assert contents.start_ms == min(first_ms, sound_ms)
    assert contents.end_ms == max(first_ms, sound_ms) + 1000


def test_each_sample_comes_back_as_it_was(tmp_path: Path, shots: list[bytes]) -> None:
    media = _media(shots, 3_600_000, 3_600_007)
    file = tmp_path / "fragment.mp4"
    file.write_bytes(Muxer().mux(media)[0])
    with av.open(str(file)) as container:
        video = [packet for packet in container.demux(video=0) if packet.pts is not None]
    with av.open(str(file)) as container:
        audio = [packet for packet in container.demux(audio=0) if packet.pts is not None]
    assert [(p.pts, p.dts, p.duration, p.is_keyframe) for p in video] == [
        (s.at, s.at, s.duration, s.keyframe) for s in media.video
    ]
    assert [(p.pts, p.duration, bytes(p)) for p in audio] == [(s.at, s.duration, s.data) for s in media.audio]
    with av.open(str(file)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 30
    assert frames[0].time == 3600.0


def test_a_fragment_that_starts_without_a_keyframe_says_so(tmp_path: Path, shots: list[bytes]) -> None:
    whole = _media(shots, 0, 0)
    rest = Media(whole.video[10:], (), whole.parameters, whole.keyframe)
    data, contents = Muxer().mux(rest)
    (tmp_path / "f.mp4").write_bytes(data)
    assert contents.video == {"codec": "h264", "width": 320, "height": 240, "keyframe": False}
    assert describe(tmp_path / "f.mp4") == contents


def test_what_is_no_picture_is_bad_media() -> None:
    nonsense = START_CODE + b"\x67\xff\xff" + START_CODE + b"\x68\xff" + START_CODE + b"\x65\x00"
    with pytest.raises(BadMedia):
        Muxer().mux(Media([Sample(0, 3000, nonsense)], (), nonsense, nonsense))


def test_a_picture_larger_than_any_camera_makes_is_refused_before_it_costs_anything() -> None:
    shot = Camera(4096, 2320).encode(0.0, 0, keyframe=True)
    with pytest.raises(BadMedia, match="4096 x 2320"):
        Muxer().mux(Media([Sample(0, 3000, shot)], (), b"its parameters", shot))


def test_what_is_no_fragment_is_bad_media(tmp_path: Path) -> None:
    (tmp_path / "f.mp4").write_bytes(b"nothing of the kind")
    with pytest.raises(BadMedia):
        describe(tmp_path / "f.mp4")


def test_templates_of_many_sizes_are_bounded() -> None:
    muxer = Muxer()
    for width in range(64, 64 + 40 * 16, 16):
        shot = Camera(width, 64).encode(0.0, 0, keyframe=True)
        parameters = b"".join(nal_units(shot)[:2])
        contents = muxer.mux(Media([Sample(0, 3000, shot)], (), parameters, shot))[1]
        assert contents.video is not None
        assert contents.video["width"] == width
    assert len(muxer._templates) <= 16
