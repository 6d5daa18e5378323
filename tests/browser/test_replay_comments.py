"""A show is seen again with its comments: each at its media time, also after a jump either way, and the page stays bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import FloatRect, Page, expect

from tests.browser.people import DESKTOP, PHONE, People
from tests.browser.replayed import MINUTES, OFFSET_MS, make_film, replay_of, seek, serve_replay
from tests.browser.steps import until
from tests.browser.test_comment_plane import HOLD_SOCKETS, live_show

PER_MINUTE = 500
CONTROLS = 72  # px at a film's foot, Chromium's own
RESUME = "Let comments fly on"


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_comments_come_at_their_time_in_the_film(people: People, tmp_path: Path, viewport: dict[str, int]) -> None:
    film = await asyncio.to_thread(make_film, tmp_path / "film.mp4")
    session = await live_show(people)
    adviser = people.pages[0]
    show = next(one for one in (await people.api(adviser, "GET", "/api/shows"))["live"] if one["session"] == session)
    product, other = (one["id"] for one in (await people.api(adviser, "GET", "/api/products"))["products"][:2])
    await people.api(adviser, "PUT", f"/api/shows/{show['id']}/shelf", {"products": [product, other]})
    page = await people.open("customer-c3", f"/watch/{session}", viewport=viewport, init_script=HOLD_SOCKETS)
    await expect(page.get_by_test_id("viewers")).to_contain_text("1")  # it has joined
    pins = [
        {"at_ms": 0, "products": [product, other], "pinned": None},
        {"at_ms": 90_000, "products": [product, other], "pinned": product},
        {"at_ms": 155_000, "products": [product], "pinned": product},
    ]
    await serve_replay(page, session, film, range(0, MINUTES * 60_000, 60_000 // PER_MINUTE), pins)
    sale = {"open": False, "reason": "session_ended", "sentence": "Over.", "sentence_en": "Over.", "sentence_zh": "已结束"}
    ended = {"session": session, "seq": 10**6, "state": "ended", "sale": sale, "streams": [], "recording": False,
             "media_boot": None, "call": None, "replay": replay_of(session)}  # fmt: skip
    await page.evaluate("state => tell('state', state)", ended)
    await page.get_by_test_id("replay").click()
    await page.get_by_test_id("video").evaluate("video => video.pause()")
    texts = page.get_by_test_id("comment-list").locator(".comment-text")
    for at_s in (100, 20, 150):
        await seek(page, at_s)
        now_ms = OFFSET_MS + at_s * 1000
        await expect(texts.last).to_have_text(f"said at {now_ms // 120 * 120}")
        assert await texts.count() == 50
        await expect(page.get_by_test_id("pinned-card")).to_have_count(int(now_ms >= 90_000))
    if viewport is PHONE:
        await _the_shelf_is_at_hand(page, product)
    before = await page.evaluate("() => document.querySelectorAll('*').length")
    await page.get_by_test_id("pinned-view").focus()
    await page.get_by_test_id("video").evaluate("video => { video.muted = true; video.playbackRate = 4; return video.play(); }")
    await until(lambda: page.get_by_test_id("video").evaluate("video => video.currentTime > 172"), "it plays on")
    await page.get_by_test_id("video").evaluate("video => video.pause()")
    await expect(page.get_by_test_id("product-card")).to_have_count(1)
    await expect(page.get_by_test_id("pinned-view")).to_be_focused()
    said_ms = int((await texts.last.inner_text()).removeprefix("said at "))
    now_ms = OFFSET_MS + 1000 * await page.get_by_test_id("video").evaluate("video => video.currentTime")
    assert said_ms <= now_ms
    assert await texts.count() <= 200
    assert await page.evaluate("() => document.querySelectorAll('*').length") < before + 151 * 5 + 200
    await expect(page.get_by_test_id("danmaku-layer").locator(".danmaku-item").first).to_be_attached()
    await expect(page.get_by_test_id("danmaku-settings")).to_be_visible()
    await page.screenshot(path=tmp_path / "replay.png")
    # Who has made them stand still keeps them so, whatever the film does.
    pause = page.get_by_test_id("danmaku-pause")
    await pause.click()
    await expect(pause).to_have_attribute("aria-label", RESUME)
    await page.get_by_test_id("video").evaluate("video => video.play()")
    await until(lambda: page.get_by_test_id("video").evaluate("video => video.currentTime > 175"), "it plays on")
    await expect(pause).to_have_attribute("aria-label", RESUME)
    standing = "() => document.querySelector('.danmaku-item')?.getAnimations()[0].playState ?? 'paused'"
    assert await page.evaluate(standing) == "paused"


async def _the_shelf_is_at_hand(page: Page, product: str) -> None:
    """Card and bag lie apart, under the film and over its controls, with small letters and large; the bag has the shelf."""
    for large in (True, False):
        await page.evaluate("large => document.documentElement.toggleAttribute('data-elder', large)", large)
        card, bag, list_ = [await _box(page, name) for name in ("pinned-card", "shelf-open", "comment-list")]
        film_ends = (await _box(page, "video"))["y"] + PHONE["width"] * 9 / 16
        for one in (card, bag):
            assert one["x"] >= 0
            assert one["x"] + one["width"] <= PHONE["width"]
            assert one["y"] + one["height"] <= PHONE["height"] - CONTROLS
        assert min(card["y"], list_["y"]) >= film_ends - 1
        assert list_["y"] + list_["height"] <= card["y"]
        if not large:
            assert card["x"] + card["width"] <= bag["x"]
            assert list_["height"] > 100
        await expect(page.get_by_test_id("pinned-view")).to_be_in_viewport(ratio=1)
        await expect(page.get_by_test_id("pinned-card").get_by_test_id("sale-reason")).to_be_in_viewport(ratio=1)
    await page.get_by_test_id("shelf-open").click()
    buy = page.get_by_test_id("shelf-sheet").locator(f'[data-product="{product}"]').get_by_test_id("buy")
    await expect(buy).to_have_attribute("aria-disabled", "true")
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("shelf-sheet")).to_have_count(0)
    await expect(page.get_by_test_id("shelf-open")).to_be_focused()


async def _box(page: Page, name: str) -> FloatRect:
    box = await page.get_by_test_id(name).bounding_box()
    assert box is not None, f"{name} is not to be seen"
    return box
