"""Emptying hundreds of sockets at little cost: recvmmsg(2) with the kernel's receive times (SO_TIMESTAMPNS).

The reader looks at each socket in turn, every few milliseconds, and is never woken by a packet: what a sender pays is then the
sending, and not the waking of a reader on its own machine, which a viewer elsewhere would not cost it. Delays do not depend on
when the reader looks: the kernel notes the time when it puts a packet into the socket.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any

import cffi  # type: ignore[import-untyped]  # it ships without type hints

BATCH = 64
SLOT = 2048
_CONTROL = 64
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_STAMP = struct.Struct("@qq")
_CMSG_HEAD = 16
_MSG_DONTWAIT = 0x40

_ffi = cffi.FFI()
_ffi.cdef("""
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr { void *msg_name; unsigned int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
                    void *msg_control; size_t msg_controllen; int msg_flags; };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, void *timeout);
""")
_libc: Any = _ffi.dlopen(None)


def prepare(udp: socket.socket, receive_bytes: int) -> None:
    """Has the kernel note when a packet came, and gives it room for what comes between two looks."""
    udp.setblocking(False)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    with contextlib.suppress(PermissionError):  # beyond the system's limit only for its owner
        udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_bytes)
    udp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


class Drain:
    """One reader for all sockets. After `read`, packet `i` lies in `data` from `i * SLOT` on."""

    def __init__(self) -> None:
        self._data = _ffi.new("char[]", BATCH * SLOT)
        self._control = _ffi.new("char[]", BATCH * _CONTROL)
        self._parts = _ffi.new("struct iovec[]", BATCH)
        self._messages = _ffi.new("struct mmsghdr[]", BATCH)
        for i in range(BATCH):
            self._parts[i].iov_base, self._parts[i].iov_len = self._data + i * SLOT, SLOT
            head = self._messages[i].msg_hdr
            head.msg_iov, head.msg_iovlen = self._parts + i, 1
            head.msg_control, head.msg_controllen = self._control + i * _CONTROL, _CONTROL
        self.data: memoryview = memoryview(_ffi.buffer(self._data))
        self._times: memoryview = memoryview(_ffi.buffer(self._control))

    def read(self, fd: int) -> int:
        """How many packets came, at most BATCH; 0 when there is none."""
        count: int = _libc.recvmmsg(fd, self._messages, BATCH, _MSG_DONTWAIT, _ffi.NULL)
        for i in range(count):  # the kernel has put there what it used
            self._messages[i].msg_hdr.msg_controllen = _CONTROL
        return max(count, 0)

    def size(self, i: int) -> int:
        """The bytes of packet `i`."""
        return int(self._messages[i].msg_len)

    def packet(self, i: int) -> bytes:
        return bytes(self.data[i * SLOT : i * SLOT + self._messages[i].msg_len])

    def arrived_ns(self, i: int) -> int:
        """When the kernel received packet `i`, in nanoseconds of the wall clock."""
        seconds, nanoseconds = _STAMP.unpack_from(self._times, i * _CONTROL + _CMSG_HEAD)
        return int(seconds) * 1_000_000_000 + int(nanoseconds)
