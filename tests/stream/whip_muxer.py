"""FFmpeg's own WHIP client, as a program of its own: its muxer holds the interpreter while it waits for the answer.

`python -m tests.stream.whip_muxer URL [option=value …]` sends a second of grey picture and silence.
"""

from __future__ import annotations

import sys
import time
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

_FRAMES = 30
_RATE = 48_000


def send(url: str, options: dict[str, str]) -> None:
    with av.open(url, "w", format="whip", options=options) as out:
        encoding = {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency"}
        video = cast("VideoStream", out.add_stream("libx264", rate=_FRAMES, options=encoding))
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        audio = cast("AudioStream", out.add_stream("libopus", rate=_RATE, options={"b": "64000"}))
        audio.layout = "stereo"  # type: ignore[assignment]  # PyAV takes a name
        grey = np.full((270, 320), 128, dtype=np.uint8)
        silence = np.zeros((1, 2 * _RATE // _FRAMES), dtype=np.int16)
        for number in range(_FRAMES):
            picture = av.VideoFrame.from_ndarray(grey, format="yuv420p")
            picture.pts = number
            sound = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
            sound.sample_rate, sound.pts = _RATE, number * _RATE // _FRAMES
            out.mux(video.encode(picture))
            out.mux(audio.encode(sound))
            time.sleep(1 / _FRAMES)


if __name__ == "__main__":
    send(sys.argv[1], dict(option.split("=", 1) for option in sys.argv[2:]))
