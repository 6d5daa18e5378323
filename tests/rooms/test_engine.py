"""What a hostile or clumsy Engine.IO client sends, by hand: it harms only itself, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import structlog

from rooms.dispatch import Namespace
from rooms.engine import PACKETS_BURST
from tests.rooms.by_hand import POLLING, WEBSOCKET, Polling
from tests.rooms.house import House

CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR)


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


async def until(condition: Callable[[], bool]) -> None:
    """The bound only ends a test that has failed."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def in_room(house: House, http: aiohttp.ClientSession, person: str = "customer-c3") -> aiohttp.ClientWebSocketResponse:
    ws = await http.ws_connect(house.url + WEBSOCKET, max_msg_size=0)
    await ws.receive_str()
    await ws.send_str("40/room," + json.dumps({"token": house.token(person)}))
    assert (await ws.receive_str()).startswith("40/room,")
    return ws


async def ends(ws: aiohttp.ClientWebSocketResponse) -> list[str]:
    """All that is heard until the server closes."""
    heard: list[str] = []
    async with asyncio.timeout(20):
        while (message := await ws.receive()).type not in CLOSED:
            heard.append(message.data)
    return heard


def forgotten(house: House) -> bool:
    """Nothing is left of anybody."""
    manager = house.sio.manager
    sockets = [one for handler in house.sio.namespace_handlers.values() for one in handler.sockets]
    return not (
        house.sio.eio.sockets or house.sio.environ or sockets or any(manager.rooms.values()) or manager.pending_disconnect
    )


@pytest.mark.parametrize("signed_in", [True, False])
async def test_who_floods_is_cut_off_and_others_are_answered_meanwhile(
    house: House, http: aiohttp.ClientSession, *, signed_in: bool
) -> None:
    other = await in_room(house, http, "customer-c5")
    if signed_in:
        flooder = await in_room(house, http)
    else:
        flooder = await http.ws_connect(house.url + WEBSOCKET)
        await flooder.receive_str()
    taken: list[str] = []
    handler = house.sio.eio.handlers["message"]

    async def counted(sid: str, text: str) -> None:
        taken.append(text)
        await handler(sid, text)

    house.sio.eio.handlers["message"] = counted
    for _ in range(4 * int(PACKETS_BURST)):
        await flooder.send_str('42/room,["x"]')
    await other.send_str('42/room,7["leave",{"session":"any"}]')
    assert await other.receive_str() == '43/room,7[{"ok":true}]'
    await ends(flooder)
    assert taken.count('2/room,["x"]') <= PACKETS_BURST + 100
    await other.close()
    await until(lambda: forgotten(house))


async def test_a_flood_that_came_at_once_is_taken_in_turns(house: House, http: aiohttp.ClientSession) -> None:
    ws = await in_room(house, http)
    [client] = house.sio.eio.sockets.values()
    turns: list[int] = []
    taken = 0

    async def take(_said: object) -> None:
        nonlocal taken
        if not taken:  # all of it is there before the first is taken on
            asyncio.get_running_loop().call_soon(turn)
        taken += 1

    def turn() -> None:
        turns.append(taken)
        if taken < 100:
            asyncio.get_running_loop().call_soon(turn)

    client.take = take
    ws._writer.transport.write(b"".join(b"\x81\x82\0\0\0\0zz" for _ in range(100)))
    await until(lambda: taken >= 100)
    assert len(set(turns)) >= 100 // 16
    await ws.close()


@pytest.mark.parametrize("packet", ["4" + "[" * 3_000, "42/room,[" + "[" * 3_000, "9", "b4AAAA", "", "4", "5", "2"])
async def test_what_is_no_packet_costs_a_line_of_log(house: House, http: aiohttp.ClientSession, packet: str) -> None:
    ws = await in_room(house, http)
    with structlog.testing.capture_logs() as logs:
        await ws.send_str(packet)
        await ends(ws)
    assert [one["log_level"] for one in logs] == ["info"]
    await until(lambda: forgotten(house))


async def test_an_event_called_connect_is_only_an_event(house: House, http: aiohttp.ClientSession) -> None:
    """Also when the client leaves the namespace in the same breath."""
    ws = await in_room(house, http)
    await ws.send_str('42/room,1["connect",{"REQUEST_METHOD":"GET"},{"token":"' + house.token("adviser-1") + '"}]')
    await ws.send_str("41/room,")
    await ws.send_str("40/room," + json.dumps({"token": house.token("customer-c3")}))
    heard = [await ws.receive_str()]
    while not heard[-1].startswith("40/room,"):
        heard.append(await ws.receive_str())
    handler: Namespace = house.sio.namespace_handlers["/room"]
    assert [one.person.id for one in handler.sockets.values()] == ["customer-c3"]
    await ws.close()
    await until(lambda: forgotten(house))


