"""A call from request to replay, in two real browsers with different cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.evidence import export, public_key, verify
from tests.browser.media_files import Devices
from tests.browser.people import PHONE, People
from tests.browser.server import Server
from tests.browser.steps import confirm_disclosure, hears, request_call, sale_open, sees_picture, timecode, until

MOST_APART_MS = 150
# How far apart on the session's axis the players are in playback: the median of 30 drawn frames, since one that a busy
# machine decodes late says nothing of the player. Null where one of them stands: at its end it is where its copy ends.
APART_IN_MOTION = """async offsets => {
  const named = name => document.querySelector(`[data-testid="player-${name}"]`);
  const players = ["adviser", "customer"].map(name => [named(name), offsets[name]]);
  const apart = [];
  for (let frame = 0; frame < 30; frame++) {
    await new Promise(resolve => requestAnimationFrame(resolve));
    if (players.some(([video]) => video.paused || video.ended)) return null;
    const [adviser, customer] = players.map(([video, offset]) => video.currentTime * 1000 + offset);
    apart.push(Math.abs(adviser - customer));
  }
  return apart.sort((a, b) => a - b)[15];
}"""


@pytest.mark.timeout(240)
async def test_a_call_from_request_to_replay(
    server: Server, people: People, host_devices: Devices, caller_devices: Devices, tmp_path: Path
) -> None:
    desk = await people.open("adviser-1", "/desk", devices=host_devices)
    customer = await people.open("customer-c3", "/call", devices=caller_devices, viewport=PHONE)
    session = await _connect(desk, customer, people)
    for page in (desk, customer):
        await sees_picture(page.get_by_test_id("remote-video"))
        await hears(page.get_by_test_id("remote-video"))

    await customer.reload()
    await sees_picture(customer.get_by_test_id("remote-video"))

    await sale_open(customer, session)
    await _propose(desk)
    await _confirm(customer)
    await expect(desk.get_by_test_id("proposal-state")).to_be_visible()
    [order] = (await people.api(customer, "GET", "/api/orders"))["orders"]
    assert order["session"] == session

    await customer.get_by_test_id("hang-up").click()
    console = await people.open("reviewer-1", f"/console?session={session}")
    await _both_legs_in_sync(console, order)
    bundle = await export(console, people, session, tmp_path / "evidence.zip")
    code, said = await verify(bundle, public_key(server))
    assert code == 0, said


async def _connect(desk: Page, customer: Page, people: People) -> str:
    await request_call(customer)
    await desk.get_by_test_id("available").click()
    await desk.get_by_test_id("waiting-call").get_by_test_id("accept").click()

    async def live() -> str:
        calls = (await people.api(customer, "GET", "/api/calls"))["calls"]
        return str(calls[0]["session"]) if calls and calls[0]["state"] == "live" else ""

    return str(await until(live, "a live call"))


async def _propose(desk: Page) -> None:
    await desk.get_by_test_id("propose-open").click()
    chosen = desk.get_by_test_id("propose-product")
    value = await chosen.evaluate("""select => [...select.options].find(option => option.textContent.includes("R2")).value""")
    await chosen.select_option(value)
    await desk.get_by_test_id("propose-send").click()


async def _confirm(customer: Page) -> None:
    await expect(customer.get_by_test_id("proposal")).to_be_visible()
    await confirm_disclosure(customer)
    await customer.get_by_test_id("confirm-order").click()
    await expect(customer.get_by_test_id("receipt")).to_be_visible()
    await customer.get_by_test_id("receipt-close").click()


async def _both_legs_in_sync(console: Page, order: dict[str, Any]) -> None:
    """Both pictures play, and their positions on the session's axis differ by at most 150 ms, at rest and in motion."""
    legs = [console.get_by_test_id(f"player-{name}") for name in ("adviser", "customer")]
    for leg in legs:
        await expect(leg).to_be_visible(timeout=40_000)
    entry = console.locator('[data-testid="entry"][data-kind="order_placed"]').first
    await entry.click()
    session = order["session"]
    answer = await console.context.request.get(f"{_origin(console)}/api/recordings/{session}")
    offsets = {stream["name"]: stream["offset_ms"] for stream in (await answer.json())["streams"]}

    async def both_there() -> bool:
        codes = [await timecode(leg) for leg in legs]
        return all(code is not None for code in codes) and await _apart_ms(console, offsets) <= MOST_APART_MS

    await until(both_there, "both pictures at the order")
    await until(lambda: _in_step(console, offsets), "the legs fall into step", within_s=40)


async def _apart_ms(console: Page, offsets: dict[str, int]) -> float:
    """How far apart on the session's axis the two players are, read in one go."""
    return float(
        await console.evaluate(
            """offsets => {
              const at = name => document.querySelector(`[data-testid="player-${name}"]`).currentTime * 1000 + offsets[name];
              return Math.abs(at("adviser") - at("customer"));
            }""",
            offsets,
        )
    )


async def _in_step(console: Page, offsets: dict[str, int]) -> bool:
    """Plays from the proposal on, which is seconds before the end, again where the end came first."""
    play = console.get_by_test_id("play")
    if await play.get_attribute("data-playing") != "true":
        await console.locator('[data-testid="entry"][data-kind="proposal_made"]').first.click()
        await play.click()
    apart = await console.evaluate(APART_IN_MOTION, offsets)
    print(f"the legs are {apart} ms apart in motion (None: one of them stands)")
    return apart is not None and float(apart) <= MOST_APART_MS


def _origin(page: Page) -> str:
    return "/".join(page.url.split("/", 3)[:3])
