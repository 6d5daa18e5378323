"""The studio sends its picture in two sizes where the server takes both; viewers choose, and the choice is kept."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.media_files import Devices
from tests.browser.peers import KEEP_PEERS, count, sent, video_bytes
from tests.browser.people import People
from tests.browser.steps import go_live, hears, sees_picture, until

pytestmark = pytest.mark.one_server


@pytest.mark.timeout(180)
async def test_the_picture_goes_out_in_two_sizes(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices, init_script=KEEP_PEERS)
    await go_live(studio)
    await expect(studio.get_by_test_id("health-small")).to_contain_text("320 × 180")
    await expect(studio.get_by_test_id("health-picture")).to_contain_text("640 × 360")
    sound, high, low = await sent(studio)
    assert (sound["kind"], high["kind"], low["kind"]) == ("audio", "video", "video")
    assert (high["maxBitrate"], low["maxBitrate"], high["priority"], low["priority"]) == (2_500_000, 300_000, "high", "low")


@pytest.mark.timeout(180)
async def test_a_server_that_takes_one_picture_gets_one(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices, init_script=KEEP_PEERS)

    async def one_picture(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=_without_second_video(await answer.text()))

    await studio.route("**/whip", one_picture)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}")
    await sees_picture(viewer.get_by_test_id("video"))
    await expect(studio.get_by_test_id("health-picture")).to_contain_text("640 × 360")
    await expect(studio.get_by_test_id("health-small")).to_have_count(0)
    assert [one["kind"] for one in await sent(studio)] == ["audio", "video"]
    # What changes later reaches the one that is left.
    await studio.get_by_test_id("share-screen").click()

    async def wide() -> bool:
        return bool(await viewer.get_by_test_id("video").evaluate("video => video.videoWidth > 1000"))

    await until(wide, "the screen's picture")
    assert await count(studio) == 1


@pytest.mark.timeout(180)
async def test_a_viewer_chooses_and_the_choice_is_kept(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}", init_script=KEEP_PEERS)
    told = _listen(viewer)
    await sees_picture(viewer.get_by_test_id("video"))
    await until(lambda: _last(told, "auto"), "the automatic choice at the server")
    assert all(isinstance(one["height"], int) and one["height"] > 0 for one in told), told

    for quality, width in (("high", 640), ("low", 320)):
        await _choose(viewer, quality)
        await until(partial(_shows, viewer, width), f"the {quality} picture")

    await _choose(viewer, "audio")
    card = viewer.get_by_test_id("state-card")
    await expect(card).to_have_attribute("data-kind", "sound")
    await _the_picture_is_not_sent(viewer)
    await hears(viewer.get_by_test_id("video"))

    await viewer.reload()
    await until(lambda: _last(told, "audio"), "the kept choice, told again")
    await expect(card).to_have_attribute("data-kind", "sound")
    await hears(viewer.get_by_test_id("video"))
    await viewer.get_by_test_id("picture-back").press("Enter")
    await expect(viewer.get_by_test_id("quality")).to_be_focused()
    await until(lambda: _last(told, "low"), "the picture that was chosen before")
    await sees_picture(viewer.get_by_test_id("video"))
    await until(partial(_shows, viewer, 320), "the low picture")
    await expect(card).to_be_hidden()
    assert await count(viewer) == 1, "a choice needs no new connection"


@pytest.mark.timeout(180)
async def test_a_window_that_changes_its_size_is_told_on_automatic_alone(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}", init_script=KEEP_PEERS)
    told = _listen(viewer)
    await sees_picture(viewer.get_by_test_id("video"))
    await until(lambda: _last(told, "auto"), "the automatic choice at the server")
    before = told[-1]["height"]
    await viewer.set_viewport_size({"width": 1000, "height": 420})

    async def smaller() -> bool:
        return bool(told[-1]["height"] < before)

    await until(smaller, "the smaller height at the server")
    await _choose(viewer, "high")
    await until(lambda: _last(told, "high"), "the high picture at the server")
    known = len(told)
    await viewer.set_viewport_size({"width": 1440, "height": 900})
    at = await viewer.evaluate("() => performance.now()")
    await viewer.wait_for_function("since => performance.now() - since > 3000", arg=at)
    assert len(told) == known, told[known:]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("status", [404, 503])
async def test_where_nothing_can_be_chosen_nothing_is_offered(people: People, host_devices: Devices, status: int) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    kept = "localStorage.setItem('tellercast.quality', 'audio')"
    viewer = await people.open("customer-c3", "/", init_script=kept)

    async def refused(route: Route) -> None:
        await route.fulfill(status=status, content_type="application/problem+json", body='{"code": "no", "title": "No."}')

    await viewer.route(re.compile(r"/layer$"), refused)
    await viewer.goto(f"{people.url}/watch/{session}")
    await sees_picture(viewer.get_by_test_id("video"), within_s=60)  # a server that is only busy is asked again first
    await expect(viewer.get_by_test_id("quality")).to_be_hidden()
    await expect(viewer.get_by_test_id("state-card")).to_be_hidden()


async def _choose(viewer: Page, quality: str) -> None:
    await viewer.get_by_test_id("quality").click()
    await viewer.get_by_test_id(f"quality-{quality}").check()
    await viewer.keyboard.press("Escape")


async def _shows(viewer: Page, width: int) -> bool:
    return bool(await viewer.get_by_test_id("video").evaluate("video => video.videoWidth") == width)


def _listen(viewer: Page) -> list[dict[str, Any]]:
    """What the page tells the server and the server takes, as it happens."""
    told: list[dict[str, Any]] = []

    def heard(response: Any) -> None:
        if response.url.endswith("/layer") and response.status == 204:
            told.append(json.loads(response.request.post_data))

    viewer.on("response", heard)
    return told


async def _last(told: list[dict[str, Any]], quality: str) -> bool:
    return bool(told) and told[-1]["quality"] == quality


async def _the_picture_is_not_sent(viewer: Page) -> None:
    """Two readings a second apart that are the same: what is on its way when one chooses may still arrive."""

    async def still() -> bool:
        before = await video_bytes(viewer)
        at = await viewer.evaluate("() => performance.now()")
        await viewer.wait_for_function("since => performance.now() - since > 1000", arg=at)
        return bool(await video_bytes(viewer) == before)

    await until(still, "no more picture on the wire")


def _without_second_video(answer: str) -> str:
    """The answer of a server that takes one video: the second m-line refused (RFC 8829 section 5.3.1)."""
    head, *media = re.split(r"(?=^m=)", answer, flags=re.MULTILINE)
    refused = media[2]
    mid = re.search(r"^a=mid:(\S+)", refused, re.MULTILINE)
    assert refused.startswith("m=video")
    assert mid is not None
    line = refused.splitlines()[0].split(" ")
    media[2] = "\r\n".join([" ".join(["m=video", "0", *line[2:]]), "c=IN IP4 0.0.0.0", "a=inactive", f"a=mid:{mid[1]}", ""])
    head = re.sub(rf"^(a=group:BUNDLE .*?) {mid[1]}(?=\s)", r"\1", head, flags=re.MULTILINE)
    return head + "".join(media)
