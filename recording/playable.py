"""The playable copy: one progressive MP4 of a stream's fragments, derived without re-encoding.

Position in the copy is (media ms - offset) / 1000 everywhere. Browsers play a file's sound by counting samples, not by its
time stamps (Chromium's AudioClock), so every hole in the sound is filled with silence and the sound's times are one unbroken
count; the picture simply holds its last frame. After a hole the picture starts again at a keyframe, whose in-band parameter
sets also carry a change of size. The fragments stay the evidence: this is a convenience that can be made again.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from recording.assembly import opus_samples
from recording.fragment import AUDIO_RATE, VIDEO_RATE, BadMedia

SILENCE = {960: b"\xf8\xff\xfe", 120: b"\xe0\xff\xfe"}  # CELT, full band: 20 ms and 2.5 ms of it
TOLERANCE = 720  # 15 ms: sound this far off is set right; less is the slewing of clocks and stays untouched
HOLE = VIDEO_RATE // 4  # a picture that starts without a keyframe after such a hole can't be decoded
LEAD_S = 1.0  # sound before the first keyframe: up to here it is left out, so that the copy starts with a picture
AHEAD = AUDIO_RATE  # silence is written when the sound is 1 s behind the picture, which keeps the file interleaved


@dataclass(frozen=True, slots=True)
class Playable:
    """What was made: `offset_ms` is the media time of position 0, `duration_ms` the length."""

    offset_ms: int
    duration_ms: int


async def make_playable(fragments: Sequence[Path], out: Path) -> Playable:
    """Makes `out` from a stream's fragments, given in the order of their time. Works in a thread; cancelling stops it.

    `out` appears complete or not at all. Raises BadMedia for fragments that hold nothing to play, OSError from the disk.
    """
    stop = threading.Event()
    try:
        return await asyncio.to_thread(_make, fragments, out, stop)
    finally:
        stop.set()


def _make(fragments: Sequence[Path], out: Path, stop: threading.Event) -> Playable:
    part = out.with_name(out.name + ".part")
    try:
        playable = _remux(fragments, part, stop)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(out)
    except (av.FFmpegError, ValueError) as error:
        raise BadMedia(str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    return playable


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sample of a fragment: `at` and `duration` in its track's rate.

    Its bytes are copied: PyAV's packets point into their container, and reading one whose container is closed is a crash.
    """

    video: bool
    at: int
    duration: int
    keyframe: bool
    data: bytes

    @property
    def seconds(self) -> float:
        return self.at / (VIDEO_RATE if self.video else AUDIO_RATE)


def _remux(fragments: Sequence[Path], part: Path, stop: threading.Event) -> Playable:
    start = _start(fragments)
    with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        copy = _Copy(container, start)
        for fragment in fragments:
            if stop.is_set():
                raise BadMedia("making the copy was cancelled")
            for piece in sorted(_pieces(fragment), key=lambda piece: piece.seconds):
                copy.add(piece)
        copy.finish()
    return Playable(round(start.offset * 1000), round(copy.end * 1000))


@dataclass(frozen=True, slots=True)
class _Start:
    """Where the copy begins (media seconds) and which fragments tell what its tracks are."""

    offset: float
    video: Path | None
    audio: Path | None


def _start(fragments: Sequence[Path]) -> _Start:
    """Looks at fragments until both tracks are found: usually the first one has them."""
    video = audio = None
    keyframe: float | None = None
    sound: float | None = None
    for fragment in fragments:
        for piece in _pieces(fragment):
            if piece.video and video is None and piece.keyframe:
                video, keyframe = fragment, piece.seconds
            elif not piece.video and audio is None:
                audio, sound = fragment, piece.seconds
        if video and audio:
            break
    if keyframe is not None and (sound is None or keyframe < sound + LEAD_S):
        return _Start(keyframe, video, audio)
    if sound is None:
        raise BadMedia("the fragments hold nothing to play")
    return _Start(sound, video, audio)


def _pieces(fragment: Path) -> Iterator[_Piece]:
    with av.open(str(fragment)) as container:
        for packet in container.demux():
            if packet.pts is None:
                continue
            video = packet.stream.type == "video"
            rate = VIDEO_RATE if video else AUDIO_RATE
            at, length = packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base
            yield _Piece(video, round(at * rate), round(length * rate), packet.is_keyframe, bytes(packet))


class _Copy:
    """The file being written. `end` is its length so far in seconds."""

    def __init__(self, container: OutputContainer, start: _Start) -> None:
        self._container = container
        self._video = self._stream(start.video, "video", VIDEO_RATE)
        self._audio = self._stream(start.audio, "audio", AUDIO_RATE)
        self._video_from = round(start.offset * VIDEO_RATE)
        self._audio_from = round(start.offset * AUDIO_RATE)
        self._held: _Piece | None = None  # the last picture: how long it stands is known when the next one comes
        self._sounded = 0  # samples written
        self._decodable_to: int | None = None  # where the picture's chain of references ends
        self.end = 0.0

    def _stream(self, source: Path | None, kind: str, rate: int) -> Any:
        if source is None:
            return None
        with av.open(str(source)) as template:
            stream: Any = self._container.add_stream_from_template(next(s for s in template.streams if s.type == kind))
        stream.time_base = Fraction(1, rate)
        return stream

    def add(self, piece: _Piece) -> None:
        """Takes the next packet of either track."""
        if piece.video:
            self._add_picture(piece)
        else:
            self._add_sound(piece)

    def finish(self) -> None:
        """Writes the last picture."""
        if self._held is not None:
            held = self._held
            at = held.at - self._video_from
            self._mux(self._video, held, at, held.duration)
            self.end = max(self.end, (at + held.duration) / VIDEO_RATE)
        self.end = max(self.end, self._sounded / AUDIO_RATE)

    def _add_picture(self, piece: _Piece) -> None:
        broken = self._decodable_to is None or piece.at - self._decodable_to > HOLE
        if broken and not piece.keyframe:
            return
        self._decodable_to = piece.at + piece.duration
        at = piece.at - self._video_from
        held = self._held
        if at < 0:
            return
        if held is not None:
            before = held.at - self._video_from
            # A publisher that came back overlaps the one it replaced; its pictures refer to each other, so none is left out.
            at = max(at, before + 1)
            self._mux(self._video, held, before, at - before)
        self._held = replace(piece, at=at + self._video_from)
        behind = at * AUDIO_RATE // VIDEO_RATE - self._sounded
        if self._audio is not None and behind > 2 * AHEAD:
            self._silence(behind - AHEAD)

    def _add_sound(self, piece: _Piece) -> None:
        at = piece.at - self._audio_from
        if at - self._sounded > TOLERANCE:
            self._silence(at - self._sounded)
        if at < 0 or self._sounded - at > TOLERANCE:
            return
        duration = opus_samples(piece.data)  # in the fragment it may be said to last until the next one
        self._mux(self._audio, piece, self._sounded, duration)
        self._sounded += duration

    def _silence(self, samples: int) -> None:
        for size, data in SILENCE.items():
            for _ in range(samples // size):
                self._mux(self._audio, _Piece(False, 0, size, True, data), self._sounded, size)
                self._sounded += size
            samples %= size

    def _mux(self, stream: Any, piece: _Piece, at: int, duration: int) -> None:
        packet: av.Packet[Any] = av.Packet(piece.data)
        packet.is_keyframe = piece.keyframe
        packet.stream = stream
        packet.time_base = stream.time_base
        packet.pts = packet.dts = at
        packet.duration = duration
        self._container.mux_one(packet)
