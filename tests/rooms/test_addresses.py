"""One address has so many connections, and begins so many a second; others' are not touched by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY

from core.clock import ManualClock
from core.database import Database
from rooms.addresses import HANDSHAKES_BURST, Addresses
from tests.rooms.by_hand import POLLING, WEBSOCKET
from tests.rooms.house import House
from tests.rooms.test_engine import forgotten, in_room, until

MOST = 3


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


@pytest.fixture
async def house(database: Database, clock: ManualClock) -> AsyncIterator[House]:
    """Behind a proxy on this machine, which says who its clients are."""
    made = House(database, clock)
    made.addresses = Addresses(MOST, [ip_network("127.0.0.0/8"), ip_network("10.0.0.7")], monotonic=clock.monotonic)
    async with made:
        yield made


def said_by_proxy(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def connect(house: House, http: aiohttp.ClientSession, address: str) -> aiohttp.ClientWebSocketResponse:
    ws = await http.ws_connect(house.url + WEBSOCKET, headers=said_by_proxy(address))
    await ws.receive_str()
    return ws


async def refusal(house: House, http: aiohttp.ClientSession, address: str, lang: str = "en") -> tuple[int, Any, str | None]:
    """Status, problem and Retry-After of a handshake; 200 for one that is let in, which stays."""
    headers = said_by_proxy(address) | {"Accept-Language": lang}
    async with http.get(house.url + POLLING, headers=headers) as answer:
        text = await answer.text()
        said = json.loads(text) if answer.status != 200 else None
        return answer.status, said, answer.headers.get("Retry-After")


def refused(what: str) -> float:
    return REGISTRY.get_sample_value("tellercast_socket_handshakes_refused_total", {"what": what}) or 0.0


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("198.51.100.1", "198.51.100.1", "198.51.100.2"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("198.51.100.1", "::ffff:198.51.100.1", "::ffff:198.51.100.2"),
        ("198.51.100.1", "203.0.113.9, 198.51.100.1", "198.51.100.1, 203.0.113.9"),
        ("198.51.100.1", "198.51.100.1, 10.0.0.7", "10.0.0.7"),
    ],
)
async def test_one_address_has_so_many_connections_and_others_theirs(
    house: House, http: aiohttp.ClientSession, one: str, same: str, other: str
) -> None:
    before = refused("connections")
    sockets = [await connect(house, http, one) for _ in range(MOST)]
    for lang, title in (("en", "Your network has 3 connections to us already."), ("zh", "您所在的网络已有 3 个连接。")):
        status, problem, wait_s = await refusal(house, http, same, lang)
        assert (status, problem["code"], problem["title"]) == (429, "too_many_connections", title)
        assert wait_s == str(problem["params"]["wait_s"])
    with pytest.raises(aiohttp.WSServerHandshakeError) as failed:
        await connect(house, http, same)
    assert failed.value.status == 429
    assert refused("connections") == before + 3
    sockets.append(await connect(house, http, other))
    await sockets.pop(0).close()
    await until(lambda: len(house.sio.eio.sockets) == MOST)
    sockets.append(await connect(house, http, same))
    for ws in sockets:
        await ws.close()
    await until(lambda: forgotten(house) and not len(house.sio._addresses))


async def test_who_is_refused_waits_in_nobodys_way_and_who_waits_counts(
    house: House, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, opened = 0, asyncio.Event()

    async def coming() -> None:
        nonlocal waiting
        waiting += 1
        await opened.wait()

    monkeypatch.setattr(house.sio.eio, "coming", coming)
    at_the_door = [asyncio.create_task(refusal(house, http, "198.51.100.1")) for _ in range(MOST)]
    await until(lambda: waiting == MOST)
    status, problem, _ = await refusal(house, http, "198.51.100.1")
    assert (status, problem["code"], waiting) == (429, "too_many_connections", MOST)
    opened.set()
    assert [status for status, _, _ in await asyncio.gather(*at_the_door)] == [200] * MOST


async def test_what_is_going_on_is_not_refused(house: House, http: aiohttp.ClientSession) -> None:
    """A client that polls asks anew each time; only its first is a handshake."""
    headers = said_by_proxy("198.51.100.1")
    for _ in range(MOST):
        async with http.get(house.url + POLLING, headers=headers) as answer:
            opening = json.loads((await answer.text())[1:])
    sid = f"&sid={opening['sid']}"
    async with http.post(house.url + POLLING + sid, headers=headers, data="40/nowhere,") as answer:
        assert answer.status == 200
    async with http.get(house.url + POLLING + sid, headers=headers) as answer:
        assert await answer.text() == '44/nowhere,{"message":"Invalid namespace"}'


async def test_handshakes_come_no_faster_than_so_many_a_second(
    house: House, http: aiohttp.ClientSession, clock: ManualClock
) -> None:
    before = refused("handshakes")
    for _ in range(int(HANDSHAKES_BURST)):
        await refusal(house, http, "198.51.100.1")  # beyond the first few there are too many connections
    status, problem, wait_s = await refusal(house, http, "198.51.100.1")
    assert (status, problem["code"], wait_s) == (429, "too_many_requests", "1")
    assert refused("handshakes") == before + 1
    assert (await refusal(house, http, "198.51.100.2"))[0] == 200
    clock.advance(1)
    assert (await refusal(house, http, "198.51.100.1"))[1]["code"] == "too_many_connections"


@pytest.mark.parametrize("said", ["", "unknown", "198.51.100.1, x", "127.0.0.1", ",,"])
async def test_who_cannot_be_told_apart_has_no_bounds(house: House, http: aiohttp.ClientSession, said: str) -> None:
    sockets = [await connect(house, http, said) for _ in range(2 * MOST)]
    for ws in sockets:
        await ws.close()


async def test_what_anybody_says_of_his_address_is_not_believed(
    database: Database, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    """The proxy is another one; and this machine's own have no bounds."""
    made = House(database, clock)
    made.addresses = Addresses(1, [ip_network("10.0.0.7")])
    async with made as house:
        sockets = [await connect(house, http, "198.51.100.1") for _ in range(3)]
        assert len(house.sio._addresses) == 0
        for ws in sockets:
            await ws.close()


async def test_a_connection_that_is_ended_is_counted_no_more(house: House, http: aiohttp.ClientSession) -> None:
    for _ in range(3 * MOST):
        ws = await connect(house, http, "198.51.100.1")
        await ws.send_str("nonsense")
        await until(lambda: not house.sio.eio.sockets)
    async with http.get(house.url + WEBSOCKET, headers=said_by_proxy("198.51.100.1") | {"Upgrade": "websocket"}) as answer:
        assert answer.status == 400
    assert len(house.sio._addresses) == 0
    await (await in_room(house, http)).close()
