"""A publisher that is not there: real H.264 with a flash, real Opus with a beep at every full second, RTP over a bad network.

Time is simulated: packets carry the `arrival` they would have had, nobody waits.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType

from stream.sink import PacketSink

MTU = 1200
FLASH_S = 0.1


class MemoryFeed:
    """A feed that keeps its records in memory; `refuse` makes it raise as a full disk would."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.refuse = False
        self._lock = threading.Lock()

    def append(self, kind: str, data: dict[str, Any]) -> int:
        with self._lock:
            if self.refuse:
                raise OSError(28, "No space left on device")
            self.records.append((kind, data))
            return len(self.records)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for name, data in self.records if name == kind]

    @property
    def kinds(self) -> list[str]:
        return [name for name, _ in self.records]


class Camera:
    """Encodes one frame after the other; `keyframe` makes the next one stand alone."""

    def __init__(self, width: int = 320, height: int = 240, rate: int = 30) -> None:
        self.width, self.height = width, height
        self._encoder = av.CodecContext.create("libx264", "w")
        self._encoder.width, self._encoder.height = width, height
        self._encoder.pix_fmt = "yuv420p"
        self._encoder.time_base = Fraction(1, 90_000)
        self._encoder.framerate = Fraction(rate)
        # As Chromium's encoder: no B-frames, no keyframe unless asked for, parameter sets with each of them.
        self._encoder.options = {
            "preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "g": "100000",
            "x264-params": "scenecut=0:repeat-headers=1:annexb=1",
        }  # fmt: skip
        self._noise = np.random.default_rng(7)

    def encode(self, capture: float, pts: int, keyframe: bool) -> bytes:
        flash = (capture + 1e-4) % 1.0 < FLASH_S
        picture = np.full((self.height, self.width, 3), 230 if flash else 20, np.uint8)
        picture[:40, :40] = self._noise.integers(0, 255, (40, 40, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, Fraction(1, 90_000)
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))


class Microphone:
    """Encodes 20 ms after the other; a beep of 1 kHz with every flash."""

    def __init__(self) -> None:
        self._encoder = av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate = 48_000
        self._encoder.layout = "mono"
        self._encoder.format = "s16"
        self._encoder.time_base = Fraction(1, 48_000)
        self._encoder.options = {"frame_duration": "20", "application": "lowdelay"}
        self._at = 0

    def encode(self, capture: float) -> bytes:
        moments = capture + np.arange(960) / 48_000
        sound = np.where((moments + 1e-4) % 1.0 < FLASH_S, 20_000 * np.sin(2 * np.pi * 1000 * moments), 0)
        frame = av.AudioFrame.from_ndarray(sound.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._at, Fraction(1, 48_000)
        self._at += 960
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))


def nal_units(annexb: bytes) -> list[bytes]:
    """The NAL units of an Annex B stream."""
    parts = annexb.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    return [part for part in parts if part]


def packetise(annexb: bytes, mtu: int = MTU, *, aggregate: bool = True) -> list[tuple[bytes, bool]]:
    """RFC 6184 mode 1 as Chromium does it: parameter sets in a STAP-A, large units in FU-A. (payload, marker) each."""
    units = nal_units(annexb)
    small = [unit for unit in units if aggregate and unit[0] & 0x1F in (7, 8)]
    payloads: list[bytes] = []
    if small:
        payloads.append(bytes([24 | 0x60]) + b"".join(len(unit).to_bytes(2, "big") + unit for unit in small))
    for unit in units:
        if unit in small:
            continue
        if len(unit) <= mtu:
            payloads.append(unit)
            continue
        body, size = unit[1:], mtu - 2
        parts = [body[i : i + size] for i in range(0, len(body), size)]
        for i, part in enumerate(parts):
            flags = (0x80 if i == 0 else 0) | (0x40 if i == len(parts) - 1 else 0)
            payloads.append(bytes([(unit[0] & 0xE0) | 28, flags | (unit[0] & 0x1F)]) + part)
    return [(payload, i == len(payloads) - 1) for i, payload in enumerate(payloads)]


