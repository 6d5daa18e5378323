"""Reactions are summed for each session, told once, bounded by what hands can do, and on nobody's record."""

from __future__ import annotations

from typing import Any

import pytest

from rooms import reactions as reacting
from tests.rooms.house import House


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


async def test_a_second_s_taps_of_all_are_told_once_to_the_room_and_to_nobody_else(house: House) -> None:
    session, other = (await house.show())["session"], (await house.show(host="adviser-2"))["session"]
    one, two, elsewhere = [await house.tab(name) for name in ("customer-c3", "customer-c5", "customer-c1")]
    for tab in (one, two):
        await tab.room("join", {"session": session})
    await elsewhere.room("join", {"session": other})
    before = len(await house.entries(session))
    assert await one.room("react", {"session": session, "kind": "heart", "count": 3}) == {"ok": True, "counted": 3}
    await two.room("react", {"session": session, "kind": "heart"})
    await two.room("react", {"session": session, "kind": "clap", "count": 2})
    await house.rooms.reactions.tick()
    await house.rooms.reactions.tick()
    told = {"session": session, "counts": {"heart": 4, "clap": 2}}
    for tab in (one, two):
        assert await tab.hears("reactions") == told
        assert (await tab.room("leave", {"session": "any"}))["ok"]  # whatever was told before is here by now
        assert tab.all("reactions") == [told]
    assert (await elsewhere.room("leave", {"session": "any"}))["ok"]
    assert elsewhere.all("reactions") == []
    assert len(await house.entries(session)) == before


async def test_what_is_faster_than_hands_does_not_count(house: House) -> None:
    session = (await house.show())["session"]
    tab = await house.tab("customer-c3")
    await tab.room("join", {"session": session})
    taps = {"session": session, "kind": "like", "count": 20}
    assert (await tab.room("react", taps))["counted"] == 20
    assert (await tab.room("react", taps))["counted"] == 0
    house.clock.advance(1)
    assert (await tab.room("react", taps))["counted"] == 10


@pytest.mark.parametrize("wrong", [{"kind": "frown"}, {"count": 0}, {"count": 21}, {"count": True}, {"session": ""}])
async def test_taps_of_another_shape_are_refused(house: House, wrong: dict[str, Any]) -> None:
    session = (await house.show())["session"]
    tab = await house.tab("customer-c3")
    ack = await tab.room("react", {"session": session, "kind": "like"} | wrong)
    assert ack["error"]["code"] == "bad_request"


async def test_one_reacts_only_where_one_may_be(house: House) -> None:
    tab = await house.tab("customer-c3")
    ack = await tab.room("react", {"session": "ses_nowhere", "kind": "like"})
    assert ack["error"]["code"] == "not_found"


async def test_those_who_reacted_are_forgotten_in_their_turn(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reacting, "PEOPLE_MAX", 3)
    desk = house.rooms.reactions
    for number in range(10):
        desk.react(f"customer-{number}", "ses_x", "like", 1)
    assert len(desk._buckets) == 3


async def test_who_is_mentioned_hears_so_and_what_is_no_author_s_tag_is_refused(house: House) -> None:
    session = (await house.show())["session"]
    one, two = await house.tab("customer-c3"), await house.tab("customer-c5")
    tag = (await two.room("join", {"session": session}))["author_tag"]
    said = {"session": session, "text": "@赵** 好", "mentions": [tag, tag]}
    assert (await one.room("comment", said))["comment"]["mentions"] == [tag]
    assert (await two.hears("comments"))["comments"][0]["mentions"] == [tag]
    assert (await one.room("join", {"session": session}))["comments"][0]["mentions"] == [tag]
    for wrong in (["me"], [tag] * 4):
        assert (await one.room("comment", said | {"mentions": wrong}))["error"]["code"] == "bad_request"
