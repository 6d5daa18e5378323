"""Ports that nobody uses at this moment."""

from __future__ import annotations

import socket


def free_port(*, udp: bool = False) -> int:
    """A free port on loopback, TCP unless `udp`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
