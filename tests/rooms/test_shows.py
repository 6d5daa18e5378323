"""Planning, hosting and ending shows, over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.clock import to_text
from core.errors import Unavailable
from recording import kinds
from rooms import demo_data
from rooms.tables import shows
from stream.errors import MEDIA_UNAVAILABLE
from tests.rooms.house import AMOUNT, BOND, RISKY, House


async def test_a_show_goes_from_the_plan_to_the_replays(house: House) -> None:
    show = await house.show(BOND, live=False)
    assert (show["state"], show["mine"], show["host"]) == ("scheduled", True, {"id": "adviser-1", "name": "周岚"})
    path = f"/api/shows/{show['id']}"
    for event, state, shelf in [
        ("start", "live", "live"),
        ("pause", "paused", "live"),
        ("resume", "live", "live"),
        ("end", "ended", "replays"),
    ]:
        status, moved = await house.api("adviser-1", "POST", f"{path}/{event}")
        assert (status, moved["state"]) == (200, state)
        _, lobby = await house.api("customer-c3", "GET", "/api/shows")
        assert [one["id"] for one in lobby[shelf]] == [show["id"]]
        assert lobby[shelf][0]["mine"] is False
    assert house.media.closed == [show["session"]]
    status, problem = await house.api("adviser-1", "POST", f"{path}/start")
    assert (status, problem["code"]) == (409, "wrong_state")


@pytest.mark.parametrize("event", ["start", "end", "cancel"])
async def test_only_the_host_moves_a_show(house: House, event: str) -> None:
    show = await house.show(live=False)
    status, problem = await house.api("adviser-2", "POST", f"/api/shows/{show['id']}/{event}")
    assert (status, problem["code"]) == (403, "forbidden")
    status, problem = await house.api("adviser-2", "PUT", f"/api/shows/{show['id']}/shelf", {"products": [BOND]})
    assert (status, problem["code"]) == (403, "forbidden")


async def test_a_show_ends_even_while_the_media_process_is_away(house: House) -> None:
    show = await house.show()
    house.media.failing = Unavailable(MEDIA_UNAVAILABLE)
    status, ended = await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/end")
    assert (status, ended["state"]) == (200, "ended")


async def test_watchers_hear_of_start_shelf_pin_and_end(house: House) -> None:
    show = await house.show(live=False)
    path = f"/api/shows/{show['id']}"
    tab, english = await house.tab("customer-c3", lang="zh"), await house.tab("customer-c5")
    for one in (tab, english):
        await one.room("join", {"session": show["session"]})
    await house.api("adviser-1", "POST", f"{path}/start")
    await tab.hears("state", lambda told: told["state"] == "live")
    await house.api("adviser-1", "PUT", f"{path}/shelf", {"products": [RISKY, BOND]})
    shelf = await tab.hears("shelf", lambda told: len(told["products"]) == 2)
    assert [product["id"] for product in shelf["products"]] == [RISKY, BOND]
    in_english = await english.hears("shelf")
    assert in_english["products"][1]["name"] != shelf["products"][1]["name"]
    status, _ = await house.api("adviser-1", "POST", f"{path}/pin", {"product": BOND})
    assert status == 200
    pinned = await tab.hears("pinned")
    assert (pinned["product"]["id"], pinned["product"]["pinned"]) == (BOND, True)
    assert pinned["seq"] > shelf["seq"]
    await house.api("adviser-1", "POST", f"{path}/pin", {"product": None})
    await tab.hears("pinned", lambda told: told["product"] is None)
    await house.api("adviser-1", "POST", f"{path}/end")
    state = await tab.hears("state", lambda told: told["state"] == "ended")
    assert state["sale"]["open"] is False
    status, problem = await house.api("adviser-1", "PUT", f"{path}/shelf", {"products": []})
    assert (status, problem["code"]) == (409, "wrong_state")


async def test_a_reader_who_switches_languages_hears_the_other_one(house: House) -> None:
    show = await house.show(BOND)
    tab = await house.tab("customer-c3", lang="zh")
    chinese = await tab.room("join", {"session": show["session"]})
    english = await tab.room("join", {"session": show["session"], "lang": "en"})
    name = english["session"]["shelf"][0]["name"]
    assert name != chinese["session"]["shelf"][0]["name"]
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/pin", {"product": BOND})
    assert (await tab.hears("pinned"))["product"]["name"] == name
    assert len(tab.all("pinned")) == 1


async def test_a_session_shows_itself_and_its_numbers_to_the_host(house: House) -> None:
    show = await house.show(BOND)
    session = show["session"]
    tab = await house.tab("customer-c5")
    await tab.room("join", {"session": session})
    await tab.room("comment", {"session": session, "text": "好"})
    await house.confirm_disclosure("customer-c5", session)
    assert (await tab.room("order", house.wish(session)))["ok"]
    await house.rooms.presence.tick()
    _, seen = await house.api("customer-c3", "GET", f"/api/sessions/{session}")
    assert (seen["me_role"], seen["state"], seen["recording"], seen["sale"]["open"]) == ("viewer", "live", True, True)
    assert seen["streams"] == [{"name": "host", "status": "publishing"}]
    assert [product["id"] for product in seen["shelf"]] == [BOND]
    house.clock.advance(30)
    await house.rooms.presence.tick()
    house.clock.advance(30)  # nobody has said yet that he still watches
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/end")
    await house.rooms.presence.tick()  # what is watched after the end is not counted
    status, summary = await house.api("adviser-1", "GET", f"/api/sessions/{session}/summary")
    assert status == 200
    assert summary | {"amounts": None} == {
        "session": session,
        "viewers_peak": 1,
        "viewers_average": 0.5,
        "comments": 1,
        "orders": 1,
        "amount": AMOUNT,
        "currency": "CNY",
        "amounts": None,
        "duration_ms": 60_000,
    }
    status, _ = await house.api("adviser-2", "GET", f"/api/sessions/{session}/summary")
    assert status == 403


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"title": "", "starts_at": "2026-11-23T08:00:00Z"}, "bad_request"),
        ({"title": "x", "starts_at": "2026-11-23T08:00:00"}, "bad_request"),
        ({"title": "x", "starts_at": "not a time"}, "bad_request"),
        ({"title": "x", "starts_at": "2026-11-20T08:00:00Z"}, "starts_in_past"),
        ({"title": "x", "starts_at": "2026-11-23T08:00:00Z", "hosts": []}, "bad_request"),
    ],
)
async def test_a_plan_that_makes_no_sense_is_refused(house: House, body: dict[str, object], code: str) -> None:
    status, problem = await house.api("adviser-1", "POST", "/api/shows", body)
    assert (status, problem["code"]) == (400, code)


async def test_the_demo_s_shows_are_seeded_once(house: House) -> None:
    for _ in range(2):
        async with house.db.write() as tx:
            await demo_data.seed(tx, house.clock, house.trail)
    assert await house.scalar(select(func.count()).select_from(shows)) == 2
    _, lobby = await house.api("customer-c3", "GET", "/api/shows")
    soon, tomorrow = lobby["upcoming"]
    assert (soon["host"]["id"], tomorrow["host"]["id"]) == ("adviser-1", "adviser-2")
    assert tomorrow["starts_at"] == to_text(house.clock.now() + timedelta(days=1))
    _, shelf = await house.api("customer-c3", "GET", f"/api/shows/{soon['id']}/shelf")
    assert sorted({product["risk"] for product in shelf["products"]}) == ["R1", "R2", "R3", "R4", "R5"]
    assert len(await house.entries(soon["session"], kinds.SHELF_CHANGED)) == 1


async def test_of_a_cancelled_show_the_media_process_never_hears(house: House) -> None:
    """It would answer that the session is closed: media of a session that never began is a finding."""
    show = await house.show(live=False)
    status, cancelled = await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/cancel")
    assert (status, cancelled["state"]) == (200, "cancelled")
    assert house.media.closed == []
