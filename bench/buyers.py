"""The buyers of `bench/orders.py`, in a process of their own: one plain Engine.IO v4 WebSocket each, as any client opens.

Started with a plan on standard input (one line of JSON), then for each line `SECONDS` buys for so long and answers with one
line of JSON; ends with its input.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import uvloop

from core.errors import DATABASE_AWAY

_CONNECTING_AT_ONCE = 50
_TIMEOUT_S = 30.0


@dataclass
class Plan:
    """Who buys what: `tokens` one for each buyer, `under_way` orders at once."""

    url: str
    tokens: list[str]
    session: str
    product: str
    amount: int
    under_way: int


@dataclass
class Buyer:
    """One connection to `/room`, joined."""

    socket: aiohttp.ClientWebSocketResponse
    number: int = 0
    bought: int = 0
    answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    ids: itertools.count[int] = field(default_factory=itertools.count)

    async def call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The acknowledgement. Raises ConnectionError when the connection ends before it comes, TimeoutError."""
        number = next(self.ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.answers[number] = answer
        try:
            await self.socket.send_str(f"42/room,{number}" + json.dumps([event, payload]))
            async with asyncio.timeout(_TIMEOUT_S):
                return await answer
        finally:
            del self.answers[number]

    async def listen(self) -> None:
        """Until the connection ends; whoever waits for an answer then hears that none comes."""
        async for message in self.socket:
            text = message.data
            if text == "2":
                await self.socket.send_str("3")
            elif text.startswith("43/room,"):
                begins = text.index("[")
                answer = self.answers.get(int(text[len("43/room,") : begins]))
                if answer is not None and not answer.done():
                    answer.set_result(json.loads(text[begins:])[0])
        for answer in self.answers.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("the server is gone"))

    def cut(self) -> None:
        """As a network that is gone: no goodbye of any layer above TCP."""
        with socket.socket(fileno=os.dup(self.socket.get_extra_info("socket").fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)


async def connect(http: aiohttp.ClientSession, url: str, token: str, session: str) -> Buyer:
    """Connected, signed in, in the room. Raises OSError, aiohttp.ClientError, TimeoutError when the server is not to be
    reached, and RuntimeError for one that won't have it."""
    address = url.replace("http:", "ws:") + "/socket.io/?EIO=4&transport=websocket"
    async with asyncio.timeout(_TIMEOUT_S):
        socket_ = await http.ws_connect(address, max_msg_size=0)
        await _heard(socket_)  # the handshake
        await socket_.send_str("40/room," + json.dumps({"token": token, "lang": "en"}))
        said = await _heard(socket_)
    if not said.startswith("40/room,"):
        raise RuntimeError(said)
    buyer = Buyer(socket_)
    listening = asyncio.create_task(buyer.listen())
    _TASKS.add(listening)
    listening.add_done_callback(_TASKS.discard)
    joined = await buyer.call("join", {"session": session})
    if not joined["ok"]:
        await socket_.close()
        if joined["error"]["code"] == DATABASE_AWAY.code:
            raise ConnectionResetError("the server has too much to do")
        raise RuntimeError(str(joined))
    return buyer


async def _heard(socket_: aiohttp.ClientWebSocketResponse) -> str:
    message = await socket_.receive()
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise ConnectionResetError("the server ended the connection")
    return str(message.data)


_TASKS: set[asyncio.Task[None]] = set()


async def buy(plan: Plan, free: deque[Buyer], seconds: float) -> dict[str, Any]:
    """Orders for so long, `under_way` at once, each buyer in turn; what came of it."""
    latencies: list[float] = []
    refused: Counter[str] = Counter()
    began = time.perf_counter()

    async def one_after_the_other() -> None:
        while time.perf_counter() - began < seconds:
            buyer = free.popleft()
            wish = {
                "session": plan.session,
                "product": plan.product,
                "amount": plan.amount,
                "key": f"bench-{buyer.number}-{buyer.bought}",
                "disclosure": {"version": 1},
            }
            at = time.perf_counter()
            ack = await buyer.call("order", wish)
            if ack["ok"]:
                latencies.append(round((time.perf_counter() - at) * 1000, 3))
            else:
                refused[ack["error"]["code"]] += 1
            buyer.bought += 1
            free.append(buyer)

    await asyncio.gather(*(one_after_the_other() for _ in range(plan.under_way)))
    return {"seconds": time.perf_counter() - began, "latencies_ms": latencies, "refused": dict(refused)}


async def main() -> None:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    plan = Plan(**json.loads(await reader.readline()))
    gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:

        async def enter(number: int) -> Buyer:
            async with gate:
                buyer = await connect(http, plan.url, plan.tokens[number], plan.session)
                buyer.number = number
                return buyer

        free = deque(await asyncio.gather(*(enter(number) for number in range(len(plan.tokens)))))
        print(json.dumps({"connected": len(free)}), flush=True)
        while line := await reader.readline():
            print(json.dumps(await buy(plan, free, float(line))), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
