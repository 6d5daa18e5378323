"""A batch to everybody in a room, over real sockets: nothing overtakes what went before; who is behind harms only himself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from rooms.batches import ROOM, Batches
from rooms.fanout import session_room
from rooms.outlet import BEHIND, BEHIND_MOST_S
from rooms.wire import Comment, Comments
from tests.rooms.by_hand import WEBSOCKET, Polling
from tests.rooms.house import House

CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR)


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


@pytest.fixture
async def session(house: House) -> str:
    return str((await house.show())["session"])


def batch(session: str, number: int, size: int = 10) -> str:
    comment = Comment(f"cmt_{number}", "2026-12-01T12:00:00.000000Z", 0, "李**", "tag", "好" * size, host=False)
    return Batches.text(Comments(session, [comment]))


async def until(condition: Callable[[], bool]) -> None:
    """The bound only ends a test that has failed."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def joined(house: House, http: aiohttp.ClientSession, session: str, person: str) -> aiohttp.ClientWebSocketResponse:
    ws = await http.ws_connect(house.url + WEBSOCKET, max_msg_size=0)
    await ws.receive_str()
    await ws.send_str("40/room," + json.dumps({"token": house.token(person)}))
    assert (await ws.receive_str()).startswith("40/room,")
    await ws.send_str(f'42/room,1["join",{{"session":"{session}"}}]')
    while not (await ws.receive_str()).startswith("43/room,1"):
        pass
    return ws


async def heard(ws: aiohttp.ClientWebSocketResponse, event: str, count: int) -> list[Any]:
    """So many of these events, as they come."""
    found: list[Any] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            text = await ws.receive_str()
            if text.startswith("42/room,"):
                said = json.loads(text.removeprefix("42/room,"))
                if said[0] == event:
                    found.append(said[1])
    return found


def reading(ws: aiohttp.ClientWebSocketResponse) -> asyncio.Transport:
    """The client's side of the connection."""
    assert ws._response.connection is not None
    assert ws._response.connection.transport is not None
    return ws._response.connection.transport


def crowd(house: House, session: str) -> Any:
    return house.sio.manager.crowd(ROOM, session_room(session))


async def test_a_batch_never_overtakes_what_was_sent_before(house: House, http: aiohttp.ClientSession, session: str) -> None:
    """Events and batches by turns, all in one turn of the loop, more than the kernel takes: they come whole and in order."""
    ws = await joined(house, http, session, "customer-c3")
    batches = Batches(house.sio)
    for number in range(40):
        await house.sio.emit("load", {"number": number, "text": "x" * 3_000}, room=session_room(session), namespace=ROOM)
        batches.send(session_room(session), batch(session, number))
    numbers: list[int] = []
    async with asyncio.timeout(20):
        while len(numbers) < 80:
            text = await ws.receive_str()
            if text.startswith(('42/room,["load"', '42/room,["comments"')):
                said = json.loads(text.removeprefix("42/room,"))[1]
                numbers.append(said["number"] if "number" in said else int(said["comments"][0]["id"].removeprefix("cmt_")))
    assert numbers == [number for number in range(40) for _ in range(2)]


async def test_who_is_behind_misses_batches_and_no_event(house: House, http: aiohttp.ClientSession, session: str) -> None:
    slow = await joined(house, http, session, "customer-c3")
    quick = await joined(house, http, session, "customer-c5")
    batches, sent, left_out = Batches(house.sio), 0, 0
    [out] = [client.out for client in house.sio.eio.sockets.values() if client.out in crowd(house, session).outlets][:1]
    reading(slow).pause_reading()
    while left_out < 3:
        left_out += batches.send(session_room(session), batch(session, sent, 8_000))
        sent += 1
        await heard(quick, "comments", 1)
    assert out.transport is not None
    assert out.transport.get_write_buffer_size() <= BEHIND + 25_000
    await house.sio.emit("state", {"seq": 7}, room=session_room(session), namespace=ROOM)
    reading(slow).resume_reading()
    assert await heard(slow, "state", 1) == [{"seq": 7}]
    batches.send(session_room(session), batch(session, sent))
    assert (await heard(slow, "comments", 1))[0]["comments"][0]["id"] == f"cmt_{sent}"


async def test_who_stays_behind_is_disconnected(
    house: House, http: aiohttp.ClientSession, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = await joined(house, http, session, "customer-c3")
    reading(slow).pause_reading()
    [client] = house.sio.eio.sockets.values()
    batches = Batches(house.sio)
    while not batches.send(session_room(session), batch(session, 1, 8_000)):
        await asyncio.sleep(0)
    client.beat(client.out._behind_since + BEHIND_MOST_S / 2)
    assert not client.closing
    client.beat(client.out._behind_since + BEHIND_MOST_S + 1)
    await until(lambda: client.closed)
    assert not crowd(house, session).outlets
    reading(slow).abort()


async def test_nobody_is_written_to_under_another_s_number(
    house: House, http: aiohttp.ClientSession, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of those who have gone are used again by who comes; a batch for the room must not reach them, whatever failed."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("the rooms can't be left")

    monkeypatch.setattr(house.sio.manager, "basic_disconnect", fails)
    stays = await joined(house, http, session, "customer-c3")
    goes = [await joined(house, http, session, "customer-c5") for _ in range(5)]
    batches = Batches(house.sio)
    batches.send(session_room(session), batch(session, 1))
    files = {out.file for out in crowd(house, session).outlets}
    for ws in goes:
        await ws.close()
    await until(lambda: len(house.sio.eio.sockets) == 1)
    outside = [await http.ws_connect(house.url + WEBSOCKET) for _ in range(5)]
    assert {client.out.file for client in house.sio.eio.sockets.values()} & files
    batches.send(session_room(session), batch(session, 2))
    assert [one["comments"][0]["id"] for one in await heard(stays, "comments", 2)] == ["cmt_1", "cmt_2"]
    for ws in outside:
        await ws.receive_str()  # the handshake
        await ws.send_str("1")
        assert (await ws.receive()).type in CLOSED, "nothing else had come"


async def test_who_polls_gets_batches_and_a_bounded_number_of_them(
    house: House, http: aiohttp.ClientSession, session: str
) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    await client.post(f'42/room,1["join",{{"session":"{session}"}}]')
    await until(lambda: bool(crowd(house, session).outlets))
    await client.poll()
    batches, sent = Batches(house.sio), 0
    while not batches.send(session_room(session), batch(session, sent, 2_000)):
        sent += 1
    got: list[str] = []
    async with asyncio.timeout(20):
        while len(got) < sent:
            got += [text for text in await client.poll() if text.startswith('42/room,["comments"')]
    assert BEHIND <= sum(len(text.encode()) for text in got) <= BEHIND + 2 * 6_200


async def test_who_has_gone_is_kept_nowhere_though_nobody_comments(
    house: House, http: aiohttp.ClientSession, session: str
) -> None:
    """What was answered to them was on its way; no batch ever looks whether it has arrived."""
    ways = [await joined(house, http, session, "customer-c3") for _ in range(3)]
    traffic = house.sio.eio.traffic
    assert traffic.busy
    for ws in ways:
        await ws.close()
    await until(lambda: not house.sio.eio.sockets)
    assert not traffic.busy
