"""kill -9 in mid-show, of either process: people come back by themselves, and nothing acknowledged is missing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.evidence import export, public_key, verify
from tests.browser.media_files import Devices
from tests.browser.people import People
from tests.browser.server import Server
from tests.browser.steps import confirm_disclosure, end_show, go_live, sale_open, sees_picture, timecode, until


@pytest.mark.timeout(240)
async def test_the_show_survives_sigkill_of_either_process(server: Server, people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}")
    await sees_picture(viewer.get_by_test_id("video"))
    await sale_open(viewer, session)

    await _kill(server, "media")
    await _picture_is_fresh(viewer)
    await sale_open(viewer, session, within_s=40)

    await _comment(viewer, studio, "before the second kill")
    key_before = await _buy(viewer, studio, people, session)
    await _kill(server, "web")
    await until(lambda: asyncio.to_thread(server.ready), "web is back", 40)
    orders = (await people.api(viewer, "GET", "/api/orders"))["orders"]
    assert [order["id"] for order in orders] == [key_before]
    await _picture_is_fresh(viewer)
    await _comment(viewer, studio, "after the second kill")
    await expect(viewer.get_by_test_id("comment-list")).to_contain_text("before the second kill")

    await expect(studio.get_by_test_id("end-show")).to_be_visible()
    await end_show(studio)
    console = await people.open("reviewer-1", f"/console?session={session}")
    await _recording_has_it_all(console, people, session)
    bundle = await export(console, people, session, server.folder / "evidence.zip")
    code, said = await verify(bundle, public_key(server))
    assert code == 0, said


async def _kill(server: Server, name: str) -> None:
    before = server.child(name).pid
    server.kill(name)

    async def again() -> bool:
        try:
            return server.child(name).pid != before
        except RuntimeError:
            return False

    await until(again, f"{name} is started again", 20)


async def _picture_is_fresh(viewer: Page) -> None:
    """The frozen last picture does not count: the timecode has to move on."""
    video = viewer.get_by_test_id("video")

    async def moves() -> bool:
        first = await timecode(video)
        await viewer.wait_for_timeout(120)
        second = await timecode(video)
        return first is not None and second is not None and second != first

    await until(moves, "a moving picture", 40)


async def _comment(viewer: Page, studio: Page, words: str) -> None:
    """Said and heard: what the studio shows is on the record, what the sender's own page shows may still wait."""
    await viewer.get_by_test_id("comment-input").fill(words)
    await viewer.get_by_test_id("comment-send").click()
    await expect(studio.get_by_test_id("comment-list")).to_contain_text(words)


async def _buy(viewer: Page, studio: Page, people: People, session: str) -> str:
    shelf = (await people.api(viewer, "GET", f"/api/sessions/{session}"))["shelf"]
    product = next(p for p in shelf if p["risk"] == "R2")
    await studio.get_by_test_id(f"pin-{product['id']}").click()
    await viewer.get_by_test_id("pinned-view").click()
    await confirm_disclosure(viewer)
    await viewer.get_by_test_id("confirm-order").click()
    await expect(viewer.get_by_test_id("receipt")).to_be_visible()
    [order] = (await people.api(viewer, "GET", "/api/orders"))["orders"]
    await viewer.get_by_test_id("receipt-close").click()
    return str(order["id"])


async def _recording_has_it_all(console: Page, people: People, session: str) -> None:
    await expect(console.get_by_test_id("player-host")).to_be_visible(timeout=60_000)
    timeline: dict[str, Any] = await people.api(console, "GET", f"/api/recordings/{session}/timeline")
    kinds = [entry["kind"] for entry in timeline["entries"]]
    assert "gap" in kinds
    assert kinds.count("publisher_joined") >= 2
    assert kinds.count("order_placed") == 1
    fragments = [entry["data"] for entry in timeline["entries"] if entry["kind"] == "fragment"]
    assert fragments[0]["start_ms"] < 5_000, "what was recorded before the kill is gone"
    assert len({fragment["epoch"] for fragment in fragments}) >= 2, "nothing was recorded after the kill"
    texts = " ".join(entry["text"] for entry in timeline["entries"] if entry["kind"] == "comment")
    assert "before the second kill" in texts
    assert "after the second kill" in texts
