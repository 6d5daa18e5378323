"""An hour's show with 30,000 comments, seen again in Chromium: how many animation frames are dropped, how large the page grows.

The show (`bench/replayed.py`) is replayed by the real watch page at 1440 × 900 with flying comments at their densest. An hour
at its own pace would take an hour, so this is measured: a window of `--minutes` at its own pace (1x) at the beginning, in the
densest minute and at the end; and the whole show once at `--rate` times its pace, for the page's size alone, because Chromium
has so many times the pictures to decode then. Of a rush the page is told 300 comments a minute (`rooms/replay_comments.py`);
`minutes_at_most` says in how many minutes that was so.

A frame is dropped when requestAnimationFrame comes later than the next sixtieth of a second: of n sixtieths between two calls,
n - 1 are. Chromium without a display or GPU on a busy machine drops some by itself, so before each window the same page is
measured the same way with the film standing still at the window's beginning: the floor. Playing a film costs such a Chromium
frames too, whatever page it is on, so an empty page that plays the same part of the film alone is measured as well:
`film_dropped_percent`. `long_tasks_ms` are the page's tasks of more than 50 ms, summed over the windows; `dom_nodes_max` is the
most elements the document had at any second of it all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Locator, Page, async_playwright, expect

from bench.replayed import MINUTE_MS, make
from rooms.replay_comments import COMMENTS_MAX
from tests.browser.people import People
from tests.browser.server import Server

MINUTES, COMMENTS = 60, 30_000
RATE: Final = 8.0
_WHO = "customer-c3"
_FLOOR_S: Final = 30.0
_SLACK_S: Final = 60.0
# What flies is then limited by the lanes of the whole picture alone.
_DENSEST = """localStorage.setItem("tellercast.danmaku", '{"on":true,"density":"high","area":"full","speed":"fast"}')"""
_SEEK = """(video, at) => new Promise((done) => {
  video.addEventListener("seeked", done, { once: true });
  video.pause();
  video.currentTime = at;
})"""
# The film alone, as large as on the watch page at this size.
_FILM = """(address) => new Promise((done) => {
  const video = document.createElement("video");
  Object.assign(video, { src: address, width: 1050, height: 590, muted: true, oncanplay: done });
  document.body.replaceChildren(video);
})"""
_WATCH = """async ([seconds, pace]) => {
  const video = document.querySelector("video");
  const list = document.querySelector('[data-testid="comment-list"]');
  const air = document.querySelector('[data-testid="danmaku-layer"]');
  const found = { frames: 0, dropped: 0, worst_ms: 0, nodes: 0, rows: 0, flying: 0, said: 0, waited: 0 };
  Object.assign(found, { long_tasks: 0, long_ms: 0 });
  video.onwaiting = () => { found.waited += 1; };
  const tasks = new PerformanceObserver((some) => {
    for (const one of some.getEntries()) { found.long_tasks += 1; found.long_ms += one.duration; }
  });
  const rows = new MutationObserver((some) => { for (const one of some) found.said += one.addedNodes.length; });
  const count = () => {
    found.nodes = Math.max(found.nodes, document.getElementsByTagName("*").length);
    found.rows = Math.max(found.rows, list?.childElementCount ?? 0);
    found.flying = Math.max(found.flying, air?.childElementCount ?? 0);
  };
  if (pace) {
    video.muted = true;
    video.playbackRate = pace;
    await video.play();
    await new Promise((done) => video.requestVideoFrameCallback(done));
  }
  const began = video.currentTime;
  tasks.observe({ type: "longtask" });
  if (list) rows.observe(list, { childList: true });
  const counting = setInterval(count, 1000);
  const first = await new Promise(requestAnimationFrame);
  for (let last = first; last - first < seconds * 1000 && !video.ended; ) {
    const now = await new Promise(requestAnimationFrame);
    found.dropped += Math.max(0, Math.round((now - last) / (1000 / 60)) - 1);
    found.worst_ms = Math.max(found.worst_ms, now - last);
    found.frames += 1;
    last = now;
  }
  clearInterval(counting);
  count();
  tasks.disconnect();
  rows.disconnect();
  return { ...found, played_s: video.currentTime - began, ended: video.ended };
}"""


@dataclass(frozen=True, slots=True)
class Window:
    """What was measured from a moment of the film on, and of the standing page and the film alone before."""

    at_s: float
    seen: dict[str, Any]
    floor: dict[str, Any]
    film: dict[str, Any]

    def told(self) -> dict[str, Any]:
        seen = self.seen
        return {
            "at_s": round(self.at_s),
            "played_s": round(seen["played_s"], 1),
            "waited": seen["waited"],
            "dropped_percent": dropped_percent([seen]),
            "floor_dropped_percent": dropped_percent([self.floor]),
            "film_dropped_percent": dropped_percent([self.film]),
            "comments": seen["said"],
            "flying_max": seen["flying"],
            "worst_frame_ms": round(seen["worst_ms"], 1),
            "long_tasks": seen["long_tasks"],
            "long_tasks_ms": round(seen["long_ms"]),
        }


async def measure(
    folder: Path, *, minutes: int = MINUTES, comments: int = COMMENTS, window_s: float = 60.0, floor_s: float = _FLOOR_S,
    rate: float = RATE,
) -> dict[str, Any]:  # fmt: skip
    """The figures. Raises RuntimeError when the film stands still or nothing is said in it."""
    server = Server(folder / "tellercast").start()
    try:
        session, counts = await make(server, minutes, comments)
        async with async_playwright() as playwright:
            people = People(playwright, server.url)
            try:
                page = await people.open(_WHO, f"/watch/{session}", init_script=_DENSEST)
                video = page.get_by_test_id("video")
                await expect(video).to_have_js_property("readyState", 4)
                bare = await people.open(_WHO, "/healthz")
                await bare.evaluate(_FILM, f"/api/sessions/{session}/replay.mp4")
                densest = counts.index(max(counts)) * MINUTE_MS / 1000
                windows = [
                    await _window(page, bare, at_s, window_s, floor_s)
                    for at_s in (0.0, densest, max(0.0, minutes * 60 - window_s - 1))
                ]
                whole = await _whole(page, video, minutes, rate)
            finally:
                for browser in people.browsers.values():
                    await browser.close()
    finally:
        server.stop()
    return _figures(counts, windows, whole, rate)


async def _window(page: Page, bare: Page, at_s: float, window_s: float, floor_s: float) -> Window:
    for one in (bare, page):
        await one.locator("video").evaluate(_SEEK, at_s)
    await bare.bring_to_front()
    film = await _watched(bare, floor_s, 1)
    await bare.locator("video").evaluate("video => video.pause()")
    await page.bring_to_front()
    floor = await _watched(page, floor_s, 0)
    seen = await _watched(page, window_s, 1)
    if seen["played_s"] < window_s / 2 and not seen["ended"]:
        raise RuntimeError(f"of {window_s} s the film played {seen['played_s']:.1f}")
    if not seen["said"] or not seen["flying"]:
        raise RuntimeError(f"nothing was said, or nothing flew, from {at_s} s on")
    return Window(at_s, seen, floor, film)


async def _whole(page: Page, video: Locator, minutes: int, rate: float) -> dict[str, Any]:
    """All of it at `rate` times its pace. A browser that can't keep up takes longer."""
    await video.evaluate(_SEEK, 0)
    seen = await _watched(page, minutes * 60 / rate * 2, rate)
    if not seen["ended"]:
        raise RuntimeError(f"of {minutes} min the film played {seen['played_s'] / 60:.1f} at {rate}x")
    return seen


