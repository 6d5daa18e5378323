"""A call is handed to a second adviser, and the customer hangs up while the connection breaks."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.media_files import Devices
from tests.browser.people import PHONE, People
from tests.browser.steps import hears, request_call, sale_open, sees_picture, until
from tests.browser.wires import Wire

# Tracks a page was given, to see that they end.
TRACKS = """
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.given = [];
  navigator.mediaDevices.getUserMedia = async wanted => {
    const media = await ask(wanted);
    window.given.push(...media.getTracks());
    return media;
  };
"""


@pytest.mark.timeout(180)
async def test_a_transferred_call_goes_on_with_the_next_adviser(
    people: People, host_devices: Devices, caller_devices: Devices
) -> None:
    wire = Wire()
    customer = await people.open("customer-c3", "/call", devices=caller_devices, init_script=TRACKS, wire=wire)
    await customer.route(re.compile(r"/wh[ie]p(\?|$)"), _with_broken_ice_servers)
    await request_call(customer)
    first = await people.open("adviser-1", "/desk", devices=host_devices, viewport=PHONE)
    await _accept(first)
    await expect(first.get_by_test_id("sale-state")).not_to_be_empty()
    assert await first.locator(".talk-topic").evaluate("topic => topic.scrollWidth <= topic.clientWidth"), (
        "the topic is cut off"
    )
    for page in (first, customer):
        await sees_picture(page.get_by_test_id("remote-video"))
    before = await _session(customer, people)

    await first.get_by_test_id("transfer").click()
    await first.get_by_role("dialog").get_by_role("button", name="Transfer").click()
    await expect(first.get_by_test_id("hang-up")).to_be_hidden()
    second = await people.open("adviser-2", "/desk", devices=host_devices)
    await _accept(second)
    for page in (second, customer):
        await sees_picture(page.get_by_test_id("remote-video"))
        await hears(page.get_by_test_id("remote-video"))
    session = await _session(customer, people)
    assert session != before
    await sale_open(customer, session)

    wire.cut_before = "hang_up"
    await customer.get_by_test_id("hang-up").click()
    await expect(customer.get_by_test_id("call-leaving")).to_be_visible()
    assert await customer.evaluate("""() => window.given.length > 0 && window.given.every(t => t.readyState === "ended")""")
    await expect(customer.get_by_test_id("call-over")).to_be_visible(timeout=20_000)
    assert len(wire.lost) == 1
    await expect(second.get_by_test_id("hang-up")).to_be_hidden()
    assert [line for line in people.console if "pageerror" in line] == []


async def _with_broken_ice_servers(route: Route) -> None:
    """The browser takes neither: with them the page's next connection throws."""
    answer = await route.fetch()
    link = '<turn:127.0.0.1:3478>; rel="ice-server", <stun:>; rel="ice-server"'
    await route.fulfill(response=answer, headers={**answer.headers, "link": link})


async def _accept(desk: Page) -> None:
    await desk.get_by_test_id("waiting-call").get_by_test_id("accept").click()


async def _session(customer: Page, people: People) -> str:
    async def live() -> str:
        calls = (await people.api(customer, "GET", "/api/calls"))["calls"]
        return str(calls[0]["session"]) if calls and calls[0]["state"] == "live" else ""

    return str(await until(live, "a live call"))
