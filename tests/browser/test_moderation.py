"""A host moderates from the studio: by mouse and by keyboard, and takes it back; viewers see what follows."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.media_files import Devices
from tests.browser.people import People
from tests.browser.steps import choose, go_live, says

pytestmark = pytest.mark.one_server


@pytest.mark.timeout(120)
async def test_a_host_moderates_and_takes_it_back(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}")
    other = await people.open("customer-c5", f"/watch/{session}")
    said = studio.get_by_test_id("comment-list")
    await says(viewer, "first words")
    await expect(said).to_contain_text("first words")

    # While a menu is open the list stands still; what came meanwhile is there once it is closed.
    await studio.locator(".talk-row", has_text="first words").get_by_test_id("comment-more").click()
    await says(other, "came meanwhile")
    await expect(other.get_by_test_id("comment-list")).to_contain_text("came meanwhile")
    await expect(said).not_to_contain_text("came meanwhile")
    await studio.keyboard.press("Escape")
    await expect(said).to_contain_text("came meanwhile")
    await expect(studio.locator(".talk-row", has_text="first words").get_by_test_id("comment-more")).to_be_focused()

    await choose(studio, "first words", "pin")
    await expect(studio.get_by_test_id("pinned-comment")).to_contain_text("first words")
    await choose(studio, "first words", "answer")
    await says(studio, "an answer")
    await expect(studio.locator(".talk-row-host q")).to_contain_text("first words")

    await choose(studio, "came meanwhile", "remove")
    await expect(said).not_to_contain_text("came meanwhile")
    await studio.get_by_test_id("undo-last").click()
    await expect(said).to_contain_text("came meanwhile")

    await studio.get_by_test_id("tab-moderation").click()
    await studio.get_by_test_id("premoderated").check()
    await expect(studio.get_by_test_id("moderation-told")).to_contain_text("Changed the rules")
    await says(viewer, "please show me")
    held = studio.get_by_test_id("held").locator("li", has_text="please show me")
    await expect(held).to_be_visible()
    await expect(studio.get_by_test_id("held-count")).to_have_text("1")
    await held.get_by_test_id("release").click()
    await expect(studio.get_by_test_id("held-count")).to_be_hidden()
    await studio.get_by_test_id("tab-comments").click()
    await expect(said).to_contain_text("please show me")

    await choose(studio, "please show me", "ban")
    await expect(viewer.get_by_test_id("refusal")).to_contain_text("asked you to leave")
    for gone in ("comment-input", "comment-list", "viewers", "shelf-open"):
        await expect(viewer.get_by_test_id(gone)).to_be_hidden()
    assert await viewer.get_by_test_id("video").evaluate("video => video.srcObject === null")
    await studio.get_by_test_id("tab-comments").focus()
    await studio.keyboard.press("ArrowRight")
    await studio.get_by_test_id("forgive").click()
    await expect(studio.get_by_test_id("sanctions")).to_contain_text("Nobody")
    await viewer.reload()
    await expect(viewer.get_by_test_id("comment-list")).to_contain_text("please show me")