async def _watched(page: Page, seconds: float, pace: float) -> dict[str, Any]:
    async with asyncio.timeout(seconds + _SLACK_S):
        return dict(await page.evaluate(_WATCH, [seconds, pace]))


def dropped_percent(some: list[dict[str, Any]]) -> float:
    """Of all the frames there should have been."""
    dropped, drawn = (sum(one[name] for one in some) for name in ("dropped", "frames"))
    return round(100 * dropped / max(dropped + drawn, 1), 2)


def _figures(counts: list[int], windows: list[Window], whole: dict[str, Any], rate: float) -> dict[str, Any]:
    seen, floors = [one.seen for one in windows], [one.floor for one in windows]
    return {
        "minutes": len(counts),
        "comments": sum(counts),
        "densest_minute": max(counts),
        "minutes_at_most": sum(count > COMMENTS_MAX for count in counts),
        "dropped_percent": dropped_percent(seen),
        "floor_dropped_percent": dropped_percent(floors),
        "film_dropped_percent": dropped_percent([one.film for one in windows]),
        "worst_window_percent": max(dropped_percent([one]) for one in seen),
        "frames": sum(one["frames"] for one in seen),
        "long_tasks_ms": round(sum(one["long_ms"] for one in seen)),
        "dom_nodes_max": max(one["nodes"] for one in (*seen, *floors, whole)),
        "rows_max": max(one["rows"] for one in (*seen, *floors, whole)),
        "flying_max": max(one["flying"] for one in (*seen, whole)),
        "windows": [one.told() for one in windows],
        "whole": {
            "rate": rate,
            "played_s": round(whole["played_s"]),
            "comments": whole["said"],
            "dom_nodes_max": whole["nodes"],
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each of the three windows at 1x")
    parser.add_argument("--rate", type=float, default=RATE, help="at which the whole show is played")
    parser.add_argument("--show-minutes", type=int, default=MINUTES, help="of the show")
    parser.add_argument("--comments", type=int, default=COMMENTS, help="of the show")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tellercast-bench-") as name:
        found = asyncio.run(
            measure(
                Path(name), minutes=arguments.show_minutes, comments=arguments.comments, window_s=arguments.minutes * 60,
                rate=arguments.rate,
            )
        )  # fmt: skip
    print(
        f"{found['comments']:,} comments in {found['minutes']} min: {found['dropped_percent']}% of frames dropped, "
        f"{found['floor_dropped_percent']}% by the standing page, {found['film_dropped_percent']}% by the film alone; "
        f"at most {found['dom_nodes_max']:,} elements"
    )
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
