"""What people do and see, as steps several scenarios share. Every wait is for a condition, with a bound."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.media_files import READ_TIMECODE

# Loudness of what a video element plays, as the peak of one second: (video) → 0 … 1.
HEAR = """async video => {
  const context = new AudioContext();
  await context.resume();
  const source = context.createMediaStreamSource(video.srcObject);
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let peak = 0;
  const until = performance.now() + 6000;
  while (performance.now() < until && peak < 0.05) {
    await new Promise(resolve => setTimeout(resolve, 20));
    analyser.getFloatTimeDomainData(samples);
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  }
  await context.close();
  return peak;
}"""

POLL_S = 0.05


async def until(condition: Callable[[], Awaitable[Any]], what: str, within_s: float = 20) -> Any:
    """Polls until `condition` answers something true, and answers that."""
    deadline = time.monotonic() + within_s
    while True:
        value = await condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s} s"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), POLL_S)


async def timecode(video: Locator) -> float | None:
    """Seconds of the burnt-in timecode that a video element shows; None when it shows none."""
    value = await video.evaluate(READ_TIMECODE)
    return float(value) if value is not None else None


async def sees_picture(video: Locator, within_s: float = 20) -> None:
    """The picture is there and moves: two different timecodes."""
    first = await until(lambda: _readable(video), "a readable picture", within_s)

    async def moved() -> bool:
        now = await timecode(video)
        return now is not None and (now,) != first

    await until(moved, "a moving picture", within_s)


async def _readable(video: Locator) -> tuple[float] | None:
    now = await timecode(video)
    return (now,) if now is not None else None  # a tuple: second 0 is a readable picture too


async def hears(video: Locator) -> None:
    """Sound arrives: the beep is heard within a few of its periods."""
    peak = await video.evaluate(HEAR)
    assert peak >= 0.05, f"nothing was heard (peak {peak:.3f})"


async def go_live(studio: Page) -> str:
    """Starts the seeded show from its studio page and answers the session's id."""
    await studio.get_by_test_id("show-item").first.click()
    await expect(studio.get_by_test_id("preview")).to_be_visible()
    await studio.get_by_test_id("go-live").click()
    await expect(studio.get_by_test_id("end-show")).to_be_visible()
    return await live_session(studio)


async def live_session(page: Page) -> str:
    """The id of the session that is live now."""

    async def found() -> str:
        answer = await page.context.request.get(_origin(page) + "/api/shows")
        live = (await answer.json())["live"]
        return str(live[0]["session"]) if live else ""

    return str(await until(found, "a live show"))


async def sale_open(page: Page, session: str, *, is_open: bool = True, within_s: float = 15) -> dict[str, Any]:
    """Waits until the session's sale is open (or closed) and answers its view."""

    async def state() -> dict[str, Any] | None:
        answer = await page.context.request.get(f"{_origin(page)}/api/sessions/{session}")
        sale: dict[str, Any] = (await answer.json())["sale"]
        return sale if sale["open"] is is_open else None

    found = await until(state, f"sale open={is_open}", within_s)
    return dict(found)


def _origin(page: Page) -> str:
    scheme, _, rest = page.url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


async def end_show(studio: Page) -> None:
    """Ends the show with the confirmation it asks for."""
    await studio.get_by_test_id("end-show").click()
    await studio.get_by_test_id("confirm-end").click()


async def confirm_disclosure(page: Page) -> None:
    """Reads the disclosure to its end and ticks it."""
    await read_disclosure(page)
    await page.get_by_test_id("disclosure-check").check()


async def read_disclosure(page: Page) -> None:
    """To its end, so that it can be ticked."""
    await expect(page.get_by_test_id("sheet")).to_be_visible()
    text = page.get_by_test_id("disclosure-text")
    box = page.get_by_test_id("disclosure-check")

    async def read_on() -> bool:
        await text.hover()
        await page.mouse.wheel(0, 2000)
        return await box.is_enabled()

    await until(read_on, "the disclosure can be confirmed")


async def request_call(customer: Page) -> None:
    """From topic to a place in the line: consent first, then the device check."""
    await customer.locator('[data-testid^="topic-"]').first.click()
    await customer.get_by_test_id("request-call").click()
    await customer.get_by_test_id("consent-check").check()
    await customer.get_by_test_id("consent-continue").click()
    await customer.get_by_test_id("devices-ok").click()
    await expect(customer.get_by_test_id("position")).to_be_visible()


async def says(page: Page, words: str) -> None:
    """Comments."""
    await page.get_by_test_id("comment-input").fill(words)
    await page.get_by_test_id("comment-send").click()


async def choose(moderator: Page, words: str, what: str) -> None:
    """From the menu of the comment that says so, by the keyboard alone."""
    row = moderator.locator(".talk-row", has_text=words)
    await row.get_by_test_id("comment-more").focus()
    await moderator.keyboard.press("Enter")
    item = moderator.get_by_test_id(f"comment-{what}")
    await expect(moderator.get_by_test_id("comment-menu")).to_be_visible()
    for _ in range(await moderator.get_by_role("menuitem").count()):
        if await item.evaluate("one => one === document.activeElement"):
            break
        await moderator.keyboard.press("ArrowDown")
    await moderator.keyboard.press("Enter")
    await expect(moderator.get_by_test_id("comment-menu")).to_be_hidden()
