"""What isn't recorded can't be sold: the archive's disk fills up in mid-show, and gets room again (invariant 1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.browser.media_files import Devices
from tests.browser.people import People
from tests.browser.server import Server
from tests.browser.steps import end_show, go_live, sale_open, sees_picture, timecode, until
from tests.disks import small_disk

DISK_MB = 48
# The watermark's age at which the sale closes, and a look every half second.
MOST_MS = 6_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK_MB) as folder:
        yield folder


@pytest.mark.timeout(240)
async def test_a_full_disk_closes_the_sale_and_room_opens_it(tmp_path: Path, disk: Path, host_devices: Devices) -> None:
    environ = {"TELLERCAST_ARCHIVE_URL": f"file:{disk}/archive", "TELLERCAST_ARCHIVE_FREE_FLOOR_MB": "4"}
    server = Server(tmp_path / "tellercast", environ=environ).start()
    try:
        async with async_playwright() as playwright:
            people = People(playwright, server.url)
            try:
                await _scenario(people, disk, host_devices)
            finally:
                await people.close(server)
    finally:
        server.stop()


async def _scenario(people: People, disk: Path, devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=devices)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}")
    await sees_picture(viewer.get_by_test_id("video"))
    await sale_open(viewer, session)
    product = next(p for p in (await people.api(viewer, "GET", f"/api/sessions/{session}"))["shelf"] if p["risk"] == "R2")
    await studio.get_by_test_id(f"pin-{product['id']}").click()
    buy = viewer.locator(f'[data-product="{product["id"]}"]').get_by_test_id("buy")
    await viewer.get_by_role("tab", name="Products").click()
    await expect(buy).to_have_attribute("aria-disabled", "false")

    ballast = _fill(disk)
    await expect(buy).to_have_attribute("aria-disabled", "true", timeout=20_000)
    await expect(viewer.get_by_test_id("shelf").get_by_test_id("sale-reason").first).to_be_visible()
    await _order_is_refused(viewer, people, session, product)
    await sees_picture(viewer.get_by_test_id("video"))  # the show goes on

    ballast.unlink()
    await expect(buy).to_have_attribute("aria-disabled", "false", timeout=20_000)
    await sale_open(viewer, session)
    await end_show(studio)
    await _console_shows_both(people, session)


def _fill(disk: Path) -> Path:
    """Takes all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            return ballast


async def _order_is_refused(viewer: Page, people: People, session: str, product: dict[str, Any]) -> None:
    version = product["disclosure"]["version"]
    await people.api(viewer, "POST", f"/api/sessions/{session}/disclosures", {"product": product["id"], "version": version})
    body = {"session": session, "product": product["id"], "amount": product["minimum"], "key": "while-closed-1",
            "disclosure": {"version": version}}  # fmt: skip
    answer = await viewer.context.request.post(f"{people.url}/api/orders", data=body)
    said = await answer.json()
    assert said["code"] == "sale_closed", said
    assert said["title"]
    assert said["next"]
    assert (await people.api(viewer, "GET", "/api/orders"))["orders"] == []


async def _console_shows_both(people: People, session: str) -> None:
    console = await people.open("reviewer-1", f"/console?session={session}")
    for kind in ("sale_closed", "sale_opened", "recording_failed", "recording_recovered", "gap"):
        await expect(console.locator(f'[data-testid="entry"][data-kind="{kind}"]').first).to_be_attached(timeout=30_000)
    player = console.get_by_test_id("player-host")
    await expect(player).to_be_visible(timeout=40_000)
    await until(lambda: timecode(player), "the recording plays")
    timeline: dict[str, Any] = await people.api(console, "GET", f"/api/recordings/{session}/timeline")
    assert _sold_unrecorded_ms(timeline["entries"]) <= MOST_MS


def _sold_unrecorded_ms(entries: list[dict[str, Any]]) -> int:
    """For how long the sale was open beyond what was on disk, by the trail's own times: no page's delay is in it."""
    kinds = [entry["kind"] for entry in entries]
    at = kinds.index("sale_closed", kinds.index("sale_opened"))
    recorded = max(int(entry["data"]["end_ms"]) for entry in entries[:at] if entry["kind"] == "fragment")
    return int(entries[at]["media_ms"]) - recorded
