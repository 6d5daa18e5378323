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
`last_ping`, `poll`, `handle_post_request`, `_upgrade_websocket`; the server's `handlers`, `_handle_connect`, `_service_task`,
`_trigger_event`.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Coroutine
from typing import Any

import engineio
import structlog
from aiohttp import WSMsgType, web
from engineio import packet as eio
from engineio.async_socket import AsyncSocket
from engineio.exceptions import ContentTooLongError, EngineIOError, QueueEmpty, SocketIsClosedError, UnknownPacketError

from rooms.rate import Bucket

log = structlog.get_logger()

# What may lie unread in our memory for one client, beside what the kernel keeps: at a lively show's rate half a minute.
# Centrifugo disconnects at the same.
UNREAD_MAX = 1 << 20
# Who has been told that it is over, and does not read on, is cut off after that.
_LAST_WORDS_S = 5.0
# What one connection may send, of any kind; its events have a stricter limit (`dispatch.py`), each person's.
PACKETS_BURST, PACKETS_PER_S = 200.0, 50.0
# So many messages of one connection are taken before others get their turn: what has come is read without waiting.
_TAKEN_AT_ONCE = 16
# Each step of the move from polling to WebSocket; till then the client goes on polling.
_STEP_WITHIN_S = 10.0
_BODY_WITHIN_S = 10.0
_TEXT, _CLOSE, _NORMAL = 0x81, 0x88, 1000
_BETWEEN_PACKETS = "\x1e"


class Message(eio.Packet):  # type: ignore[misc]  # python-engineio ships without type hints
    """A text for any number of clients; its frame is made when the first of them needs it."""

    def __init__(self, text: str) -> None:
        super().__init__(eio.MESSAGE, text)
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        if self._frame is None:
            self._frame = frame(self.encode())
        return self._frame


def frame(text: str) -> bytes:
    """One unmasked text frame (RFC 6455, 5.2)."""
    body = text.encode()
    size = len(body)
    if size < 126:  # noqa: PLR2004 - RFC 6455: the length itself, or 126 or 127 and the length in 2 or 8 bytes
        return bytes((_TEXT, size)) + body
    if size < 1 << 16:
        return struct.pack("!BBH", _TEXT, 126, size) + body
    return struct.pack("!BBQ", _TEXT, 127, size) + body


