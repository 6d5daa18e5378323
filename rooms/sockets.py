"""The Socket.IO server itself: our bounds, and an end to whoever does not speak the protocol.

python-socketio answers a packet that is none with a stack trace in the log, and waits for the next one; a client could fill the
log with nothing else (invariant 10). Here it is disconnected, with one line. Private to the two libraries and pinned with them:
`_handle_eio_message`, `_handle_event`, `_engineio_server_class`; a manager's `get_participants` and `rooms`; a client's
`queue`, `closed` and `last_ping`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import engineio
import msgspec
import socketio
import structlog
from aiohttp import web

from rooms.slow import throw_out

log = structlog.get_logger()

MESSAGE_MAX = 64 * 1024
# It writes a stack trace for every packet of a type there is not. What we need to know is logged here.
_silent = logging.getLogger("rooms.engineio")
_silent.setLevel(logging.CRITICAL)


class _Json:
    """What python-socketio calls `json`: without ASCII escapes, which make a Chinese character six bytes."""

    @staticmethod
    def dumps(value: Any, **_options: Any) -> str:
        return msgspec.json.encode(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_options: Any) -> Any:
        return msgspec.json.decode(text)


class _Packet(socketio.packet.Packet):  # type: ignore[misc]  # python-socketio ships without type hints
    """Nothing here is binary: what is sent need not be searched for bytes, value by value, each time."""

    uses_binary_events = False


class _Queue(asyncio.Queue[Any]):
    """What waits for one client. `get` answers a future; of a coroutine `wait_for` would make a task each time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._readers: deque[asyncio.Future[Any]] = deque()

    def get(self) -> asyncio.Future[Any]:  # type: ignore[override]
        reader: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.empty():
            self._readers.append(reader)
        else:
            reader.set_result(self.get_nowait())
        return reader

    def put_nowait(self, item: Any) -> None:
        super().put_nowait(item)
        while self._readers and not self.empty():
            reader = self._readers.popleft()
            if not reader.done():
                reader.set_result(self.get_nowait())


class _Engine(engineio.AsyncServer):  # type: ignore[misc]  # python-engineio ships without type hints
    def create_queue(self, *args: Any, **kwargs: Any) -> _Queue:
        return _Queue(*args, **kwargs)

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().handle_request(*args, **kwargs)
        except (ValueError, LookupError, OSError, engineio.exceptions.EngineIOError) as error:
            # OSError: an upgrade of what has been upgraded. After a WebSocket nobody reads this answer.
            log.info("not Engine.IO; refused", error=type(error).__name__)
            return web.Response(status=400)


class Manager(socketio.AsyncManager):  # type: ignore[misc]  # python-socketio ships without type hints
    """Puts the one encoded packet into every recipient's queue; the library's own starts a task for each and waits for all."""

    async def emit(
        self, event: str, data: Any, namespace: str, room: str | None = None, skip_sid: Any = None, callback: Any = None,
        to: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        if callback is not None or skip_sid is not None or isinstance(data, tuple):
            await super().emit(event, data, namespace, room, skip_sid, callback, to, **kwargs)
            return
        recipients = list(self.get_participants(namespace, to or room)) if namespace in self.rooms else []
        if not recipients:
            return
        body = [event] if data is None else [event, data]
        text = self.server.packet_class(socketio.packet.EVENT, namespace=namespace, data=body).encode()
        packet, engine = engineio.packet.Packet(engineio.packet.MESSAGE, text), self.server.eio
        heard_since = time.time() - engine.ping_timeout
        for _sid, eio_sid in recipients:
            socket = engine.sockets.get(eio_sid)
            if socket is None or socket.closed:
                continue
            if socket.last_ping and socket.last_ping < heard_since:  # it is gone: the library's way finds out, and ends it
                self.server.start_background_task(engine.send_packet, eio_sid, packet)
            else:
                socket.queue.put_nowait(packet)


class RedisManager(socketio.AsyncRedisManager, Manager):  # type: ignore[misc]
    """The same for several web processes: what comes over Redis goes to this process's recipients in our way."""


class _Server(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio ships without type hints
    def _engineio_server_class(self) -> type[engineio.AsyncServer]:
        return _Engine

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        try:
            if not isinstance(data, str):
                raise TypeError("nothing here is binary")
            await super()._handle_eio_message(eio_sid, data)
        except Exception as error:  # whatever it was, it came from decoding: our own handlers run in tasks of their own
            log.info("not Socket.IO; client disconnected", error=type(error).__name__)
            await throw_out(self, eio_sid)

    async def _handle_event(self, eio_sid: str, namespace: str, id_: int | None, data: object) -> None:
        if not (isinstance(data, list) and data and isinstance(data[0], str)):
            raise TypeError("an event is a list that begins with its name")
        await super()._handle_event(eio_sid, namespace, id_, data)


# (Origin, WSGI environ) → whether the page that connects is one of ours.
OwnSite = Callable[[str | None, Mapping[str, Any]], bool]


def socket_server(
    *, own_site: OwnSite | None = None, client_manager: socketio.AsyncManager | None = None
) -> socketio.AsyncServer:
    """A Socket.IO server with our bounds: 64 KiB a message. Attach it to an aiohttp application.

    Without `own_site` a browser's page has to come from the host it connects to.
    """
    return _Server(
        async_mode="aiohttp",
        async_handlers=True,  # a waiting event must not hold up the answer to a ping; order is kept by each socket's lock
        client_manager=client_manager or Manager(),
        json=_Json,
        serializer=_Packet,
        max_http_buffer_size=MESSAGE_MAX,
        cors_allowed_origins=own_site,
        ping_interval=15,
        ping_timeout=10,
        engineio_logger=_silent,
    )
