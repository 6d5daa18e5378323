"""Every page as people see it, on a phone and on a desk, written to docs/screenshots/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.media_files import Devices
from tests.browser.people import DESKTOP, PHONE, People
from tests.browser.server import ROOT
from tests.browser.steps import end_show, go_live, request_call, sale_open, sees_picture, until

SHOTS = ROOT / "docs" / "screenshots"
SIZES = {"390x844": PHONE, "1440x900": DESKTOP}


@pytest.mark.timeout(300)
async def test_every_page_is_pictured(people: People, host_devices: Devices, caller_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    await _picture(studio, "studio-before")
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}")
    await sees_picture(viewer.get_by_test_id("video"))
    await sale_open(viewer, session)
    shelf = (await people.api(viewer, "GET", f"/api/sessions/{session}"))["shelf"]
    await studio.get_by_test_id(f"pin-{shelf[1]['id']}").click()
    await expect(viewer.get_by_test_id("pinned-card")).to_be_visible()
    for words in ("Good evening everyone", "讲得很清楚", "What is the minimum?"):
        await viewer.get_by_test_id("comment-input").fill(words)
        await viewer.get_by_test_id("comment-send").click()
        await expect(viewer.get_by_test_id("comment-list")).to_contain_text(words)
    await _picture(viewer, "watch-en")
    await _picture(studio, "studio-live")
    await _supervised(people)
    chinese = await people.open("customer-c5", f"/watch/{session}", lang="zh")
    await sees_picture(chinese.get_by_test_id("video"))
    await _picture(chinese, "watch-zh")
    await chinese.get_by_test_id("pinned-view").click()
    await expect(chinese.get_by_test_id("sheet")).to_be_visible()
    await _picture(chinese, "sheet-zh")
    await _customer_pages(people)
    await _catalogue_pages(people)
    operator = await _something_to_deliver(people, chinese, session, shelf[0])
    await _desk_and_call(people, caller_devices, host_devices)
    await end_show(studio)
    for lang in ("en", "zh"):
        console = await people.open("reviewer-1", f"/console?session={session}", lang=lang)
        await expect(console.get_by_test_id("player-host")).to_be_visible(timeout=60_000)
        await console.locator('[data-testid="entry"][data-kind="comment"]').first.click()
        await _picture(console, f"console-{lang}")
        await console.get_by_test_id("tab-fairness").click()
        await expect(console.get_by_test_id("fairness-verdict")).to_be_visible()
        await _picture(console, f"console-fairness-{lang}")
    await _deliveries_pages(people, operator)
    await _replay_pages(people, session)


async def _replay_pages(people: People, session: str) -> None:
    for lang in ("en", "zh"):
        page = await people.open("customer-c3", f"/watch/{session}", lang=lang)
        video = page.get_by_test_id("video")
        await expect(video).to_have_js_property("readyState", 4)
        await video.evaluate("video => { video.pause(); video.currentTime = video.duration - 0.1; }")
        await expect(page.get_by_test_id("pinned-card")).to_be_visible()
        await expect(page.get_by_test_id("comment-list")).to_contain_text("What is the minimum?")
        await _picture(page, f"replay-{lang}")


async def _supervised(people: People) -> None:
    for lang in ("en", "zh"):
        page = await people.open("supervisor-1", "/studio", lang=lang)
        await page.locator('[data-testid="show-item"][data-state="live"]').click()
        await sees_picture(page.get_by_test_id("video"))
        await expect(page.get_by_test_id("comment-list")).to_contain_text("What is the minimum?")
        await _picture(page, f"supervised-{lang}")


async def _customer_pages(people: People) -> None:
    for path, name in (("/", "lobby"), ("/assessment", "assessment"), ("/orders", "orders")):
        page = await people.open("customer-c3", path)
        await expect(page.locator("main")).to_be_visible()
        await page.wait_for_load_state("networkidle")
        await _picture(page, name)
    page = await people.open("customer-c3", "/login")
    await expect(page.get_by_test_id("as-customer-c3")).to_be_visible()
    await _picture(page, "login")


async def _catalogue_pages(people: People) -> None:
    for lang in ("en", "zh"):
        page = await people.open("operator-1", "/catalogue?product=prd-r3-mixed", lang=lang)
        await expect(page.get_by_test_id("field-minimum")).to_be_visible()
        await expect(page.get_by_test_id("product-row").first).to_be_attached()
        await _picture(page, f"catalogue-{lang}")


async def _something_to_deliver(people: People, customer: Page, session: str, product: dict[str, Any]) -> Page:
    """A partner nobody can reach, and an order that the core confirms; answers the operator's page."""
    operator = await people.open("operator-1", "/deliveries")
    await expect(operator.get_by_test_id("receiver-add")).to_be_visible()
    kinds = ["order_placed", "order_confirmed", "session_sealed"]
    partner = {"name": "Harbour Funds", "url": "https://partner.example/hook", "kinds": kinds}
    await people.api(operator, "POST", "/api/receivers", partner)
    version = product["disclosure"]["version"]
    seen = {"product": product["id"], "version": version}
    await people.api(customer, "POST", f"/api/sessions/{session}/disclosures", seen)
    order = {"session": session, "product": product["id"], "amount": product["minimum"], "key": "a-picture-of-it"}
    await people.api(customer, "POST", "/api/orders", order | {"disclosure": {"version": version}})
    return operator


async def _deliveries_pages(people: People, operator: Page) -> None:
    async def all_there() -> bool:
        found = (await people.api(operator, "GET", "/api/deliveries"))["deliveries"]
        return {one["kind"] for one in found} >= {"order_placed", "order_confirmed", "session_sealed"}

    await until(all_there, "order and seal are to be told")
    for lang in ("en", "zh"):
        page = await people.open("operator-1", "/deliveries", lang=lang)
        await expect(page.get_by_test_id("delivery").first).to_be_visible()
        await _picture(page, f"deliveries-{lang}")


async def _desk_and_call(people: People, caller: Devices, host: Devices) -> None:
    desk = await people.open("adviser-2", "/desk", devices=host)
    call = await people.open("customer-elder", "/call", devices=caller)
    await expect(call.get_by_test_id("topic")).to_be_visible()
    await _picture(call, "call-topic")
    await request_call(call)
    await _picture(call, "call-waiting")
    await desk.get_by_test_id("available").click()
    await _picture(desk, "desk-queue")
    await desk.get_by_test_id("waiting-call").get_by_test_id("accept").click()
    for page, name in ((call, "call-live"), (desk, "desk-live")):
        await sees_picture(page.get_by_test_id("remote-video"))
        await _picture(page, name)
    await call.get_by_test_id("hang-up").click()


async def _picture(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    for size, viewport in SIZES.items():
        await page.set_viewport_size(viewport)  # type: ignore[arg-type]

        async def settled(width: int = viewport["width"]) -> bool:
            return bool(await page.evaluate("width => innerWidth === width && document.fonts.status === 'loaded'", width))

        await until(settled, "the page has its size")
        overflow = await page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{name} at {size} scrolls sideways by {overflow} px"
        await page.screenshot(path=_file(name, size), animations="disabled")


def _file(name: str, size: str) -> Path:
    return SHOTS / f"{name}-{size}.png"
