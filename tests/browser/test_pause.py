"""In a pause nobody sees or hears the host, yet it is recorded: what was on the shelf can be bought on."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.media_files import Devices
from tests.browser.people import People
from tests.browser.steps import HEAR, go_live, hears, sale_open, sees_picture, until

pytestmark = pytest.mark.one_server

# The loudest a second of nothing may be, and how far the sale's own patience is outlasted (its watermark may be 5 s old).
SILENT = 0.01
OUTLASTED_MS = 8_000


@pytest.mark.timeout(180)
async def test_a_pause_is_heard_and_seen_by_nobody_and_sold_in(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}")
    video = viewer.get_by_test_id("video")
    await sees_picture(video)
    await hears(video)
    await sale_open(viewer, session)

    await _holds_at_once(studio, viewer)
    await expect(viewer.get_by_test_id("state-card")).to_have_attribute("data-kind", "paused")
    paused_at = await viewer.evaluate("() => performance.now()")
    await until(lambda: _black(viewer), "a black picture")
    assert await video.evaluate(HEAR) < SILENT
    await viewer.wait_for_function("([since, ms]) => performance.now() - since > ms", arg=[paused_at, OUTLASTED_MS])
    await sale_open(viewer, session)
    view = await people.api(viewer, "GET", f"/api/sessions/{session}")
    assert view["recording"], "the pause itself is recorded"

    await studio.get_by_test_id("pause-show").click()
    await sees_picture(video)
    await hears(video)


async def _holds_at_once(studio: Page, viewer: Page) -> None:
    """On a slow line too: nothing of the host goes out from the press on, whatever he does before the server has answered."""
    answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await answer.wait()
        await route.continue_()

    await studio.route("**/pause", hold)
    await studio.get_by_test_id("pause-show").click()
    await until(lambda: _black(viewer), "a black picture before the answer")
    await studio.locator('[data-testid^="pin-"]').first.click()
    await expect(viewer.get_by_test_id("pinned-card")).to_be_visible()
    await viewer.get_by_test_id("comment-input").fill("Are you there?")
    await viewer.get_by_test_id("comment-send").click()
    await expect(studio.get_by_test_id("comment-list")).to_contain_text("Are you there?")
    assert await _black(viewer)
    answer.set()


async def _black(viewer: Page) -> bool:
    """Whether the picture underneath the card is black."""
    return bool(
        await viewer.get_by_test_id("video").evaluate(
            """video => {
              const canvas = document.createElement("canvas");
              const context = canvas.getContext("2d");
              context.drawImage(video, 0, 0, 16, 16);
              return context.getImageData(0, 0, 16, 16).data.every((value, i) => i % 4 === 3 || value < 24);
            }"""
        )
    )
