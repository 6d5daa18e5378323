"""Nothing that a client can send does more than harm itself: every answer is a documented one, and afterwards all is as before.

A few cases in every run; `TELLERCAST_TEST_CASES=20000 pytest tests/rooms/test_fuzzed.py` looks longer.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import structlog
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from app.problems import PROBLEMS
from core.errors import DATABASE_AWAY, INTERNAL
from rooms.rate import Buckets
from tests.rooms.by_hand import POLLING, WEBSOCKET, Polling
from tests.rooms.fuzzing import Shapes, frames, packets, readable
from tests.rooms.house import BOND, House
from tests.rooms.test_engine import CLOSED, forgotten, until

CASES = int(os.environ.get("TELLERCAST_TEST_CASES", "200"))
AT_ONCE = 20  # cases of one example: they share a connection while it lasts
PEOPLE = ("customer-c3", "adviser-1", "supervisor-1")
DOCUMENTED = {problem.code for problem in PROBLEMS} - {INTERNAL.code, DATABASE_AWAY.code}
WITHIN_S = 20.0
NO_LIMIT = 1e12
PING_EVERY_S = 0.5
SILENCE_S = 3600.0  # a line that nobody reads for a while is no case
STANDING = 10  # the engine's own tasks, and the connections that the test's HTTP client keeps
UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

pytestmark = pytest.mark.timeout(60 + CASES)


def examples(share: float) -> Any:
    """Together about `share` of all cases."""
    return settings(
        max_examples=max(3, round(CASES * share) // AT_ONCE),
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


class Watch(logging.Handler):
    """What the two libraries, asyncio and we ourselves log as wrong."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())


