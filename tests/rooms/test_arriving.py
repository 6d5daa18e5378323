"""Coming into a room: many at once are read for together, each gets his own, and who comes all the time waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import socketio

from core.identity import Person, Role
from rooms.dispatch import ARRIVALS_BURST, OPEN_MAX
from rooms.namespace import JOINS_BURST
from tests.rooms.house import AMOUNT, BOND, House


async def test_many_who_come_at_once_each_get_their_own(house: House) -> None:
    """The buyer his order, the host the sum, each his language and his tag; the rest is the same for all."""
    session = (await house.show(BOND))["session"]
    buyer, other, host = [await house.tab(name) for name in ("customer-c3", "customer-c5", "adviser-1")]
    reader = await house.tab("customer-c1", lang="zh")
    await house.confirm_disclosure("customer-c3", session)
    await buyer.room("join", {"session": session})
    placed = await buyer.room("order", house.wish(session))
    assert placed["ok"], placed
    await other.room("comment", {"session": session, "text": "几年?", "question": True})
    tabs = [buyer, other, host, reader]
    answers = await asyncio.gather(*(tab.room("join", {"session": session}) for tab in tabs))
    assert [len(one["orders"]) for one in answers] == [1, 0, 0, 0]
    assert answers[0]["orders"][0]["id"] == placed["order"]["id"]
    assert [one["session"]["me_role"] for one in answers] == ["viewer", "viewer", "host", "viewer"]
    assert [one["tally"] for one in answers] == [None, None, [{"count": 1, "amount": AMOUNT, "currency": "CNY"}], None]
    names = [one["session"]["shelf"][0]["name"] for one in answers]
    assert names[0] == names[1] == names[2] != names[3]
    assert len({one["author_tag"] for one in answers}) == len(tabs)
    assert {one["seq"] for one in answers} == {answers[0]["seq"]}
    assert [[comment["kind"] for comment in one["comments"]] for one in answers] == [["question"]] * len(tabs)
    assert placed["order"]["product"]["id"] == BOND


async def test_those_who_wait_cost_one_reading(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    session = (await house.show())["session"]
    joining = house.sio.namespace_handlers["/room"]._joining
    admitted, drawn = [], []

    def watched(grouping: Any, sizes: list[int]) -> None:
        work = grouping._work

        async def counted(group: Any) -> Any:
            sizes.append(len(group))
            return await work(group)

        monkeypatch.setattr(grouping, "_work", counted)

    watched(joining._doors, admitted)
    watched(joining._pictures, drawn)
    people = [Person(f"viewer-{number}", Role.CUSTOMER, "某某") for number in range(40)]
    places = await asyncio.gather(*(joining.enter(one, session) for one in people))
    assert len(places) == sum(admitted) == len(people)
    assert len(admitted) <= 2, "those who come while one group is read for are the next"
    refused = await asyncio.gather(*(joining.enter(one, "ses_none") for one in people[:3]), return_exceptions=True)
    assert [getattr(one, "problem", None) and one.problem.code for one in refused] == ["not_found"] * 3  # type: ignore[union-attr]


async def test_who_joins_all_the_time_is_told_to_wait_and_is_let_in_then(house: House) -> None:
    session = (await house.show())["session"]
    tab = await house.tab("customer-c3")
    answers = []
    for _ in range(int(JOINS_BURST * 1.1)):
        answers.append(await tab.room("join", {"session": session}))
        house.clock.advance(0.1)  # slower than events may come, faster than joins
    refused = [one["error"] for one in answers if not one["ok"]]
    assert [one["code"] for one in refused] == ["too_many_requests"]
    house.clock.advance(refused[0]["params"]["wait_s"])
    assert (await tab.room("join", {"session": session}))["ok"]


async def test_who_connects_all_the_time_waits_for_his_refusal_and_others_come_in(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float, *rest: Any) -> Any:
        waited.append(seconds)
        return await sleep(0, *rest)

    monkeypatch.setattr("rooms.dispatch.asyncio.sleep", noted)
    auth = {"token": house.token("customer-c3")}
    for _ in range(int(ARRIVALS_BURST)):
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(house.url, namespaces=["/room"], transports=["websocket"], auth=auth)
        await client.disconnect()
    client, told = socketio.AsyncClient(reconnection=False), asyncio.get_running_loop().create_future()
    client.on("connect_error", told.set_result, namespace="/room")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(house.url, namespaces=["/room"], transports=["websocket"], auth=auth)
    said = await told
    assert said["message"] == "too_many_requests"
    assert said["data"]["params"]["wait_s"] == 2
    assert 2.0 in waited
    await client.shutdown()
    assert (await house.tab("customer-c5")).client.connected
    house.clock.advance(2)
    assert (await house.tab("customer-c3")).client.connected


async def test_the_newest_of_too_many_tabs_is_told_so_and_comes_in_once_another_is_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OPEN_MAX == 20
    monkeypatch.setattr("rooms.dispatch.OPEN_MAX", 3)
    open_ones = [await house.tab("customer-c3") for _ in range(3)]
    client, told = socketio.AsyncClient(reconnection=False), asyncio.get_running_loop().create_future()
    client.on("connect_error", told.set_result, namespace="/room")
    auth = {"token": house.token("customer-c3"), "lang": "zh"}
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(house.url, namespaces=["/room"], transports=["websocket"], auth=auth)
    said = await told
    await client.shutdown()
    assert (said["message"], said["data"]["code"], said["data"]["params"]) == ("too_many_open", "too_many_open", {"max": 3})
    assert said["data"]["title"] == "您已同时打开 3 个页面。"
    assert all(tab.client.connected for tab in open_ones)
    assert (await open_ones[0].room("leave", {"session": "any"}))["ok"]
    assert (await house.tab("customer-c5")).client.connected

    handlers = house.sio.namespace_handlers.values()
    await open_ones[1].close()
    async with asyncio.timeout(10):
        while any(handler._open["customer-c3"] == 3 for handler in handlers):
            await asyncio.sleep(0)
    open_ones.append(await house.tab("customer-c3"))
    for tab in (*open_ones, *house.tabs):
        await tab.close()
    async with asyncio.timeout(10):
        while any(handler.sockets for handler in handlers):
            await asyncio.sleep(0)
    assert [dict(handler._open) for handler in handlers] == [{}, {}]
