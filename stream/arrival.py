"""When a datagram came, as the kernel noted it: how long our loop takes to get to it says nothing about the line.

A sender that estimates its rate by delays takes our own business for a queue on the way, and gives way to it.
"""

from __future__ import annotations

import socket
import struct
import time

try:
    from fcntl import ioctl
except ImportError:  # no such thing on Windows
    ioctl = None  # type: ignore[assignment]

_SIOCGSTAMPNS = 0x8907  # linux/sockios.h: the time of the datagram last read, from the first time it is asked for
_TIMESPEC = struct.Struct("@ll")
# Longer than that is no wait but a wall clock that was set.
_LONGEST_S = 5.0


def waited(udp: socket.socket) -> float:
    """Seconds that the datagram last read from the socket waited to be handled; 0 where the kernel does not tell.

    The first call on a socket makes the kernel note times and answers 0.
    """
    if ioctl is None:
        return 0.0
    try:
        seconds, nanoseconds = _TIMESPEC.unpack(ioctl(udp.fileno(), _SIOCGSTAMPNS, bytes(_TIMESPEC.size)))
    except OSError:
        return 0.0
    since = time.time() - (seconds + nanoseconds / 1e9)
    return since if 0.0 < since < _LONGEST_S else 0.0