@pytest.fixture
async def fuzzed(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house without limits of rate, which have tests of their own. Afterwards all is as before, and the log is clean."""
    monkeypatch.setattr("rooms.engine.PACKETS_BURST", NO_LIMIT)
    house.sio.eio.ping_interval, house.sio.eio.ping_timeout = PING_EVERY_S, SILENCE_S
    for handler in house.sio.namespace_handlers.values():
        handler._buckets = handler._arrivals = Buckets(NO_LIMIT, NO_LIMIT, 100)
    house.rooms.comments._rate = Buckets(NO_LIMIT, NO_LIMIT, 100)
    watch = Watch()
    logging.getLogger().addHandler(watch)
    try:
        async with watched_tasks():
            with structlog.testing.capture_logs() as logs:
                yield house
                await until(lambda: forgotten(house))
                await until(lambda: not house.sio._answering and not house.sio.eio.under_way)
            gc.collect()  # a task that nobody awaited says so now
    finally:
        logging.getLogger().removeHandler(watch)
    assert [one for one in logs if one["log_level"] not in ("info", "warning")] == []
    assert watch.records == []
    assert kept(house) == 0


@asynccontextmanager
async def watched_tasks() -> AsyncIterator[None]:
    before = len(asyncio.all_tasks())
    yield
    await until(lambda: len(asyncio.all_tasks()) <= before + STANDING)


def kept(house: House) -> int:
    """What the tables of sockets hold, of whatever kind."""
    room: Any = house.rooms.namespaces[0]
    manager, sio = house.sio.manager, house.sio
    inside = (sio._incoming, sio._nowhere, sio._addresses, sio.eio.traffic.busy)
    tables = (*inside, manager.callbacks, manager._crowds, manager._rooms_of)
    return sum(map(len, tables)) + len(room._hosting) + len(house.rooms.comments._rooms)


class Line:
    """One person's connection to both namespaces, opened anew when it was ended."""

    def __init__(self, house: House, http: aiohttp.ClientSession, person: str) -> None:
        self._house, self._http, self._person = house, http, person
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._next = 0

    async def ws(self) -> aiohttp.ClientWebSocketResponse:
        if self._ws is None or self._ws.closed:
            ws = self._ws = await self._http.ws_connect(self._house.url + WEBSOCKET, max_msg_size=0)
            for namespace in ("/room", "/desk"):
                await ws.send_str(f"40{namespace}," + json.dumps({"token": self._house.token(self._person), "lang": "en"}))
                await self._hears(f"40{namespace},")
        return self._ws

    async def close(self) -> None:
        if self._ws is not None:
            await self._ws.close()
            self._ws = None

    async def _hears(self, begins: str) -> str | None:
        """The next that begins so; None when the connection was ended."""
        assert self._ws is not None
        async with asyncio.timeout(WITHIN_S):
            while True:
                message = await self._ws.receive()
                if message.type in CLOSED:
                    await self.close()
                    return None
                if message.type is aiohttp.WSMsgType.TEXT and message.data == "2":
                    await self._ws.send_str("3")
                elif message.type is aiohttp.WSMsgType.TEXT and message.data.startswith(begins):
                    return str(message.data)

    async def asks(self, namespace: str, event: str, payload: str) -> Any:
        """The acknowledgement; None when the connection was ended instead."""
        ws = await self.ws()
        self._next += 1
        said = f"42{namespace},{self._next}[{json.dumps(event)},{payload}]"
        try:
            await ws.send_str(wired(said))
        except ConnectionError:
            await self.close()
            return None
        begins = f"43{namespace},{self._next}["
        answer = await self._hears(begins)
        return None if answer is None else json.loads(answer[len(begins) - 1 :])[0]

    async def is_answered(self) -> bool:
        """Whether the connection stands, whatever namespaces it is in."""
        ws = await self.ws()
        try:
            await ws.send_str("40/nowhere,")
        except ConnectionError:
            await self.close()
            return False
        return await self._hears("44/nowhere,") is not None

    async def is_well(self) -> bool:
        return bool((await self.asks("/room", "leave", '{"session":"any"}'))["ok"])


def wired(text: str) -> str:
    """As a WebSocket can carry it: UTF-8 has no half characters."""
    return text.encode(errors="replace").decode()


@pytest.fixture
async def lines(fuzzed: House, http: aiohttp.ClientSession) -> AsyncIterator[dict[str, Line]]:
    made = {person: Line(fuzzed, http, person) for person in PEOPLE}
    yield made
    for line in made.values():
        await line.close()


@pytest.fixture
async def shapes(fuzzed: House) -> Shapes:
    """With ids of what there is: a show with a product, a call."""
    session = (await fuzzed.show(BOND))["session"]
    await fuzzed.confirm_disclosure("customer-c3", session)
    status, call = await fuzzed.api("customer-c3", "POST", "/api/calls", {"topic": "债券"})
    assert status == 201
    return Shapes({"session": session, "product": BOND, "call": call["id"], "to": "adviser-2"})


@examples(0.8)
@given(data=st.data())
async def test_every_event_answers_whatever_it_carries(
    fuzzed: House, lines: dict[str, Line], shapes: Shapes, data: DataObject
) -> None:
    for _ in range(AT_ONCE):
        handler = data.draw(st.sampled_from(fuzzed.rooms.namespaces), "namespace")
        event = data.draw(st.sampled_from(sorted(handler.events)), "event")
        payload = data.draw(shapes.payloads(handler.events[event].takes), "payload")
        person = data.draw(st.sampled_from(PEOPLE), "person")
        answer = await lines[person].asks(handler.namespace, event, payload)
        if answer is None:
            assert not readable(f'["{event}",{wired(payload)}]'), "ended for no reason"
        elif not answer["ok"]:
            assert answer["error"]["code"] in DOCUMENTED, answer["error"]


@examples(0.1)
@given(data=st.data())
async def test_whatever_a_websocket_says_others_are_answered(
    fuzzed: House, http: aiohttp.ClientSession, lines: dict[str, Line], data: DataObject
) -> None:
    stranger = Line(fuzzed, http, "customer-c5")
    for _ in range(AT_ONCE):
        packet = data.draw(packets, "packet")
        ws = await stranger.ws()
        try:
            await (ws.send_str(packet) if isinstance(packet, str) else ws.send_bytes(packet))
        except ConnectionError:
            await stranger.close()
        await stranger.is_answered()  # or ended: the packet was taken
    await stranger.close()
    assert await lines["customer-c3"].is_well()


@examples(0.05)
@given(data=st.data())
async def test_whatever_is_posted_others_are_answered(
    fuzzed: House, http: aiohttp.ClientSession, lines: dict[str, Line], data: DataObject
) -> None:
    client = Polling(http, fuzzed)
    await client.open("customer-c5")
    url = fuzzed.url + POLLING + client.query
    for _ in range(AT_ONCE):
        parts = data.draw(
            st.lists(packets.map(lambda one: one if isinstance(one, bytes) else one.encode()), max_size=4), "parts"
        )
        async with http.post(url, data=b"\x1e".join(parts)) as answer:
            assert answer.status in (200, 400)
    async with http.post(url, data="1") as answer:
        assert answer.status in (200, 400)
    assert await lines["customer-c3"].is_well()


@examples(0.05)
@given(data=st.data())
async def test_whatever_bytes_come_others_are_answered(fuzzed: House, lines: dict[str, Line], data: DataObject) -> None:
    address = urlsplit(fuzzed.url)
    hello = f'40/room,{{"token":"{fuzzed.token("customer-c5")}"}}'.encode()
    for _ in range(AT_ONCE):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            async with asyncio.timeout(WITHIN_S):
                writer.write(UPGRADE % address.netloc.encode())
                assert b" 101 " in await reader.readline()
                writer.write(b"\x81\xfe" + len(hello).to_bytes(2, "big") + b"\0\0\0\0" + hello)
                for frame in data.draw(st.lists(frames(), min_size=1, max_size=3), "frames"):
                    writer.write(frame)
                await writer.drain()
        except ConnectionError:
            continue  # ended at once; that is its own affair
        finally:
            writer.transport.abort()
    assert await lines["customer-c3"].is_well()
