"""The comment plane of the watch page: a rush stays bounded, still and apart; moderation, questions and reactions are seen."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import DESKTOP, PHONE, People
from tests.browser.steps import until

# Lets a test say to the page what a server says over the socket, as it stands on the wire.
HOLD_SOCKETS = """{
  const Real = window.WebSocket;
  window.WebSocket = class extends Real { constructor(...given) { super(...given); window.wire = this; } };
  window.tell = (event, payload) => window.wire.onmessage({ data: `42/room,${JSON.stringify([event, payload])}` });
  window.tellMany = (session, from, count) => {
    for (let n = from; n < from + count; n += 1) window.tell("comments", { session, skipped: 0, comments: [{
      id: `cmt-${n}`, at: new Date(n * 1000).toISOString(), media_ms: n, author: "李**", author_tag: `tag-${n % 7}`,
      text: `comment ${n} `.repeat(1 + n % 4), host: false, kind: "comment", answers: null, mentions: [] }] });
  };
}"""
# How far two flying comments are over each other, at worst, in so many frames (px; 0 when they never touch).
OVERLAP = """async ([session, frames]) => {
  const layer = document.querySelector('[data-testid="danmaku-layer"]');
  let worst = 0, most = 0;
  for (let frame = 0; frame < frames; frame += 1) {
    window.tellMany(session, 100000 + frame * 3, 3);
    await new Promise(requestAnimationFrame);
    const boxes = [...layer.children].map((item) => item.getBoundingClientRect());
    most = Math.max(most, boxes.length);
    const bounds = layer.getBoundingClientRect();
    for (const box of boxes) worst = Math.max(worst, box.bottom - bounds.bottom, bounds.top - box.top);
    boxes.forEach((a, at) => { for (const b of boxes.slice(at + 1)) {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 0.5 && high > 0.5) worst = Math.max(worst, Math.min(wide, high));
    } });
  }
  return [worst, most];
}"""


JOINED = re.compile(r"\d")
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


async def live_show(people: People) -> str:
    """A show that is on, without a camera."""
    adviser = await people.open("adviser-1", "/")
    starts_at = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    show = await people.api(adviser, "POST", "/api/shows", {"title": "Evening", "starts_at": starts_at})
    return str((await people.api(adviser, "POST", f"/api/shows/{show['id']}/start"))["session"])


async def watching(people: People, session: str, who: str = "customer-c3", **options: Any) -> Page:
    page = await people.open(who, f"/watch/{session}", init_script=HOLD_SOCKETS, **options)
    await expect(page.get_by_test_id("viewers")).to_contain_text(JOINED)
    return page


def moderated(session: str, seq: int, **what: Any) -> dict[str, Any]:
    calm = {"removed": [], "restored": [], "pinned_comment": None, "rules": {"slow_s": 0, "premoderated": False}}
    return {"session": session, "seq": seq} | calm | what


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_a_rush_stays_bounded_and_what_is_read_stays_in_its_place(people: People, viewport: dict[str, int]) -> None:
    session = await live_show(people)
    page = await watching(people, session, viewport=viewport)
    rows = page.get_by_test_id("comment-list").locator("li")
    await page.evaluate("s => tellMany(s, 0, 150)", session)
    await expect(rows).to_have_count(150)
    at_end = """() => { const l = document.querySelector('[data-testid="comment-list"]');
      return l.scrollTop > 0 && l.scrollHeight - l.scrollTop - l.clientHeight < 2; }"""
    await until(lambda: page.evaluate(at_end), "the newest is in sight")
    read = rows.filter(has_text="comment 120 ").first
    await read.evaluate("""row => { const list = row.parentElement;
      list.scrollTop += row.getBoundingClientRect().top - list.getBoundingClientRect().top - 10; }""")
    top = await read.evaluate("row => new Promise(requestAnimationFrame).then(() => row.getBoundingClientRect().top)")
    await page.evaluate("s => tellMany(s, 150, 100)", session)
    await expect(page.get_by_test_id("newest")).to_contain_text("100")
    assert await rows.count() == 200
    assert abs(await read.evaluate("row => row.getBoundingClientRect().top") - top) < 1.5
    await page.get_by_test_id("newest").click()
    await until(lambda: page.evaluate(at_end), "the newest is in sight again")
    await expect(page.get_by_test_id("newest")).to_be_hidden()
    before = await page.evaluate("() => document.querySelectorAll('*').length")
    await page.evaluate("s => tellMany(s, 1000, 3000)", session)
    await expect(rows.last).to_contain_text("comment 3999")
    assert await page.evaluate("() => document.querySelectorAll('*').length") < before + 250


async def test_no_flying_comment_is_over_another_and_they_are_few_enough(people: People) -> None:
    session = await live_show(people)
    page = await watching(people, session)
    await page.evaluate(
        """() => localStorage.setItem('tellercast.danmaku', '{"density":"high","area":"full","speed":"fast"}')"""
    )
    await page.reload()
    await expect(page.get_by_test_id("viewers")).to_contain_text(JOINED)
    worst, most = await page.evaluate(OVERLAP, [session, 240])
    assert worst <= 0.5
    assert 5 <= most <= 200
    pause = page.get_by_test_id("danmaku-pause")
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await page.evaluate("s => tellMany(s, 900000, 5)", session)
    await pause.click()
    await page.evaluate(TWO_FRAMES)  # an animation stands still from its next frame on
    places = "() => [...document.querySelectorAll('.danmaku-item')].map((item) => item.getBoundingClientRect().left)"
    still = await page.evaluate(places)
    assert still
    await page.evaluate(TWO_FRAMES)
    assert await page.evaluate(places) == still


async def test_what_a_moderator_does_is_seen_at_once(people: People) -> None:
    session = await live_show(people)
    page = await watching(people, session)
    texts = page.get_by_test_id("comment-list").locator(".comment-text")
    await page.evaluate("s => tellMany(s, 1, 3)", session)
    kept = {"id": "cmt-2", "at": "1970-01-01T00:00:02Z", "media_ms": 2, "author": "李**", "author_tag": "t", "host": False,
            "text": "kept", "kind": "comment", "answers": None, "mentions": []}  # fmt: skip
    await page.evaluate("m => tell('moderated', m)", moderated(session, 1000, removed=["cmt-2"]))
    await expect(texts).to_have_count(2)
    await expect(page.locator('.danmaku-item[data-comment="cmt-2"]')).to_have_count(0)
    rules = {"slow_s": 600, "premoderated": True}
    told = moderated(session, 1001, restored=[kept], pinned_comment=kept, rules=rules)
    await page.evaluate("m => tell('moderated', m)", told)
    await expect(texts).to_have_count(3)
    await expect(texts.nth(1)).to_have_text("kept")
    await expect(page.get_by_test_id("comment-pinned")).to_contain_text("kept")
    box = page.get_by_test_id("comment-input")
    await expect(box).to_have_attribute("placeholder", "Your comment, seen by a moderator first")
    await box.fill("first")
    await box.press("Enter")
    await expect(page.get_by_test_id("comment-left")).to_contain_text(" s")
    await box.fill("second")
    await expect(page.get_by_test_id("comment-send")).to_be_disabled()
    await page.evaluate("m => tell('moderated', m)", moderated(session, 1002))
    await expect(page.get_by_test_id("comment-pinned")).to_be_hidden()
    await expect(page.get_by_test_id("comment-send")).to_be_enabled()


async def test_one_asks_names_somebody_and_reacts(people: People) -> None:
    session = await live_show(people)
    page, other = await watching(people, session), await watching(people, session, "customer-c5", viewport=PHONE)
    await page.get_by_test_id("ask").click()
    await page.get_by_test_id("comment-input").fill("How long does it run?")
    await page.get_by_test_id("emoji").click()
    await page.get_by_test_id("emoji-picker").get_by_role("button", name="🙏").click()
    await page.keyboard.press("Escape")
    await page.get_by_test_id("comment-send").click()
    await page.get_by_test_id("tab-questions").click()
    await expect(page.get_by_test_id("question")).to_contain_text("How long does it run?🙏")
    await other.get_by_test_id("questions-open").click()
    await expect(other.get_by_test_id("question")).to_contain_text("How long does it run?")
    await other.keyboard.press("Escape")
    await other.locator(".comment-name").first.click()
    await expect(other.get_by_test_id("comment-input")).to_be_focused()
    assert (await other.get_by_test_id("comment-input").input_value()).startswith("@")
    await page.get_by_test_id("react").click()
    for _ in range(3):
        await page.get_by_test_id("react-heart").click()
    await expect(other.get_by_test_id("reacted-heart")).to_have_text("3")
    await expect(other.get_by_test_id("reaction-air").locator("span")).to_have_count(0)


async def test_what_was_refused_flies_no_longer_and_is_sent_again_as_it_was(people: People) -> None:
    session = await live_show(people)
    page, other = await watching(people, session), await watching(people, session, "customer-c5")
    adviser = await people.open("adviser-1", "/")
    await other.get_by_test_id("comment-input").fill("first")
    await other.get_by_test_id("comment-input").press("Enter")
    await page.locator(".comment-name").click()
    await page.keyboard.type("hello")
    own = page.locator(".comment-own")
    await page.get_by_test_id("comment-input").press("Enter")
    await expect(own).to_have_attribute("data-state", "sent")
    said = await own.get_attribute("data-comment")
    door = f"/api/sessions/{session}/moderation"
    act = (await people.api(adviser, "POST", door, {"act": "mute", "comment": said}))["acts"][0]["act"]
    await expect(page.locator(".danmaku-own")).to_have_count(1)

    await page.locator(".comment-name").click()
    await page.keyboard.type("and again")
    await page.keyboard.press("Enter")
    await page.get_by_test_id("mute").focus()
    await expect(page.get_by_test_id("refusal")).to_contain_text("muted")
    await expect(page.locator(".danmaku-own").filter(has_text="and again")).to_have_count(0)
    await expect(page.get_by_test_id("comment-input")).to_have_value("@赵** and again")
    await people.api(adviser, "DELETE", f"{door}/{act}")
    await page.get_by_test_id("comment-input").press("Enter")
    await expect(other.locator(".comment-mentioned").filter(has_text="and again")).to_have_count(1)


async def test_where_nothing_can_be_said_any_more_nobody_is_told_how(people: People) -> None:
    session = await live_show(people)
    page = await watching(people, session)
    await expect(page.locator(".comment-none")).to_have_text("No comments yet. Ask the first question.")
    sale = {"open": False, "reason": "session_ended", "sentence_en": "Over.", "sentence_zh": "已结束"}
    await page.evaluate(
        "s => tell('state', s)", {"session": session, "seq": 10**6, "state": "ended", "sale": sale, "streams": []}
    )
    await expect(page.locator(".comment-none")).to_have_text("No comments up to here.")
    cancelled = {"session": session, "seq": 10**6 + 1, "state": "cancelled", "sale": sale, "streams": []}
    await page.evaluate("s => tell('state', s)", cancelled)
    await expect(page.locator(".comment-none")).to_be_hidden()
    await page.evaluate("s => tell('state', s)", cancelled | {"seq": 10**6 + 2, "state": "ended"})
    await page.get_by_test_id("tab-questions").click()
    await expect(page.locator(".questions .empty-title")).to_have_text("No questions up to here.")
    await expect(page.locator(".questions .empty-next")).to_be_hidden()


async def test_what_one_writes_turns_nothing_else_around_and_large_buttons_have_room(people: People) -> None:
    session = await live_show(people)
    page = await watching(people, session, viewport=PHONE, lang="zh")
    line = {"id": "cmt-1", "at": "2026-01-01T00:00:00Z", "media_ms": 1, "author": "李**", "author_tag": "t", "host": False,
            "text": "\u202eabc", "kind": "comment", "answers": None, "mentions": []}  # fmt: skip
    await page.evaluate("m => tell('comments', m)", {"session": session, "skipped": 0, "comments": [line]})
    note = """row => { row.append(Object.assign(document.createElement('span'), { textContent: 'note' }));
      const left = (one) => one.getBoundingClientRect().left;
      return left(row.lastChild) - left(row.querySelector('.comment-text')); }"""
    assert await page.locator(".comment").evaluate(note) > 0
    await page.evaluate("localStorage.setItem('tellercast.elder', '1'); localStorage.setItem('tellercast.danmaku', '{}')")
    await page.reload()
    await page.get_by_test_id("comment-input").focus()
    await page.get_by_test_id("emoji").click()
    for emoji in await page.get_by_test_id("emoji-picker").get_by_role("button").all():
        box = await emoji.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    await page.keyboard.press("Escape")
    top = "() => document.querySelector('.danmaku').getBoundingClientRect().top"
    facts = await page.locator(".watch-facts").bounding_box()
    assert facts is not None
    assert await page.evaluate(top) >= facts["y"] + facts["height"]


async def test_a_rush_is_not_read_aloud_but_what_is_meant_for_one_is(people: People) -> None:
    session = await live_show(people)
    page = await watching(people, session)
    rows, heard = page.get_by_test_id("comment-list"), page.get_by_test_id("aloud")
    await page.evaluate("s => tellMany(s, 0, 2)", session)
    await expect(rows.locator("li")).to_have_count(2)
    await expect(rows).to_have_attribute("aria-live", "polite")
    await page.evaluate("s => tellMany(s, 2, 30)", session)
    await expect(rows.locator("li")).to_have_count(32)
    await expect(rows).to_have_attribute("aria-live", "off")
    await expect(heard).to_have_text("")
    host = {"id": "cmt-h", "at": "2026-01-01T00:00:00Z", "media_ms": 1, "author": "周**", "author_tag": "h", "host": True,
            "text": "welcome", "kind": "comment", "answers": None, "mentions": []}  # fmt: skip
    await page.evaluate("m => tell('comments', m)", {"session": session, "skipped": 0, "comments": [host]})
    await expect(heard).to_have_text("周** welcome")


async def test_slow_mode_counts_down_also_for_who_has_read_the_page_anew(people: People) -> None:
    session = await live_show(people)
    adviser = await people.open("adviser-1", "/")
    page = await watching(people, session)
    await people.api(adviser, "POST", f"/api/sessions/{session}/moderation", {"act": "rules", "slow_s": 30})
    await page.get_by_test_id("comment-input").fill("first")
    await page.get_by_test_id("comment-input").press("Enter")
    await expect(page.get_by_test_id("comment-left")).to_contain_text(" s")
    await page.reload()
    await expect(page.locator(".comment")).to_have_count(1)
    # As if nobody had told it yet that it is slow.
    await page.evaluate("m => tell('moderated', m)", moderated(session, 10**6))
    await page.get_by_test_id("comment-input").fill("second")
    await page.get_by_test_id("comment-input").press("Enter")
    await expect(page.get_by_test_id("refusal")).to_have_attribute("data-code", "comment_slow")
    await expect(page.get_by_test_id("comment-left")).to_contain_text(" s")
    await expect(page.get_by_test_id("comment-send")).to_be_disabled()


async def test_the_newest_stays_in_sight_when_the_text_grows(people: People) -> None:
    session = await live_show(people)
    page = await watching(people, session)
    await page.evaluate("session => window.tellMany(session, 0, 60)", session)
    newest = page.get_by_test_id("comment-list").locator('[data-comment="cmt-59"]')
    await expect(newest).to_be_in_viewport(ratio=1)
    await page.get_by_test_id("elder").click()
    await page.evaluate(TWO_FRAMES)
    await expect(newest).to_be_in_viewport(ratio=1)
