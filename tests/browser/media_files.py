"""Camera and microphone files for Chromium's fake devices: a burnt-in timecode, a flash and a beep every two seconds.

The timecode stands in the picture twice: as digits for people, and as a row of black and white blocks that a test reads back
with `READ_TIMECODE`. The flash whitens the upper half for 0.1 s at each even second; the beep is 1 kHz for the same 0.1 s.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, FPS = 640, 360, 30  # Chromium plays Motion JPEG files at 30 frames a second
SECONDS = 90
FLASH_EVERY_S, FLASH_S = 2.0, 0.1
SAMPLE_RATE = 48_000
BITS = 12  # frames up to 4,096
BLOCK = 48
BAR_TOP = 300


@dataclass(frozen=True)
class Devices:
    """The two files a browser is started with."""

    camera: Path
    microphone: Path


def make_devices(folder: Path, name: str, tint: tuple[int, int, int], tone_hz: int = 1000) -> Devices:
    """Writes both files; `tint` tells cameras apart."""
    camera, microphone = folder / f"{name}.mjpeg", folder / f"{name}.wav"
    with camera.open("wb") as file:
        for number in range(SECONDS * FPS):
            _frame(number, tint).save(file, "JPEG", quality=80)
    _beeps(microphone, tone_hz)
    return Devices(camera, microphone)


def _frame(number: int, tint: tuple[int, int, int]) -> Image.Image:
    flashing = (number / FPS) % FLASH_EVERY_S < FLASH_S
    image = Image.new("RGB", (WIDTH, HEIGHT), tint)
    draw = ImageDraw.Draw(image)
    if flashing:
        draw.rectangle((0, 0, WIDTH, HEIGHT // 2), fill="white")
    x = 40 + (number * 6) % (WIDTH - 120)  # something that moves
    draw.ellipse((x, 190, x + 80, 270), fill=tuple(255 - c for c in tint))
    seconds, frame = divmod(number, FPS)
    font = ImageFont.load_default(44)
    draw.text((24, 120), f"{seconds // 60:02}:{seconds % 60:02}:{frame:02}", fill="black" if flashing else "white", font=font)
    for bit in range(BITS):
        left = 32 + bit * BLOCK
        draw.rectangle((left, BAR_TOP, left + BLOCK - 1, BAR_TOP + 40), fill="white" if number >> bit & 1 else "black")
    return image


def _beeps(path: Path, tone_hz: int) -> None:
    t = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    loud = (t % FLASH_EVERY_S) < FLASH_S
    samples = (np.sin(2 * np.pi * tone_hz * t) * loud * 0.6 * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())


# Runs in a page: (video element) → seconds of the timecode it shows, or null when the blocks can't be read.
READ_TIMECODE = f"""video => {{
  if (!video.videoWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = {WIDTH}; canvas.height = {HEIGHT};
  const context = canvas.getContext("2d", {{ willReadFrequently: true }});
  context.drawImage(video, 0, 0, {WIDTH}, {HEIGHT});
  let number = 0;
  for (let bit = 0; bit < {BITS}; bit++) {{
    const [red] = context.getImageData(32 + bit * {BLOCK} + {BLOCK // 2}, {BAR_TOP + 20}, 1, 1).data;
    if (red > 90 && red < 165) return null;
    if (red >= 165) number |= 1 << bit;
  }}
  return number / {FPS};
}}"""