@dataclass(order=True)
class Delivery:
    """A packet, or a report, on its way."""

    arrival: float
    number: int
    hand_over: Callable[[], None] = field(compare=False)


@dataclass
class Network:
    """What happens to packets on the way. Figures are seconds and probabilities."""

    video_delay: float = 0.06  # encoding a picture takes longer than sound
    audio_delay: float = 0.02
    jitter: float = 0.01
    duplicate: float = 0.0
    late: float = 0.0  # overtaken by others
    lose: Callable[[str, int, float], bool] = lambda *_: False


class Publisher:
    """Sends from Unix time `start`; its own clock is `skew_s` off and runs `ppm` too fast."""

    def __init__(
        self, start: float, *, network: Network | None = None, video: bool = True, audio: bool = True, reports: bool = True,
        skew_s: float = 3.0, ppm: float = 0.0, seed: int = 1, camera: Camera | None = None, answers: bool = True,
    ) -> None:  # fmt: skip
        self.now = start
        self.keyframes_asked = 0
        self.camera = camera or Camera()
        self._start = start
        self._network = network or Network()
        self.every = {"audio": 0.02, "video": 1 / 30}  # seconds from one packet or picture to the next; sound stays 20 ms long
        self._kinds = [kind for kind, wanted in (("audio", audio), ("video", video)) if wanted]
        self.packetise: Callable[[bytes], list[tuple[bytes, bool]]] = packetise
        self._reports = reports
        self._skew_s, self._ppm = skew_s, ppm
        self._answers = answers
        self._random = random.Random(seed)  # noqa: S311 - the same bad network each time
        self._microphone = Microphone()
        self._wire: list[Delivery] = []
        self._count = itertools.count()
        self._sequence = {"audio": 65_500, "video": 65_000}  # both wrap soon
        self._base = {"audio": 2**32 - 90_000, "video": 2**32 - 200_000}
        self._rate = {"audio": 48_000, "video": 90_000}
        self._due = dict.fromkeys(self._kinds, start)
        self._report_due = start + 1.0
        self._keyframe = True
        self.sink: PacketSink | None = None

    def request_keyframe(self) -> None:
        self.keyframes_asked += 1
        self._keyframe = self._keyframe or self._answers

    def attach(self, sink: PacketSink) -> None:
        self.sink = sink
        for kind in self._kinds:
            sink.track(kind, *(("H264", 90_000) if kind == "video" else ("opus", 48_000)))  # type: ignore[arg-type]

    def pause(self, kind: str, until: float) -> None:
        """Sends nothing of that kind before `until`."""
        self._due[kind] = until

    def run(self, until: float, each: Callable[[float], None] = lambda _: None) -> None:
        """Captures, sends and delivers until Unix time `until`; `each` is called every 10 ms."""
        while self.now < until:
            self.now += 0.01
            for kind in self._kinds:
                while self._due[kind] <= self.now:
                    self._capture(kind, self._due[kind])
                    self._due[kind] += self.every[kind]
            if self._reports and self._report_due <= self.now:
                self._send_reports(self._report_due)
                self._report_due += 1.0
            self._deliver()
            each(self.now)

    def drain(self) -> None:
        """Delivers what is still on its way."""
        self.now += 1.0
        self._deliver()

    def _timestamp(self, kind: str, capture: float) -> int:
        own = (capture - self._start) * (1 + self._ppm * 1e-6)
        return (self._base[kind] + round(own * self._rate[kind])) % 2**32

    def _capture(self, kind: str, capture: float) -> None:
        timestamp = self._timestamp(kind, capture)
        if kind == "audio":
            packets = [(self._microphone.encode(capture), True)]
        else:
            packets = self.packetise(self.camera.encode(capture, round((capture - self._start) * 90_000), self._keyframe))
            self._keyframe = False
        delay = self._network.audio_delay + 0.02 if kind == "audio" else self._network.video_delay
        for i, (payload, marker) in enumerate(packets):
            self._send(kind, payload, timestamp, marker, capture, capture + delay + 0.0003 * i)

    def _send(self, kind: str, payload: bytes, timestamp: int, marker: bool, capture: float, sent: float) -> None:
        number = self._sequence[kind] = self._sequence[kind] + 1
        network = self._network
        if network.lose(kind, number, capture) or not payload:
            return
        times = 2 if self._random.random() < network.duplicate else 1
        for _ in range(times):
            arrival = sent + self._random.random() * network.jitter
            if self._random.random() < network.late:
                arrival += 0.08

            def hand_over(arrival: float = arrival) -> None:
                assert self.sink is not None
                self.sink.rtp(kind, payload, timestamp=timestamp, sequence=number % 65_536, marker=marker, arrival=arrival)  # type: ignore[arg-type]

            heapq.heappush(self._wire, Delivery(arrival, next(self._count), hand_over))

    def _send_reports(self, moment: float) -> None:
        own = self._start + (moment - self._start) * (1 + self._ppm * 1e-6) + self._skew_s
        for kind in self._kinds:
            timestamp = self._timestamp(kind, moment)

            def hand_over(kind: str = kind, timestamp: int = timestamp) -> None:
                assert self.sink is not None
                self.sink.sender_report(kind, ntp=own, timestamp=timestamp, arrival=moment + 0.03)  # type: ignore[arg-type]

            heapq.heappush(self._wire, Delivery(moment + 0.03, next(self._count), hand_over))

    def _deliver(self) -> None:
        while self._wire and self._wire[0].arrival <= self.now:
            heapq.heappop(self._wire).hand_over()


