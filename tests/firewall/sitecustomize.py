"""A firewall before a UDP port, in the kernel, that needs no privileges: on PYTHONPATH, Python imports this before all else.

Whatever the process binds to UDP port FIREWALL_PORT hears only those who send from the ports FIREWALL_OPEN_TO ("first-last").
The rest is dropped unseen, as by a firewall on the way, and counted where /proc/net/udp counts.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import Any

# linux/bpf_common.h, asm-generic/socket.h. A UDP socket's filter sees a datagram from its UDP header on: first the source port.
_LOAD_HALF, _JUMP_GREATER_EQUAL, _JUMP_GREATER, _RETURN = 0x28, 0x35, 0x25, 0x06
_SO_ATTACH_FILTER = 26
_WHOLE = 0xFFFFFFFF


class _Behind(socket.socket):
    """A socket behind the firewall."""

    def bind(self, address: Any) -> None:
        super().bind(address)
        is_udp = self.type == socket.SOCK_DGRAM and self.family != socket.AF_UNIX
        if is_udp and self.getsockname()[1] == int(os.environ["FIREWALL_PORT"]):
            first, last = map(int, os.environ["FIREWALL_OPEN_TO"].split("-"))
            _admit(self, first, last)


def _admit(udp: socket.socket, first: int, last: int) -> None:
    program = b"".join(
        struct.pack("HBBI", *step)
        for step in (
            (_LOAD_HALF, 0, 0, 0),
            (_JUMP_GREATER_EQUAL, 0, 2, first),
            (_JUMP_GREATER, 1, 0, last),
            (_RETURN, 0, 0, _WHOLE),
            (_RETURN, 0, 0, 0),
        )
    )
    steps = ctypes.create_string_buffer(program, len(program))
    udp.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, ctypes.addressof(steps)))


if "FIREWALL_PORT" in os.environ:
    socket.socket = _Behind  # type: ignore[misc]
