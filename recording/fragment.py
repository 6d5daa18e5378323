"""One fragment as a file: a self-contained fragmented MP4 whose decode times (tfdt) are media time, not zero.

PyAV does it cleanly with `frag_discont` (keeps absolute times), no edit lists and no shifting of negative times; `frag_custom`
puts everything into one moof. Streams cannot be added by codec name for want of extradata, so they are made from templates: an
in-memory keyframe, and a tiny Ogg whose pre-skip is 0 so that no priming moves the sound.
"""

from __future__ import annotations

import io
import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

VIDEO_RATE = 90_000  # both time bases are the RTP clocks, so that no time is rounded twice
AUDIO_RATE = 48_000
_MUX_OPTIONS = {
    "movflags": "+empty_moov+default_base_moof+frag_custom+frag_discont",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
}
_TEMPLATES = 16
_MOST_PIXELS = 4096 * 2304  # level 5.1; what claims more costs every reviewer's machine, not only ours


class BadMedia(Exception):  # noqa: N818 - it names the media, as the feed's reason does
    """What the publisher sent cannot be put into a file; the next fragment may fare better."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One access unit or sound packet: `at` and `duration` in its track's rate, on the media time axis."""

    at: int
    duration: int
    data: bytes
    keyframe: bool = True


@dataclass(frozen=True, slots=True)
class Hole:
    """What never arrived, in media ms; the picture held its last frame, the sound was silent."""

    track: str
    from_ms: int
    to_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Media:
    """What a fragment will hold. `keyframe` is an access unit the picture's parameters can be read from, not written.

    `recorded_ms` is the media time up to which every announced track is recorded, None while one of them never was.
    """

    video: Sequence[Sample] = ()
    audio: Sequence[Sample] = ()
    parameters: bytes = b""
    keyframe: bytes = b""
    holes: Sequence[Hole] = ()
    recorded_ms: int | None = None

    @property
    def size(self) -> int:
        """Bytes of all samples."""
        return sum(len(sample.data) for track in (self.video, self.audio) for sample in track)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a fragment holds, from its samples or from its file alike. Times in media ms."""

    start_ms: int
    end_ms: int
    video: dict[str, Any] | None  # codec, width, height, keyframe: whether it starts with one
    audio: dict[str, Any] | None  # codec


@dataclass(frozen=True, slots=True)
class _Template:
    container: InputContainer
    width: int = 0
    height: int = 0


class Muxer:
    """Makes files of media. Remembers the pictures' templates; one thread uses it."""

    def __init__(self) -> None:
        self._templates: OrderedDict[bytes, _Template] = OrderedDict()
        self._opus = _Template(_open(_ogg(), "ogg"))

    def mux(self, media: Media) -> tuple[bytes, Contents]:
        """The file's bytes and what they hold. Raises BadMedia when FFmpeg does not accept what was sent."""
        try:
            return self._mux(media)
        except (av.FFmpegError, ValueError, IndexError) as error:
            raise BadMedia(str(error)) from error

    def _mux(self, media: Media) -> tuple[bytes, Contents]:
        buffer = io.BytesIO()
        packets: list[tuple[float, av.Packet[Any]]] = []
        video = audio = None
        with av.open(buffer, "w", format="mp4", options=_MUX_OPTIONS) as container:
            if media.video:
                template = self._picture(media)
                video = {
                    "codec": "h264",
                    "width": template.width,
                    "height": template.height,
                    "keyframe": media.video[0].keyframe,
                }
                stream: Any = container.add_stream_from_template(template.container.streams.video[0])
                packets += _packets(stream, media.video, VIDEO_RATE)
            if media.audio:
                audio = {"codec": "opus"}
                stream = container.add_stream_from_template(self._opus.container.streams.audio[0])
                packets += _packets(stream, media.audio, AUDIO_RATE)
            packets.sort(key=lambda item: item[0])
            for _, packet in packets:
                container.mux_one(packet)
        spans = [(track[0].at / rate, _end(track) / rate) for track, rate in _tracks(media)]
        start, end = min(span[0] for span in spans), max(span[1] for span in spans)
        return buffer.getvalue(), Contents(_ms(start), _ms(end), video, audio)

    def _picture(self, media: Media) -> _Template:
        template = self._templates.get(media.parameters)
        if template is None:
            # Nothing is decoded: the sizes stand in the parameter sets, and a picture's buffers are as large as those say.
            opened = _open(media.keyframe, "h264", skip_frame="all")
            stream = opened.streams.video[0]
            if not stream.width or not stream.height:
                raise BadMedia("the picture's parameter sets cannot be read")
            if stream.width * stream.height > _MOST_PIXELS:
                raise BadMedia(f"the picture is too large: {stream.width} x {stream.height}")
            template = self._templates[media.parameters] = _Template(opened, stream.width, stream.height)
            if len(self._templates) > _TEMPLATES:
                self._templates.popitem(last=False)[1].container.close()
        self._templates.move_to_end(media.parameters)
        return template


