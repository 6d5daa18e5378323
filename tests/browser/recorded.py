"""Reads flashes and beeps out of a recording, to say how far apart they are."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np


@dataclass(frozen=True)
class Sync:
    """Times (seconds in the file) at which a flash or a beep began."""

    flashes: list[float]
    beeps: list[float]

    def gaps_ms(self, longest_ms: float = 400) -> list[float]:
        """Beep minus flash for each flash that has a beep near it."""
        gaps = []
        for flash in self.flashes:
            nearest = min(self.beeps, key=lambda beep: abs(beep - flash), default=None)
            if nearest is not None and abs(nearest - flash) * 1000 <= longest_ms:
                gaps.append((nearest - flash) * 1000)
        return gaps


def read_sync(path: Path, onset: float = 0.08) -> Sync:
    """Decodes the whole file."""
    return Sync(_flashes(path), _beeps(path, onset))


def _flashes(path: Path) -> list[float]:
    found: list[float] = []
    bright = True  # a file that begins in a flash has no edge there
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            grey = frame.to_ndarray(format="gray")
            now = bool(grey[10 : grey.shape[0] // 3].mean() > 190)
            if now and not bright:
                found.append(float(frame.time))
            bright = now
    return found


def _beeps(path: Path, onset: float) -> list[float]:
    found: list[float] = []
    quiet_s = 0.0
    step = 96
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().astype(np.float64)
            mono = np.abs(samples[0] if samples.ndim > 1 else samples)
            if frame.format.name.startswith("s16"):
                mono /= 32768
            for start in range(0, len(mono), step):
                loud = mono[start : start + step].max() > onset
                if loud and quiet_s > 0.3:
                    found.append(float(frame.time) + start / frame.sample_rate)
                quiet_s = 0.0 if loud else quiet_s + step / frame.sample_rate
    return found


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says: {"codecs": {"video": …, "audio": …}, "duration_s": …}."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert result.stderr == "", f"ffprobe complains: {result.stderr[:800]}"
    said = json.loads(result.stdout)
    return {
        "codecs": {stream["codec_type"]: stream["codec_name"] for stream in said["streams"]},
        "duration_s": float(said["format"]["duration"]),
    }
