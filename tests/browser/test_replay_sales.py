"""Buying while a show is seen again, in real browsers, of a film that was really recorded: off as it is by default, and on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.evidence import export, public_key, rewrite, verify
from tests.browser.media_files import Devices
from tests.browser.people import PHONE, People
from tests.browser.server import Server
from tests.browser.steps import confirm_disclosure, end_show, go_live, sale_open, sees_picture, timecode, until

R3 = "R3"
ELDER = "localStorage.setItem('tellercast.elder', '1')"


@pytest.mark.timeout(240)
async def test_a_replay_sells_only_where_the_bank_wants_it(
    server: Server, people: People, host_devices: Devices, tmp_path: Path
) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    seen = await people.open("customer-c3", f"/watch/{session}")
    await sees_picture(seen.get_by_test_id("video"))
    await sale_open(seen, session)
    product = next(one for one in await _shelf(people, seen, session) if one["risk"] == R3)
    await studio.get_by_test_id(f"pin-{product['id']}").click()
    await expect(seen.get_by_test_id("pinned-card")).to_be_visible()
    await _lasts(seen, 6)
    await end_show(studio)
    await seen.get_by_test_id("replay").click(timeout=40_000)
    await _says_where_to_buy_instead(seen, product)
    server.stop()
    server.environ["TELLERCAST_REPLAY_SALES"] = "1"
    server.start()
    await _is_bought(people, session, product, tmp_path)
    console = await people.open("reviewer-1", f"/console?session={session}")
    await expect(console.get_by_test_id("player-host")).to_be_visible(timeout=40_000)
    entry = console.locator('[data-testid="entry"][data-kind="order_placed"][data-lane="orders"]').first
    await entry.click()
    await expect(console.locator(".inspector-text")).to_contain_text("in the replay")
    await expect(console.locator(".inspector-seq")).to_have_text(f"#{await entry.get_attribute('data-seq')}/after")
    await _is_proved(await export(console, people, session, tmp_path / "evidence.zip"), server)


async def _shelf(people: People, page: Page, session: str) -> list[dict[str, Any]]:
    return list((await people.api(page, "GET", f"/api/sessions/{session}"))["shelf"])


async def _lasts(page: Page, seconds: float) -> None:
    """Until the host's timecode has moved on by so much."""
    first = await until(lambda: timecode(page.get_by_test_id("video")), "a timecode")
    video = page.get_by_test_id("video")

    async def moved() -> bool:
        now = await timecode(video)
        return now is not None and now >= first + seconds

    await until(moved, f"{seconds} s of the show", 60)


async def _says_where_to_buy_instead(page: Page, product: dict[str, Any]) -> None:
    """By default: the buttons are grey, say why, and where to buy is said and can be reached by the keyboard."""
    await page.get_by_test_id("tab-shelf").click()
    card = page.locator(f'[data-testid="product-card"][data-product="{product["id"]}"]')
    buy = card.get_by_test_id("buy")
    await expect(buy).to_have_attribute("aria-disabled", "true")
    await expect(card.get_by_test_id("sale-reason")).to_have_text("Replays don't sell.")
    told = " ".join(str(await buy.get_attribute("aria-describedby")).split())
    assert told == f"reason-{product['id']} shelf-elsewhere"
    elsewhere = page.get_by_test_id("shelf-elsewhere")
    await expect(elsewhere).to_contain_text("Buy in the next show, or let an adviser help you.")
    await elsewhere.get_by_role("link", name="Next shows").focus()
    await page.keyboard.press("Tab")
    await expect(elsewhere.get_by_role("link", name="Talk to an adviser")).to_be_focused()
    await buy.click(force=True)
    await expect(page.get_by_test_id("sheet")).to_have_count(0)


async def _is_bought(people: People, session: str, product: dict[str, Any], folder: Path) -> None:
    """On: the same sheet, the film stands still meanwhile, and the receipt names its moment."""
    for lang, name in (("en", "customer-c3"), ("zh", "customer-c5")):
        page = await people.open(name, f"/watch/{session}", lang=lang, init_script=ELDER if lang == "zh" else "")
        video = page.get_by_test_id("video")
        await sees_picture(video)
        await page.get_by_test_id("tab-shelf").click()
        view = page.locator(f'[data-testid="product-card"][data-product="{product["id"]}"]').get_by_test_id("buy")
        await expect(view).to_have_attribute("aria-disabled", "false")
        await expect(page.get_by_test_id("shelf-elsewhere")).to_be_hidden()
        await until(lambda v=video: v.evaluate("video => video.currentTime > 2"), "two seconds of the film")
        await view.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("buy-replay")).to_be_visible()
        assert await video.evaluate("video => video.paused")
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        await page.screenshot(path=folder / f"sheet-{lang}.png")
        await confirm_disclosure(page)
        at_s = await video.evaluate("video => video.currentTime")
        await page.get_by_test_id("confirm-order").click()
        await expect(page.get_by_test_id("receipt-replay")).to_be_visible()
        await page.screenshot(path=folder / f"receipt-{lang}.png")
        [order] = [one for one in (await people.api(page, "GET", "/api/orders"))["orders"] if one["session"] == session]
        offset = (await people.api(page, "GET", f"/api/sessions/{session}"))["replay"]["offset_ms"]
        assert order["replay"] is True
        assert abs(order["media_ms"] - offset - 1000 * at_s) <= 1
        await page.get_by_test_id("receipt-close").click()
        await until(lambda v=video: v.evaluate("video => !video.paused"), "the film goes on")


async def _is_proved(bundle: Path, server: Server) -> None:
    """The bundle verifies; one letter of the order's entry after the seal, and it does not."""
    key = public_key(server)
    code, said = await verify(bundle, key)
    assert code == 0, said
    spoiled = bundle.with_name("spoiled.zip")
    named = rewrite(bundle, spoiled, _spoil_the_order)
    code, said = await verify(spoiled, key)
    assert code == 1, said
    assert named in said, said


def _spoil_the_order(members: dict[str, bytes]) -> str:
    before = members["after.jsonl"]
    members["after.jsonl"] = before.replace(b'"kind":"order_placed"', b'"kind":"order_pIaced"', 1)
    assert members["after.jsonl"] != before
    return "after.jsonl"