def describe(path: Path) -> Contents:
    """What a fragment's file holds, read back from it. Raises BadMedia for a file that is no fragment of ours."""
    spans: list[tuple[float, float]] = []
    video: dict[str, Any] | None = None
    audio: dict[str, Any] | None = None
    try:
        with av.open(str(path)) as container:
            for packet in container.demux():
                if packet.pts is None:
                    continue
                base = float(packet.time_base)
                spans.append((packet.pts * base, (packet.pts + (packet.duration or 0)) * base))
                stream = packet.stream
                if isinstance(stream, VideoStream) and video is None:
                    video = {"codec": "h264", "width": stream.width, "height": stream.height, "keyframe": packet.is_keyframe}
                elif isinstance(stream, AudioStream) and audio is None:
                    audio = {"codec": "opus"}
    except (av.FFmpegError, ValueError) as error:
        raise BadMedia(str(error)) from error
    if not spans:
        raise BadMedia("the file holds no samples")
    return Contents(_ms(min(s for s, _ in spans)), _ms(max(e for _, e in spans)), video, audio)


def _tracks(media: Media) -> list[tuple[Sequence[Sample], int]]:
    return [(track, rate) for track, rate in ((media.video, VIDEO_RATE), (media.audio, AUDIO_RATE)) if track]


def _end(track: Sequence[Sample]) -> int:
    return track[-1].at + track[-1].duration


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _packets(stream: Any, samples: Sequence[Sample], rate: int) -> list[tuple[float, av.Packet[Any]]]:
    base = stream.time_base = Fraction(1, rate)
    packets = []
    for sample in samples:
        packet: av.Packet[Any] = av.Packet(sample.data)
        packet.stream = stream
        packet.time_base = base
        packet.pts = packet.dts = sample.at
        packet.duration = sample.duration
        packet.is_keyframe = sample.keyframe
        packets.append((sample.at / rate, packet))
    return packets


def _open(data: bytes, kind: str, **options: str) -> InputContainer:
    """Opens what is in memory; `options` are the decoder's."""
    return av.open(io.BytesIO(data), "r", format=kind, options=options)


def _ogg() -> bytes:
    """The shortest Ogg Opus (RFC 7845) that FFmpeg opens: stereo, 48 kHz, pre-skip 0, one packet of silence."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 0, AUDIO_RATE, 0, 0)
    tags = b"OpusTags" + bytes(8)
    return _page(head, 2, 0, 0) + _page(tags, 0, 0, 1) + _page(b"\xf8\xff\xfe", 4, 960, 2)


def _page(payload: bytes, flags: int, granule: int, number: int) -> bytes:
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, granule, 1, number)
    tail = bytes([1, len(payload)]) + payload
    return head + struct.pack("<I", _crc(head + bytes(4) + tail)) + tail


def _crc(data: bytes) -> int:
    """Ogg's CRC-32 (RFC 3533 6): polynomial 0x04c11db7, not reflected, so zlib's does not fit."""
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x104C11DB7 if value & 0x80000000 else 0)
    return value
