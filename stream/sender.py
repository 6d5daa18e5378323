"""Handing datagrams to the kernel: one, the packets of a frame in one call, or a frame for each of many in a compiled loop.

Nothing queues here, so a full socket costs the packet and nothing else.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import structlog

from core.clock import Clock
from stream import compiled
from stream.compiled import Numbers
from stream.roster import NO_BYTES, NOTHING, UDP_SEGMENT, Address, Counts, Packed, Roster, Target, control
from stream.srtp import Batch, GcmSealer, RtpSealer

_log = structlog.get_logger(__name__)

# The kernel's answers when it can't cut datagrams itself: never; or not on the way to this address (its device, tunnel or MTU).
_NO_SEGMENTS = (errno.ENOPROTOOPT, errno.EOPNOTSUPP)
_NOT_THERE = (errno.EIO, errno.EINVAL, errno.EMSGSIZE)
_MOST_WHOLE = 4096
_WARN_EVERY_S = 60.0
_UNREACHED = (errno.EAGAIN, errno.ENOBUFS, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED)
NOWHERE = -1
"""The row of a seat that was left."""

Control = list[tuple[int, int, bytes]]


def segmented(size: int) -> Control:
    """The control message that has the kernel cut what is sent into datagrams of `size` bytes, the last maybe shorter."""
    return [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size))]


class Run:
    """Packets with headers of their own that go out in one call, cut into datagrams of `segment` bytes (0: a single one)."""

    __slots__ = ("batch", "segment")

    def __init__(self, batch: Batch, segment: int) -> None:
        self.batch = batch
        self.segment = segment

    @property
    def control(self) -> Control:
        """For sendmsg(2)."""
        return segmented(self.segment) if self.segment else []

    @property
    def packed(self) -> Packed:
        """For the compiled loop."""
        headers, payloads, numbers = self.batch
        sizes = [(0, 0, 0, 0, len(payload)) for payload in payloads]
        return Packed(
            np.array(sizes, np.int64),
            np.frombuffer(b"".join(payloads), np.uint8),
            np.frombuffer(b"".join(headers), np.uint8),
            np.frombuffer(b"".join([number.to_bytes(compiled.NONCE) for number in numbers]), np.uint8),
            control(self.segment),
        )


class Seat:
    """One receiver's row in the roster, from when it has come into its channel to when it has left it."""

    __slots__ = ("_address", "_roster", "failed", "row", "rows", "sender")

    def __init__(self, sender: Sender, roster: Roster, row: int, address: Address, failed: Callable[[], None]) -> None:
        self.sender = sender
        self.row = row
        self.rows: Numbers = np.array([row], np.int64)
        self.failed = failed
        """To be called when its cipher refuses."""
        self._roster = roster
        self._address = address

    @property
    def address(self) -> Address:
        """Where it is sent to."""
        return self._address

    @property
    def counts(self) -> Counts:
        """What it has been sent together with others."""
        return self._roster.counts(self.row) if self.row != NOWHERE else NOTHING

    def aim(self, video: Target | None, audio: Target | None) -> None:
        """What its packets look like from now on."""
        if self.row != NOWHERE:
            self._roster.aim(self.row, video, audio)

    def move(self, address: Address) -> None:
        """It is at another address now."""
        self._address = address
        if self.row != NOWHERE:
            self._roster.move(self.row, address)
            self.sender.settle(self)

    def leave(self) -> None:
        self.sender.leave(self)


