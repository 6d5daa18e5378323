"""The rules of Engine.IO v4, one test each, as a client without a library meets them.

Source: the protocol's document and its public test suite (github.com/socketio/engine.io-protocol). Two points are ours on
purpose: a later poll ends an earlier one with a noop (`test_engine.py`), and JSONP is refused.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from rooms.sockets import MESSAGE_MAX
from tests.rooms.by_hand import POLLING, WEBSOCKET, Polling
from tests.rooms.house import House
from tests.rooms.test_engine import ends, forgotten, in_room, until


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


@pytest.fixture
def hasty(house: House) -> House:
    """It pings at once, and waits as short for the answer; set before anybody connects."""
    house.sio.eio.ping_interval, house.sio.eio.ping_timeout = 0.05, 0.3
    return house


# --- handshake -------------------------------------------------------------------------------------------------------------


async def test_polling_opens_with_the_handshake(house: House, http: aiohttp.ClientSession) -> None:
    async with http.get(house.url + POLLING) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        said = await answer.text()
    assert said[0] == "0"
    opening = json.loads(said[1:])
    assert isinstance(opening.pop("sid"), str)
    assert opening == {"upgrades": ["websocket"], "pingInterval": 15_000, "pingTimeout": 10_000, "maxPayload": MESSAGE_MAX}


async def test_a_websocket_opens_with_the_handshake_and_has_nothing_to_move_to(
    house: House, http: aiohttp.ClientSession
) -> None:
    async with http.ws_connect(house.url + WEBSOCKET) as ws:
        said = await ws.receive_str()
    assert said[0] == "0"
    opening = json.loads(said[1:])
    assert opening["upgrades"] == []
    assert set(opening) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}


@pytest.mark.parametrize("version", ["", "&EIO=abc", "&EIO=3", "&EIO=5"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_another_version_is_refused(house: House, http: aiohttp.ClientSession, transport: str, version: str) -> None:
    url = f"{house.url}/socket.io/?transport={transport}{version}"
    if transport == "polling":
        async with http.get(url) as answer:
            assert answer.status == 400
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(url)
        assert refused.value.status == 400
    assert forgotten(house)


@pytest.mark.parametrize("transport", ["", "&transport=", "&transport=abc", "&transport=constructor"])
async def test_another_transport_is_refused(house: House, http: aiohttp.ClientSession, transport: str) -> None:
    async with http.get(f"{house.url}/socket.io/?EIO=4{transport}") as answer:
        assert answer.status == 400
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{house.url}/socket.io/?EIO=4{transport}")
    assert refused.value.status == 400
    assert forgotten(house)


@pytest.mark.parametrize(("method", "status"), [("POST", 400), ("PUT", 405), ("DELETE", 405), ("PATCH", 405)])
async def test_a_session_is_opened_by_get_alone(house: House, http: aiohttp.ClientSession, method: str, status: int) -> None:
    async with http.request(method, house.url + POLLING) as answer:
        assert answer.status == status
    assert forgotten(house)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_session_there_is_not_is_refused(house: House, http: aiohttp.ClientSession, method: str) -> None:
    async with http.request(method, house.url + POLLING + "&sid=nobody") as answer:
        assert answer.status == 400
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await http.ws_connect(house.url + WEBSOCKET + "&sid=nobody")


async def test_a_websocket_without_its_handshake_is_refused(house: House, http: aiohttp.ClientSession) -> None:
    async with http.get(house.url + WEBSOCKET) as answer:
        assert answer.status == 400
    assert forgotten(house)


# --- packets ---------------------------------------------------------------------------------------------------------------


async def test_what_is_posted_is_answered_ok(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    async with http.post(house.url + POLLING + client.query, data="3") as answer:
        assert (answer.status, await answer.text()) == (200, "OK")


async def test_several_packets_share_a_body_both_ways(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    await client.post("\x1e".join(f'42/room,{number}["leave",{{"session":"any"}}]' for number in range(3)))
    heard: list[str] = []
    while len(heard) < 3:
        heard += await client.poll()
    assert heard == [f'43/room,{number}[{{"ok":true}}]' for number in range(3)]


@pytest.mark.parametrize("words", ["abc", "7", "0", "6", "3\x1eabc", "2"])
async def test_what_is_no_packet_closes_a_polling_session(house: House, http: aiohttp.ClientSession, words: str) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    async with http.post(house.url + POLLING + client.query, data=words) as answer:
        assert answer.status == 400
    async with http.get(house.url + POLLING + client.query) as answer:
        assert answer.status == 400


async def test_bytes_are_posted_as_base64_and_wrong_base64_closes(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    placeholder = '{"_placeholder":true,"num":0}'
    await client.post(f'451-/room,1["leave",{placeholder}]\x1ebAQIDBA==')
    [said] = await client.poll()
    assert json.loads(said.removeprefix("43/room,1"))[0]["error"]["code"] == "bad_request"
    async with http.post(house.url + POLLING + client.query, data="bA*") as answer:
        assert answer.status == 400
    await until(lambda: forgotten(house))


# --- heartbeat -------------------------------------------------------------------------------------------------------------


async def test_a_websocket_is_pinged_and_lives_as_long_as_it_answers(hasty: House, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(hasty.url + WEBSOCKET) as ws:
        await ws.receive_str()
        for _ in range(3):
            assert await ws.receive_str() == "2"
            await ws.send_str("3")
        assert len(hasty.sio.eio.sockets) == 1


async def test_polling_is_pinged_and_lives_as_long_as_it_answers(hasty: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, hasty)
    client.sid = json.loads((await client.poll())[0][1:])["sid"]
    for _ in range(3):
        assert await client.poll() == ["2"]
        await client.post("3")
    assert len(hasty.sio.eio.sockets) == 1


async def test_a_websocket_that_leaves_a_ping_unanswered_is_closed(hasty: House, http: aiohttp.ClientSession) -> None:
    ws = await in_room(hasty, http)
    heard = await ends(ws)
    assert heard[0] == "2"
    assert heard[1:] in ([], ["1"]), "it is told, and not pinged again"
    await until(lambda: forgotten(hasty))


async def test_polling_that_leaves_a_ping_unanswered_is_closed(hasty: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, hasty)
    client.sid = json.loads((await client.poll())[0][1:])["sid"]
    assert await client.poll() == ["2"]
    await until(lambda: not hasty.sio.eio.sockets)
    for method in ("GET", "POST"):
        async with http.request(method, hasty.url + POLLING + client.query) as answer:
            assert answer.status == 400


# --- close -----------------------------------------------------------------------------------------------------------------


async def test_close_ends_the_open_poll_with_a_noop_and_then_the_session(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    [engine] = house.sio.eio.sockets.values()
    before = engine._open_poll
    poll = asyncio.create_task(client.poll())
    await until(lambda: engine._open_poll is not before)
    await client.post("1")
    assert await poll == ["6"]
    async with http.get(house.url + POLLING + client.query) as answer:
        assert answer.status == 400
    await until(lambda: forgotten(house))


async def test_close_ends_a_websocket(house: House, http: aiohttp.ClientSession) -> None:
    ws = await in_room(house, http)
    await ws.send_str("1")
    assert await ends(ws) == []
    await until(lambda: forgotten(house))


# --- upgrade ---------------------------------------------------------------------------------------------------------------


async def moved(client: Polling, ws: aiohttp.ClientWebSocketResponse) -> None:
    await ws.send_str("2probe")
    assert await ws.receive_str() == "3probe"
    assert await client.poll() == ["6"], "the pending poll ends with a noop"
    await ws.send_str("5")
    await ws.send_str('42/room,1["leave",{"session":"any"}]')
    assert await ws.receive_str() == '43/room,1[{"ok":true}]'


async def test_after_the_move_polling_is_refused_and_the_websocket_goes_on(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    async with client.socket() as ws:
        await moved(client, ws)
        for method in ("GET", "POST"):
            async with http.request(method, house.url + POLLING + client.query, data=b"") as answer:
                assert answer.status == 400
        await ws.send_str('42/room,2["leave",{"session":"any"}]')
        assert await ws.receive_str() == '43/room,2[{"ok":true}]'


async def test_after_the_move_another_websocket_is_refused_and_the_first_goes_on(
    house: House, http: aiohttp.ClientSession
) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    async with client.socket() as ws:
        await moved(client, ws)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.socket()
        await ws.send_str('42/room,2["leave",{"session":"any"}]')
        assert await ws.receive_str() == '43/room,2[{"ok":true}]'
