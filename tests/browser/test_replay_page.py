"""The page of a replay goes by the film's time, whatever else it hears: of the end, the last pin, today's terms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.people import DESKTOP, PHONE, People
from tests.browser.replayed import MINUTES, make_film, replay_of, seek, serve_replay
from tests.browser.steps import read_disclosure, until
from tests.browser.test_comment_lists import says, shown
from tests.browser.test_comment_plane import HOLD_SOCKETS, live_show, watching
from tests.commerce.operators import EDITABLE

AT_THE_END = "said at the end"
# The shows of these tests have no recording: each answer to a join is given the film.
WITH_FILM = """{
  const Held = window.WebSocket;
  const filmed = (data) => {
    if (typeof data !== "string" || !data.startsWith("43/room,")) return data;
    const at = data.indexOf("[");
    const said = JSON.parse(data.slice(at));
    if (said[0]?.session?.state) said[0].session.replay = REPLAY;
    return data.slice(0, at) + JSON.stringify(said);
  };
  window.WebSocket = class extends Held {
    get onmessage() { return super.onmessage; }
    set onmessage(told) { super.onmessage = told && ((event) => told({ data: filmed(event.data) })); }
  };
}"""


@dataclass
class Seen:
    """A show seen again, and what was on its shelf."""

    page: Page
    session: str
    products: list[str]


async def seen_again(people: People, folder: Path, times_ms: Sequence[int], viewport: dict[str, int] = DESKTOP) -> Seen:
    """A show with two products and one comment, pinned at its end, whose film has just begun."""
    film = await asyncio.to_thread(make_film, folder / "film.mp4")
    session = await live_show(people)
    adviser = people.pages[0]
    show = next(one for one in (await people.api(adviser, "GET", "/api/shows"))["live"] if one["session"] == session)
    products = [one["id"] for one in (await people.api(adviser, "GET", "/api/products"))["products"][:2]]
    await people.api(adviser, "PUT", f"/api/shows/{show['id']}/shelf", {"products": products})
    other = await watching(people, session, "customer-c5")
    await says(other, AT_THE_END)
    row = other.locator('.comment[data-state="sent"]')
    await expect(row).to_have_count(1)
    pin = {"act": "pin", "comment": await row.get_attribute("data-comment")}
    await people.api(adviser, "POST", f"/api/sessions/{session}/moderation", pin)
    await people.api(adviser, "POST", f"/api/shows/{show['id']}/end")
    script = HOLD_SOCKETS + WITH_FILM.replace("REPLAY", json.dumps(replay_of(session)))
    page = await people.open("customer-c3", "/", init_script=script, viewport=viewport)
    await serve_replay(page, session, film, times_ms, [{"at_ms": 0, "products": products[:1], "pinned": None}])
    return Seen(page, session, products)


async def begun(people: People, seen: Seen, at_s: int) -> None:
    video = seen.page.get_by_test_id("video")
    await seen.page.goto(f"{people.url}/watch/{seen.session}")
    await until(lambda: video.evaluate("video => video.readyState >= 2"), "the film is there")
    await video.evaluate("video => video.pause()")
    await seek(seen.page, at_s)


@pytest.mark.one_server
async def test_what_was_said_and_pinned_at_the_end_is_not_there_before(people: People, tmp_path: Path) -> None:
    seen = await seen_again(people, tmp_path, [3000, 5000, 40_000])
    await begun(people, seen, 8)
    by_then = ["said at 3000", "said at 5000"]
    await expect(shown(seen.page)).to_have_text(by_then)
    await expect(seen.page.get_by_test_id("comment-pinned")).to_be_hidden()
    name = seen.page.get_by_test_id("product-card").locator("h3")
    english = str(await name.text_content())
    await seen.page.get_by_test_id("tab-shelf").click()
    await seen.page.get_by_test_id("language").click()
    await expect(name).not_to_have_text(english)  # it has heard anew of the show, the last comments with it
    await seen.page.get_by_test_id("tab-comments").click()
    await expect(shown(seen.page)).to_have_text(by_then)
    await expect(seen.page.get_by_test_id("comment-pinned")).to_be_hidden()


@pytest.mark.one_server
async def test_what_was_said_long_before_a_moment_stands_there_and_is_not_read_aloud(people: People, tmp_path: Path) -> None:
    seen = await seen_again(people, tmp_path, [*range(2000, 10_000, 500), 12_000])
    await begun(people, seen, MINUTES * 60 - 5)
    await expect(shown(seen.page)).to_have_count(17)
    await expect(shown(seen.page).last).to_have_text("said at 12000")
    await seek(seen.page, 8)
    await expect(shown(seen.page)).to_have_count(16)
    said = seen.page.get_by_test_id("comment-list")
    await expect(said).to_have_attribute("aria-live", "off")
    await seen.page.get_by_test_id("video").evaluate("video => { video.muted = true; return video.play(); }")
    await expect(shown(seen.page)).to_have_count(17)
    await expect(said).to_have_attribute("aria-live", "polite")


@pytest.mark.one_server
async def test_whether_a_replay_sells_is_asked_until_it_is_known(people: People, tmp_path: Path) -> None:
    seen = await seen_again(people, tmp_path, [], PHONE)
    asked = 0

    async def marks(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            return await route.fulfill(status=503, json={"code": "busy", "title": "Busy"})
        told = [{"at_ms": 0, "products": seen.products[:1], "pinned": None}]
        return await route.fulfill(json={"marks": told, "sells": True})

    await seen.page.route("**/replay/marks", marks)
    await begun(people, seen, 8)
    bag, elsewhere = seen.page.get_by_test_id("shelf-open"), seen.page.get_by_test_id("shelf-elsewhere")
    buttons = seen.page.get_by_test_id("buy")
    await expect(buttons).to_have_count(2)
    await expect(elsewhere).to_have_attribute("hidden", "")
    for button in await buttons.all():
        await expect(button).to_have_attribute("aria-disabled", "true")
    assert await seen.page.get_by_text("Replays don't sell.").count() == 0
    await expect(buttons).to_have_count(1)
    await expect(buttons).to_have_attribute("aria-disabled", "false")
    await expect(bag).to_have_text("1")
    await expect(bag).to_be_visible()
    words = {"title": "You were put out.", "next": "", "door": "lobby", "params": {}}
    banned = {"session": seen.session, "code": "banned"} | words
    await seen.page.evaluate("said => tell('banned', said)", banned)
    await expect(seen.page.get_by_test_id("refusal")).to_be_visible()
    await expect(bag).to_be_hidden()
    await expect(seen.page.get_by_test_id("video")).not_to_have_attribute("src", "")


async def test_who_confirms_beside_terms_that_changed_sees_those_of_today(people: People, tmp_path: Path) -> None:
    seen = await seen_again(people, tmp_path, [])
    product = f"/api/catalogue/{seen.products[0]}"
    operator = await people.open("operator-1", "/")
    confirmed: list[dict[str, Any]] = []
    current = (await people.api(operator, "GET", product))["revision"]

    async def disclosures(route: Route) -> None:
        confirmed.append(route.request.post_data_json)
        if confirmed[-1].get("revision") == current:
            return await route.fulfill(status=204)
        said = {"code": "replay_terms_changed", "title": "It has changed: its price.", "next": "Look.", "door": "disclosure"}
        return await route.fulfill(status=409, json=said | {"params": {}}, content_type="application/problem+json")

    selling = {"marks": [{"at_ms": 0, "products": seen.products[:1], "pinned": None}], "sells": True}
    await seen.page.route("**/replay/marks", lambda route: route.fulfill(json=selling))
    await seen.page.route("**/disclosures", disclosures)
    await begun(people, seen, 8)
    await seen.page.get_by_test_id("tab-shelf").click()
    await seen.page.get_by_test_id("buy").click()
    sheet, tick = seen.page.get_by_test_id("sheet"), seen.page.get_by_test_id("disclosure-check")
    await expect(sheet).not_to_contain_text("9.87")
    item = await people.api(operator, "GET", product)
    terms = {name: item[name] for name in EDITABLE} | {"rate_text_en": "Now 9.87% a year"}
    await people.api(operator, "PUT", product, {"revision": item["revision"], "terms": terms})
    current = (await people.api(operator, "GET", product))["revision"]
    await read_disclosure(seen.page)
    await tick.click()  # the answer takes it off again
    await expect(seen.page.get_by_test_id("refusal")).to_contain_text("its price")
    await expect(sheet).to_contain_text("9.87")
    await expect(tick).not_to_be_checked()
    await tick.check()
    await until(lambda: _told(confirmed, current), "it was confirmed beside the terms of today")
    await expect(seen.page.get_by_test_id("confirm-order")).to_have_attribute("aria-disabled", "false")


async def _told(confirmed: list[dict[str, Any]], revision: int) -> bool:
    return confirmed[-1]["revision"] == revision
