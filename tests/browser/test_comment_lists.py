"""Lists of comments stay at their end, in the studio and on the watch page: also behind another tab, and when told to wait."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.people import People
from tests.browser.steps import until
from tests.browser.test_comment_plane import HOLD_SOCKETS, live_show, moderated, watching

pytestmark = pytest.mark.one_server

AT_END = """() => { const l = document.querySelector('[data-testid="comment-list"]');
  return l.scrollTop > 0 && l.scrollHeight - l.scrollTop - l.clientHeight < 2; }"""


async def at_end(page: Page) -> None:
    await until(lambda: page.evaluate(AT_END), "the newest is in sight")


async def in_studio(people: People) -> tuple[Page, str]:
    """The studio of a show that is on, and the session's id."""
    session = await live_show(people)
    studio = await people.open("adviser-1", "/studio", init_script=HOLD_SOCKETS)
    await studio.get_by_test_id("show-item").filter(has_text="Evening").first.click()
    await expect(studio.get_by_test_id("comment-input")).to_be_visible()
    await expect(studio.get_by_test_id("acts")).to_have_count(1)
    return studio, session


async def test_a_host_who_looks_at_something_else_comes_back_to_the_newest(people: People) -> None:
    studio, session = await in_studio(people)
    rows = studio.get_by_test_id("comment-list").locator(".talk-row")
    await studio.evaluate("s => tellMany(s, 0, 60)", session)
    await expect(rows).to_have_count(60)
    await at_end(studio)
    await studio.get_by_test_id("tab-moderation").click()
    await studio.evaluate("s => tellMany(s, 60, 20)", session)
    await studio.get_by_test_id("tab-comments").click()
    await at_end(studio)
    await studio.evaluate("s => tellMany(s, 80, 1)", session)
    await at_end(studio)


async def test_a_host_who_reads_on_top_is_told_of_what_came(people: People) -> None:
    studio, session = await in_studio(people)
    await studio.evaluate("s => tellMany(s, 0, 60)", session)
    await at_end(studio)
    where = studio.get_by_test_id("comment-list")
    await where.evaluate(
        "list => new Promise(done => { list.addEventListener('scroll', done, {once: true}); list.scrollTop = 0; })"
    )
    await studio.evaluate("s => tellMany(s, 60, 5)", session)
    await expect(studio.get_by_test_id("newest")).to_have_text("New comments: 5")
    assert await where.evaluate("list => list.scrollTop") == 0
    await studio.get_by_test_id("newest").press("Enter")
    await at_end(studio)
    await expect(studio.get_by_test_id("newest")).to_be_hidden()
    await expect(where).to_be_focused()


@pytest.mark.parametrize("who", ["viewer", "host"])
async def test_what_is_put_back_above_is_not_counted_as_to_come(people: People, who: str) -> None:
    if who == "host":
        page, session = await in_studio(people)
    else:
        session = await live_show(people)
        page = await watching(people, session)
    await page.evaluate("s => { tellMany(s, 0, 10); tellMany(s, 11, 60); }", session)
    await at_end(page)
    await page.get_by_test_id("comment-list").evaluate(
        "list => new Promise(done => { list.addEventListener('scroll', done, {once: true}); list.scrollTop = 0; })"
    )
    back = {"id": "cmt-10", "at": "1970-01-01T00:00:10.000Z", "media_ms": 10, "author": "李**", "author_tag": "t",
            "host": False, "text": "put back", "kind": "comment", "answers": None, "mentions": []}  # fmt: skip
    await page.evaluate("m => tell('moderated', m)", moderated(session, 1000, restored=[back]))
    await expect(shown(page).nth(10)).to_have_text("put back")
    await expect(page.get_by_test_id("newest")).to_be_hidden()
    await page.evaluate("s => tellMany(s, 80, 1)", session)
    await expect(page.get_by_test_id("newest")).to_have_text("New comments: 1")


async def test_a_viewer_who_looks_at_the_questions_comes_back_to_the_newest(people: People) -> None:
    session = await live_show(people)
    page = await watching(people, session)
    await page.evaluate("s => tellMany(s, 0, 100)", session)
    await at_end(page)
    await page.get_by_test_id("tab-questions").click()
    await page.evaluate("s => tellMany(s, 100, 40)", session)
    await page.get_by_test_id("tab-comments").click()
    await at_end(page)


async def says(page: Page, words: str) -> None:
    await page.get_by_test_id("comment-input").fill(words)
    await page.get_by_test_id("comment-input").press("Enter")


def shown(page: Page) -> Locator:
    return page.get_by_test_id("comment-list").locator(".comment-text, .talk-text")


@pytest.mark.parametrize("who", ["viewer", "host"])
async def test_who_was_away_sees_what_is_shown_now_in_its_order(people: People, who: str) -> None:
    session = await live_show(people)
    adviser = await people.open("adviser-1", "/")
    other = await watching(people, session, "customer-c5")
    for words in ("first", "second", "third"):
        await says(other, words)
    await expect(shown(other)).to_have_text(["first", "second", "third"])
    if who == "viewer":
        page = await watching(people, session)
    else:
        page = await people.open("adviser-1", "/studio", init_script=HOLD_SOCKETS)
        await page.get_by_test_id("show-item").filter(has_text="Evening").first.click()
    await expect(shown(page)).to_have_text(["first", "second", "third"])

    await page.context.set_offline(True)
    await page.evaluate("wire.close()")
    ids = [await one.get_attribute("data-comment") for one in await other.locator(".comment").all()]
    door = f"/api/sessions/{session}/moderation"
    for comment in (ids[0], ids[2]):
        await people.api(adviser, "POST", door, {"act": "remove", "comment": comment})
    await says(other, "meanwhile")
    await expect(shown(other)).to_have_text(["second", "meanwhile"])
    await page.context.set_offline(False)
    await expect(shown(page)).to_have_text(["second", "meanwhile"])


async def test_a_comment_whose_answer_was_lost_is_there_once_and_not_offered_again(people: People) -> None:
    session = await live_show(people)
    page, other = await watching(people, session), await watching(people, session, "customer-c5")
    await says(page, "heard")
    await expect(shown(other)).to_have_text(["heard"])
    await page.evaluate("() => { wire.onmessage = null; }")
    await says(page, "answer lost")
    await expect(shown(other)).to_have_text(["heard", "answer lost"])
    await page.context.set_offline(True)
    await page.evaluate("wire.close()")
    await expect(page.get_by_test_id("comment-input")).to_have_value("answer lost")
    await page.context.set_offline(False)
    await expect(shown(page)).to_have_text(["heard", "answer lost"])
    await expect(page.get_by_test_id("comment-input")).to_have_value("")
    await expect(page.get_by_test_id("refusal")).to_have_count(0)
