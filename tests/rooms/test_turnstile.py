"""Who comes in a crowd is let through some at a time, in order; with nobody else about, at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from rooms import turnstile
from rooms.turnstile import Turnstile
from tests.rooms.by_hand import POLLING
from tests.rooms.house import House
from tests.rooms.test_engine import forgotten, until


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


async def turn() -> None:
    """What is ready now has run."""
    await asyncio.sleep(0)


async def come(door: Turnstile, name: int, through: list[int]) -> bool:
    let_in = await door.through()
    if let_in:
        through.append(name)
    return let_in


async def test_one_alone_waits_for_nobody() -> None:
    door = Turnstile(at_once=2, waiting_max=10)
    waiting = door.through()
    with pytest.raises(StopIteration):  # without a turn of the loop
        waiting.send(None)


async def test_a_crowd_goes_in_order_and_others_have_their_turns_between() -> None:
    door, through = Turnstile(at_once=2, waiting_max=10), []
    coming = [asyncio.create_task(come(door, number, through)) for number in range(7)]
    groups, seen = [], 0
    async with asyncio.timeout(20):
        while seen < len(coming):
            await turn()
            if len(through) > seen:
                groups.append(through[seen:])
                seen = len(through)
    assert groups == [[0, 1], [2, 3], [4, 5], [6]]
    assert all(await asyncio.gather(*coming))


async def test_who_gives_up_takes_nobodys_place() -> None:
    door, through = Turnstile(at_once=1, waiting_max=10), []
    coming = [asyncio.create_task(come(door, number, through)) for number in range(5)]
    await turn()
    for number in (1, 3):
        coming[number].cancel()
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*coming, return_exceptions=True)
    assert through == [0, 2, 4]
    assert [answer is True for answer in answers] == [True, False, True, False, True]


async def test_too_many_are_told_so() -> None:
    door, through = Turnstile(at_once=1, waiting_max=2), []
    async with asyncio.timeout(20):
        assert await asyncio.gather(*(come(door, number, through) for number in range(5))) == [True, True, True, False, False]
    assert await come(door, 5, through), "and who comes later is let in"


async def test_a_connection_that_cannot_wait_is_told_when_to_come_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.sio.eio, "_door", Turnstile(at_once=0, waiting_max=0))
    async with aiohttp.ClientSession() as http, http.get(house.url + POLLING) as answer:
        assert answer.status == 503
        assert (await answer.json())["code"] == "too_many_here"


async def test_who_hangs_up_while_he_waits_is_kept_nowhere(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    manager, came, opened = house.sio.manager, asyncio.Event(), asyncio.Event()

    async def coming() -> None:
        came.set()
        await opened.wait()

    async with aiohttp.ClientSession() as http:
        async with http.get(house.url + POLLING) as answer:
            sid = json.loads((await answer.text())[1:])["sid"]
        monkeypatch.setattr(house.sio.eio, "coming", coming)

        async def post(packet: str) -> int:
            async with http.post(f"{house.url}{POLLING}&sid={sid}", data=packet) as answer:
                return answer.status

        entering = asyncio.create_task(post("40/room,"))
        async with asyncio.timeout(20):
            await came.wait()
            await post("1")
            opened.set()
            await entering
        await until(lambda: forgotten(house))
        assert not any(manager.pending_connect.values())


async def test_nobody_comes_in_while_what_all_wait_for_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "SHUT_MOST_S", 60.0)
    door, through = Turnstile(at_once=2, waiting_max=10), []
    with door.shut():
        coming = [asyncio.create_task(come(door, number, through)) for number in range(3)]
        for _ in range(10):
            await turn()
        assert through == []
    async with asyncio.timeout(20):
        assert all(await asyncio.gather(*coming))
    assert through == [0, 1, 2]
    with pytest.raises(RuntimeError), door.shut():
        raise RuntimeError
    assert await come(door, 3, through), "what failed shuts nobody out"


async def test_a_door_that_was_shut_while_it_rested_opens_after_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "SHUT_MOST_S", 60.0)
    door, through = Turnstile(at_once=1, waiting_max=10), []
    coming = [asyncio.create_task(come(door, number, through)) for number in range(3)]
    await turn()
    with door.shut():
        while door._resting:
            await turn()
        assert through == [0]
    async with asyncio.timeout(20):
        assert all(await asyncio.gather(*coming))


async def test_what_never_ends_shuts_nobody_out() -> None:
    door, through = Turnstile(at_once=1, waiting_max=10), []
    with door.shut():
        async with asyncio.timeout(20):
            assert await come(door, 0, through)


async def test_a_tick_of_comments_is_such_a_thing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "SHUT_MOST_S", 60.0)
    desk, shut = house.rooms.comments, []
    show = desk._show

    async def showing(session_id: str, shown: Any) -> None:
        shut.append(house.sio.eio._door._shut is not None)
        await show(session_id, shown)

    monkeypatch.setattr(desk, "_show", showing)
    session = (await house.show())["session"]
    tab = await house.tab("customer-c3")
    await tab.room("join", {"session": session})
    assert (await tab.room("comment", {"session": session, "text": "您好"}))["ok"]
    await tab.hears("comments", lambda told: bool(told["comments"]))
    assert shut == [True]
    await until(lambda: house.sio.eio._door._shut is None)