class Client(AsyncSocket):  # type: ignore[misc]
    """One client's connection. What is put is written at once, or kept for the next poll."""

    def __init__(self, server: Engine, sid: str) -> None:
        super().__init__(server, sid)
        self.connected = self.upgrading = self.upgraded = self.closing = self.closed = False
        self._transport: asyncio.Transport | None = None
        self._moving = False
        self._unpolled: list[eio.Packet] = []
        self._unpolled_bytes = 0
        self._open_poll = asyncio.Event()
        self._bucket = Bucket(PACKETS_BURST, PACKETS_PER_S, time.monotonic())

    def put(self, packet: eio.Packet) -> None:
        """Sends it. A client with UNREAD_MAX bytes unread is disconnected; who is gone already gets nothing."""
        transport = self._transport
        if transport is None:
            self._keep(packet)
        elif not transport.is_closing():
            transport.write(packet.frame if isinstance(packet, Message) else frame(packet.encode()))
            if transport.get_write_buffer_size() > UNREAD_MAX:
                log.warning("slow client disconnected", unread=transport.get_write_buffer_size())
                transport.abort()  # the reading task notices, and closes

    def _keep(self, packet: eio.Packet) -> None:
        """For the next poll, or the one that is open."""
        before = self._unpolled_bytes
        self._unpolled.append(packet)
        self._unpolled_bytes += len(packet.frame if isinstance(packet, Message) else packet.encode())
        self._open_poll.set()
        if before <= UNREAD_MAX < self._unpolled_bytes:
            log.warning("slow client disconnected", unread=self._unpolled_bytes)
            self.server.ending(self.throw_out())

    async def send(self, packet: eio.Packet) -> None:
        """The library's way in. Raises SocketIsClosedError."""
        if await self.check_ping_timeout():
            self.put(packet)

    @property
    def gone(self) -> bool:
        """Whether it has left a ping unanswered for too long."""
        return bool(self.last_ping) and time.time() - self.last_ping > self.server.ping_timeout

    async def end_gone(self) -> None:
        """Close it if it is gone."""
        try:
            await self.check_ping_timeout()
        except SocketIsClosedError:
            return

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """The server hears of it first, then the client, who is cut off when he does not take note.

        With `abort` he is not told why. Nothing is waited for: `wait` is the library's.
        """
        if self.closing or self.closed:
            return
        await super().close(wait=False, abort=abort, reason=reason)
        self._open_poll.set()
        transport = self._transport
        if transport is not None:
            if not transport.is_closing():
                transport.write(struct.pack("!BBH", _CLOSE, 2, _NORMAL))
                transport.close()
            # Also one that is closing: it waits for its buffer to be read, without an end.
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, transport.abort)
        self.server.sockets.pop(self.sid, None)

    async def throw_out(self) -> None:
        """End it at once, whatever it has not read."""
        if self._transport is not None:
            self._transport.abort()
        await self.close(wait=False, abort=True)

    async def take(self, said: object) -> None:
        """One packet that the client has sent (Engine.IO v4), in whatever way.

        Raises SocketIsClosedError after the end, UnknownPacketError for what is none or is more than one may send.
        """
        if self.closing or self.closed:
            raise SocketIsClosedError
        if not isinstance(said, str) or self._bucket.take(time.monotonic()):
            raise UnknownPacketError
        kind = said[:1]
        if kind == "4":
            await self.server.handlers["message"](self.sid, said[1:])
        elif kind == "3":
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
        if not self._unpolled and not self.closed:
            try:
                async with asyncio.timeout(self.server.ping_interval + self.server.ping_timeout):
                    await mine.wait()
            except TimeoutError:
                raise QueueEmpty from None
        if mine is not self._open_poll:
            return [eio.Packet(eio.NOOP)]
        waited, self._unpolled, self._unpolled_bytes = self._unpolled, [], 0
        return waited or [eio.Packet(eio.NOOP)]

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
                await self.take(said)
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
            ws = web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size, compress=False)
            await ws.prepare(request)
            if (self.connected and not await self._moves_over(ws)) or self.closing or self.closed:
                return ws
            self.connected = self.upgraded = True
        finally:
            self._moving = self.upgrading = False
        try:
            self._write_to(request.transport)
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

    def _write_to(self, transport: asyncio.Transport | None) -> None:
        """From now on, beginning with what has waited."""
        if transport is None:
            raise ConnectionResetError("gone before it began")
        self._transport = transport
        waited, self._unpolled = self._unpolled, []
        for packet in waited:
            self.put(packet)

    async def _read(self, ws: web.WebSocketResponse) -> None:
        """Until it ends. That it always does is the pings' doing: who leaves one unanswered is closed, and cut off."""
        taken = 0
        while not self.closed:
            said = await ws.receive()
            if said.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                await self.take(said.data)
            except (UnknownPacketError, SocketIsClosedError) as error:
                log.info("not Engine.IO; client disconnected", error=type(error).__name__)
                return
            taken += 1
            if taken % _TAKEN_AT_ONCE == 0:
                await asyncio.sleep(0)


class SecondSocketError(Exception):
    """A WebSocket for a client that has one, is about to, or is gone."""


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The library's server with our clients."""

    start_service_task: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.under_way: set[asyncio.Task[None]] = set()  # closings

    def ending(self, closing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A client's closing as a task of its own, kept until it is through."""
        task = asyncio.create_task(closing)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        return task

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        if "j" in request.query:  # JSONP, for browsers of long ago
            return web.Response(status=400)
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
        client.put(eio.Packet(eio.OPEN, self._opening(client.sid, transport)))
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
