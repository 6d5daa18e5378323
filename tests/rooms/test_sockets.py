"""The way to the clients: one frame for all recipients whatever transport each has, and an end to who does not read."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from rooms.outlet import UNREAD_MAX
from tests.rooms.by_hand import WEBSOCKET, Polling
from tests.rooms.house import House


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


def viewers(packet: str) -> int:
    """What a `presence` event says."""
    assert packet.startswith('42/room,["presence"'), packet
    return int(json.loads(packet[len("42/room,") :])[1]["viewers"])


async def joined(house: House, http: aiohttp.ClientSession, session: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
    """A WebSocket in a show's room, all it was told at first read."""
    ws = await http.ws_connect(house.url + WEBSOCKET, **options)
    await ws.receive_str()
    await ws.send_str('40/room,{"token":"%s"}' % house.token("customer-c3"))  # noqa: UP031 - braces
    await ws.receive_str()
    await ws.send_str(f'42/room,1["join",{{"session":"{session}"}}]')
    while not (await ws.receive_str()).startswith("43/room,1"):
        pass
    return ws


@pytest.mark.parametrize("size", [0, 1, 60, 125, 126, 127, 65_000, 65_535, 65_536, 70_000])
async def test_a_message_of_any_length_arrives_whole(house: House, http: aiohttp.ClientSession, size: int) -> None:
    session = (await house.show())["session"]
    ws = await joined(house, http, session, max_msg_size=0)
    empty = len(f'42/room,["load",{{"session":"{session}","text":""}}]')
    text = "x" * max(0, size - empty)
    await house.sio.emit("load", {"session": session, "text": text}, room=f"session:{session}", namespace="/room")
    said = await ws.receive_str()
    while not said.startswith('42/room,["load"'):
        said = await ws.receive_str()
    assert len(said) == max(size, empty)
    assert json.loads(said[len("42/room,") :])[1]["text"] == text
    await ws.close()


async def test_nothing_is_compressed_for_one_client_alone(house: House, http: aiohttp.ClientSession) -> None:
    ws = await joined(house, http, (await house.show())["session"], compress=15)
    assert ws.compress == 0
    await ws.close()


async def test_who_moves_over_from_polling_misses_nothing_and_hears_nothing_twice(
    house: House, http: aiohttp.ClientSession
) -> None:
    session = (await house.show())["session"]
    client = Polling(http, house)
    await client.open("customer-c3")
    await house.sio.enter_room(house.sio.manager.sid_from_eio_sid(client.sid, "/room"), f"session:{session}", namespace="/room")
    await house.fanout.presence(session, 1)
    assert [viewers(one) for one in await client.poll()] == [1]
    open_poll = asyncio.create_task(client.poll())
    async with client.socket() as ws:
        await ws.send_str("2probe")
        assert await ws.receive_str() == "3probe"
        assert await open_poll == ["6"]
        await house.fanout.presence(session, 2)
        await house.fanout.presence(session, 3)
        assert await client.poll() == ["6"], "what comes while he moves waits for the WebSocket"
        await ws.send_str("5")
        heard: list[int] = []
        while len(heard) < 3:
            said = await ws.receive_str()
            if said != "6":  # the noop that ends a poll, when there was none
                heard.append(viewers(said))
            if len(heard) == 2:
                await house.fanout.presence(session, 4)
        assert heard == [2, 3, 4]


@pytest.mark.parametrize("words", [["nonsense"], ["2probe", "nonsense"], ["2probe", "2"]])
async def test_a_move_that_goes_wrong_leaves_the_client_polling(
    house: House, http: aiohttp.ClientSession, words: list[str]
) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    async with client.socket() as ws:
        for word in words:
            await ws.send_str(word)
        while (await ws.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    await client.post('42/room,7["leave",{"session":"any"}]')
    heard: list[str] = []
    while not heard:
        heard = [one for one in await client.poll() if one != "6"]
    assert heard == ['43/room,7[{"ok":true}]']


async def test_who_does_not_poll_is_disconnected(house: House, http: aiohttp.ClientSession) -> None:
    session = (await house.show())["session"]
    client = Polling(http, house)
    await client.open("customer-c3")
    await client.post(f'42/room,1["join",{{"session":"{session}"}}]')
    async with asyncio.timeout(20):
        while house.rooms.presence.viewers(session) == 0:
            await asyncio.sleep(0)
        text = "x" * 60_000
        for _ in range(UNREAD_MAX // len(text) + 1):
            await house.sio.emit("load", {"text": text}, room=f"session:{session}", namespace="/room")
        while house.rooms.presence.viewers(session):
            await asyncio.sleep(0)


async def test_a_client_that_is_disconnected_is_told_and_closed(house: House, http: aiohttp.ClientSession) -> None:
    ws = await joined(house, http, (await house.show())["session"])
    [eio_sid] = house.sio.eio.sockets
    await house.sio.eio.disconnect(eio_sid)
    heard = [await ws.receive() for _ in range(2)]
    assert heard[0].data == "1"
    assert (heard[1].type, ws.close_code) == (aiohttp.WSMsgType.CLOSE, 1000)
    assert not house.sio.eio.sockets


async def test_who_is_told_that_it_is_over_and_does_not_read_on_is_cut_off(
    house: House, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rooms.outlet.UNREAD_MAX", 1 << 30)
    monkeypatch.setattr("rooms.outlet._LAST_WORDS_S", 0.0)
    session = (await house.show())["session"]
    ws = await joined(house, http, session, autoclose=False)
    [client] = house.sio.eio.sockets.values()
    assert client.out.transport is not None
    while client.out.transport.get_write_buffer_size() < 1 << 20:
        await house.sio.emit("load", {"text": "x" * 60_000}, room=f"session:{session}", namespace="/room")
        await asyncio.sleep(0)
    await house.sio.eio.disconnect(client.sid)
    async with asyncio.timeout(20):
        while client.out.transport.get_write_buffer_size():
            await asyncio.sleep(0)
    assert house.rooms.presence.viewers(session) == 0
    await ws.close()


async def test_everybody_in_the_room_hears_it_and_nobody_else(house: House) -> None:
    session = (await house.show())["session"]
    inside = [await house.tab(name) for name in ("customer-c3", "customer-c5")]
    outside = await house.tab("customer-c1")
    for tab in inside:
        await tab.room("join", {"session": session})
    await house.fanout.presence(session, 41)
    for tab in inside:
        assert (await tab.hears("presence", lambda said: said["viewers"] == 41))["session"] == session
    assert (await outside.room("leave", {"session": "any"}))["ok"]  # answered after whatever it would have heard
    assert not outside.all("presence")


async def test_one_who_is_gone_without_a_word_is_ended_and_holds_up_nobody(house: House) -> None:
    session = (await house.show())["session"]
    gone, stays = await house.tab("customer-c3"), await house.tab("customer-c5")
    for tab in (gone, stays):
        await tab.room("join", {"session": session})
    eio_sid = house.sio.manager.eio_sid_from_sid(gone.client.get_sid("/room"), "/room")
    socket = house.sio.eio.sockets[eio_sid]
    socket.last_ping = time.monotonic() - 2 * house.sio.eio.ping_timeout
    await house.fanout.presence(session, 41)
    assert (await stays.hears("presence", lambda said: said["viewers"] == 41))["session"] == session
    async with asyncio.timeout(10):
        while not socket.closed:
            await asyncio.sleep(0)
