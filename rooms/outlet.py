"""The way out to one client: what is sent goes to its transport at once, or waits for its next poll; never unbounded.

What must arrive is put; who does not read is cut off at so many bytes. What may be left out is offered: who is behind gets none
of it, and is disconnected when he stays so (invariant 10).
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from engineio import packet as eio

from rooms.frames import GOODBYE, Message, frame

log = structlog.get_logger()

# What may lie unread in our memory for one client, beside what the kernel keeps: at a lively show's rate half a minute.
# Centrifugo disconnects at the same.
UNREAD_MAX = 1 << 20
# Who has so much to read yet is offered nothing: he has seconds of it before him. Who stays so for long is disconnected.
BEHIND = 64 * 1024
BEHIND_MOST_S = 15.0
# What the kernel takes beyond what is on its way, before it says that the client does not read; where it can be told so.
_KERNEL_KEEPS = 64 * 1024
# Who has been told that it is over, and does not read on, is cut off after that.
_LAST_WORDS_S = 2.0


class Traffic:
    """What the outlets of one server have in common: how often one was opened or closed, and who has something on its way."""

    __slots__ = ("busy", "changes")

    def __init__(self) -> None:
        self.changes = 0
        self.busy: set[Outlet] = set()

    def settle(self) -> set[Outlet]:
        """Those whose transport has not yet given everything to the kernel: nothing may overtake that."""
        self.busy = {out for out in self.busy if out.transport is not None and out.transport.get_write_buffer_size()}
        return self.busy


class Outlet:
    """Before `open` for a client who polls, afterwards for one with a WebSocket. `cut_off` ends a client who does not read."""

    __slots__ = ("_behind_since", "_bytes", "_cut_off", "_traffic", "_waiting", "_wake", "file", "transport")

    def __init__(self, traffic: Traffic, cut_off: Callable[[], object], wake: Callable[[], object]) -> None:
        self._traffic, self._cut_off = traffic, cut_off
        self._wake = wake  # called when something waits for a poll
        self.transport: asyncio.Transport | None = None
        self.file = -1  # a file of our own for the transport's socket; none where what is sent has to be encrypted first
        self._behind_since: float | None = None
        self._waiting: list[eio.Packet] = []
        self._bytes = 0

    def open(self, transport: asyncio.Transport) -> None:
        """To this transport from now on, beginning with what has waited."""
        self.transport = transport
        raw = transport.get_extra_info("socket")
        if raw is not None and transport.get_extra_info("sslcontext") is None:
            with suppress(OSError):  # no more files: then by the transport
                self.file = os.dup(raw.fileno())
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _KERNEL_KEEPS)
        self._traffic.changes += 1
        for packet in self.polled():
            self.put(packet)

    def put(self, packet: eio.Packet) -> None:
        """What must arrive. A client with UNREAD_MAX bytes unread is disconnected; who is gone already gets nothing."""
        transport = self.transport
        if transport is None:
            self._keep(packet)
        elif not transport.is_closing():
            self.push(packet.frame if isinstance(packet, Message) else frame(packet.encode()))
            if transport.get_write_buffer_size() > UNREAD_MAX:
                log.warning("slow client disconnected", unread=transport.get_write_buffer_size())
                transport.abort()  # the reading task notices, and closes

    def offer(self, message: Message) -> bool:
        """What may be left out. False where it was: to a client who is behind."""
        transport = self.transport
        if transport is None:
            if self._bytes > BEHIND:
                return False
            self._keep(message)
        elif not transport.is_closing():
            if transport.get_write_buffer_size() > BEHIND:
                self._behind_since = self._behind_since or time.monotonic()
                return False
            self.push(message.frame)
        return True

    def push(self, raw: bytes) -> None:
        """A frame, or the rest of one, the transport's way."""
        if self.transport is not None and not self.transport.is_closing():
            self._traffic.busy.add(self)
            self.transport.write(raw)

    def is_behind(self, now: float) -> bool:
        """Whether the client has been behind for longer than anybody may; to be asked every second or so."""
        if self._behind_since is None or self.transport is None:
            return False
        if self.transport.get_write_buffer_size() <= BEHIND:
            self._behind_since = None
            return False
        return now - self._behind_since > BEHIND_MOST_S

    def _keep(self, packet: eio.Packet) -> None:
        before = self._bytes
        self._waiting.append(packet)
        self._bytes += len(packet.frame if isinstance(packet, Message) else packet.encode())
        self._wake()
        if before <= UNREAD_MAX < self._bytes:
            log.warning("slow client disconnected", unread=self._bytes)
            self._cut_off()

    @property
    def waits(self) -> bool:
        """Whether there is something for the next poll."""
        return bool(self._waiting)

    def polled(self) -> list[eio.Packet]:
        """All that has waited, which does so no longer."""
        waited, self._waiting, self._bytes = self._waiting, [], 0
        return waited

    def close(self) -> None:
        """Says goodbye; who does not take note is cut off."""
        self._forget_file()
        transport = self.transport
        if transport is None:
            return
        self._traffic.busy.discard(self)
        if not transport.is_closing():
            transport.write(GOODBYE)
            transport.close()
        # Also one that is closing: it waits for its buffer to be read, without an end.
        asyncio.get_running_loop().call_later(_LAST_WORDS_S, transport.abort)

    def abort(self) -> None:
        """At once, whatever has not been read."""
        self._forget_file()
        self._traffic.busy.discard(self)
        if self.transport is not None:
            self.transport.abort()

    def _forget_file(self) -> None:
        """No crowd writes to it after this: the number will be another's."""
        if self.file >= 0:
            file, self.file = self.file, -1
            self._traffic.changes += 1
            os.close(file)
