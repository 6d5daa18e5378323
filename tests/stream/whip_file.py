"""A camera that costs nothing: a few seconds of H.264 and Opus, encoded once, sent again and again by FFmpeg's WHIP muxer.

`python -m tests.stream.whip_file URL TOKEN SECONDS [option=value …]` publishes 640×360 at 30 frames and 800 kb/s, a keyframe
every two seconds: FFmpeg's WHIP makes none when asked.
"""

from __future__ import annotations

import io
import sys
import time
from fractions import Fraction

import av
import numpy as np
from av.packet import Packet

WIDTH, HEIGHT, FPS, BITRATE = 640, 360, 30, 800_000
GROUP = 2 * FPS
_RATE = 48_000
_LOOP_S = 6


def record() -> bytes:
    """The seconds that are sent again and again: bars that wander over a little noise, and a tone, as a Matroska file."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        encoding = {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency", "g": str(GROUP), "sc_threshold": "0"}
        rate = {"b": str(BITRATE), "maxrate": str(BITRATE), "bufsize": str(BITRATE // 2)}
        video = out.add_stream("libx264", rate=FPS, options={**encoding, **rate})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("libopus", rate=_RATE, options={"b": "48000"})
        audio.layout = "stereo"
        noise, tone = np.random.default_rng(7), np.arange(_RATE // FPS)
        for number in range(_LOOP_S * FPS):
            plane = np.full((HEIGHT * 3 // 2, WIDTH), 128, dtype=np.uint8)
            plane[:HEIGHT] = noise.integers(100, 112, (HEIGHT, WIDTH))
            plane[:HEIGHT, (number * 4) % WIDTH : (number * 4) % WIDTH + 60] = 220
            picture = av.VideoFrame.from_ndarray(plane, format="yuv420p")
            picture.pts = number
            samples = (np.sin((number * len(tone) + tone) * 2 * np.pi * 440 / _RATE) * 8000).astype(np.int16)
            sound = av.AudioFrame.from_ndarray(np.repeat(samples, 2)[None, :], format="s16", layout="stereo")
            sound.sample_rate, sound.pts = _RATE, number * len(tone)
            out.mux(video.encode(picture))
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return file.getvalue()


def send(url: str, token: str, seconds: float, options: dict[str, str]) -> None:
    """At the pace of a camera, for that long."""
    file = record()
    loop = _read(file)
    with (
        av.open(io.BytesIO(file), "r") as source,
        av.open(url, "w", "whip", options={"authorization": token, **options}) as out,
    ):
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        began = time.monotonic()
        for number in range(int(seconds * len(loop) / _LOOP_S)):
            turn, place = divmod(number, len(loop))
            index, data, pts, time_base, is_keyframe = loop[place]
            at = float(pts * time_base) + turn * _LOOP_S
            time.sleep(max(0.0, began + at - time.monotonic()))
            packet = Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = streams[index], time_base, is_keyframe
            packet.pts = packet.dts = pts + round(turn * _LOOP_S / time_base)
            out.mux(packet)


def _read(file: bytes) -> list[tuple[int, bytes, int, Fraction, bool]]:
    """Each packet's stream, content, time, the unit of that, and whether it is a keyframe; in the order of time.

    Sound that lies before the first picture or after the last (Opus begins early, ends late) would overlap in the next round.
    """
    with av.open(io.BytesIO(file), "r") as source:
        timed = [(p, p.pts, p.time_base) for p in source.demux() if p.pts is not None and p.time_base is not None]
        inside = [(p, pts, unit) for p, pts, unit in timed if 0 <= pts * unit < _LOOP_S]
        return [(p.stream.index, bytes(p), pts, unit, p.is_keyframe) for p, pts, unit in inside]


if __name__ == "__main__":
    send(sys.argv[1], sys.argv[2], float(sys.argv[3]), dict(option.split("=", 1) for option in sys.argv[4:]))
