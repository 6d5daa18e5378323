"""The home's side of a relay: each packet of a stream is written down once and handed to every edge that carries the stream.

Packets are collected for one turn of the event loop, so that what came together travels as one message. An edge that takes
nothing harms itself alone: what waits for it is bounded, beyond that its line is cut and it comes again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from core.clock import Clock
from stream.channel import Channel
from stream.metrics import MediaMetrics
from stream.origin import Origin
from stream.relay_wire import (
    FULL_BYTES,
    ClockTold,
    PublisherGone,
    PublisherTold,
    SessionOver,
    Told,
    messages,
    put,
    text,
)
from stream.rtp import MediaPacket
from stream.sink import StreamKey

_log = structlog.get_logger(__name__)

# Both videos' pictures so far (2 MiB each at most, `stream/cache.py`) and 2 s of what comes meanwhile.
MOST_WAITING_BYTES = 8 * 1024 * 1024
_SEND_TIMEOUT_S = 10.0
# Runs whose first packet was seen; a publisher has three, and a new one with each change of its sources.
_RUNS_KEPT = 64
_TURNS_A_CLOCK = 10

Send = Callable[[str | bytes], Awaitable[None]]


class Line:
    """What waits to be sent to one edge, in order."""

    def __init__(self, most_bytes: int = MOST_WAITING_BYTES) -> None:
        self.cut = False
        """The edge was too slow; what waited is gone."""
        self.on_cut: Callable[[], None] | None = None
        self._most_bytes = most_bytes
        self._queue: deque[str | bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._wake = asyncio.Event()

    def put(self, message: str | bytes) -> None:
        """To be sent after what is waiting, unless the line has ended."""
        if self._ended:
            return
        self._bytes += len(message)
        if self._bytes > self._most_bytes:
            self.cut = True
            self._queue.clear()
            self.end()
            if self.on_cut is not None:
                self.on_cut()
            return
        self._queue.append(message)
        self._wake.set()

    def end(self) -> None:
        """Nothing more will be put; what waits is still sent."""
        self._ended = True
        self._wake.set()

    async def run(self, send: Send) -> None:
        """Sends until the line has ended. Raises TimeoutError when the edge takes nothing for 10 s, and what `send` raises."""
        while self._queue or not self._ended:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                message = self._queue.popleft()
                async with asyncio.timeout(_SEND_TIMEOUT_S):
                    await send(message)
                self._bytes -= len(message)


class Outflow:
    """One stream on its way to the edges. It stands before the channel only while there is an edge."""

    def __init__(self, clock: Clock) -> None:
        self.lines: dict[Line, None] = {}
        self._clock = clock
        self._channel: Channel | None = None
        self._origin: Origin | None = None
        self._pending = bytearray()
        self._scheduled = False
        self._runs: set[int] = set()
        self._clock_told: ClockTold | None = None

    def began(self, channel: Channel) -> None:
        """Somebody publishes."""
        origin = channel.publisher
        if origin is None:
            return
        self._channel, self._origin = channel, origin
        self._clock_told = None
        self._tell(_publisher(origin))
        origin.on_packet = self._pass

    def gone(self) -> None:
        """Nobody publishes any more."""
        self._channel = self._origin = None
        self._tell(PublisherGone())

    def add(self, line: Line, channel: Channel | None, *, group: bool) -> None:
        """One more edge: it is told what is so, then what comes."""
        self.flush()
        origin = channel.publisher if channel is not None else None
        if channel is None or origin is None:
            line.put(text(PublisherGone()))
        else:
            if self._origin is not origin:
                self.began(channel)
            line.put(text(_publisher(origin)))
            now = self._clock.monotonic()
            for name in ("high", "low") if group else ():
                for message in messages(channel.lanes[name].cache.group, now):
                    line.put(message)
            line.put(text(_state(origin)))
        self.lines[line] = None

    def leave(self) -> None:
        """There is no edge any more: packets go straight to the channel again."""
        if self._origin is not None and self._channel is not None and self._channel.publisher is self._origin:
            self._origin.on_packet = self._channel.push

    def _pass(self, packet: MediaPacket) -> bool:
        channel = self._channel
        if channel is None or not channel.push(packet):
            return False
        if packet.run not in self._runs:
            self._begin_run(packet.run)
        put(self._pending, packet)
        if len(self._pending) >= FULL_BYTES:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)
        return True

    def _begin_run(self, run: int) -> None:
        """The times of a new run mean nothing on the old one's clock: that goes ahead."""
        if len(self._runs) >= _RUNS_KEPT:
            self._runs.clear()
        self._runs.add(run)
        self.tell_clock()

    def tell_clock(self) -> None:
        """The publisher's clock, where it has changed."""
        if self._origin is None:
            return
        state = _state(self._origin)
        if state != self._clock_told:
            self._clock_told = state
            self._tell(state)

    def _tell(self, told: Told) -> None:
        self.flush()
        message = text(told)
        for line in self.lines:
            line.put(message)

    def flush(self) -> None:
        """Hands on what was collected."""
        self._scheduled = False
        if not self._pending:
            return
        message = bytes(self._pending)
        self._pending.clear()
        for line in self.lines:
            line.put(message)


def _publisher(origin: Origin) -> PublisherTold:
    return PublisherTold(origin.epoch, origin.profile, origin.has_low)


def _state(origin: Origin) -> ClockTold:
    return ClockTold(*origin.senders.state())


class Outflows:
    """All streams that edges carry."""

    def __init__(self, clock: Clock, metrics: MediaMetrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._flows: dict[StreamKey, Outflow] = {}

    def refuse(self) -> Line:
        """A line that says that the session is closed, and ends."""
        line = Line()
        line.put(text(SessionOver()))
        line.end()
        return line

    def open(self, key: StreamKey, channel: Channel | None, *, group: bool) -> Line:
        """A line to a stream that may have no channel yet."""
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = Outflow(self._clock)
        line = Line()
        flow.add(line, channel, group=group)
        self._metrics.relays.inc()
        return line

    def close(self, key: StreamKey, line: Line) -> None:
        """That line is over."""
        line.end()
        flow = self._flows.get(key)
        if flow is None or line not in flow.lines:
            return
        del flow.lines[line]
        self._metrics.relays.dec()
        if line.cut:
            self._metrics.relays_cut.inc()
            _log.warning("edge_too_slow", session=key.session, stream=key.stream)
        if not flow.lines:
            flow.leave()
            del self._flows[key]

    def began(self, key: StreamKey, channel: Channel) -> None:
        """Somebody publishes the stream."""
        flow = self._flows.get(key)
        if flow is not None:
            flow.began(channel)

    def gone(self, key: StreamKey) -> None:
        """Nobody publishes the stream any more."""
        flow = self._flows.get(key)
        if flow is not None:
            flow.gone()

    def closed(self, session: str) -> None:
        """The session is closed for good: its edges are told, and let go."""
        for key, flow in self._flows.items():
            if key.session == session:
                flow.flush()
                for line in flow.lines:
                    line.put(text(SessionOver()))
                    line.end()

    def tick(self, turn: int) -> None:
        """Fifty times a second."""
        if turn % _TURNS_A_CLOCK == 0:
            for flow in self._flows.values():
                flow.tell_clock()

    def stop(self) -> None:
        """Ends all lines."""
        for flow in self._flows.values():
            for line in flow.lines:
                line.end()
