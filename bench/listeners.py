"""Many Socket.IO clients in a process of their own, each a plain Engine.IO v4 WebSocket that listens to one room.

Written on asyncio's transports, because a client library's work would be most of what is measured beside a server on the same
machine. A frame is looked at as little as its client has to: its kind and its length. Some clients read the times that senders
put into their texts ("… @UNIX_MS"), and so tell how late a comment is seen. Questions and answers are lines of JSON (see
`bench/processes.py`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from bench.processes import allow_many_files, answer_lines

_CONNECTING_AT_ONCE = 50
_WITHIN_S = 30.0
_COMMENTS = b'42/room,["comments",'
_SENT_AT = re.compile(rb"@(\d{13})")
_HEAD = 2
_MASKED, _TEXT, _LONG, _LONGER = 0x80, 0x81, 126, 127
_NO_MASK = bytes(4)  # a client has to mask (RFC 6455, 5.3); with nothing but zeros the text stays as it is


@dataclass
class Seen:
    """What all clients of this process have got since they were last asked."""

    batches: int = 0
    bytes: int = 0
    late_ms: list[float] = field(default_factory=list)
    lost: int = 0


class Listener(asyncio.Protocol):
    """One client. `ready` is set when it is in the room; `answers` by the number of what it has sent."""

    def __init__(self, crowd: Crowd, token: str, *, reads: bool) -> None:
        self._crowd, self._token, self._reads = crowd, token, reads
        self._buffer = bytearray()
        self._is_open = False
        self._numbers = count()
        self.answers: dict[int, asyncio.Future[Any]] = {}
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {self._crowd.host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, _error: Exception | None) -> None:
        self._crowd.seen.lost += 1
        for waiting in (self.ready, *self.answers.values()):
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the server ended the connection"))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._is_open:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not buffer.startswith(b"HTTP/1.1 101"):
                self.ready.set_exception(ConnectionResetError(buffer[:end].decode(errors="replace")))
                return
            self._is_open = True
            del buffer[: end + 4]
        at = 0
        while (place := _frame(buffer, at)) is not None:
            start, at = place
            self._heard(buffer, start, at)
        del buffer[:at]

    def _heard(self, buffer: bytearray, start: int, end: int) -> None:
        if buffer.startswith(_COMMENTS, start):
            seen = self._crowd.seen
            seen.batches += 1
            seen.bytes += end - start
            if self._reads:
                now = time.time() * 1000
                seen.late_ms += [now - int(found) for found in _SENT_AT.findall(buffer, start, end)]
            return
        kind = buffer[start : start + 1]
        if kind == b"2":
            self._say("3")
        elif kind == b"0":
            self._say("40/room," + json.dumps({"token": self._token, "lang": "en"}))
        elif buffer.startswith(b"40/room,", start):
            self._join()
        elif buffer.startswith(b"43/room,", start):
            text = buffer[start + 8 : end].decode()
            number, _, body = text.partition("[")
            answer = self.answers.pop(int(number), None)
            if answer is not None and not answer.done():
                answer.set_result(json.loads("[" + body)[0])
        elif buffer.startswith(b"44/room,", start):
            self.ready.set_exception(ConnectionResetError(buffer[start:end].decode()))

    def _join(self) -> None:
        if not self._crowd.session:
            self.ready.set_result(None)
            return

        def joined(answer: asyncio.Future[Any]) -> None:
            if self.ready.done():
                return
            if answer.exception() is None and answer.result()["ok"]:
                self.ready.set_result(None)
            else:
                self.ready.set_exception(answer.exception() or RuntimeError(str(answer.result())))

        self.call("join", {"session": self._crowd.session}).add_done_callback(joined)

    def call(self, event: str, payload: dict[str, Any]) -> asyncio.Future[Any]:
        """Send an event; the future is its acknowledgement."""
        number = next(self._numbers)
        answer = self.answers[number] = asyncio.get_running_loop().create_future()
        self._say(f"42/room,{number}" + json.dumps([event, payload], ensure_ascii=False))
        return answer

    def _say(self, text: str) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        body = text.encode()
        size = len(body)
        head = bytes((_TEXT, _MASKED | size)) if size < _LONG else bytes((_TEXT, _MASKED | _LONG)) + size.to_bytes(2, "big")
        self.transport.write(head + _NO_MASK + body)


def _frame(buffer: bytearray, at: int) -> tuple[int, int] | None:
    """Where the body of the frame at this place begins and ends; None while it is not here whole."""
    there = len(buffer) - at
    if there < _HEAD:
        return None
    size, head = buffer[at + 1], _HEAD
    if size == _LONG:
        head = 4
        if there < head:
            return None
        size = int.from_bytes(buffer[at + 2 : at + 4], "big")
    elif size == _LONGER:
        head = 10
        if there < head:
            return None
        size = int.from_bytes(buffer[at + 2 : at + 10], "big")
    return (at + head, at + head + size) if there >= head + size else None


class Crowd:
    """All clients of this process."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.host = self.session = ""
        self._clients: list[Listener] = []

    async def connect(self, url: str, tokens: list[str], session: str, readers: int) -> dict[str, Any]:
        """One client for each token, all in the room; the first `readers` of them look at when comments were sent."""
        address = urlsplit(url)
        self.host, self.session = address.netloc, session
        gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)

        async def enter(number: int, token: str) -> Listener:
            async with gate, asyncio.timeout(_WITHIN_S):
                loop = asyncio.get_running_loop()
                _, client = await loop.create_connection(
                    lambda: Listener(self, token, reads=number < readers), address.hostname, address.port
                )
                await client.ready
                return client

        self._clients += await asyncio.gather(*(enter(number, token) for number, token in enumerate(tokens)))
        return {"connected": len(self._clients)}

    async def figures(self) -> dict[str, Any]:
        """What was got since this was asked last."""
        seen, self.seen = self.seen, Seen()
        return {"batches": seen.batches, "bytes": seen.bytes, "late_ms": seen.late_ms, "lost": seen.lost}

    async def talk(self, per_s: float, seconds: float, texts: list[str]) -> dict[str, Any]:
        """So many comments a second, each client in turn; each text ends with when it was sent."""
        began = time.perf_counter()
        waiting: list[asyncio.Future[Any]] = []
        total = round(per_s * seconds)
        for number in range(total):
            due = began + number / per_s
            if (rest := due - time.perf_counter()) > 0:
                await asyncio.sleep(rest)
            text = f"{texts[number % len(texts)]} @{time.time_ns() // 1_000_000}"
            client = self._clients[number % len(self._clients)]
            waiting.append(client.call("comment", {"session": self.session, "text": text}))
        async with asyncio.timeout(_WITHIN_S):
            answers = await asyncio.gather(*waiting)
        refused = [answer["error"]["code"] for answer in answers if not answer["ok"]]
        return {
            "sent": total,
            "refused": {code: refused.count(code) for code in set(refused)},
            "seconds": time.perf_counter() - began,
        }

    async def close(self) -> dict[str, Any]:
        """All of them gone, without a word."""
        for client in self._clients:
            if client.transport is not None:
                client.transport.abort()
        self._clients.clear()
        return {}


async def main() -> None:
    allow_many_files()
    crowd = Crowd()
    await answer_lines({"connect": crowd.connect, "figures": crowd.figures, "talk": crowd.talk, "close": crowd.close})


if __name__ == "__main__":
    uvloop.run(main())
    sys.exit(0)
