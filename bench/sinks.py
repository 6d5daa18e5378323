"""The process of the sinks: it has them join, leave and come and go, drains them, and tells what they have seen.

Questions come as lines of JSON: see `Sinks.answers`. All sinks share one identity and one reader (see `bench/draining.py`).
"""

from __future__ import annotations

import asyncio
import socket
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import numpy as np

from bench.descriptions import answer, offer
from bench.draining import BATCH, Drain, prepare
from bench.janus import JanusApi
from bench.peer import RECEIVE_BYTES, Identity, Remote
from bench.processes import allow_many_files, answer_lines, tell
from bench.sink import Sink, Tally

ROUND_S = 0.01
CONNECT_WITHIN_S = 20.0
FIRST_WITHIN_S = 10.0
STALLED_AFTER_S = 1.0

Door = Callable[[Sink], Awaitable[None]]


class Sinks:
    """All sinks of this process. Times in seconds, unless a name says otherwise."""

    def __init__(self) -> None:
        self._identity = Identity()
        self._tally = Tally()
        self._drain = Drain()
        self._sinks: dict[Sink, None] = {}
        self._bare: list[socket.socket] = []
        self._bare_packets = 0
        self.door: Door | None = None
        """How a sink gets in: to the end of its handshake."""
        self._http: aiohttp.ClientSession | None = None
        self._janus: JanusApi | None = None
        self._longest_round_s = 0.0
        self._failures: Counter[str] = Counter()

    @property
    def answers(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What may be asked of this process."""
        return {
            "open": self.open, "close": self.close, "join": self.join, "leave": self.leave, "churn": self.churn,
            "figures": self.figures, "delays": self.delays, "forget_delays": self.forget_delays,
            "bare": self.bare, "bare_packets": self.bare_packets,
        }  # fmt: skip

    async def open(self, whep: str = "", janus: str = "") -> dict[str, Any]:
        """Where the next sinks are to watch: a WHEP address or a Janus API socket."""
        if whep:
            http = self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CONNECT_WITHIN_S))
            self.door = lambda sink: _watch_by_whep(http, whep, sink)
        else:
            api = self._janus = JanusApi(janus)
            await api.open()
            self.door = lambda sink: _watch_by_janus(api, sink)
        return {}

    async def close(self) -> dict[str, Any]:
        """Everybody leaves, and what is counted begins anew."""
        await self.leave(len(self._sinks))
        if self._http is not None:
            await self._http.close()
        if self._janus is not None:
            self._janus.close()
        self._http = self._janus = None
        self._tally = Tally()
        self._failures.clear()
        return {}

    async def join(self, count: int, within_s: float) -> dict[str, Any]:
        """So many more, evenly over that time; the answer comes when each has its first picture, or never will."""
        began = time.monotonic()
        joining = []
        for n in range(count):
            await asyncio.sleep(max(0.0, began + n * within_s / count - time.monotonic()))
            joining.append(asyncio.create_task(self._join()))
        joined = [sink for sink in await asyncio.gather(*joining) if sink is not None]
        waits = sorted(s.first_after_s for s in joined if s.first_after_s is not None)
        return {
            "joined": len(joined),
            "failed": count - len(waits),
            "all_s": round(time.monotonic() - began, 3),
            "first_packet_p50_s": round(waits[len(waits) // 2], 3) if waits else None,
            "first_packet_max_s": round(waits[-1], 3) if waits else None,
            "srtp": sorted({sink.peer.srtp for sink in joined}),
            "failures": dict(self._failures),
        }

    async def _join(self) -> Sink | None:
        sink = Sink(self._identity, self._tally, offers=self._janus is None)
        assert self.door is not None
        try:
            await self.door(sink)
        except (TimeoutError, ConnectionError, RuntimeError, aiohttp.ClientError, KeyError) as error:
            self._failures[f"{type(error).__name__}: {error}"] += 1
            sink.peer.socket.close()
            return None
        self._sinks[sink] = None
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WITHIN_S):
                await sink.seen.wait()
        if sink.first_after_s is None:
            self._failures["no picture"] += 1
        return sink

    async def leave(self, count: int) -> dict[str, Any]:
        """The longest here go first."""
        for sink in list(self._sinks)[:count]:
            sink.drain(self._drain)
            del self._sinks[sink]
            sink.leave()
        return {"left": count}

    async def churn(self, a_second: int, seconds: float) -> dict[str, Any]:
        """So many come and as many go each second."""
        began = time.monotonic()
        joining: list[asyncio.Task[Sink | None]] = []
        for n in range(round(a_second * seconds)):
            await asyncio.sleep(max(0.0, began + n / a_second - time.monotonic()))
            await self.leave(1)
            joining.append(asyncio.create_task(self._join()))
        joined = await asyncio.gather(*joining)
        arrived = [sink for sink in joined if sink is not None and sink.first_after_s is not None]
        return {"joined": len(arrived), "failed": len(joined) - len(arrived), "left": len(joining)}

    async def figures(self) -> dict[str, Any]:
        """What all have seen since the last `close`, those that left included."""
        before = time.time_ns() - int(STALLED_AFTER_S * 1e9)
        for sink in self._sinks:
            sink.drain(self._drain)
        tally = self._tally
        longest, self._longest_round_s = self._longest_round_s, 0.0
        return {
            "packets": tally.packets,
            "bytes": tally.bytes,
            "expected": tally.expected,
            "verified": tally.verified,
            "repeated": tally.repeated,
            "unauthentic": tally.unauthentic,
            "ended_by_server": tally.ended_by_server,
            "sinks": len(self._sinks),
            "stalled": sum(1 for sink in self._sinks if sink.last_ns < before),
            "longest_round_ms": round(longest * 1e3, 1),
        }

    async def delays(self, since: int = 0) -> dict[str, Any]:
        """The delays (ms) from sample number `since` on; `samples` is how many there are in all."""
        taken = np.frombuffer(self._tally.delays, dtype=np.float32)[since:].copy()
        if not len(taken):
            return {"samples": since, "p50_ms": None, "p99_ms": None, "max_ms": None}
        p50, p99, most = (float(x) for x in np.percentile(taken, (50, 99, 100)))
        return {
            "samples": since + len(taken),
            "p50_ms": round(p50, 2),
            "p99_ms": round(p99, 2),
            "max_ms": round(most, 1),
        }

    async def forget_delays(self) -> dict[str, Any]:
        """Those so far do not count."""
        self._tally.delays = array("f")
        return {}

    async def bare(self, count: int) -> dict[str, Any]:
        """So many sockets that anyone may send to, drained like the sinks': the floor's."""
        for _ in range(count):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            prepare(udp, RECEIVE_BYTES)
            udp.bind(("127.0.0.1", 0))
            self._bare.append(udp)
        return {"ports": [udp.getsockname()[1] for udp in self._bare]}

    async def bare_packets(self, *, close: bool = False) -> dict[str, Any]:
        """What came into those."""
        if close:
            for udp in self._bare:
                udp.close()
            self._bare = []
        return {"packets": self._bare_packets}

    async def drain_forever(self) -> None:
        """A round through all sockets, a rest, another round."""
        while True:
            await asyncio.sleep(ROUND_S)
            began = time.monotonic()
            for sink in self._sinks:
                sink.drain(self._drain)
                sink.upkeep(began)
            for udp in self._bare:
                while (count := self._drain.read(udp.fileno())) > 0:
                    self._bare_packets += count
                    if count < BATCH:
                        break
            self._longest_round_s = max(self._longest_round_s, time.monotonic() - began)


async def _watch_by_whep(http: aiohttp.ClientSession, url: str, sink: Sink) -> None:
    until = time.monotonic() + CONNECT_WITHIN_S
    while True:
        async with http.post(url, data=offer(sink.peer.transport_lines(), "recvonly")) as answered:
            if answered.status == 201:
                remote = Remote.read(await answered.text())
                break
            why, again_s = await answered.text(), float(answered.headers.get("Retry-After", "nan"))
        if not time.monotonic() + again_s < until:
            raise RuntimeError(f"refused: {why}")
        await asyncio.sleep(again_s)
    await sink.connect(remote, CONNECT_WITHIN_S)


async def _watch_by_janus(api: JanusApi, sink: Sink) -> None:
    handle, offered = await api.watch()
    remote = Remote.read(offered)
    candidate = sink.peer.aim(remote)
    await api.start(handle, answer(offered, [*sink.peer.transport_lines(), *candidate]))
    await sink.connect(remote, CONNECT_WITHIN_S)


async def main() -> None:
    sinks = Sinks()
    draining = asyncio.create_task(sinks.drain_forever())
    tell({"ready": True})
    await answer_lines(sinks.answers)
    draining.cancel()
    await sinks.close()


if __name__ == "__main__":
    allow_many_files()
    asyncio.run(main())
