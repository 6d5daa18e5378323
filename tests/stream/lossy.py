"""A line between a client and the media port that loses packets when told to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

_HOST = "127.0.0.1"
# RFC 7983: STUN and DTLS go through, so that only the media is disturbed.
_MEDIA = range(128, 192)


class LossyLine:
    """Clients send to `port`; what it does not lose goes on to `target`, each client from an address of its own."""

    def __init__(self, target: int) -> None:
        self.loss = 0.0
        """The share of the client's media packets, RTCP among them, that is lost."""
        self.port = 0
        self.lost = 0
        self._target = target
        self._chance = random.Random(1)  # noqa: S311 - the same packets each time
        self._near: asyncio.DatagramTransport | None = None
        self._far: dict[Any, asyncio.DatagramTransport] = {}
        self._opening: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> LossyLine:
        loop = asyncio.get_running_loop()
        self._near, _ = await loop.create_datagram_endpoint(lambda: _End(self._out), local_addr=(_HOST, 0))
        self.port = self._near.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._opening)
        for transport in (self._near, *self._far.values()):
            if transport is not None:
                transport.close()

    def through(self, answer: str) -> str:
        """An SDP answer whose candidates lead here."""
        return answer.replace(f" {self._target} ", f" {self.port} ")

    def _out(self, data: bytes, client: Any) -> None:
        if data[0] in _MEDIA and self._chance.random() < self.loss:
            self.lost += 1
            return
        far = self._far.get(client)
        if far is not None:
            far.sendto(data)
            return
        task = asyncio.create_task(self._open(client, data))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, client: Any, data: bytes) -> None:
        def back(answer: bytes, _server: Any) -> None:
            if self._near is not None:
                self._near.sendto(answer, client)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _End(back), remote_addr=(_HOST, self._target))
        self._far.setdefault(client, transport).sendto(data)
        if self._far[client] is not transport:
            transport.close()


class _End(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Any], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._take(data, addr)
