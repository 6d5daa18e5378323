"""The buyers of `bench/orders.py`, in a process of their own: one plain Engine.IO v4 WebSocket each, as any client opens.

Started with a plan on standard input (one line of JSON), then for each line `SECONDS` buys for so long and answers with one
line of JSON; ends with its input.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import uvloop

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
    """One connection to `/room`, joined; one order at a time."""

    socket: aiohttp.ClientWebSocketResponse
    number: int
    bought: int = 0
    answer: asyncio.Future[dict[str, Any]] | None = None
    ids: itertools.count[int] = field(default_factory=itertools.count)

    async def call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The acknowledgement."""
        self.answer = asyncio.get_running_loop().create_future()
        await self.socket.send_str(f"42/room,{next(self.ids)}" + json.dumps([event, payload]))
        async with asyncio.timeout(_TIMEOUT_S):
            return await self.answer

    async def listen(self) -> None:
        async for message in self.socket:
            text = message.data
            if text == "2":
                await self.socket.send_str("3")
            elif text.startswith("43/room,") and self.answer is not None and not self.answer.done():
                self.answer.set_result(json.loads(text[text.index("[") :])[0])


async def connect(http: aiohttp.ClientSession, plan: Plan, number: int) -> Buyer:
    """Connected, signed in, in the room. Raises RuntimeError for a server that won't have it."""
    address = plan.url.replace("http:", "ws:") + "/socket.io/?EIO=4&transport=websocket"
    socket = await http.ws_connect(address, max_msg_size=0)
    await socket.receive_str()  # the handshake
    await socket.send_str("40/room," + json.dumps({"token": plan.tokens[number], "lang": "en"}))
    said = await socket.receive_str()
    if not said.startswith("40/room,"):
        raise RuntimeError(said)
    buyer = Buyer(socket, number)
    buyer_task = asyncio.create_task(buyer.listen())
    _TASKS.add(buyer_task)
    joined = await buyer.call("join", {"session": plan.session})
    if not joined["ok"]:
        raise RuntimeError(str(joined))
    return buyer


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
                return await connect(http, plan, number)

        free = deque(await asyncio.gather(*(enter(number) for number in range(len(plan.tokens)))))
        print(json.dumps({"connected": len(free)}), flush=True)
        while line := await reader.readline():
            print(json.dumps(await buy(plan, free, float(line))), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
