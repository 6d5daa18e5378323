"""A show's packets, made beforehand: real H.264 and Opus whose packets all have one size, as the figures per packet need. Pure.

Every frame is five RTP packets: a slice in five fragments (FU-A) as Chromium sends it, or, where a group begins, its parameter
sets in one aggregate (STAP-A) and the picture in four fragments. Zero bytes after a NAL unit (RFC 6184 hands them on, Annex B
calls them trailing_zero_8bits) and a filler unit level the sizes; decoders pass over both.
"""

from __future__ import annotations

import fractions
import struct

import av
import numpy as np

FPS = 30
GROUP = 90
PACKETS_A_FRAME = 5
# With 150 video and 50 audio packets a second: a show of 1.5 Mb/s.
VIDEO_BYTES = 1200
AUDIO_BYTES = 120
PROFILE = "42e01f"
WIDTH, HEIGHT = 640, 360
_SEI, _SPS, _PPS, _IDR, _SLICE, _AUD = 6, 7, 8, 5, 1, 9
_FILLER = 12
_STAP_A, _FU_A = 24, 28
_IMPORTANCE = 0x60
_SIZE = struct.Struct("!H")


def group(size: int = VIDEO_BYTES) -> list[list[bytes]]:
    """Three seconds of a moving picture that begin with a keyframe: for each frame, its RTP payloads of `size` bytes."""
    return [packetise(units, size) for units in _encode(PACKETS_A_FRAME - 1, size)]


def opus(size: int = AUDIO_BYTES) -> bytes:
    """20 ms of silence whose last bytes are free: an Opus packet of code 3 with padding (RFC 6716 section 3.2.5)."""
    head, frame = bytes((0xF8 | 3, 0x40 | 1)), b"\xff\xfe"
    padding = size - len(head) - 1 - len(frame)
    return head + bytes((padding,)) + frame + bytes(padding)


def packetise(units: list[bytes], size: int, count: int = PACKETS_A_FRAME) -> list[bytes]:
    """The NAL units of one frame as exactly `count` payloads of `size` bytes. Raises ValueError for one that does not fit."""
    *before, picture = units
    head = [_aggregate(before, size)] if before else []
    fragments, room = count - len(head), size - 2
    if len(picture) - 1 > fragments * room:
        raise ValueError(f"a unit of {len(picture)} bytes in {fragments} packets of {size}")
    body = picture[1:].ljust(fragments * room, b"\0")
    indicator, kind = (picture[0] & 0xE0) | _FU_A, picture[0] & 0x1F
    for n in range(fragments):
        flags = 0x80 if n == 0 else 0x40 if n == fragments - 1 else 0
        head.append(bytes((indicator, flags | kind)) + body[n * room : (n + 1) * room])
    return head


def _aggregate(units: list[bytes], size: int) -> bytes:
    data = bytes((_IMPORTANCE | _STAP_A,)) + b"".join(_SIZE.pack(len(unit)) + unit for unit in units)
    filler = size - len(data) - _SIZE.size
    return data + _SIZE.pack(filler) + bytes((_FILLER,)) + b"\xff" * (filler - 2) + b"\x80"


def _encode(packets: int, size: int) -> list[list[bytes]]:
    """The NAL units of each frame, without what only describes; each frame fits into so many packets."""
    most = packets * (size - 2)
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.bit_rate = most * 8 * FPS * 3 // 4
    encoder.time_base, encoder.framerate, encoder.gop_size = fractions.Fraction(1, FPS), fractions.Fraction(FPS), GROUP
    encoder.options = {
        "preset": "veryfast", "tune": "zerolatency", "profile": "baseline", "level": "31", "threads": "1",
        "maxrate": str(encoder.bit_rate), "bufsize": str(most * 8 * 3 // 4), "sc_threshold": "0",
    }  # fmt: skip
    frames: list[list[bytes]] = []
    for picture in _pictures():
        frames += [_units(bytes(packet)) for packet in encoder.encode(picture)]
    return frames + [_units(bytes(packet)) for packet in encoder.encode(None)]


def _pictures() -> list[av.VideoFrame]:
    """A slope of grey that moves through a little noise: something to code in every frame."""
    noise = np.random.default_rng(7)
    across = np.arange(WIDTH) + np.arange(HEIGHT)[:, None]
    made = []
    for n in range(GROUP):
        plane = np.full((HEIGHT * 3 // 2, WIDTH), 128, dtype=np.uint8)
        plane[:HEIGHT] = (across // 4 + 2 * n) % 160 + 40 + noise.integers(0, 6, (HEIGHT, WIDTH))
        frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
        frame.pts, frame.time_base = n, fractions.Fraction(1, FPS)
        made.append(frame)
    return made


def _units(data: bytes) -> list[bytes]:
    """The NAL units of an Annex B access unit that a decoder needs."""
    units = [unit.rstrip(b"\0") for unit in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]]
    return [unit for unit in units if unit[0] & 0x1F not in (_SEI, _AUD)]
