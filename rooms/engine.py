"""Engine.IO's WebSocket, written to directly: a message is framed once for all who get it, and goes out in the same turn.

python-engineio gives every client a queue, a task that empties it and a timer for each message read. That was about a third of
what an order cost the web process, and a room's event costs it again for each recipient. Here a client's task only reads, and
whoever has something for him writes it to his transport. The rest, polling above all, is the library's.

A slow or hostile client harms only itself (invariant 10): whoever does not read what is sent to him is disconnected. When he
comes back he joins with his last sequence number and gets what he missed.

Protocol: Engine.IO v4 (a client may begin with polling and move over); frames as in RFC 6455, 5.2, never compressed: with
compression each client has its own stream, so that nothing is framed once, and 300 kB more (docs/decisions/0014).

What one client sends harms nobody else either: it has its turn after some messages, and who sends more than a program of ours
ever would is disconnected.

Private to python-engineio and pinned with it: a socket's `connected`, `upgrading`, `upgraded`, `closing`, `closed`,
`last_ping`, `check_ping_timeout`, `schedule_ping`, `poll`, `handle_post_request`, `_upgrade_websocket`; the server's
`handlers`, `_handle_connect`, `_service_task`, `service_task_event`, `_trigger_event`.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import engineio
import structlog
from aiohttp import WSMsgType, web
from engineio import packet as eio
from engineio.async_socket import AsyncSocket
from engineio.exceptions import ContentTooLongError, EngineIOError, QueueEmpty, SocketIsClosedError, UnknownPacketError

from core.errors import Refused, Unavailable
from rooms.errors import TOO_MANY_HERE
from rooms.frames import pong
from rooms.outlet import BEHIND_MOST_S, Outlet, Traffic
from rooms.rate import Bucket
from rooms.turnstile import Turnstile

log = structlog.get_logger()

# Every client is looked at so often: who is due for a ping, who has not answered one.
_BEAT_S = 1.0
_LOOKED_AT_AT_ONCE = 500
# Who has been told that it is over, and does not read on, is cut off after that.
_LAST_WORDS_S = 5.0
# What one connection may send, of any kind; its events have a stricter limit (`dispatch.py`), each person's.
PACKETS_BURST, PACKETS_PER_S = 200.0, 50.0
# So many messages of one connection are taken before others get their turn: what has come is read without waiting.
_TAKEN_AT_ONCE = 16
# Who begins a connection, and who enters a namespace, is served so many in one turn of the event loop.
_COMING_AT_ONCE, _COMING_MAX, _TURNED_AWAY_MAX = 4, 10_000, 1000
# Each step of the move from polling to WebSocket; till then the client goes on polling.
_STEP_WITHIN_S = 10.0
_TALK = frozenset({WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG})
_BODY_WITHIN_S = 10.0
_BETWEEN_PACKETS = "\x1e"
_TRANSPORTS = frozenset({"polling", "websocket"})


class Client(AsyncSocket):  # type: ignore[misc]
    """One client's connection. What is put is written at once, or kept for the next poll."""

    def __init__(self, server: Engine, sid: str) -> None:
        super().__init__(server, sid)
        self.connected = self.upgrading = self.upgraded = self.closing = self.closed = False
        self.last_ping: float | None = None  # monotonic seconds, while it is unanswered
        self._ping_at = 0.0
        self.out = Outlet(server.traffic, lambda: server.ending(self.throw_out()), self._wake)
        self._moving = False
        self._open_poll = asyncio.Event()
        self._bucket = Bucket(PACKETS_BURST, PACKETS_PER_S, time.monotonic())

    async def send(self, packet: eio.Packet) -> None:
        """The library's way in. Raises SocketIsClosedError."""
        if await self.check_ping_timeout():
            self.out.put(packet)

    async def check_ping_timeout(self) -> bool:
        """Close it if it is gone; whether it is still there. Raises SocketIsClosedError after the end."""
        if self.closed:
            raise SocketIsClosedError
        if self.last_ping is not None and time.monotonic() - self.last_ping > self.server.ping_timeout:
            await self.close(reason=self.server.reason.PING_TIMEOUT)
            return False
        return True

    def schedule_ping(self) -> None:
        """The next one is due a while after the last was answered."""
        self.last_ping = None
        self._ping_at = time.monotonic() + self.server.ping_interval

    def beat(self, now: float) -> None:
        """To be called every second or so: pings when it is time, and ends who is gone, or has been behind for too long."""
        if self.closing or self.closed:
            return
        if self.out.is_behind(now):
            log.warning("slow client disconnected", behind_s=BEHIND_MOST_S)
            self.server.ending(self.throw_out())
        elif self.last_ping is not None:
            if now - self.last_ping > self.server.ping_timeout:
                self.server.ending(self.close(reason=self.server.reason.PING_TIMEOUT))
        elif now >= self._ping_at:
            self.last_ping = now
            self.out.put(eio.Packet(eio.PING))

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """The server hears of it first, then the client, who is cut off when he does not take note.

        With `abort` he is not told why. Nothing is waited for: `wait` is the library's.
        """
        if self.closing or self.closed:
            return
        await super().close(wait=False, abort=abort, reason=reason)
        self._open_poll.set()
        self.out.close()
        self.server.sockets.pop(self.sid, None)

    async def throw_out(self) -> None:
        """End it at once, whatever it has not read."""
        self.out.abort()
        await self.close(wait=False, abort=True)

    async def take(self, said: object) -> None:
        """One packet that the client has sent (Engine.IO v4), in whatever way.

        Raises SocketIsClosedError after the end, UnknownPacketError for what is none or is more than one may send.
        """
        if self.closing or self.closed:
            raise SocketIsClosedError
        if not isinstance(said, str | bytes) or self._bucket.take(time.monotonic()):
            raise UnknownPacketError
        kind = said[:1]
        if isinstance(said, bytes):  # a message, whatever it begins with
            await self.server.handlers["message"](self.sid, said)
        elif kind == "4":
            await self.server.handlers["message"](self.sid, said[1:])
        elif kind == "3":
            if self.last_ping is not None:
                self.schedule_ping()
        elif kind == "1":
            await self.close(abort=True, reason=self.server.reason.CLIENT_DISCONNECT)
        else:
            raise UnknownPacketError

    # --- polling -----------------------------------------------------------------------------------------------------------

    async def poll(self) -> list[eio.Packet]:
        """What has waited, or the first that comes. Raises QueueEmpty when nothing has for too long.

        A client has one poll at a time: a later one ends an earlier one, whose connection is gone, with nothing.
        """
        mine = self._begin_poll()
        if not self.out.waits and not self.closed:
            try:
                async with asyncio.timeout(self.server.ping_interval + self.server.ping_timeout):
                    await mine.wait()
            except TimeoutError:
                raise QueueEmpty from None
        if mine is not self._open_poll:
            return [eio.Packet(eio.NOOP)]
        return self.out.polled() or [eio.Packet(eio.NOOP)]

    def _wake(self) -> None:
        """There is something for the poll that is open."""
        self._open_poll.set()

    def _begin_poll(self) -> asyncio.Event:
        """Ends the one that is open."""
        self._open_poll.set()
        self._open_poll = asyncio.Event()
        return self._open_poll

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """What a client that polls has to say. Raises EngineIOError for what is not to be read; then it is disconnected."""
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                async for part in environ["aiohttp.request"].content.iter_any():
                    body += part
                    if len(body) > self.server.max_http_buffer_size:
                        raise ContentTooLongError
            for said in body.decode().split(_BETWEEN_PACKETS):
                await self.take(base64.b64decode(said[1:], validate=True) if said[:1] == "b" else said)
        except (EngineIOError, ValueError, TimeoutError, ConnectionError) as error:
            if self.closing or self.closed:  # meanwhile, or by one of these packets: there is nobody to refuse anything to
                return
            log.info("not Engine.IO; client disconnected", error=type(error).__name__)
            raise EngineIOError from error

    # --- the WebSocket -----------------------------------------------------------------------------------------------------

    async def _upgrade_websocket(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        if self._moving or self.upgraded or self.closing or self.closed:
            raise SecondSocketError
        self._moving = True
        try:
            request: web.Request = environ["aiohttp.request"]
            ws = web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size, compress=False, autoping=False)
            await ws.prepare(request)
            if (self.connected and not await self._moves_over(ws)) or self.closing or self.closed:
                return ws
            self.connected = self.upgraded = True
        finally:
            self._moving = self.upgrading = False
        try:
            if request.transport is None:
                raise ConnectionResetError("gone before it began")
            self.out.open(request.transport)
            await self._read(ws)
        finally:
            # Not in this task: aiohttp may cancel it when the connection is gone, and who leaves has something to write down.
            await asyncio.shield(self.server.ending(self.close(abort=True, reason=self.server.reason.TRANSPORT_CLOSE)))
        return ws

    async def _moves_over(self, ws: web.WebSocketResponse) -> bool:
        """A client that polls tries the WebSocket with a ping, and says when it has stopped polling."""
        try:
            if await ws.receive_str(timeout=_STEP_WITHIN_S) != "2probe":
                return False
            self.upgrading = True  # a poll ends with nothing from now on, and what comes meanwhile waits
            self._begin_poll()
            await ws.send_str("3probe")
            return (await ws.receive_str(timeout=_STEP_WITHIN_S)) == "5"
        except (TimeoutError, TypeError, ConnectionError):
            return False

    async def _read(self, ws: web.WebSocketResponse) -> None:
        """Until it ends. That it always does is the pings' doing: who leaves one unanswered is closed, and cut off."""
        taken = 0
        while not self.closed:
            said = await ws.receive()
            if said.type not in _TALK:
                return
            try:
                if said.type is WSMsgType.PING:
                    self._pong(said.data)
                elif said.type is not WSMsgType.PONG:
                    await self.take(said.data)
            except (UnknownPacketError, SocketIsClosedError) as error:
                log.info("not Engine.IO; client disconnected", error=type(error).__name__)
                return
            taken += 1
            if taken % _TAKEN_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _pong(self, data: bytes) -> None:
        """After what has been sent: nothing else writes to the transport. Raises UnknownPacketError for too many."""
        if self._bucket.take(time.monotonic()):
            raise UnknownPacketError
        self.out.push(pong(data))


