"""The Socket.IO server itself: our bounds, and an end to whoever does not speak the protocol.

python-socketio answers a packet that is none with a stack trace in the log, and waits for the next one; a client could fill the
log with nothing else (invariant 10). Here it is disconnected, with one line. Private to the two libraries and pinned with them:
`_handle_eio_message`, `_handle_event`, `_engineio_server_class`.
"""

from __future__ import annotations

import logging
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


class _Engine(engineio.AsyncServer):  # type: ignore[misc]  # python-engineio ships without type hints
    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().handle_request(*args, **kwargs)
        except (ValueError, LookupError, OSError, engineio.exceptions.EngineIOError) as error:
            # OSError: an upgrade of what has been upgraded. After a WebSocket nobody reads this answer.
            log.info("not Engine.IO; refused", error=type(error).__name__)
            return web.Response(status=400)


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
        client_manager=client_manager,
        json=_Json,
        serializer=_Packet,
        max_http_buffer_size=MESSAGE_MAX,
        cors_allowed_origins=own_site,
        ping_interval=15,
        ping_timeout=10,
        engineio_logger=_silent,
    )
