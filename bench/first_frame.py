"""From the click to the first frame that Chromium shows, in the middle of a group of pictures, as often as wanted.

The page is the bench's own and speaks WHEP with the media process directly; the source publishes real H.264 with a keyframe
each 3 s. A joiner comes 0.5 to 2 s after the one before, at no known place in the group.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from bench.processes import child
from bench.stage import READY_WITHIN_S

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_FRAME_WITHIN_S = 10.0
_BETWEEN_S = (0.5, 2.0)
_WARM_UPS = 2


async def first_frame(joins: int) -> dict[str, Any]:
    """Percentiles over so many joins; the first two are not counted, in which Chromium loads what it decodes with."""
    # Chromium's sockets are not on 127.0.0.1, so we are on all addresses.
    async with child("bench.media", "0.0.0.0") as media:  # noqa: S104 - the addresses of this machine, for this machine
        url = (await media.line(READY_WITHIN_S))["url"]
        async with child("bench.source", "--whip", f"{url}/whip", "--decodable") as source:
            await source.line(READY_WITHIN_S)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
                try:
                    page = await browser.new_page()
                    await page.goto(url)
                    waits = [await _join(page) for _ in range(joins + _WARM_UPS)][_WARM_UPS:]
                finally:
                    await browser.close()
            asked = (await source.ask("figures"))["keyframes_asked"]
    waits.sort()
    return {
        "chromium_joins": len(waits),
        "chromium_first_frame_p50_ms": round(waits[len(waits) // 2]),
        "chromium_first_frame_p95_ms": round(waits[min(len(waits) - 1, len(waits) * 95 // 100)]),
        "chromium_first_frame_max_ms": round(waits[-1]),
        "chromium_keyframes_asked": asked,
    }


async def _join(page: Page) -> float:
    """One viewer comes, sees and goes. Raises TimeoutError when there is no picture."""
    await asyncio.sleep(random.uniform(*_BETWEEN_S))  # noqa: S311 - a moment, no secret
    await page.click("button")
    async with asyncio.timeout(_FRAME_WITHIN_S):
        waited = float(await page.evaluate("() => window.firstFrame"))
    await page.evaluate("() => window.leave()")
    return waited