class SecondSocketError(Exception):
    """A WebSocket for a client that has one, is about to, or is gone."""


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The library's server with our clients."""

    start_service_task: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.under_way: set[asyncio.Task[None]] = set()  # closings
        self.traffic = Traffic()
        self.admit: Callable[[web.Request], AbstractContextManager[None]] = lambda _request: nullcontext()
        self._door = Turnstile(_COMING_AT_ONCE, _COMING_MAX)
        self._turned_away = Turnstile(_COMING_AT_ONCE, _TURNED_AWAY_MAX)  # to be refused costs time too, but nobody's place

    def ending(self, closing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A client's closing as a task of its own, kept until it is through."""
        task = asyncio.create_task(closing)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        return task

    async def coming(self) -> None:
        """To be waited for by whoever comes in. Raises Unavailable (TOO_MANY_HERE)."""
        if not await self._door.through():
            raise Unavailable(TOO_MANY_HERE)

    def undisturbed(self) -> AbstractContextManager[None]:
        """For what takes several turns of the loop and is waited for by a whole room: nobody comes in meanwhile."""
        return self._door.shut()

    async def _service_task(self) -> None:
        """The library's place for looking after clients."""
        self.service_task_event = over = asyncio.Event()
        while not over.is_set():
            now = time.monotonic()
            for place, client in enumerate(list(self.sockets.values())):
                if place % _LOOKED_AT_AT_ONCE == _LOOKED_AT_AT_ONCE - 1:
                    await asyncio.sleep(0)
                client.beat(now)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), min(_BEAT_S, self.ping_interval / 2))

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Raises Refused for a connection that `admit` refuses, or when too many are coming."""
        if "j" in request.query:  # JSONP, for browsers of long ago
            return web.Response(status=400)
        if request.query.get("transport") not in _TRANSPORTS:  # the library would guess
            return web.Response(status=400)
        if "sid" not in request.query:
            try:
                place = self.admit(request)
            except Refused:
                await self._turned_away.through()  # with too many of them he hears it at once
                raise
            with place:
                await self.coming()
        try:
            answer: web.StreamResponse = await super().handle_request(request)
        except (SecondSocketError, EngineIOError, ConnectionError) as error:
            log.info("not Engine.IO; refused", error=type(error).__name__)
            return web.Response(status=400)
        return answer

    async def _trigger_event(self, event: str, *args: Any, **_options: Any) -> Any:
        """What comes of a client's coming or going; the library would not say when that fails."""
        try:
            return await self.handlers[event](*args)
        except Exception:
            log.exception("a client could not come or go", what=event)
            return False

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        if self.start_service_task:
            self.start_service_task = False
            self.service_task_handle = self.start_background_task(self._service_task)
        client = Client(self, self.generate_id())
        self.sockets[client.sid] = client
        client.out.put(eio.Packet(eio.OPEN, self._opening(client.sid, transport)))
        if await self._trigger_event("connect", client.sid, environ) is False:  # it failed, and was logged
            del self.sockets[client.sid]
            return self._unauthorized()
        client.schedule_ping()
        if transport != "websocket":
            client.connected = True
            return self._ok(await client.poll(), jsonp_index=jsonp_index)
        try:
            return await client._upgrade_websocket(environ)
        finally:
            if not client.connected:  # no handshake that aiohttp takes
                await client.close(abort=True)

    async def throw_out(self, sid: str) -> None:
        """Ends one client's connection at once; one that is gone already is no matter."""
        client = self.sockets.get(sid)
        if client is not None:
            await client.throw_out()

    def _opening(self, sid: str, transport: str) -> dict[str, Any]:
        """The handshake (Engine.IO v4); times in milliseconds, `maxPayload` in bytes."""
        return {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingInterval": round(self.ping_interval * 1000),
            "pingTimeout": round(self.ping_timeout * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
