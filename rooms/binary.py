"""Packets with attachments (Socket.IO v5, "binary events" and "binary acks"): read within bounds, and written.

A packet announces how many attachments follow and holds a placeholder for each; a client could announce and never send. So one
packet a connection waits at most, for few attachments, for seconds, and with no more bytes than any message may have. Who goes
beyond that does not speak the protocol. None of the product's own shapes has a field for bytes: an event that carries some is
refused in its acknowledgement, as any other that does not fit.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import socketio
from engineio import packet as eio

from rooms.frames import Message

ATTACHMENTS_MAX = 4
ATTACHMENTS_BYTES_MAX = 64 * 1024
ATTACHMENTS_WITHIN_S = 5.0
_BINARY = 0x82
_SHORT, _MEDIUM = 126, 1 << 16  # RFC 6455, 5.2: below, the length itself; then 2, then 8 bytes


class Attachment(Message):
    """Bytes that belong to the packet sent before them."""

    def __init__(self, body: bytes) -> None:
        eio.Packet.__init__(self, eio.MESSAGE, body)
        self._body = body

    @property
    def frame(self) -> bytes:
        size = len(self._body)
        if size < _SHORT:
            return bytes((_BINARY, size)) + self._body
        if size < _MEDIUM:
            return struct.pack("!BBH", _BINARY, 126, size) + self._body
        return struct.pack("!BBQ", _BINARY, 127, size) + self._body


def messages(packet: socketio.packet.Packet) -> list[Message]:
    """What has to be sent, in this order, for a packet whose data may hold bytes."""
    encoded = packet.encode()
    if isinstance(encoded, str):
        return [Message(encoded)]
    return [Message(encoded[0]), *map(Attachment, encoded[1:])]


class _Waiting:
    """A packet and what has come of its attachments."""

    __slots__ = ("count", "packet", "parts", "size", "timer")

    def __init__(self, packet: socketio.packet.Packet, timer: asyncio.TimerHandle) -> None:
        self.packet, self.timer = packet, timer
        self.count: int = packet.attachment_count
        self.parts: list[bytes] = []
        self.size = 0


class Incoming:
    """The packets whose attachments are still to come. `late(eio_sid)` is told of a client that does not send them."""

    def __init__(self, late: Callable[[str], object]) -> None:
        self._late = late
        self._waiting: dict[str, _Waiting] = {}

    def __contains__(self, eio_sid: str) -> bool:
        return eio_sid in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, eio_sid: str, packet: socketio.packet.Packet) -> None:
        """Raises ValueError for one that announces none, or more than are taken."""
        if not 1 <= packet.attachment_count <= ATTACHMENTS_MAX:
            raise ValueError("attachments")
        timer = asyncio.get_running_loop().call_later(ATTACHMENTS_WITHIN_S, self._late, eio_sid)
        self._waiting[eio_sid] = _Waiting(packet, timer)

    def add(self, eio_sid: str, part: object) -> socketio.packet.Packet | None:
        """The packet, once it is whole. Raises ValueError or TypeError for what belongs to none."""
        waiting = self._waiting[eio_sid]
        if not isinstance(part, bytes):
            raise TypeError("a text where an attachment was announced")
        waiting.parts.append(part)
        waiting.size += len(part)
        if waiting.size > ATTACHMENTS_BYTES_MAX:
            raise ValueError("attachments")
        if len(waiting.parts) < waiting.count:
            return None
        self.forget(eio_sid)
        waiting.packet.data = _filled(waiting.packet.data, waiting.parts)
        return waiting.packet

    def forget(self, eio_sid: str) -> None:
        """The client is gone, or its packet is whole."""
        waiting = self._waiting.pop(eio_sid, None)
        if waiting is not None:
            waiting.timer.cancel()


def _filled(data: Any, parts: list[bytes]) -> Any:
    """`data` with each attachment in its placeholder's place. Raises ValueError for a placeholder of none."""
    if isinstance(data, list):
        return [_filled(one, parts) for one in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is not True:
        return {key: _filled(one, parts) for key, one in data.items()}
    number = data.get("num")
    if not isinstance(number, int) or not 0 <= number < len(parts):
        raise ValueError("a placeholder of no attachment")
    return parts[number]
