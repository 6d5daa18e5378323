"""A show from camera to compliance, in real browsers: live, heard, commented, bought, refused, replayed, proven."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.evidence import export, stands_up
from tests.browser.media_files import Devices
from tests.browser.people import PHONE, People
from tests.browser.recorded import probe
from tests.browser.server import Server
from tests.browser.steps import confirm_disclosure, end_show, go_live, hears, sale_open, sees_picture, timecode, until

R3 = "R3"
# Installed in a page before the comment is sent: notes when the words first fly (milliseconds of Unix time).
WATCH_FOR_WORDS = """words => {
  const layer = document.querySelector('[data-testid="danmaku-layer"]');
  const seen = () => { if (layer.textContent.includes(words)) { window.flewAt ??= Date.now(); return true; } return false; };
  window.flewAt = undefined;
  if (!seen()) new MutationObserver((_, observer) => { if (seen()) observer.disconnect(); })
    .observe(layer, { childList: true, subtree: true, characterData: true });
}"""


@pytest.mark.timeout(240)
async def test_a_show_from_camera_to_compliance(server: Server, people: People, host_devices: Devices, tmp_path: Path) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    buyer = await people.open("customer-c3", f"/watch/{session}", viewport=PHONE)
    other = await people.open("customer-c1", f"/watch/{session}")
    for viewer in (buyer, other):
        await sees_picture(viewer.get_by_test_id("video"))
        await hears(viewer.get_by_test_id("video"))
    await _a_comment_flies(buyer, other)
    await expect(studio.get_by_test_id("comment-list")).to_contain_text("Will the rate change?")

    product = await _product(buyer, people, session, R3)
    await studio.get_by_test_id(f"pin-{product['id']}").click()
    await sale_open(buyer, session)
    shown_at_order = await _buy_pinned(buyer)
    await _is_refused(other, people, session, product)
    orders = (await people.api(buyer, "GET", "/api/orders"))["orders"]
    assert [(o["product"]["id"], o["session"]) for o in orders] == [(product["id"], session)]
    await expect(studio.get_by_test_id("tally")).to_contain_text("1")

    await end_show(studio)
    await _is_seen_again(other)
    console = await people.open("reviewer-1", f"/console?session={session}")
    await _replays_the_order(console, orders[0], shown_at_order)
    await _the_recording_is_whole(console, people, session, tmp_path)
    await expect(console.get_by_test_id("seal-state")).to_be_visible()
    await _is_proved_fair(console, orders[0])
    bundle = await export(console, people, session, tmp_path / "evidence.zip")
    await stands_up(bundle, server)
    await _the_receipt_names_the_record(buyer, people, orders[0], bundle)


async def _is_proved_fair(console: Page, order: dict[str, Any]) -> None:
    """The ledger counts the order, at the one price that was on offer, and leads to its moment; the address keeps the place."""
    await console.get_by_test_id("tab-fairness").click()
    verdict = console.get_by_test_id("fairness-verdict")
    await expect(verdict).to_have_attribute("data-tone", "good")
    await expect(verdict).to_contain_text("Proved: 1 order of 1 product")
    await console.locator(f'.fairness-way[data-seq="{order["trail_seq"]}"]').click()
    await expect(console.locator(".inspector-seq")).to_have_text(f"#{order['trail_seq']}")
    assert f"seq={order['trail_seq']}&view=fairness" in console.url
    await console.reload()
    await expect(console.get_by_test_id("fairness-verdict")).to_be_visible()


async def _the_receipt_names_the_record(buyer: Page, people: People, order: dict[str, Any], bundle: Path) -> None:
    """The hash on the customer's paper is the one in the evidence, at the entry the paper names."""
    with zipfile.ZipFile(bundle) as evidence:
        hashes = evidence.read("hashes.txt").decode().split()
    await buyer.goto(f"{people.url}/orders")
    await buyer.get_by_test_id("order").get_by_role("link", name="Receipt").click()
    await buyer.emulate_media(media="print")
    receipt = buyer.get_by_test_id("receipt")
    await expect(receipt).to_contain_text(hashes[order["trail_seq"] - 1])
    await expect(receipt).to_contain_text("No. 1 in the register")
    await expect(receipt.get_by_test_id("receipt-step").first).to_have_attribute("data-state", "placed")


