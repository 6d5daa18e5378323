"""The official Socket.IO clients, unchanged: Node's, and python-socketio's two; over every transport, with all they can do."""

from __future__ import annotations

import asyncio
import json
import queue
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import socketio

from tests.rooms.echo import EchoNamespace
from tests.rooms.house import House

SCRIPT = Path(__file__).with_name("official_client.mjs")
WAYS = (["websocket"], ["polling"], ["polling", "websocket"])
WITHIN_S = 20.0
LONG = "评" * 8_000  # no ASCII, and with the escapes of python-socketio's clients still no more than a message may have


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


class Node:
    """Node's client in a process of its own; what it tells is kept until it is asked for."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process, self._url = process, url
        self._told: list[dict[str, Any]] = []

    async def do(self, deed: str, **what: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps({"deed": deed} | what) + "\n").encode())
        await self._process.stdin.drain()

    async def tells(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first that fits of what it has told or will; it is told once."""
        assert self._process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            while True:
                for place, told in enumerate(self._told):
                    if fits(told):
                        return self._told.pop(place)
                line = await self._process.stdout.readline()
                assert line, "it has ended"
                self._told.append(json.loads(line))

    async def hears(self, event: str, namespace: str = "/room") -> dict[str, Any]:
        return await self.tells(lambda told: told.get("heard") == event and told["namespace"] == namespace)

    async def connect(self, namespace: str, transports: list[str], **auth: Any) -> dict[str, Any]:
        await self.do("connect", url=self._url, namespace=namespace, auth=auth, transports=transports)
        return await self.hears("connect", namespace)

    async def call(self, namespace: str, event: str, value: Any) -> Any:
        await self.do("emit", namespace=namespace, event=event, value=value)
        return (await self.tells(lambda told: "answer" in told))["answer"]

    async def moved_over(self, namespace: str) -> str:
        """The transport it has come to."""
        await self.do("upgraded", namespace=namespace)
        return str((await self.tells(lambda told: "transport" in told and "heard" not in told))["transport"])


@asynccontextmanager
async def node(house: House) -> AsyncIterator[Node]:
    process = await asyncio.create_subprocess_exec("node", str(SCRIPT), stdin=PIPE, stdout=PIPE, limit=1 << 22)
    try:
        yield Node(process, house.url)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def asked(house: House, echo: EchoNamespace) -> list[Any]:
    """What a client of /echo answers to the server, with its bytes."""
    answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
    sid = next(iter(echo.sockets))
    await house.sio.emit("ask", {"n": 1}, to=sid, namespace="/echo", callback=lambda *said: answer.set_result(list(said)))
    async with asyncio.timeout(WITHIN_S):
        return await answer


@pytest.mark.parametrize("transports", WAYS, ids="+".join)
async def test_nodes_client_does_all_it_can(house: House, echo: EchoNamespace, transports: list[str]) -> None:
    session = (await house.show())["session"]
    async with node(house) as client:
        auth = {"token": house.token("customer-c3"), "lang": "en"}
        places = [await client.connect(name, transports, **auth) for name in ("/room", "/desk", "/echo")]
        assert len({place["engine"] for place in places}) == 1, "three namespaces on one connection"
        assert (await client.call("/room", "join", {"session": session}))["session"]["id"] == session
        assert (await client.call("/room", "comment", {"session": session, "text": "你好"}))["ok"] is True
        [batch] = (await client.hears("comments"))["values"]
        assert [one["text"] for one in batch["comments"]] == ["你好"]
        assert (await client.call("/desk", "request", {"topic": "债券"}))["call"]["state"] == "waiting"
        if len(transports) > 1:
            assert await client.moved_over("/room") == "websocket"
        refusal = await client.call("/room", "comment", {"session": {"bytes": [1, 2]}, "text": "x"})
        assert refusal["error"]["code"] == "bad_request"
        assert (await client.call("/echo", "echo", {"long": LONG}))["echo"] == {"long": LONG}
        bytes_ = {"bytes": [*range(256)] * 4}
        assert (await client.call("/echo", "echo", {"a": bytes_, "b": [bytes_]}))["echo"] == {"a": bytes_, "b": [bytes_]}
        assert await asked(house, echo) == [b"\x00\xff", {"n": 1}]


@pytest.mark.parametrize("transports", WAYS, ids="+".join)
async def test_nodes_client_is_told_why_it_may_not_in(house: House, transports: list[str]) -> None:
    async with node(house) as client:
        where = {"url": house.url, "transports": transports}
        await client.do("connect", namespace="/room", auth={"token": "forged", "lang": "zh"}, **where)
        refused = await client.hears("connect_error")
        assert (refused["message"], refused["data"]["title"]) == ("not_signed_in", "您尚未登录。")
        assert not refused["active"], "it does not try again by itself"
        await client.do("connect", namespace="/nowhere", auth={}, **where)
        assert (await client.hears("connect_error", "/nowhere"))["message"] == "Invalid namespace"


