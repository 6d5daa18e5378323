"""How long the picture stands at a viewer on a bad line: 3 % of the packets lost and 30 ms of delay, each way.

A whole installation (`tellercast serve --demo`) with a live show of 640×360 at 30 frames and 800 kb/s, published by FFmpeg's
WHIP muxer, and the watch page in Chromium twice, each behind a relay that loses the same share of RTP and RTCP
(`tests/browser/lossy.py`). One viewer asks for what it lost and is sent it again; the other can only ask for a keyframe, and
waits for the next. `freeze_percent` is what Chromium counts as freezes and pauses over the measured time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from tests.browser.lossy import DELAY_MS, LOSS_PERCENT, Found, measure
from tests.browser.people import People
from tests.browser.server import Server


async def run(seconds: float, seed: int) -> Found:
    """One run on an installation of its own."""
    with tempfile.TemporaryDirectory(prefix="tellercast-bench-") as folder:
        server = Server(Path(folder) / "tellercast").start()
        try:
            async with async_playwright() as playwright:
                people = People(playwright, server.url)
                try:
                    return await measure(server, people, Path(folder), seconds, seed=seed)
                finally:
                    for browser in people.browsers.values():
                        await browser.close()
        finally:
            server.stop()


def figures(found: Found) -> dict[str, Any]:
    """Counts are of the viewer with repair, unless they say otherwise."""
    return {
        "freeze_percent": found.repaired.freeze_percent,
        "freeze_percent_without_repair": found.unrepaired.freeze_percent,
        "packets_lost": found.repaired.line_lost,
        "packets_passed": found.repaired.line_passed,
        "buffer_ms": found.repaired.buffer_ms,
        "nacks": found.repaired.nacks,
        "repaired": found.repeats,
        "freezes": found.repaired.freezes,
        "freezes_without_repair": found.unrepaired.freezes,
        "frames": found.repaired.frames,
        "frames_without_repair": found.unrepaired.frames,
        "keyframe_requests": found.repaired.plis,
        "keyframe_requests_without_repair": found.unrepaired.plis,
        "keyframe_requests_upstream": found.keyframe_requests_upstream,
        "reconnections": found.repaired.reconnections,
        "seconds": found.seconds,
        "loss_percent": LOSS_PERCENT,
        "round_trip_ms": 2 * DELAY_MS,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.lossy", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    parser.add_argument("--seed", type=int, default=1, help="of the losses")
    arguments = parser.parse_args()
    found = figures(asyncio.run(run(arguments.seconds, arguments.seed)))
    print(
        f"{found['freeze_percent']} % of {found['seconds']:.0f} s frozen with {found['loss_percent']} % lost each way, "
        f"{found['freeze_percent_without_repair']} % without repair; {found['packets_lost']} packets lost, "
        f"{found['repaired']} sent again"
    )
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
