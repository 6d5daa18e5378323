"""A show seen again: a film, its comments and its marks as a server would give them, when a test wants them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Route

MINUTES, OFFSET_MS = 3, 2000
_FILM = "color=c=navy:s=160x90:r=2"


def make_film(path: Path) -> bytes:
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", _FILM, "-t", str(MINUTES * 60), "-g", "2", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, "-movflags", "+faststart", str(path)], check=True, capture_output=True, timeout=60)
    return path.read_bytes()


def replay_of(session: str) -> dict[str, Any]:
    """How the ended session is seen again, in the shape of the protocol."""
    place = f"/api/sessions/{session}/replay.mp4"
    return {"mp4": place, "poster": None, "offset_ms": OFFSET_MS, "duration_ms": MINUTES * 60_000}


def _comment(ms: int) -> dict[str, Any]:
    at = datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    common = {"author": "李**", "author_tag": "t", "host": False, "kind": "comment"}
    return {"id": f"cmt-{ms}", "at": at, "media_ms": ms, "text": f"said at {ms}", **common}


async def serve_replay(page: Page, session: str, film: bytes, times_ms: Iterable[int], marks: list[dict[str, Any]]) -> None:
    """The show's film, comments and marks, in the shapes of the protocol; it sells nothing."""
    times = list(times_ms)

    async def comments(route: Route) -> None:
        asked = re.search(r"from=(\d+)&to=(\d+)", route.request.url)
        assert asked is not None
        first, end = int(asked[1]), int(asked[2])
        said = [_comment(ms) for ms in times if first <= ms < end]
        await route.fulfill(json={"from_ms": first, "to_ms": end, "comments": said, "left_out": 0})

    async def play(route: Route) -> None:
        asked = re.match(r"bytes=(\d+)-(\d*)", route.request.headers.get("range", "bytes=0-"))
        assert asked is not None
        first, last = int(asked[1]), int(asked[2] or len(film) - 1)
        headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{last}/{len(film)}"}
        await route.fulfill(status=206, body=film[first : last + 1], content_type="video/mp4", headers=headers)

    place = f"**/api/sessions/{session}/replay"
    await page.route(f"{place}/comments?*", comments)
    await page.route(f"{place}/marks", lambda route: route.fulfill(json={"marks": marks, "sells": False}))
    await page.route(f"{place}.mp4", play)


async def seek(page: Page, at_s: int) -> None:
    moved = """(video, at) => new Promise((done) => {
      video.addEventListener('seeked', done, { once: true });
      video.currentTime = at;
    })"""
    await page.get_by_test_id("video").evaluate(moved, at_s)
