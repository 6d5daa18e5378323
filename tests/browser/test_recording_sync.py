"""Picture and sound stay together in the recording: flash and beep within 60 ms of each other at start and end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.clocked_media import CLOCKED_MEDIA
from tests.browser.people import People
from tests.browser.recorded import probe, read_sync
from tests.browser.steps import end_show, go_live, until

pytestmark = pytest.mark.one_server

MOST_MS = 60
SHOW_MS = 20_000


@pytest.mark.timeout(180)
async def test_flash_and_beep_stay_within_60_ms(people: People, tmp_path: Path) -> None:
    studio = await people.open("adviser-1", "/studio", init_script=CLOCKED_MEDIA)
    session = await go_live(studio)
    await _recorded_for(people, session)
    await end_show(studio)
    reviewer = await people.open("reviewer-1", "/console")

    async def ready() -> str:
        recording = await people.api(reviewer, "GET", f"/api/recordings/{session}")
        return str(recording["streams"][0]["mp4"] or "") if recording["streams"] else ""

    address = await until(ready, "the playable copy", 60)
    answer = await reviewer.context.request.get(people.url + address)
    file = tmp_path / "host.mp4"
    file.write_bytes(await answer.body())
    found = await asyncio.to_thread(probe, file)
    assert found["codecs"] == {"video": "h264", "audio": "opus"}
    sync = await asyncio.to_thread(read_sync, file)
    gaps = sync.gaps_ms()
    assert len(gaps) >= 6, sync
    assert max(abs(gap) for gap in (gaps[0], gaps[-1])) <= MOST_MS, (gaps, sync)


async def _recorded_for(people: People, session: str) -> None:
    watcher = await people.open("customer-c3", "/orders")
    await expect(watcher.locator("main")).to_be_visible()

    async def long_enough() -> bool:
        view = await people.api(watcher, "GET", f"/api/sessions/{session}")
        if not view["sale"]["open"]:
            return False
        elapsed = await watcher.evaluate("started => Date.now() - Date.parse(started)", view["started_at"])
        return bool(elapsed > SHOW_MS)

    await until(long_enough, f"{SHOW_MS} ms on air", 60)
