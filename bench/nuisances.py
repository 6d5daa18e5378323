"""Clients that hurt: who never reads, who reads a byte a second, who comes and goes without a pause.

In a process of their own; each is a plain Engine.IO v4 WebSocket that is in the room first. Those that do not read keep the
smallest buffer that the kernel allows. Questions and answers are lines of JSON (see `bench/processes.py`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import uvloop

from bench.processes import allow_many_files, answer_lines

_WITHIN_S = 30.0
_SIP_EVERY_S = 1.0
_BUFFER = 4096
_NO_MASK = bytes(4)


class Nuisances:
    """A third of the tokens each: never reads, sips, comes and goes."""

    def __init__(self) -> None:
        self._came = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet: list[socket.socket] = []

    async def begin(self, url: str, tokens: list[str], session: str) -> dict[str, Any]:
        """All of those who do not read are in the room; their ports."""
        address = urlsplit(url)
        self._place = (address.hostname or "", address.port or 80)
        self._session = session
        third = len(tokens) // 3
        self._quiet = await asyncio.gather(*(self._enter(token) for token in tokens[: 2 * third]))
        for sips in self._quiet[third:]:
            self._start(self._sip(sips))
        for token in tokens[2 * third :]:
            self._start(self._come_and_go(token))
        return {"ports": [one.getsockname()[1] for one in self._quiet]}

    async def count(self) -> dict[str, Any]:
        """How often the restless ones were in."""
        return {"came": self._came}

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _enter(self, token: str) -> socket.socket:
        loop = asyncio.get_running_loop()
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        one.setblocking(False)
        async with asyncio.timeout(_WITHIN_S):
            await loop.sock_connect(one, self._place)
            key = base64.b64encode(os.urandom(16)).decode()
            await loop.sock_sendall(
                one,
                f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {self._place[0]}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode(),
            )
            await self._until(one, b'0{"sid"')
            await loop.sock_sendall(one, _frame("40/room," + json.dumps({"token": token})))
            await self._until(one, b"40/room,")
            await loop.sock_sendall(one, _frame("42/room,1" + json.dumps(["join", {"session": self._session}])))
            await self._until(one, b"43/room,1")
        return one

    async def _until(self, one: socket.socket, words: bytes) -> None:
        heard = b""
        while words not in heard:
            part = await asyncio.get_running_loop().sock_recv(one, 1 << 16)
            if not part:
                raise ConnectionResetError("the server ended the connection")
            heard += part

    async def _sip(self, one: socket.socket) -> None:
        with suppress(OSError):
            while await asyncio.get_running_loop().sock_recv(one, 1):  # noqa: ASYNC110 - so slow on purpose
                await asyncio.sleep(_SIP_EVERY_S)

    async def _come_and_go(self, token: str) -> None:
        while True:
            with suppress(OSError, TimeoutError):  # refused, or cut off: it comes again
                one = await self._enter(token)
                self._came += 1
                one.close()


def _frame(text: str) -> bytes:
    body = text.encode()
    if len(body) < 126:
        return bytes((0x81, 0x80 | len(body))) + _NO_MASK + body
    return bytes((0x81, 0xFE)) + len(body).to_bytes(2, "big") + _NO_MASK + body


async def main() -> None:
    allow_many_files()
    bad = Nuisances()
    await answer_lines({"begin": bad.begin, "count": bad.count})


if __name__ == "__main__":
    uvloop.run(main())
    sys.exit(0)
