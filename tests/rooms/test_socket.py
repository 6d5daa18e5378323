"""What the sockets themselves promise, whatever is said over them. The database does not matter here: SQLite alone."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
import socketio

from rooms.dispatch import PROOF_S
from tests.rooms.house import House, Tab


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


@pytest.mark.parametrize(
    ("person", "event", "payload"),
    [
        ("supervisor-1", "comment", {"session": "ses_x", "text": "hm"}),
        ("adviser-1", "order", {}),
        ("reviewer-1", "join", {"session": "ses_x"}),
        ("customer-c3", "nonsense", {}),
        ("customer-c3", "connect", {}),
        ("customer-c3", "disconnect", "x"),
        ("customer-c3", "entered", {}),
    ],
)
async def test_an_event_that_is_not_ones_own_is_forbidden(house: House, person: str, event: str, payload: Any) -> None:
    tab = await house.tab(person)
    ack = await tab.room(event, payload)
    assert ack["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    "payload", [None, [], "x", 7, {"session": 7}, {"session": "s", "text": "a", "more": 1}, {"session": "", "text": "a"}]
)
async def test_a_malformed_payload_is_refused_and_the_connection_lives_on(house: House, payload: Any) -> None:
    tab = await house.tab("customer-c3")
    ack = await tab.room("comment", payload)
    assert ack["error"]["code"] == "bad_request"
    assert (await tab.room("leave", {"session": "any"}))["ok"]


async def test_who_sends_faster_than_hands_can_is_slowed_down(house: House) -> None:
    tab = await house.tab("customer-c3")
    acks = await asyncio.gather(*(tab.room("leave", {"session": "any"}) for _ in range(25)))
    assert [ack["ok"] for ack in acks].count(False) == 5
    assert {ack["error"]["code"] for ack in acks if not ack["ok"]} == {"too_many_requests"}


async def test_nobody_connects_without_being_somebody(house: House) -> None:
    stranger = Tab(house.url, "forged", "en")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await stranger.open()
    await stranger.close()


async def test_who_does_not_read_is_disconnected_and_nobody_else(house: House) -> None:
    reader = await house.tab("customer-c5")
    session = (await house.show())["session"]
    await reader.room("join", {"session": session})
    url = house.url + "/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, autoclose=False) as deaf:
        await deaf.receive()
        await deaf.send_str('40/room,{"token":"%s"}' % house.token("customer-c3"))  # noqa: UP031 - braces
        await deaf.receive()
        await deaf.send_str(f'42/room,1["join",{{"session":"{session}"}}]')
        await deaf.receive()
        assert house.rooms.presence.viewers(session) == 2
        load = {"session": session, "viewers": 0, "load": "x" * 60_000}
        sent = 0
        while house.rooms.presence.viewers(session) == 2:
            await house.sio.emit("presence", load | {"viewers": sent}, room=f"session:{session}", namespace="/room")
            sent += 1
            assert sent < 5000
            await reader.hears("presence", lambda told, last=sent - 1: told["viewers"] == last)
            reader.heard.clear()
    assert (await reader.room("leave", {"session": session}))["ok"]


async def test_one_client_s_events_are_done_in_the_order_they_were_sent(house: House) -> None:
    tab = await house.tab("adviser-1")
    for _ in range(3):
        acks = await asyncio.gather(*(tab.desk("available", {"on": on}) for on in (True, False)))
        assert [ack["queue"]["available"] for ack in acks] == [1, 0]
    assert house.rooms.attendance.available() == frozenset()


async def test_who_goes_in_the_middle_of_an_event_leaves_nothing_behind(house: House) -> None:
    session = (await house.show())["session"]
    stays = await house.tab("customer-c5")
    adviser, viewer = await house.tab("adviser-1"), await house.tab("customer-c3")
    async with house.db.write():  # holds the writer, so that joining and leaving overlap
        await adviser.client.emit("available", {"on": True}, namespace="/desk")
        await viewer.client.emit("join", {"session": session}, namespace="/room")
        await adviser.close()
        await viewer.close()
    async with asyncio.timeout(10):
        while len(house.sio.eio.sockets) > 1:
            await asyncio.sleep(0)
    assert (await stays.room("join", {"session": session}))["ok"]
    assert house.rooms.presence.viewers(session) == 1
    assert house.rooms.attendance.available() == frozenset()
    assert house.rooms.attendance.connected() == {"customer-c5"}


async def test_a_sign_in_that_expires_ends_its_connections(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tab, other = await house.tab("customer-c3"), await house.tab("customer-c5")
    assert (await tab.room("leave", {"session": "any"}))["ok"]
    monkeypatch.setattr("app.identity.TOKEN_AGE_S", -1)
    house.clock.advance(PROOF_S)  # so late at most it is noticed
    ack = await tab.room("leave", {"session": "any"})
    assert (ack["error"]["code"], ack["error"]["door"]) == ("not_signed_in", "login")
    assert [await namespace.end_expired() for namespace in house.rooms.namespaces] == [2, 2]
    async with asyncio.timeout(10):
        while tab.client.connected or other.client.connected:
            await asyncio.sleep(0)
