"""The Socket.IO server itself: our bounds, and an end to whoever does not speak the protocol.

python-socketio answers a packet that is none with a stack trace in the log, and waits for the next one; a client could fill the
log with nothing else (invariant 10). Here it is disconnected, with one line. Private to the two libraries and pinned with them:
`_handle_eio_connect`, `_handle_eio_message`, `_handle_eio_disconnect`, `_handle_connect`, `_handle_disconnect`,
`_handle_event`, `_handle_ack`, `environ`, `_engineio_server_class`, `namespace_handlers`; a manager's `basic_enter_room`,
`basic_leave_room`, `basic_disconnect`, `callbacks`, `pending_connect`, `pending_disconnect`, `sid_from_eio_sid`,
`is_connected` and `rooms`; `_publish` and `host_id` of `AsyncPubSubManager`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import socketio
import structlog
from aiohttp import web
from socketio.async_pubsub_manager import AsyncPubSubManager

from rooms.addresses import Addresses
from rooms.binary import Incoming, messages
from rooms.crowd import Crowd
from rooms.dispatch import Namespace
from rooms.engine import Engine
from rooms.frames import Message
from rooms.line import Line

log = structlog.get_logger()

MESSAGE_MAX = 64 * 1024
SETTLE_S = 5.0
# Who has connected and is in no namespace so long is one of nobody's clients: ours ask to be let in with their first words.
# Node's server waits 45 s, in which one who says nothing costs as much as a viewer.
NAMESPACE_WITHIN_S = 10.0
# So many times that for whoever has asked and waits for us, in a rush; not for ever, or one who asks all the time would stay.
_WAITED_FOR_US = 6
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
_MENDED_MAX = 16 * 1024
_WITH_ATTACHMENTS = (socketio.packet.BINARY_EVENT, socketio.packet.BINARY_ACK)
_CHANNEL = "tellercast:socketio"
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
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:  # for half a character, which JavaScript's strings can hold, among other things
            if len(text) > _MENDED_MAX:  # it takes ten times as long
                raise
            whole = _HALF_A_CHARACTER.sub("\ufffd", json.dumps(json.loads(text), ensure_ascii=False))
            return msgspec.json.decode(whole)


class _Packet(socketio.packet.Packet):  # type: ignore[misc]  # python-socketio ships without type hints
    """Nothing of ours is binary: what is sent need not be searched for bytes, value by value, each time."""

    uses_binary_events = False


class _BinaryPacket(socketio.packet.Packet):  # type: ignore[misc]
    """What a namespace sends whose answers may hold bytes."""

    json = _Json


class Manager(socketio.AsyncManager):  # type: ignore[misc]  # python-socketio ships without type hints
    """Writes the one encoded packet to every recipient; the library's own starts a task for each and waits for all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._crowds: dict[tuple[str, str | None], Crowd] = {}
        self._rooms_of: dict[tuple[str, str], set[str | None]] = {}  # by namespace and sid

    def crowd(self, namespace: str, room: str | None) -> Crowd:
        """Everybody in a room, as it is now."""
        found = self._crowds.get((namespace, room))
        if found is None:
            members = self.rooms[namespace][room].values() if room in self.rooms.get(namespace, ()) else ()
            clients = self.server.eio.sockets
            found = Crowd([clients[eio_sid].out for eio_sid in members if eio_sid in clients], self.server.eio.traffic)
            if found.outlets:  # a room without members is none, and nobody would clear it away
                self._crowds[namespace, room] = found
        return found

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._rooms_of.setdefault((namespace, sid), set()).add(room)
        self._crowds.pop((namespace, room), None)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        super().basic_leave_room(sid, namespace, room)
        self._crowds.pop((namespace, room), None)
        if (mine := self._rooms_of.get((namespace, sid))) is not None:
            mine.discard(room)
            if not mine:
                del self._rooms_of[namespace, sid]

    def basic_disconnect(self, sid: str, namespace: str, **_options: Any) -> None:
        """The library looks through all rooms there are, of which most are one person's."""
        for room in list(self._rooms_of.get((namespace, sid), ())):
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
                if not pending[namespace]:
                    del pending[namespace]

    async def emit(
        self, event: str, data: Any, namespace: str, room: str | None = None, skip_sid: Any = None, callback: Any = None,
        to: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        if callback is not None or skip_sid is not None or isinstance(data, tuple) or not isinstance(to or room, str | None):
            await super().emit(event, data, namespace, room, skip_sid, callback, to, **kwargs)
            return
        recipients = self.crowd(namespace, to or room).outlets
        if not recipients:
            return
        body = [event] if data is None else [event, data]
        message = Message(self.server.packet_class(socketio.packet.EVENT, namespace=namespace, data=body).encode())
        for out in recipients:
            out.put(message)


class SharedManager(AsyncPubSubManager, Manager):  # type: ignore[misc]
    """The same for several web processes: ordinary events also go to the others, in the library's own words.

    Its Redis manager waits for Redis with each emit, logs each that fails, and after an outage listens again after up to a
    minute; here both directions are the line's, and what is emitted is written to those who are here before `emit` returns.
    """

    def __init__(self, line: Line) -> None:
        super().__init__(channel=_CHANNEL, write_only=True)  # it starts no listener of its own
        self._line = line
        line.on(_CHANNEL, self.hear)

    async def _publish(self, data: Mapping[str, Any]) -> None:
        if data["method"] == "emit":  # nobody here enters rooms, or is disconnected, from another process
            self._line.say(_CHANNEL, msgspec.json.encode(data))

    async def hear(self, payload: bytes) -> None:
        """What another process has emitted. Raises msgspec.DecodeError for what is none."""
        said = _EMITTED.decode(payload)
        if said.host_id != self.host_id:
            data = said.data[0] if len(said.data) == 1 else said.data
            await Manager.emit(self, said.event, data, said.namespace, said.room)


class _Emitted(msgspec.Struct, frozen=True):
    """An emit as the library publishes it; it names more that we don't use."""

    host_id: str
    event: str
    data: list[Any]
    namespace: str
    room: str | None


_EMITTED = msgspec.json.Decoder(_Emitted)


class _Server(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio ships without type hints
    def __init__(self, *args: Any, addresses: Addresses, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._addresses = addresses
        self.eio.admit = addresses.admit
        self._answering: set[asyncio.Task[None]] = set()
        self._incoming = Incoming(self._never_finished)
        self._nowhere: dict[str, asyncio.TimerHandle] = {}  # clients in no namespace, until they are cut off
        self._coming: set[str] = set()  # whose asking to be let in is being answered: that takes our time, not theirs

    def attach(self, app: web.Application, socketio_path: str = "socket.io") -> None:
        super().attach(app, socketio_path)
        app.on_cleanup.append(self._settle)

    async def _settle(self, _app: web.Application) -> None:
        """Who has just left, or was just answered, is seen through while what he needs for it is still there."""
        if under_way := {*self._answering, *self.eio.under_way}:
            await asyncio.wait(under_way, timeout=SETTLE_S)

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    async def _handle_eio_connect(self, eio_sid: str, environ: Mapping[str, Any]) -> Any:
        answer = await super()._handle_eio_connect(eio_sid, environ)
        self._is_nowhere(eio_sid)
        self._addresses.enter(eio_sid, environ["aiohttp.request"])
        return answer

    def _is_nowhere(self, eio_sid: str, waited: int = 1) -> None:
        loop = asyncio.get_running_loop()
        self._nowhere[eio_sid] = loop.call_later(NAMESPACE_WITHIN_S, self._never_came, eio_sid, waited)

    def _is_somewhere(self, eio_sid: str) -> None:
        timer = self._nowhere.pop(eio_sid, None)
        if timer is not None:
            timer.cancel()

    def _never_came(self, eio_sid: str, waited: int) -> None:
        if eio_sid in self._coming and waited < _WAITED_FOR_US:
            self._is_nowhere(eio_sid, waited + 1)
        else:
            self._never_finished(eio_sid)

    def _never_finished(self, eio_sid: str) -> None:
        """It has begun something, and what has to follow did not come in time."""
        log.info("not Socket.IO; client disconnected", error="TimeoutError")
        self.eio.ending(self.eio.throw_out(eio_sid))

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        try:
            await self._take(eio_sid, data)
        except Exception as error:  # whatever it was, it came from decoding: our own handlers run in tasks of their own
            log.info("not Socket.IO; client disconnected", error=type(error).__name__)
            await self.eio.throw_out(eio_sid)

    async def _take(self, eio_sid: str, data: str | bytes) -> None:
        """Raises whatever decoding does for what is no packet."""
        if eio_sid in self._incoming:
            packet = self._incoming.add(eio_sid, data)
            if packet is None:
                return
        elif isinstance(data, bytes):
            raise TypeError("an attachment that was not announced")
        else:
            packet = self.packet_class(encoded_packet=data)
            if packet.packet_type in _WITH_ATTACHMENTS:
                if self.manager.sid_from_eio_sid(eio_sid, packet.namespace or "/") is None:
                    raise ValueError("attachments from one who is not connected")
                self._incoming.expect(eio_sid, packet)
                return
        handle = self._handles.get(packet.packet_type)
        if handle is None:
            raise ValueError("no packet of a client's")
        await handle(self, eio_sid, packet)

    async def _take_connect(self, eio_sid: str, packet: socketio.packet.Packet) -> None:
        if packet.data is not None and not isinstance(packet.data, dict):
            raise TypeError("what comes with CONNECT is an object")
        self._coming.add(eio_sid)
        try:
            if (packet.namespace or "/") in self.namespace_handlers:
                await self.eio.coming()
            if eio_sid not in self.environ:  # who has gone while he waited would be entered, and never taken out again
                return
            await self._handle_connect(eio_sid, packet.namespace, packet.data)
        finally:
            self._coming.discard(eio_sid)

    async def _take_disconnect(self, eio_sid: str, packet: socketio.packet.Packet) -> None:
        await self._handle_disconnect(eio_sid, packet.namespace, self.reason.CLIENT_DISCONNECT)

    async def _take_event(self, eio_sid: str, packet: socketio.packet.Packet) -> None:
        await self._handle_event(eio_sid, packet.namespace, packet.id, packet.data)

    async def _take_ack(self, eio_sid: str, packet: socketio.packet.Packet) -> None:
        if packet.id is None or not isinstance(packet.data, list):
            raise TypeError("an acknowledgement is a list, and says of what")
        await self._handle_ack(eio_sid, packet.namespace, packet.id, packet.data)

    _handles: Mapping[int, Callable[[_Server, str, socketio.packet.Packet], Awaitable[None]]] = {
        socketio.packet.CONNECT: _take_connect,
        socketio.packet.DISCONNECT: _take_disconnect,
        socketio.packet.EVENT: _take_event,
        socketio.packet.BINARY_EVENT: _take_event,
        socketio.packet.ACK: _take_ack,
        socketio.packet.BINARY_ACK: _take_ack,
    }

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        """Every namespace hears of it, whatever goes wrong in another."""
        self._incoming.forget(eio_sid)
        self._addresses.leave(eio_sid)
        for namespace in list(self.manager.get_namespaces()):
            try:
                await self._handle_disconnect(eio_sid, namespace, reason)
            except Exception:
                log.exception("a socket could not leave", namespace=namespace)
        self._is_somewhere(eio_sid)
        self.environ.pop(eio_sid, None)

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        namespace = namespace or "/"
        known = namespace in self.namespace_handlers
        if not known or self.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            why = {"message": "Already connected" if known else "Invalid namespace"}
            self._send(eio_sid, self.packet_class(socketio.packet.CONNECT_ERROR, data=why, namespace=namespace))
            return
        await super()._handle_connect(eio_sid, namespace, data)
        client = self.eio.sockets.get(eio_sid)
        if client is None or client.closing or client.closed:  # it went while it came, and nobody else will notice
            await self._handle_disconnect(eio_sid, namespace)
        elif self.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            self._is_somewhere(eio_sid)

    async def _handle_disconnect(self, eio_sid: str, namespace: str | None, reason: str | None = None) -> None:
        await super()._handle_disconnect(eio_sid, namespace, reason)
        places = self.manager.get_namespaces()
        if eio_sid in self.environ and not any(self.manager.sid_from_eio_sid(eio_sid, one) for one in places):
            self._is_somewhere(eio_sid)
            self._is_nowhere(eio_sid)

    async def _handle_event(self, eio_sid: str, namespace: str | None, id_: int | None, data: object) -> None:
        if not (isinstance(data, list) and data and isinstance(data[0], str)):
            raise TypeError("an event is a list that begins with its name")
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        handler = self.namespace_handlers.get(namespace)
        if handler is None or not self.manager.is_connected(sid, namespace):
            return
        # A waiting event must not hold up the answer to a ping; order is kept by each socket's lock (`dispatch.py`).
        task = asyncio.create_task(self._answer(handler, eio_sid, sid, id_, data))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, handler: Namespace, eio_sid: str, sid: str, id_: int | None, data: list[Any]) -> None:
        said = await handler.heard(data[0], sid, data[1] if len(data) > 1 else None)
        if id_ is not None:
            packet_class = _BinaryPacket if handler.binary else self.packet_class
            self._send(eio_sid, packet_class(socketio.packet.ACK, namespace=handler.namespace, id=id_, data=[said]))

    def _send(self, eio_sid: str, packet: socketio.packet.Packet) -> None:
        client = self.eio.sockets.get(eio_sid)
        if client is None or client.closed:
            return
        for message in messages(packet):
            client.out.put(message)


# (Origin, WSGI environ) → whether the page that connects is one of ours.
OwnSite = Callable[[str | None, Mapping[str, Any]], bool]


def socket_server(
    *,
    own_site: OwnSite | None = None,
    client_manager: socketio.AsyncManager | None = None,
    addresses: Addresses | None = None,
    polling: bool = True,
) -> socketio.AsyncServer:
    """A Socket.IO server with our bounds: 64 KiB a message. Attach it to an aiohttp application.

    Without `own_site` a browser's page has to come from the host it connects to; without `addresses` none of them has bounds.
    `polling` only where each of a client's requests reaches this process: its connection is known to no other.
    """
    return _Server(
        async_mode="aiohttp",
        client_manager=client_manager or Manager(),
        json=_Json,
        serializer=_Packet,
        max_http_buffer_size=MESSAGE_MAX,
        cors_allowed_origins=own_site,
        ping_interval=15,
        ping_timeout=10,
        transports=None if polling else ["websocket"],
        engineio_logger=_silent,
        addresses=Addresses() if addresses is None else addresses,
    )