def flashes(files: Iterable[Path]) -> list[float]:
    """When the picture turns bright, in the files' own seconds."""
    out: list[float] = []
    dark = False
    for when, frame in _frames(files, "video"):
        bright = float(frame.to_ndarray(format="gray")[60:].mean()) > 128
        if bright and dark:
            out.append(when)
        dark = not bright
    return out


def beeps(files: Iterable[Path]) -> list[float]:
    """When the beep starts, in the files' own seconds."""
    out: list[float] = []
    quiet_since = None
    for when, frame in _frames(files, "audio"):
        sound = np.abs(frame.to_ndarray().astype(np.float64)[0])
        scale = 1.0 if sound.max(initial=0) <= 2 else 32_768.0
        for i in range(0, len(sound), 48):
            moment = when + i / 48_000
            if sound[i : i + 48].max() / scale > 0.2:
                if quiet_since is None or moment - quiet_since > 0.3:
                    out.append(moment)
                quiet_since = moment
    return out


def _frames(files: Iterable[Path], kind: str) -> Iterator[tuple[float, Any]]:
    """Decoded frames of all files as one stream; fragments share one decoder, as a player that appends them would."""
    decoder = None
    for file in files:
        with av.open(str(file)) as container:
            stream: Any = next((s for s in container.streams if s.type == kind), None)
            if stream is None:
                continue
            if decoder is None or kind == "video":
                decoder = stream.codec_context
            for packet in container.demux(stream):
                for frame in decoder.decode(packet if packet.size else None) if kind == "video" else _decoded(decoder, packet):
                    assert frame.pts is not None
                    yield float(frame.pts * stream.time_base), frame


def _decoded(decoder: Any, packet: Any) -> Sequence[Any]:
    return decoder.decode(packet) if packet.size else ()


def tfdt(data: bytes) -> list[int]:
    """The decode times of all track fragments in an MP4, in their tracks' units."""
    return [
        int.from_bytes(body[4:12], "big") if body[0] else int.from_bytes(body[4:8], "big")
        for kind, body in boxes(data)
        if kind == "tfdt"
    ]


def boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """All boxes of an MP4, outer before inner."""
    at = 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8].decode("latin1")
        body = data[at + 8 : at + size]
        yield kind, body
        if kind in {"moov", "trak", "mdia", "minf", "stbl", "moof", "traf", "mvex", "edts"}:
            yield from boxes(body)
        at += max(size, 8)