class Sender:
    """The sending side of the media process's one socket."""

    def __init__(self, udp: socket.socket, clock: Clock) -> None:
        self.unsent = 0
        self.segmenting = _can_segment(udp)
        """Whether the kernel takes several datagrams in one call."""
        self.roster = _roster(udp.family)
        """None: everybody is sent to by Python, at three times the cost."""
        self._socket: socket.socket | None = udp
        self._clock = clock
        self._seats: dict[int, Seat] = {}
        self._whole: OrderedDict[Address, None] = OrderedDict()  # whom the kernel takes datagrams one by one for
        self._warned: dict[int, float] = {}

    def close(self) -> None:
        """Nothing is sent any more."""
        self._socket = None
        self._seats.clear()
        if self.roster is not None:
            self.roster.close()

    def seat(self, sealer: RtpSealer, address: Address, failed: Callable[[], None]) -> Seat | None:
        """A seat for a receiver that `send_all` can serve, None for one that it can't. Raises SrtpError."""
        if self._socket is None or self.roster is None or not isinstance(sealer, GcmSealer):
            return None
        row = self.roster.take(sealer.key, sealer.salt, address)
        seat = self._seats[row] = Seat(self, self.roster, row, address, failed)
        self.settle(seat)
        return seat

    def settle(self, seat: Seat) -> None:
        """Has the seat served in the way that its address is known to need."""
        if seat.address in self._whole and self.roster is not None:
            self.roster.single_out(seat.row)

    def leave(self, seat: Seat) -> None:
        """The seat is free for another; a second time does nothing."""
        if self.roster is not None and self._seats.get(seat.row) is seat:
            del self._seats[seat.row]
            self.roster.free(seat.row)
            seat.row, seat.rows = NOWHERE, np.zeros(0, np.int64)

    def send(self, data: bytes, address: Address) -> bool:
        """One datagram; False when it could not go out (UDP may lose it anyway)."""
        if self._socket is None:
            return False
        try:
            self._socket.sendto(data, address)
        except OSError as error:
            self._refused(error, 1)
            return False
        return True

    def send_run(self, pieces: list[bytes], control: Control, address: Address) -> bool:
        """Several datagrams of two pieces each, at once if `control` says how to cut them (see `segmented`)."""
        if control and self.segmenting and self._socket is not None and address not in self._whole:
            try:
                self._socket.sendmsg(pieces, control, 0, address)
                return True
            except OSError as error:
                if not self._one_by_one(error.errno or 0, address):
                    self._refused(error, len(pieces) // 2)
                    return False
        sent = True
        for i in range(0, len(pieces), 2):
            sent = self.send(pieces[i] + pieces[i + 1], address) and sent
        return sent

    @property
    def generation(self) -> int:
        """Of the rows: see `Roster`."""
        return self.roster.generation if self.roster is not None else 0

    def count(self, rows: Numbers, counts: Counts) -> None:
        """Notes what each of the rows has been sent, for its sender reports."""
        if self.roster is not None:
            self.roster.count(rows, counts)

    def send_all(self, rows: Numbers, run: Packed) -> int:
        """One run to every row of the roster; returns how many datagrams the kernel took."""
        if self._socket is None or self.roster is None:
            return 0
        if not self.segmenting and len(run.control):
            run = run._replace(control=NO_BYTES)
        each = len(run.packets)
        sent = len(rows) * each
        again: list[int] = []
        for row, number, messages in self.roster.send(self._socket.fileno(), rows, run):
            seat, together = self._seats[row], len(run.control) > 0 and not self.roster.alone(row)
            missing = each if together else messages
            sent -= missing
            if number == compiled.NOT_SEALED:
                seat.failed()
            elif together and self._one_by_one(number, seat.address):
                self.roster.single_out(row)
                again.append(row)
            else:
                self._refused(OSError(number, os.strerror(number)), missing)
        return sent + (self.send_all(np.array(again, np.int64), run) if again else 0)

    def _one_by_one(self, number: int, address: Address) -> bool:
        """Whether the kernel said that it can't cut what goes there; from now on it need not."""
        if number in _NO_SEGMENTS:
            if self.segmenting:
                _log.info("media_without_segments", error=os.strerror(number))
            self.segmenting = False
            return True
        if number not in _NOT_THERE:
            return False
        self._whole[address] = None
        if len(self._whole) > _MOST_WHOLE:
            self._whole.popitem(last=False)
        return True

    def _refused(self, error: OSError, datagrams: int) -> None:
        self.unsent += datagrams
        number, now = error.errno or 0, self._clock.monotonic()
        if number not in _UNREACHED and now - self._warned.get(number, -_WARN_EVERY_S) >= _WARN_EVERY_S:
            self._warned[number] = now
            _log.warning("media_send_failed", error=str(error), unsent=self.unsent)


def _roster(family: int) -> Roster | None:
    library = compiled.load()
    if library is None:
        _log.warning("media_without_compiled_loop", needs=compiled.LIBCRYPTO)
        return None
    try:
        return Roster(library, family)
    except Exception as error:  # a damaged file of numba's, a full disk: media must start all the same
        _log.warning("media_compiles_anew", error=repr(error))
        compiled.forget()
    try:
        return Roster(library, family)
    except Exception:
        _log.exception("media_without_compiled_loop")
        return None


def _can_segment(udp: socket.socket) -> bool:
    try:
        udp.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True
