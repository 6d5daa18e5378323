"""The rules of Socket.IO v5, one test each, as a client without a library meets them.

Source: the protocol's document and its public test suite (github.com/socketio/socket.io-protocol). There is no main namespace
here; `/echo` stands in for it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
import structlog

from rooms.binary import ATTACHMENTS_BYTES_MAX, ATTACHMENTS_MAX
from rooms.dispatch import Socket
from rooms.sockets import NAMESPACE_WITHIN_S
from tests.rooms.by_hand import POLLING, WEBSOCKET, Polling
from tests.rooms.echo import EchoNamespace
from tests.rooms.house import House
from tests.rooms.test_engine import ends, forgotten, in_room, until

PLACEHOLDER = '{"_placeholder":true,"num":0}'


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


async def opened(house: House, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """A connection that is in no namespace yet."""
    ws = await http.ws_connect(house.url + WEBSOCKET, max_msg_size=0)
    await ws.receive_str()
    return ws


async def in_echo(house: House, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    ws = await opened(house, http)
    await ws.send_str("40/echo,")
    assert (await ws.receive_str()).startswith("40/echo,{")
    return ws


# --- CONNECT and CONNECT_ERROR -----------------------------------------------------------------------------------------------


async def test_connect_is_answered_with_an_id_of_its_own_in_each_namespace(house: House, http: aiohttp.ClientSession) -> None:
    ws = await opened(house, http)
    ids = set()
    for namespace in ("/room", "/desk"):
        await ws.send_str(f"40{namespace}," + json.dumps({"token": house.token("customer-c3")}))
        said = await ws.receive_str()
        assert said.startswith(f"40{namespace},")
        answer = json.loads(said.removeprefix(f"40{namespace},"))
        assert set(answer) == {"sid"}
        ids.add(answer["sid"])
    assert len(ids) == 2
    await ws.close()


async def test_a_namespace_may_be_named_with_or_without_a_comma(
    house: House, http: aiohttp.ClientSession, echo: EchoNamespace
) -> None:
    ws = await opened(house, http)
    await ws.send_str("40/echo")
    assert (await ws.receive_str()).startswith('40/echo,{"sid":')
    await ws.close()


@pytest.mark.parametrize("namespace", ["/random", "/", "/room/x"])
async def test_a_namespace_there_is_not_is_refused_and_the_others_stay(
    house: House, http: aiohttp.ClientSession, namespace: str
) -> None:
    ws = await in_room(house, http)
    named = "" if namespace == "/" else namespace + ","
    await ws.send_str("40" + named)
    assert await ws.receive_str() == f'44{named}{{"message":"Invalid namespace"}}'
    await ws.send_str('42/room,1["leave",{"session":"any"}]')
    assert await ws.receive_str() == '43/room,1[{"ok":true}]'
    await ws.close()


@pytest.mark.parametrize("auth", ["", '{"token":"forged"}', "{}"])
async def test_who_is_not_signed_in_is_told_with_the_code(house: House, http: aiohttp.ClientSession, auth: str) -> None:
    ws = await opened(house, http)
    await ws.send_str("40/room," + auth)
    said = await ws.receive_str()
    assert said.startswith("44/room,")
    error = json.loads(said.removeprefix("44/room,"))
    assert (error["message"], error["data"]["code"]) == ("not_signed_in", "not_signed_in")
    await ws.send_str("40/room," + json.dumps({"token": house.token("customer-c3")}))
    assert (await ws.receive_str()).startswith("40/room,")
    await ws.close()


async def test_to_connect_twice_is_refused_and_the_first_stays(house: House, http: aiohttp.ClientSession) -> None:
    ws = await in_room(house, http)
    await ws.send_str("40/room," + json.dumps({"token": house.token("customer-c5")}))
    assert await ws.receive_str() == '44/room,{"message":"Already connected"}'
    handler = house.sio.namespace_handlers["/room"]
    assert [one.person.id for one in handler.sockets.values()] == ["customer-c3"]
    await ws.close()
    await until(lambda: forgotten(house))


async def test_who_stays_in_no_namespace_is_cut_off(
    house: House, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = await in_room(house, http, "customer-c5")
    monkeypatch.setattr("rooms.sockets.NAMESPACE_WITHIN_S", 0.0)
    await ends(await opened(house, http))
    left = await in_room_at_once(house, http, monkeypatch)
    await left.send_str("41/room,")
    await ends(left)
    await never.send_str('42/room,1["leave",{"session":"any"}]')
    assert await never.receive_str() == '43/room,1[{"ok":true}]'
    await never.close()
    await until(lambda: forgotten(house) and not house.sio._nowhere)


async def test_nobody_who_says_nothing_stays_for_long(
    house: House, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert NAMESPACE_WITHIN_S <= 10
    monkeypatch.setattr("rooms.sockets.NAMESPACE_WITHIN_S", 0.0)
    async with http.get(house.url + POLLING) as opening:
        assert (await opening.text()).startswith("0{")
    await ends(await opened(house, http))
    await until(lambda: forgotten(house) and not house.sio._nowhere)


async def test_who_has_asked_to_be_let_in_is_not_cut_off_for_our_taking_long(
    house: House, http: aiohttp.ClientSession, echo: EchoNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, may_go_on = asyncio.Event(), asyncio.Event()

    async def entered(_socket: Socket) -> None:
        reached.set()
        await may_go_on.wait()

    monkeypatch.setattr(echo, "entered", entered)
    ws = await opened(house, http)
    await ws.send_str("40/echo,")
    await asyncio.wait_for(reached.wait(), 10)
    [client] = house.sio._nowhere
    house.sio._never_came(client, 1)  # the time is over
    may_go_on.set()
    assert (await ws.receive_str()).startswith("40/echo,{")
    assert not house.sio._nowhere
    await ws.close()
    await until(lambda: forgotten(house))


async def test_who_has_asked_does_not_wait_for_ever_either(
    house: House, http: aiohttp.ClientSession, echo: EchoNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    async def entered(_socket: Socket) -> None:
        reached.set()
        await never.wait()

    monkeypatch.setattr(echo, "entered", entered)
    ws = await opened(house, http)
    await ws.send_str("40/echo,")
    await asyncio.wait_for(reached.wait(), 10)
    [client] = house.sio._nowhere
    monkeypatch.setattr("rooms.sockets.NAMESPACE_WITHIN_S", 0.0)
    house.sio._never_came(client, 1)
    await ends(ws)
    never.set()
    await until(lambda: forgotten(house) and not house.sio._nowhere and not house.sio._coming)


async def in_room_at_once(
    house: House, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> aiohttp.ClientWebSocketResponse:
    """In time, though there is none to lose afterwards."""
    monkeypatch.setattr("rooms.sockets.NAMESPACE_WITHIN_S", 20.0)
    ws = await in_room(house, http)
    monkeypatch.setattr("rooms.sockets.NAMESPACE_WITHIN_S", 0.0)
    return ws


# --- EVENT and ACK ---------------------------------------------------------------------------------------------------------


async def test_an_event_with_an_id_is_acknowledged_and_one_without_is_not(
    house: House, http: aiohttp.ClientSession, echo: EchoNamespace
) -> None:
    ws = await in_echo(house, http)
    await ws.send_str('42/echo,["echo",{"n":1}]')
    await ws.send_str('42/echo,12["echo",{"3":[true]}]')
    assert await ws.receive_str() == '43/echo,12[{"ok":true,"echo":{"3":[true]}}]'
    await ws.close()


async def test_half_a_character_as_javascript_can_say_it_does_not_end_the_connection(
    house: House, http: aiohttp.ClientSession, echo: EchoNamespace
) -> None:
    ws = await in_echo(house, http)
    await ws.send_str(r'42/echo,1["echo","\ud83dx\ude00 \ud83d\ude00"]')
    assert await ws.receive_str() == '43/echo,1[{"ok":true,"echo":"\ufffdx\ufffd \U0001f600"}]'
    await ws.close()


async def test_an_event_there_is_not_is_refused_in_its_acknowledgement(house: House, http: aiohttp.ClientSession) -> None:
    ws = await in_room(house, http)
    await ws.send_str('42/room,1["newListener",{}]')
    assert json.loads((await ws.receive_str()).removeprefix("43/room,1"))[0]["error"]["code"] == "forbidden"
    await ws.close()


async def test_what_the_server_asks_is_answered_by_the_client(
    house: House, http: aiohttp.ClientSession, echo: EchoNamespace
) -> None:
    ws = await in_echo(house, http)
    heard: list[Any] = []
    await house.sio.emit("ask", {"n": 1}, to=next(iter(echo.sockets)), namespace="/echo", callback=heard.append)
    assert await ws.receive_str() == '42/echo,1["ask",{"n":1}]'
    await ws.send_str('43/echo,1[{"answer":2}]')
    await ws.send_str('43/echo,1[{"answer":3}]')  # once answered, an answer to nothing
    await ws.send_str('42/echo,2["echo",{}]')
    await ws.receive_str()
    assert heard == [{"answer": 2}]
    await ws.close()


# --- DISCONNECT ------------------------------------------------------------------------------------------------------------


async def test_to_leave_one_namespace_leaves_the_other(house: House, http: aiohttp.ClientSession, echo: EchoNamespace) -> None:
    ws = await in_room(house, http)
    await ws.send_str("40/echo,")
    await ws.receive_str()
    await ws.send_str("41/room,")
    await ws.send_str('42/room,1["leave",{"session":"any"}]')  # to nobody
    await ws.send_str('42/echo,2["echo",{}]')
    assert await ws.receive_str() == '43/echo,2[{"ok":true,"echo":{}}]'
    assert not house.sio.namespace_handlers["/room"].sockets
    await ws.close()


async def test_who_is_disconnected_from_a_namespace_is_told(house: House, http: aiohttp.ClientSession) -> None:
    ws = await in_room(house, http)
    handler = house.sio.namespace_handlers["/room"]
    await handler.disconnect(next(iter(handler.sockets)))
    assert await ws.receive_str() == "41/room,"
    await ws.close()


# --- malformed -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        "4abc",
        "47/room,",
        "4-1",
        "42/room,",
        "42/room,1",
        "42/room,1{}",
        "42/room,1[]",
        "42/room,1[7]",
        '42/room,1["x"',
        '42/room,1["x"]]',
        '42/room,-1["x"]',
        "42/room," + "1" * 101 + '["x"]',
        "43/room,1",
        "43/room,[]",
        "43/room,1{}",
        '44/room,{"message":"no"}',
        "40/room,[]",
        '40/room,"x"',
    ],
)
async def test_what_is_malformed_ends_the_connection_with_a_line_of_log(
    house: House, http: aiohttp.ClientSession, packet: str
) -> None:
    ws = await in_room(house, http)
    with structlog.testing.capture_logs() as logs:
        await ws.send_str(packet)
        await ends(ws)
    assert [one["log_level"] for one in logs] == ["info"]
    await until(lambda: forgotten(house))


# --- BINARY_EVENT and BINARY_ACK --------------------------------------------------------------------------------------------


async def test_bytes_there_and_back(house: House, http: aiohttp.ClientSession, echo: EchoNamespace) -> None:
    ws = await in_echo(house, http)
    second = PLACEHOLDER.replace("0", "1")
    await ws.send_str(f'452-/echo,7["echo",{{"a":{PLACEHOLDER},"b":[{second}]}}]')
    for part in (b"\x01\x02", b"4" * 700):
        await ws.send_bytes(part)
    assert await ws.receive_str() == f'462-/echo,7[{{"ok":true,"echo":{{"a":{PLACEHOLDER},"b":[{second}]}}}}]'
    assert [await ws.receive_bytes(), await ws.receive_bytes()] == [b"\x01\x02", b"4" * 700]
    await ws.close()


async def test_bytes_there_and_back_by_polling(house: House, http: aiohttp.ClientSession, echo: EchoNamespace) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    await client.post("40/echo,")
    await client.poll()
    await client.post(f'451-/echo,7["echo",{PLACEHOLDER}]\x1ebAQIDBA==')
    heard = await client.poll()
    assert heard == [f'461-/echo,7[{{"ok":true,"echo":{PLACEHOLDER}}}]', "bAQIDBA=="]


async def test_a_clients_acknowledgement_may_hold_bytes(house: House, http: aiohttp.ClientSession, echo: EchoNamespace) -> None:
    ws = await in_echo(house, http)
    heard: list[Any] = []
    await house.sio.emit("ask", {}, to=next(iter(echo.sockets)), namespace="/echo", callback=heard.append)
    await ws.receive_str()
    await ws.send_str(f"461-/echo,1[{PLACEHOLDER}]")
    await ws.send_bytes(b"\x00\xff")
    await until(lambda: bool(heard))
    assert heard == [b"\x00\xff"]
    await ws.close()


async def test_bytes_where_none_belong_are_refused_in_the_acknowledgement(house: House, http: aiohttp.ClientSession) -> None:
    ws = await in_room(house, http)
    await ws.send_str(f'451-/room,1["leave",{{"session":{PLACEHOLDER}}}]')
    await ws.send_bytes(b"\x00" * 1000)
    assert json.loads((await ws.receive_str()).removeprefix("43/room,1"))[0]["error"]["code"] == "bad_request"
    await ws.send_str('42/room,2["leave",{"session":"any"}]')
    assert await ws.receive_str() == '43/room,2[{"ok":true}]'
    await ws.close()


@pytest.mark.parametrize(
    "said",
    [
        [b"not announced"],
        [f'45{ATTACHMENTS_MAX + 1}-/room,1["x",{PLACEHOLDER}]'],
        [f'450-/room,1["x",{PLACEHOLDER}]'],
        [f'45/room,1["x",{PLACEHOLDER}]'],
        ['459999999999-/room,["x"]'],
        [f'451-/room,1["x",{PLACEHOLDER}]', '42/room,2["leave",{}]'],
        ['451-/room,1["x",{"_placeholder":true,"num":1}]', b"x"],
        ['451-/room,1["x",{"_placeholder":true,"num":-1}]', b"x"],
        ['451-/room,1["x",{"_placeholder":true,"num":"0"}]', b"x"],
        [f'451-/nowhere,1["x",{PLACEHOLDER}]'],
        [f'452-/room,1["x",{PLACEHOLDER}]', b"x" * (ATTACHMENTS_BYTES_MAX - 10), b"x" * 11],
    ],
)
async def test_attachments_beyond_their_bounds_end_the_connection(
    house: House, http: aiohttp.ClientSession, said: list[str | bytes]
) -> None:
    ws = await in_room(house, http)
    with structlog.testing.capture_logs() as logs:
        for one in said:
            await (ws.send_str(one) if isinstance(one, str) else ws.send_bytes(one))
        await ends(ws)
    assert [one["log_level"] for one in logs] == ["info"]
    await until(lambda: forgotten(house) and not len(house.sio._incoming))


async def test_attachments_that_do_not_come_end_the_connection(
    house: House, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rooms.binary.ATTACHMENTS_WITHIN_S", 0.0)
    ws = await in_room(house, http)
    await ws.send_str(f'451-/room,1["leave",{PLACEHOLDER}]')
    await ends(ws)
    await until(lambda: forgotten(house) and not len(house.sio._incoming))


async def test_who_leaves_before_his_attachments_leaves_nothing(house: House, http: aiohttp.ClientSession) -> None:
    client = Polling(http, house)
    await client.open("customer-c3")
    await client.post(f'451-/room,1["leave",{PLACEHOLDER}]')
    assert len(house.sio._incoming) == 1
    async with http.post(house.url + POLLING + client.query, data="1") as answer:
        assert answer.status == 200
    await until(lambda: forgotten(house) and not len(house.sio._incoming))
