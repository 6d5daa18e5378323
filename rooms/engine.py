"""Engine.IO's WebSocket, written to directly: a message is framed once for all who get it, and goes out in the same turn.

python-engineio gives every client a queue, a task that empties it and a timer for each message read. That was about a third of
what an order cost the web process, and a room's event costs it again for each recipient. Here a client's task only reads, and
whoever has something for him writes it to his transport. The rest, polling above all, is the library's.

A slow or hostile client harms only itself (invariant 10): whoever does not read what is sent to him is disconnected. When he
comes back he joins with his last sequence number and gets what he missed.

Protocol: Engine.IO v4 (a client may begin with polling and move over); frames as in RFC 6455, 5.2, never compressed: with
compression each client has its own stream, so that nothing is framed once, and 300 kB more (docs/decisions/0014).

Private to python-engineio and pinned with it: a socket's `connected`, `upgrading`, `upgraded`, `closed`, `last_ping`, `queue`,
`_upgrade_websocket`; the server's `handlers`, `_handle_connect`, `_service_task`.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections.abc import Coroutine
from typing import Any

import engineio
import structlog
from aiohttp import WSMsgType, web
from engineio import packet as eio
from engineio.async_socket import AsyncSocket
from engineio.exceptions import SocketIsClosedError, UnknownPacketError

log = structlog.get_logger()

# What may lie unread in our memory for one client, beside what the kernel keeps: at a lively show's rate half a minute.
# Centrifugo disconnects at the same.
UNREAD_MAX = 1 << 20
# The same for who polls, in messages: there are a few each second.
UNPOLLED_MAX = 256
# Who has been told that it is over, and does not read on, is cut off after that.
_LAST_WORDS_S = 5.0
_TEXT, _CLOSE, _NORMAL = 0x81, 0x88, 1000
_EVENT = "42"  # an Engine.IO message that holds a Socket.IO event


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
    """One client's connection. What is put is written at once, or kept in `queue` for the next poll."""

    def __init__(self, server: Engine, sid: str) -> None:
        super().__init__(server, sid)
        self.connected = self.upgrading = self.upgraded = self.closing = self.closed = False
        self._transport: asyncio.Transport | None = None

    def put(self, packet: eio.Packet) -> None:
        """Sends it. A client with UNREAD_MAX bytes unread is disconnected; who is gone already gets nothing."""
        transport = self._transport
        if transport is None:
            self.queue.put_nowait(packet)
            if self.queue.qsize() == UNPOLLED_MAX + 1:
                log.warning("slow client disconnected", unread=self.queue.qsize())
                self.server.ending(self.throw_out())
        elif not transport.is_closing():
            transport.write(packet.frame if isinstance(packet, Message) else frame(packet.encode()))
            if transport.get_write_buffer_size() > UNREAD_MAX:
                log.warning("slow client disconnected", unread=transport.get_write_buffer_size())
                transport.abort()  # the reading task notices, and closes

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

        With `wait` a client who polls has some seconds to fetch what there is; with `abort` he is not told why.
        """
        if self.closing or self.closed:
            return
        await super().close(wait=False, abort=abort, reason=reason)
        transport = self._transport
        if transport is None:
            if abort:
                self.queue.put_nowait(None)  # ends the poll that is open
            elif wait:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.queue.join(), _LAST_WORDS_S)
        elif not transport.is_closing():
            transport.write(struct.pack("!BBH", _CLOSE, 2, _NORMAL))
            transport.close()
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, transport.abort)
        self.server.sockets.pop(self.sid, None)

    async def throw_out(self) -> None:
        """End it at once, whatever it has not read."""
        if self._transport is not None:
            self._transport.abort()
        await self.close(wait=False, abort=True)

    # --- the WebSocket -----------------------------------------------------------------------------------------------------

    async def _upgrade_websocket(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        if self.upgraded:
            raise OSError("it is a WebSocket already")
        request: web.Request = environ["aiohttp.request"]
        ws = web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size, compress=False)
        await ws.prepare(request)
        if self.connected and not await self._moves_over(ws):
            return ws
        self.connected = self.upgraded = True
        try:
            self._write_to(request.transport)
            await self._read(ws)
        finally:
            # Not in this task: aiohttp cancels it when the connection is gone, and who leaves has something to write down.
            await asyncio.shield(
                self.server.ending(self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_CLOSE))
            )
        return ws

    async def _moves_over(self, ws: web.WebSocketResponse) -> bool:
        """A client that polls tries the WebSocket with a ping, and says when it has stopped polling."""
        patience = self.server.ping_interval + self.server.ping_timeout
        self.upgrading = True  # a poll ends with nothing from now on, and what comes meanwhile waits
        try:
            if await ws.receive_str(timeout=patience) != "2probe":
                return False
            await ws.send_str("3probe")
            self.queue.put_nowait(eio.Packet(eio.NOOP))  # ends the poll that is open
            return (await ws.receive_str(timeout=patience)) == "5"
        except (TimeoutError, TypeError, ConnectionError):
            return False
        finally:
            self.upgrading = False

    def _write_to(self, transport: asyncio.Transport | None) -> None:
        """From now on, beginning with what has waited."""
        if transport is None:
            raise ConnectionResetError("gone before it began")
        self._transport = transport
        while not self.queue.empty():
            packet = self.queue.get_nowait()
            self.queue.task_done()
            self.put(packet)

    async def _read(self, ws: web.WebSocketResponse) -> None:
        """Until it ends. That it always does is the pings' doing: who leaves one unanswered is closed, and so is `ws`."""
        while not self.closed:
            said = await ws.receive()
            if said.type is WSMsgType.TEXT and said.data.startswith(_EVENT):
                await self.server.handlers["message"](self.sid, said.data[1:])
                continue
            if said.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                await self.receive(eio.Packet(encoded_packet=said.data))
            except (UnknownPacketError, SocketIsClosedError, ValueError) as error:
                log.info("not Engine.IO; client disconnected", error=type(error).__name__)
                return


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

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().handle_request(*args, **kwargs)
        except (ValueError, LookupError, OSError, engineio.exceptions.EngineIOError) as error:
            # OSError: an upgrade of what has been upgraded. After a WebSocket nobody reads this answer.
            log.info("not Engine.IO; refused", error=type(error).__name__)
            return web.Response(status=400)

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        if self.start_service_task:
            self.start_service_task = False
            self.service_task_handle = self.start_background_task(self._service_task)
        client = Client(self, self.generate_id())
        self.sockets[client.sid] = client
        client.put(eio.Packet(eio.OPEN, self._opening(client.sid, transport)))
        if await self._trigger_event("connect", client.sid, environ, run_async=False) is False:  # it failed, and was logged
            del self.sockets[client.sid]
            return self._unauthorized()
        client.schedule_ping()
        if transport != "websocket":
            client.connected = True
            return self._ok(await client.poll(), jsonp_index=jsonp_index)
        return await client.handle_get_request(environ)

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
