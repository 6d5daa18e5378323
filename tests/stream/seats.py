"""Receivers with seats, and the sockets that they hear on."""

from __future__ import annotations

import os
import socket
from typing import ClassVar

from stream.fanout import Audience, Delivery, Flow, prepare
from stream.forwarding import Entry
from stream.metrics import Totals
from stream.roster import Target
from stream.rtp import MediaPacket
from stream.sender import Seat, Sender
from stream.srtp import GcmSealer

SOUND, PICTURE = Target(0xA0A0A0A0, 111, -70_000, 5), Target(0xB1B1B1B1, 96, -80_000, 7)
BOTH = Audience(SOUND, PICTURE, 16)


class Viewer:
    """One with a seat, and the socket that it hears on."""

    made: ClassVar[list[Viewer]] = []

    def __init__(
        self, sender: Sender, family: socket.AddressFamily = socket.AF_INET, *, mapped: bool = False, key_bytes: int = 16
    ) -> None:
        self.sealer = GcmSealer(os.urandom(key_bytes + 12), key_bytes)
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        self.udp.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.udp.setblocking(False)
        self.failures = 0
        self.alone: list[int] = []
        address = self.udp.getsockname()
        seat = sender.seat(self.sealer, (f"::ffff:{address[0]}", address[1], 0, 0) if mapped else address, self._failed)
        assert seat is not None, "this machine has no libcrypto.so.3"
        self.seat: Seat = seat
        self.made.append(self)

    def _failed(self) -> None:
        self.failures += 1

    def deliver(self, delivery: Delivery) -> None:
        """Not together with others: what waited when it came or went."""
        self.alone += [number for run in delivery.runs for number in run.batch.numbers]

    def got(self) -> list[bytes]:
        """The datagrams that have come: loopback delivers before the sender's call returns."""
        found = []
        while True:
            try:
                found.append(self.udp.recv(4096))
            except BlockingIOError:
                return found

    def sealed(self, audience: Audience, entries: list[Entry]) -> list[bytes]:
        """What Python would send."""
        runs = prepare(audience, entries).runs
        pieces = [piece for run in runs for piece in self.sealer(run.batch)]
        return [pieces[i] + pieces[i + 1] for i in range(0, len(pieces), 2)]


def frame(*sizes: int, position: int = 80_000, time: int = 90_000) -> list[Entry]:
    """A frame's packets, filled with random bytes."""
    last = len(sizes) - 1
    packets = [
        MediaPacket("video", 1, position + i, time, i == last, os.urandom(size), keyframe=False, at=0.0)
        for i, size in enumerate(sizes)
    ]
    return [Entry(packet, packet.sequence, time) for packet in packets]


def sound(size: int = 100, position: int = 70_000, time: int = 48_000) -> Entry:
    packet = MediaPacket("audio", 1, position, time, marker=False, payload=os.urandom(size), keyframe=False, at=0.0)
    return Entry(packet, position, time)


def flow_of(viewers: list[Viewer], audience: Audience) -> tuple[Flow, Totals]:
    totals = Totals()
    flow = Flow(None, totals)
    for viewer in viewers:
        flow.add(viewer, audience)
    return flow, totals
