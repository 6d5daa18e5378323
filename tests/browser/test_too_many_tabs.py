"""A tab too many says so, and goes on by itself once another is closed."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from playwright.async_api import WebSocketRoute, expect

from core.errors import Refused
from rooms.errors import TOO_MANY_OPEN
from tests.browser.people import DESKTOP, PHONE, People
from tests.browser.wires import Wire


@dataclass
class Crowded(Wire):
    """A wire on which the server lets nobody in, as while that person has too many tabs open."""

    full: bool = True

    def _routed(self, page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()
        said = {"message": TOO_MANY_OPEN.code, "data": Refused(TOO_MANY_OPEN, max=20).to_json("en")}

        def from_page(message: str | bytes) -> None:
            if self.full and str(message).startswith("40/room,"):
                page_side.send("44/room," + json.dumps(said))
            else:
                server_side.send(message)

        page_side.on_message(from_page)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("lang", "viewport"), [("en", PHONE), ("zh", DESKTOP)])
async def test_a_tab_too_many_says_so_and_goes_on_by_itself(people: People, lang: str, viewport: dict[str, int]) -> None:
    lobby = await people.open("adviser-1", "/")
    [show] = [one for one in (await people.api(lobby, "GET", "/api/shows"))["upcoming"] if one["mine"]][:1]
    wire = Crowded()
    page = await people.open("customer-c3", f"/watch/{show['session']}", lang=lang, viewport=viewport, wire=wire)
    line = page.get_by_test_id("connection")
    await expect(line).to_have_text(
        {
            "en": "This is open in too many tabs. Close some; this one goes on by itself.",
            "zh": "打开的页面过多，请关闭一些，本页随后会自动恢复。",
        }[lang]
    )
    wire.full = False
    await expect(line).to_be_hidden(timeout=20_000)