async def _a_comment_flies(buyer: Page, other: Page) -> None:
    """From sending to flying on another screen; the quickest of three, so that a busy machine does not decide."""
    took = []
    for words in ("Good evening!", "Will the rate change?", "Thank you."):
        await other.evaluate(WATCH_FOR_WORDS, words)
        await buyer.get_by_test_id("comment-input").fill(words)
        sent = await buyer.evaluate("() => Date.now()")
        await buyer.get_by_test_id("comment-send").click()
        await other.wait_for_function("() => window.flewAt !== undefined")
        took.append(await other.evaluate("() => window.flewAt") - sent)
        await expect(other.get_by_test_id("comment-list")).to_contain_text(words)
    assert min(took) <= 500, f"comments took {took} ms"


async def _product(page: Page, people: People, session: str, risk: str) -> dict[str, Any]:
    shelf = (await people.api(page, "GET", f"/api/sessions/{session}"))["shelf"]
    return dict(next(product for product in shelf if product["risk"] == risk))


async def _buy_pinned(buyer: Page) -> float:
    """Two taps and a confirmation; answers the timecode on screen as the order was sent."""
    await expect(buyer.get_by_test_id("pinned-card")).to_be_visible()
    await buyer.get_by_test_id("pinned-view").click()
    await confirm_disclosure(buyer)
    shown = await timecode(buyer.get_by_test_id("video"))
    await buyer.get_by_test_id("confirm-order").click()
    await expect(buyer.get_by_test_id("receipt")).to_be_visible()
    assert shown is not None
    return shown


async def _is_refused(page: Page, people: People, session: str, product: dict[str, Any]) -> None:
    """A C1 customer may not buy R3: the reason on screen, the same code from the API, nothing bought."""
    await page.get_by_test_id("pinned-view").click()
    await confirm_disclosure(page)
    await page.get_by_test_id("confirm-order").click()
    await expect(page.get_by_test_id("refusal")).to_be_visible()
    body = {
        "session": session, "product": product["id"], "amount": product["minimum"], "key": "from-the-api-1",
        "disclosure": {"version": product["disclosure"]["version"]},
    }  # fmt: skip
    answer = await page.context.request.post(f"{people.url}/api/orders", data=body)
    assert (await answer.json())["code"] == "risk_too_high"
    assert (await people.api(page, "GET", "/api/orders"))["orders"] == []


async def _is_seen_again(viewer: Page) -> None:
    """Who stayed to the end is offered the replay; who comes later finds it in the lobby, and it plays at once."""
    await viewer.keyboard.press("Escape")  # the refusal is still open
    await viewer.get_by_test_id("replay").click(timeout=40_000)
    await sees_picture(viewer.get_by_test_id("video"))
    await viewer.goto("/".join(viewer.url.split("/", 3)[:3]))
    await viewer.get_by_test_id("replay-show").get_by_role("link").click()
    await sees_picture(viewer.get_by_test_id("video"))


async def _replays_the_order(console: Page, order: dict[str, Any], shown_at_order: float) -> None:
    player = console.get_by_test_id("player-host")
    await expect(player).to_be_visible(timeout=40_000)
    entry = console.locator('[data-testid="entry"][data-kind="order_placed"]').first
    await expect(entry).to_be_visible()
    assert abs(int(await entry.get_attribute("data-ms") or -1) - order["media_ms"]) <= 1
    await entry.click()

    async def shows_it() -> bool:
        now = await timecode(player)
        return now is not None and abs(now - shown_at_order) <= 1.0

    await until(shows_it, f"timecode {shown_at_order} in the replay")


async def _the_recording_is_whole(console: Page, people: People, session: str, folder: Path) -> None:
    recording = await people.api(console, "GET", f"/api/recordings/{session}")
    [stream] = recording["streams"]
    answer = await console.context.request.get(people.url + stream["mp4"])
    assert answer.ok
    file = folder / "host.mp4"
    file.write_bytes(await answer.body())
    found = await asyncio.to_thread(probe, file)
    assert found["codecs"] == {"video": "h264", "audio": "opus"}
    live_s = recording["duration_ms"] / 1000
    assert abs(found["duration_s"] - live_s) <= 2, (found, live_s)
