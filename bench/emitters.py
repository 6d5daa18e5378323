"""Servers that send batches of comments to a room of Socket.IO clients, each in a process of its own, to be compared.

    python -m bench.emitters ours|stock|floor PORT

`ours` is the web process's own Socket.IO server and its way to a room, with a door that lets everybody in. `stock` is
python-socketio as its documentation has it, on the same loop. `floor` speaks just enough to let a client in, and then writes
one ready frame to each transport. Node's socket.io does the same in `bench/emitter.mjs`.
Questions and answers are lines of JSON (see `bench/processes.py`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import socketio
import uvloop
from aiohttp import web

from bench.processes import allow_many_files, answer_lines, tell
from core.clock import SystemClock
from core.identity import Person, Role
from rooms.batches import ROOM, Batches
from rooms.dispatch import Namespace, Socket
from rooms.frames import frame
from rooms.sockets import socket_server
from rooms.wire import Comment, Comments

_ROOM = "show"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_TEXTS = ("这个产品的风险怎么样?", "What is the fee?", "谢谢主播 👍", "封闭期多久?", "How long is the term?")


def batch() -> Comments:
    """What everybody is sent: a tick of a lively show."""
    return Comments(
        "ses_01jd0000000000000000000000",
        [
            Comment(f"cmt_{number:026}", "2026-12-01T12:00:00.000000Z", 1000, "李**", f"{number:016x}", text, host=False)
            for number, text in enumerate(_TEXTS)
        ],
    )


Send = Callable[[], Awaitable[None]]


async def _ours(port: int) -> Send:
    class Everybody(Namespace):
        async def entered(self, socket: Socket) -> None:
            await self.enter_room(socket.sid, _ROOM)

    sio = socket_server()
    names = iter(range(10**9))
    sio.register_namespace(
        Everybody(ROOM, lambda *_: Person(f"viewer-{next(names)}", Role.CUSTOMER, "某某"), lambda *_: True, SystemClock())
    )
    await _serve(sio, port)
    batches = Batches(sio)

    async def send() -> None:
        batches.send(_ROOM, Batches.text(batch()))

    return send


async def _stock(port: int) -> Send:
    sio = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*")

    async def connect(sid: str, _environ: Any, _auth: Any = None) -> None:
        await sio.enter_room(sid, _ROOM, namespace=ROOM)

    sio.on("connect", connect, namespace=ROOM)
    await _serve(sio, port)
    said = msgspec.to_builtins(batch())
    return lambda: sio.emit("comments", said, room=_ROOM, namespace=ROOM)


async def _serve(sio: socketio.AsyncServer, port: int) -> None:
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()


class _Bare(asyncio.Protocol):
    """Enough for a client to think that it is in the room."""

    def __init__(self, everybody: list[asyncio.Transport]) -> None:
        self._everybody = everybody
        self._head = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's

    def data_received(self, data: bytes) -> None:
        if self._is_open:  # "40/room,…", or an answer to nothing
            if self._transport not in self._everybody:
                self._transport.write(frame('40/room,{"sid":"bare"}'))
                self._everybody.append(self._transport)
            return
        self._head += data
        if b"\r\n\r\n" not in self._head:
            return
        self._is_open = True
        [key] = [line[18:].strip() for line in self._head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")]
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - RFC 6455 has it so
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + frame('0{"sid":"bare","pingInterval":25000,"pingTimeout":20000}')
        )

    def connection_lost(self, _error: Exception | None) -> None:
        if self._transport in self._everybody:
            self._everybody.remove(self._transport)


async def _floor(port: int) -> Send:
    everybody: list[asyncio.Transport] = []
    await asyncio.get_running_loop().create_server(lambda: _Bare(everybody), "127.0.0.1", port, backlog=1024)
    ready = frame("4" + Batches.text(batch()))

    async def send() -> None:
        for transport in everybody:
            transport.write(ready)

    return send


async def main(kind: str, port: int) -> None:
    allow_many_files()
    send = await {"ours": _ours, "stock": _stock, "floor": _floor}[kind](port)

    async def emit(per_s: float, seconds: float, batch: object) -> dict[str, Any]:
        del batch  # it is there for who is not written in Python
        began, total = time.perf_counter(), round(per_s * seconds)
        for number in range(total):
            if (rest := began + number / per_s - time.perf_counter()) > 0:
                await asyncio.sleep(rest)
            await send()
        return {"batches": total}

    tell({"ready": True})
    await answer_lines({"emit": emit})


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
