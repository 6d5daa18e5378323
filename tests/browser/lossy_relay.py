"""A bad line for one viewer: a UDP relay that delays every datagram and loses some of the media, in a process of its own.

`python -m tests.browser.lossy_relay ADDRESS TARGET_PORT [--loss-percent 3] [--delay-ms 30] [--seed 1]`, started with pipes:
says its port as one line of JSON, then after each line it reads how many datagrams it passed on and lost so far. Kernels
without `sch_netem` can't do this themselves; a relay runs anywhere, and the same seed loses the same datagrams.

Delay and loss hold in each direction. Lost are RTP and RTCP alone (RFC 7983: first byte 128 to 191): the connection's own
checks and its handshake get through, so that each run measures the same thing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import uvloop

Address = tuple[str, int]
_MEDIA = range(128, 192)
# Two seconds of 20 Mb/s; what comes beyond that is lost too, as at any router.
_QUEUE = 4_000
_BUFFER_BYTES = 4 * 1024 * 1024


@dataclass
class Line:
    """One direction: what goes in comes out `delay_s` later, in order, or not at all."""

    loss: float
    delay_s: float
    chance: random.Random
    passed: int = 0
    lost: int = 0
    _waiting: deque[tuple[float, bytes, Callable[[bytes], None]]] = field(default_factory=deque)

    def take(self, datagram: bytes, deliver: Callable[[bytes], None]) -> None:
        if (datagram and datagram[0] in _MEDIA and self.chance.random() < self.loss) or len(self._waiting) >= _QUEUE:
            self.lost += 1
            return
        loop = asyncio.get_running_loop()
        self._waiting.append((loop.time() + self.delay_s, datagram, deliver))
        if len(self._waiting) == 1:
            loop.call_later(self.delay_s, self._let_out)

    def _let_out(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._waiting[0][0] <= loop.time():
            _, datagram, deliver = self._waiting.popleft()
            self.passed += 1
            deliver(datagram)
        if self._waiting:
            loop.call_later(max(0.0, self._waiting[0][0] - loop.time()), self._let_out)


class _End(asyncio.DatagramProtocol):
    """One of the relay's sockets."""

    def __init__(self, receive: Callable[[bytes, Address], None]) -> None:
        self.receive = receive
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.receive(data, addr)

    def error_received(self, exc: Exception) -> None:
        """The other end's port is closed: its datagrams are lost, as anywhere."""


class Relay:
    """Between one viewer, whoever spoke last, and the server's media port."""

    def __init__(self, target: Address, up: Line, down: Line) -> None:
        self._target, self._up, self._down = target, up, down
        self._viewer: Address | None = None
        self._outside, self._inside = _End(self._from_viewer), _End(self._from_server)

    async def open(self, address: str) -> int:
        """Listens on that address; answers the port."""
        loop = asyncio.get_running_loop()
        for end, local in ((self._outside, (address, 0)), (self._inside, ("127.0.0.1", 0))):
            await loop.create_datagram_endpoint(lambda end=end: end, local_addr=local)  # type: ignore[misc]
        assert self._outside.transport is not None
        return int(self._outside.transport.get_extra_info("sockname")[1])

    def _from_viewer(self, datagram: bytes, viewer: Address) -> None:
        self._viewer = viewer
        self._up.take(datagram, self._to_server)

    def _from_server(self, datagram: bytes, _server: Address) -> None:
        self._down.take(datagram, self._to_viewer)

    def _to_server(self, datagram: bytes) -> None:
        assert self._inside.transport is not None
        self._inside.transport.sendto(datagram, self._target)

    def _to_viewer(self, datagram: bytes) -> None:
        if self._viewer is not None and self._outside.transport is not None:
            self._outside.transport.sendto(datagram, self._viewer)


async def relay(address: str, target_port: int, loss: float, delay_s: float, seed: int) -> None:
    """Until its standard input ends."""
    up, down = (Line(loss, delay_s, random.Random(seed + turn)) for turn in (0, 1))  # noqa: S311 - it has to be repeatable
    port = await Relay(("127.0.0.1", target_port), up, down).open(address)
    print(json.dumps({"port": port}), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        counts = {"passed": down.passed, "lost": down.lost, "passed_up": up.passed, "lost_up": up.lost}
        print(json.dumps(counts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.lossy_relay")
    parser.add_argument("address")
    parser.add_argument("target_port", type=int)
    parser.add_argument("--loss-percent", type=float, default=3.0, help="of RTP and RTCP, in each direction")
    parser.add_argument("--delay-ms", type=float, default=30.0, help="in each direction")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    uvloop.run(relay(given.address, given.target_port, given.loss_percent / 100, given.delay_ms / 1000, given.seed))


if __name__ == "__main__":
    main()
