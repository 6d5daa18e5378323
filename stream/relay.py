"""An edge's side of a relay: one stream's line to the home, and the publisher as it looks from here."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

import aiohttp
import structlog

from core.clock import Clock
from core.errors import Refused
from stream.client import MediaClient
from stream.relay_wire import (
    MAX_MESSAGE_BYTES,
    ClockTold,
    KeyframeWish,
    PublisherTold,
    SessionOver,
    read_packets,
    read_told,
    text,
)
from stream.repair import KeyframeGate, SenderClock
from stream.rtp import MediaPacket
from stream.sink import StreamKey

_log = structlog.get_logger(__name__)

_HEARTBEAT_S = 4.0
_FIRST_WORD_S = 5.0
_SEND_TIMEOUT_S = 5.0
_FIRST_PAUSE_S = 0.1
_LAST_PAUSE_S = 2.0
# Runs that are told apart; a publisher has three.
_RUNS_KEPT = 64


class RelayedPublisher:
    """A publisher at the home. Its runs are numbered anew: the home's begin at 1 again when it does."""

    def __init__(self, told: PublisherTold, clock: Clock, next_run: Callable[[], int], wish: Callable[[bool], None]) -> None:
        self.on_packet: Callable[[MediaPacket], bool] | None = None
        self.senders = SenderClock()
        self.epoch = told.epoch
        self.profile = told.profile
        self.has_low = told.low
        self._clock = clock
        self._next_run = next_run
        self._wish = wish
        self._runs: dict[int, int] = {}
        self._gates = {False: KeyframeGate(), True: KeyframeGate()}

    def take(self, message: bytes) -> None:
        """Packets, one after the other. Raises ValueError for what is no message."""
        for packet in read_packets(message, self._clock.monotonic()):
            packet.run = self._runs.get(packet.run) or self._begin_run(packet.run)
            if packet.keyframe:
                self._gates[packet.low].arrived()
            if self.on_packet is not None:
                self.on_packet(packet)

    def _begin_run(self, run: int) -> int:
        if len(self._runs) >= _RUNS_KEPT:
            del self._runs[next(iter(self._runs))]
        fresh = self._runs[run] = self._next_run()
        return fresh

    def request_keyframe(self, low: bool = False) -> None:
        """Everybody's wish here becomes one to the home, which merges those of all edges."""
        if (self.has_low or not low) and self._gates[low].want(self._clock.monotonic()):
            self._wish(low)

    def tick(self, now: float) -> None:
        """Sends the wishes that came too soon after another."""
        for low, gate in self._gates.items():
            if gate.due(now):
                self._wish(low)


class RelayEnd(Protocol):
    """Who carries the stream here."""

    def watched(self, key: StreamKey) -> bool:
        """Whether somebody already sees it."""
        ...

    def began(self, key: StreamKey, publisher: RelayedPublisher) -> None:
        """Somebody publishes from now on."""
        ...

    def ceased(self, key: StreamKey, publisher: RelayedPublisher) -> None:
        """That publisher is gone, or the home is."""
        ...

    def closed(self, session: str) -> None:
        """The session is closed for good."""
        ...


class Relay:
    """Connects until `end()`, again and again: the home may be restarted, and its viewers here wait for that."""

    def __init__(self, key: StreamKey, home: MediaClient, end: RelayEnd, clock: Clock, next_run: Callable[[], int]) -> None:
        self.publisher: RelayedPublisher | None = None
        self.used_at = clock.monotonic()
        self.connections = 0
        self.messages = 0
        self._key = key
        self._home = home
        self._end = end
        self._clock = clock
        self._next_run = next_run
        self._told = asyncio.Event()
        self._wishes: set[bool] = set()
        self._wished = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def known(self) -> None:
        """Until the home has said what is so; at once while the line is up. Bound it by a timeout."""
        await self._told.wait()

    def end(self) -> None:
        """No more of it."""
        self._task.cancel()

    async def ended(self) -> None:
        """Until everything of it is over."""
        await asyncio.gather(self._task, return_exceptions=True)

    def tick(self, now: float) -> None:
        """Every few tens of milliseconds: what is due."""
        if self.publisher is not None:
            self.publisher.tick(now)

    async def _run(self) -> None:
        pause, heard = _FIRST_PAUSE_S, True
        while True:
            before = self.messages
            try:
                await self._live()
            except (Refused, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                if heard or self.messages > before:  # said once, not each time it is tried in vain
                    _log.warning("relay_interrupted", session=self._key.session, stream=self._key.stream, error=repr(error))
            except Exception:
                _log.exception("relay_failed", session=self._key.session, stream=self._key.stream)
            heard = self.messages > before
            pause = _FIRST_PAUSE_S if heard else min(pause * 2, _LAST_PAUSE_S)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads edges, hides nothing

    async def _live(self) -> None:
        # Who sees it already gets nothing of the past: a player would go on at its pace, late for good.
        group = not self._end.watched(self._key)
        async with self._home.relay(
            self._key.session, self._key.stream, group=group, heartbeat_s=_HEARTBEAT_S, max_message=MAX_MESSAGE_BYTES
        ) as socket:
            self.connections += 1
            sender = asyncio.create_task(self._send_wishes(socket))
            try:
                await self._listen(socket)
            finally:
                self._told.clear()
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
                self._replace(None)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        message = await socket.receive(_FIRST_WORD_S)
        while True:
            if message.type is aiohttp.WSMsgType.BINARY:
                if self.publisher is not None:
                    self.publisher.take(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                self._hear(message.data)
            else:  # closed, or not what we know
                return
            self.messages += 1
            message = await socket.receive()  # the heartbeat ends it

    def _hear(self, said: str) -> None:
        told = read_told(said)
        if isinstance(told, PublisherTold):
            self._replace(RelayedPublisher(told, self._clock, self._next_run, self._wish))
        elif isinstance(told, ClockTold):
            if self.publisher is not None:
                self.publisher.senders.restore(told.offset, told.tracks)
            return
        else:
            self._replace(None)
            if isinstance(told, SessionOver):
                self._end.closed(self._key.session)
        self._told.set()

    def _replace(self, publisher: RelayedPublisher | None) -> None:
        before, self.publisher = self.publisher, publisher
        if before is not None:
            self._end.ceased(self._key, before)
        if publisher is not None:
            self._end.began(self._key, publisher)

    def _wish(self, low: bool) -> None:
        self._wishes.add(low)
        self._wished.set()

    async def _send_wishes(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await self._wished.wait()
            self._wished.clear()
            while self._wishes:
                try:
                    async with asyncio.timeout(_SEND_TIMEOUT_S):
                        await socket.send_str(text(KeyframeWish(self._wishes.pop())))
                except (ConnectionError, TimeoutError) as error:
                    _log.info("relay_wish_unsent", session=self._key.session, stream=self._key.stream, error=repr(error))
                    await socket.close()  # whoever listens to it ends too
                    return
