"""A supervisor finds a running show at the desk and moderates it without being its host: host and viewers see what follows."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.media_files import Devices
from tests.browser.people import PHONE, People
from tests.browser.steps import choose, end_show, go_live, says, sees_picture

pytestmark = pytest.mark.one_server


async def from_the_desk(people: People) -> Page:
    """By the keyboard alone, from the desk to the show that is on air."""
    page = await people.open("supervisor-1", "/desk")
    await page.get_by_test_id("moderate").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("supervised")).to_be_visible()
    return page


@pytest.mark.timeout(150)
async def test_a_supervisor_moderates_a_running_show(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}")
    other = await people.open("customer-c5", f"/watch/{session}")
    await says(other, "first words")
    supervisor = await from_the_desk(people)
    await sees_picture(supervisor.get_by_test_id("video"))
    await expect(supervisor.get_by_test_id("comment-list")).to_contain_text("first words")
    await expect(supervisor.get_by_test_id("comment-input")).to_have_count(0)
    # Both stand side by side, and each is called as its heading is.
    for name in ("Comments", "Moderation"):
        await expect(supervisor.get_by_role("region", name=name, exact=True).get_by_role("heading", name=name)).to_be_visible()
    await expect(supervisor.get_by_test_id("viewers")).to_have_text("2")  # who looks after a show is no viewer

    # Held for both moderators, released by one, shown to all.
    await supervisor.get_by_test_id("premoderated").check()
    await expect(studio.get_by_test_id("premoderated")).to_be_checked()
    await says(viewer, "please show me")
    held = supervisor.get_by_test_id("held").locator("li", has_text="please show me")
    await expect(held).to_be_visible()
    await expect(studio.get_by_test_id("held-count")).to_have_text("1")
    await held.get_by_test_id("release").focus()
    await supervisor.keyboard.press("Enter")
    await expect(studio.get_by_test_id("held-count")).to_be_hidden()
    for page in (supervisor, studio, other):
        await expect(page.get_by_test_id("comment-list")).to_contain_text("please show me")
    await supervisor.get_by_test_id("premoderated").uncheck()
    await expect(studio.get_by_test_id("premoderated")).not_to_be_checked()

    await choose(supervisor, "first words", "mute")
    await expect(studio.get_by_test_id("sanctions")).to_contain_text("Muted")
    await says(other, "not to be heard")
    await expect(other.get_by_test_id("refusal")).to_contain_text("muted you")
    await supervisor.get_by_test_id("undo-last").click()
    await expect(studio.get_by_test_id("sanctions")).to_contain_text("Nobody")
    await says(other, "heard again")
    for page in (supervisor, studio, viewer):
        await expect(page.get_by_test_id("comment-list")).to_contain_text("heard again")
        await expect(page.get_by_test_id("comment-list")).not_to_contain_text("not to be heard")

    await choose(supervisor, "heard again", "remove")
    await expect(viewer.get_by_test_id("comment-list")).not_to_contain_text("heard again")

    # On the watch page there is nothing to say, and the way back.
    await supervisor.get_by_test_id("as-viewers").click()
    await expect(supervisor.get_by_test_id("moderate")).to_be_visible()
    await expect(supervisor.get_by_test_id("comment-input")).to_be_hidden()
    await expect(supervisor.get_by_test_id("comment-list")).to_contain_text("please show me")
    await expect(supervisor.locator(".comment-name")).to_have_count(0)
    await supervisor.get_by_test_id("moderate").click()
    await expect(supervisor.get_by_test_id("acts")).to_contain_text("Took down")
    await end_show(studio)
    await expect(supervisor.get_by_test_id("summary")).to_be_visible()


@pytest.mark.timeout(120)
async def test_on_a_phone_the_list_is_at_its_end_whenever_it_is_looked_at(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    viewers = [await people.open(name, f"/watch/{session}") for name in ("customer-c3", "customer-c5")]
    supervisor = await people.open("supervisor-1", "/studio", viewport=PHONE)
    await supervisor.locator('[data-testid="show-item"][data-state="live"]').click()
    said = supervisor.get_by_test_id("comment-list")
    await expect(said).to_be_attached()
    await supervisor.get_by_test_id("tab-comments").focus()
    await supervisor.keyboard.press("ArrowRight")
    await expect(supervisor.get_by_test_id("premoderated")).to_be_visible()
    for number in range(4):  # of several lines each: more than the list has room for
        await says(viewers[number % 2], f"number {number}: " + "很清楚" * 28)
        await expect(said).to_contain_text(f"number {number}")
    await supervisor.keyboard.press("ArrowLeft")
    await expect(said.locator(".talk-row", has_text="number 3")).to_be_in_viewport()
    await expect(said.locator(".talk-row", has_text="number 0")).not_to_be_in_viewport()