@pytest.mark.parametrize("transports", WAYS, ids="+".join)
async def test_nodes_client_comes_back_by_itself_and_catches_up(house: House, transports: list[str]) -> None:
    session = (await house.show())["session"]
    async with node(house) as client:
        await client.connect("/room", transports, token=house.token("customer-c3"))
        seq = (await client.call("/room", "join", {"session": session}))["seq"]
        if len(transports) > 1:
            await client.moved_over("/room")
        for sid in list(house.sio.eio.sockets):
            await house.sio.eio.throw_out(sid)
        assert (await client.hears("disconnect"))["reason"] in ("transport close", "transport error")
        await client.hears("connect")
        missed = await client.call("/room", "join", {"session": session, "after": seq})
        assert (missed["ok"], missed["seq"] >= seq) == (True, True)


async def test_nodes_client_is_told_when_the_server_or_it_itself_ends_it(house: House) -> None:
    async with node(house) as client:
        await client.connect("/room", ["websocket"], token=house.token("customer-c3"))
        await client.connect("/desk", ["websocket"], token=house.token("customer-c3"))
        handler = house.sio.namespace_handlers["/room"]
        await handler.disconnect(next(iter(handler.sockets)))
        assert (await client.hears("disconnect"))["reason"] == "io server disconnect"
        await client.do("disconnect", namespace="/desk")
        assert (await client.hears("disconnect", "/desk"))["reason"] == "io client disconnect"
    async with asyncio.timeout(WITHIN_S):
        while house.sio.eio.sockets:
            await asyncio.sleep(0)


@pytest.mark.parametrize("transports", WAYS, ids="+".join)
async def test_pythons_async_client_does_all_it_can(house: House, echo: EchoNamespace, transports: list[str]) -> None:
    session = (await house.show())["session"]
    client = socketio.AsyncClient(reconnection=False)
    heard: asyncio.Queue[Any] = asyncio.Queue()
    client.on("comments", heard.put, namespace="/room")

    async def answer(asked: Any) -> tuple[bytes, Any]:
        return b"\x00\xff", asked

    client.on("ask", answer, namespace="/echo")
    auth = {"token": house.token("customer-c3")}
    names = ["/room", "/desk", "/echo"]
    await client.connect(house.url, auth=auth, namespaces=names, transports=transports, wait_timeout=WITHIN_S)
    try:
        assert client.transport() == transports[-1]

        async def call(namespace: str, event: str, value: Any) -> Any:
            return await client.call(event, value, namespace=namespace, timeout=WITHIN_S)

        assert (await call("/room", "join", {"session": session}))["session"]["id"] == session
        assert (await call("/room", "comment", {"session": session, "text": "你好"}))["ok"] is True
        async with asyncio.timeout(WITHIN_S):
            assert [one["text"] for one in (await heard.get())["comments"]] == ["你好"]
        assert (await call("/desk", "request", {"topic": "债券"}))["call"]["state"] == "waiting"
        assert (await call("/room", "leave", b"\x00"))["error"]["code"] == "bad_request"
        assert (await call("/echo", "echo", [LONG, b"\x00\xff" * 500, {"b": b""}]))["echo"] == [
            LONG,
            b"\x00\xff" * 500,
            {"b": b""},
        ]
        assert await asked(house, echo) == [b"\x00\xff", {"n": 1}]
    finally:
        await client.disconnect()
        await client.shutdown()


@pytest.mark.parametrize("transports", WAYS, ids="+".join)
async def test_pythons_own_client_does_all_it_can(house: House, echo: EchoNamespace, transports: list[str]) -> None:
    session = (await house.show())["session"]
    token = house.token("customer-c3")
    bytes_ = [b"\x00\xff" * 500, {"b": b"x"}]

    def at_work() -> list[Any]:
        """In a thread: it blocks."""
        client = socketio.Client(reconnection=False)
        heard: queue.Queue[Any] = queue.Queue()
        client.on("comments", heard.put, namespace="/room")
        names = ["/room", "/desk", "/echo"]
        client.connect(house.url, auth={"token": token}, namespaces=names, transports=transports, wait_timeout=WITHIN_S)
        try:
            joined = client.call("join", {"session": session}, namespace="/room", timeout=WITHIN_S)
            said = client.call("comment", {"session": session, "text": "你好"}, namespace="/room", timeout=WITHIN_S)
            batch = heard.get(timeout=WITHIN_S)
            waits = client.call("request", {"topic": "债券"}, namespace="/desk", timeout=WITHIN_S)
            refused = client.call("leave", b"\x00", namespace="/room", timeout=WITHIN_S)
            echoed = client.call("echo", bytes_, namespace="/echo", timeout=WITHIN_S)
            return [client.transport(), joined, said, batch, waits, refused, echoed]
        finally:
            client.disconnect()

    transport, joined, said, batch, waits, refused, echoed = await asyncio.to_thread(at_work)
    assert transport == transports[-1]
    assert joined["session"]["id"] == session
    assert said["ok"] is True
    assert [one["text"] for one in batch["comments"]] == ["你好"]
    assert waits["call"]["state"] == "waiting"
    assert refused["error"]["code"] == "bad_request"
    assert echoed["echo"] == bytes_


async def test_pythons_client_is_told_why_it_may_not_in(house: House) -> None:
    client = socketio.AsyncClient(reconnection=False)
    errors: list[Any] = []
    client.on("connect_error", errors.append, namespace="/room")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(house.url, namespaces=["/room"], transports=["websocket"], wait_timeout=WITHIN_S)
    assert [(one["message"], one["data"]["code"]) for one in errors] == [("not_signed_in", "not_signed_in")]
    await client.shutdown()