async def test_to_connect_anew_brings_no_new_allowance(house: House, http: aiohttp.ClientSession) -> None:
    ws = await in_room(house, http)
    refused = 0
    for number in range(30):
        if number % 10 == 9:
            await ws.send_str("41/room,")
            await ws.send_str("40/room," + json.dumps({"token": house.token("customer-c3")}))
            assert (await ws.receive_str()).startswith("40/room,")
        await ws.send_str(f'42/room,{number}["leave",{{"session":"any"}}]')
        refused += "too_many_requests" in await ws.receive_str()
    assert refused == 10, "the clock stands still: twenty at once"
    await ws.close()


async def test_what_is_posted_while_the_session_is_closed_leaves_nothing(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    started, go_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"40"
        started.set()
        await go_on.wait()
        yield b"/desk," + json.dumps({"token": house.token("customer-c3")}).encode()

    held = asyncio.create_task(http.post(house.url + POLLING + client.query, data=body()))
    await started.wait()
    await client.post("1")
    await until(lambda: not house.sio.eio.sockets)
    go_on.set()
    async with await held as answer:
        assert answer.status < 500
    await until(lambda: forgotten(house))


async def test_who_is_closed_while_it_moves_over_is_closed_whole(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    async with client.socket() as ws:
        await ws.send_str("2probe")
        assert await ws.receive_str() == "3probe"
        await client.post("1")
        await ws.send_str("5")
        assert await ends(ws) == []
        assert ws.close_code == 1000
    await until(lambda: forgotten(house))


async def test_a_second_websocket_is_refused_and_the_first_goes_on(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    async with client.socket() as first:
        await first.send_str("2probe")
        assert await first.receive_str() == "3probe"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.socket()
        await first.send_str("5")
        await first.send_str('42/room,1["leave",{"session":"any"}]')
        while (said := await first.receive_str()) != '43/room,1[{"ok":true}]':
            assert said == "6", said


async def test_a_websocket_that_says_nothing_keeps_nobody_from_polling(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    async with client.socket():
        await client.post('42/room,1["leave",{"session":"any"}]')
        assert await client.poll() == ['43/room,1[{"ok":true}]']


async def test_a_later_poll_ends_the_earlier_and_gets_what_comes(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    [engine] = house.sio.eio.sockets.values()
    began = engine._open_poll
    earlier = asyncio.create_task(client.poll())
    await until(lambda: engine._open_poll is not began)
    later = asyncio.create_task(client.poll())
    assert await earlier == ["6"]
    await client.post('42/room,1["leave",{"session":"any"}]')
    assert await later == ['43/room,1[{"ok":true}]']


@pytest.mark.parametrize("how", ["in parts", "many at once"])
async def test_what_is_posted_arrives_whole(house: House, http: aiohttp.ClientSession, how: str) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    if how == "in parts":

        async def body() -> AsyncIterator[bytes]:
            yield b'42/room,17["leave",'
            await asyncio.sleep(0)  # a chunk of its own
            yield b'{"session":"any"}]'

        async with http.post(house.url + POLLING + client.query, data=body()) as answer:
            assert answer.status == 200
    else:
        await client.post("\x1e".join(f'42/room,{number}["leave",{{"session":"any"}}]' for number in range(18)))
    heard: list[str] = []
    while not any(one.startswith("43/room,17[") for one in heard):
        heard += await client.poll()
    assert '43/room,17[{"ok":true}]' in heard


@pytest.mark.parametrize("body", [b"\xff\xfe", b"nonsense", b"x" * 70_000])
async def test_what_is_posted_and_no_packet_is_refused(house: House, http: aiohttp.ClientSession, body: bytes) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    async with http.post(house.url + POLLING + client.query, data=body) as answer:
        assert answer.status == 400
    await until(lambda: forgotten(house))


@pytest.mark.parametrize("headers", [{"Upgrade": "websocket"}, {"Upgrade": "websocket", "Connection": "upgrade"}])
async def test_a_handshake_that_is_none_leaves_no_client(
    house: House, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with http.get(house.url + WEBSOCKET, headers=headers) as answer:
        assert answer.status == 400
    assert forgotten(house)


async def test_no_script_is_answered(house: House, http: aiohttp.ClientSession) -> None:
    async with http.get(house.url + POLLING + "&j=0") as answer:
        assert answer.status == 400


async def test_a_namespace_that_fails_keeps_no_other_from_hearing_of_the_end(house: House, http: aiohttp.ClientSession) -> None:
    ws = await in_room(house, http)
    await ws.send_str("40/desk," + json.dumps({"token": house.token("customer-c3")}))
    while not (await ws.receive_str()).startswith("40/desk,"):
        pass

    async def broken(_sid: str) -> None:
        raise RuntimeError("broken")

    names = list(house.sio.manager.get_namespaces())
    house.sio.namespace_handlers[names[0]]._disconnect = broken
    with structlog.testing.capture_logs() as logs:
        await ws.close()
        await until(lambda: not house.sio.eio.sockets)
    assert not house.sio.namespace_handlers[names[1]].sockets
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["a socket could not leave"]
