"""A channel with its viewers on wires that remember what they were sent; and a publisher's packets to push.

A `Wire` stands for a peer and is sent to by Python; a `Cable` is a real socket that is sent to by the compiled loop.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import CollectorRegistry

from core.clock import ManualClock
from stream import rtp
from stream.channel import Channel
from stream.ice import MediaPort
from stream.metrics import MediaMetrics
from stream.rtp import MediaPacket
from stream.sdp import Track
from stream.sender import Control
from stream.sink import StreamKey
from stream.srtp import Batch, GcmSealer, number
from stream.subscriber import Subscriber

KEY = StreamKey("ses_1", "host")
METRICS = MediaMetrics(CollectorRegistry())
FEEDBACK = frozenset({"nack", "nack pli"})


@dataclass
class Wire:
    """Stands for a peer: keeps what it was sent, in the clear, call by call."""

    calls: list[list[rtp.Parsed]] = field(default_factory=list)
    by_number: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    ended: str | None = None

    @property
    def link(self) -> Any:
        return self

    @property
    def ice(self) -> Any:
        return self

    @property
    def seal(self) -> Any:
        return self

    overhead = 16

    @property
    def port(self) -> Any:
        return self

    @property
    def sender(self) -> Any:
        return self

    address = ("127.0.0.1", 1)
    seat = None

    def take_seat(self, sealer: object, failed: object) -> None:
        """It has none."""

    def leave_seat(self) -> None: ...

    def __call__(self, batch: Batch) -> list[bytes]:
        pieces: list[bytes] = []
        for header, payload, index in zip(batch.headers, batch.payloads, batch.numbers, strict=True):
            self._note(index, header, payload)
            pieces += (header, payload)
        return pieces

    def _note(self, index: int, header: bytes, payload: bytes) -> None:
        assert self.by_number.setdefault(index, (header, payload)) == (header, payload), "a number with two contents"

    def send_run(self, pieces: list[bytes], control: Control, _address: object) -> bool:
        whole = [rtp.parse(pieces[i] + pieces[i + 1]) for i in range(0, len(pieces), 2)]
        sizes = [len(pieces[i + 1]) for i in range(0, len(pieces), 2)]
        assert bool(control) == (len(whole) > 1)
        assert all(size == sizes[0] for size in sizes[:-1])
        assert sizes[-1] <= sizes[0]
        self.calls.append(whole)
        return True

    def end(self, reason: str) -> None:
        self.ended = reason

    def send_rtcp(self, data: bytes) -> None: ...

    def take_in(self) -> None:
        """What is on its way, for wires that have a way."""

    def close(self) -> None: ...

    def of(self, ssrc: int) -> list[rtp.Parsed]:
        return [packet for call in self.calls for packet in call if packet.ssrc == ssrc]


class Cable(Wire):
    """The same over a real socket, sealed and opened: what came is taken in when it is asked for, each datagram a call."""

    def __init__(self, port: MediaPort) -> None:
        super().__init__()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.setblocking(False)
        self._session = port.session("user")
        self._session.address = self._udp.getsockname()
        self._sealer = GcmSealer(os.urandom(28), 16)

    @property
    def ice(self) -> Any:
        return self._session

    @property
    def seal(self) -> Any:
        return self._sealer

    def of(self, ssrc: int) -> list[rtp.Parsed]:
        if self._udp.fileno() >= 0:
            self.take_in()
        return super().of(ssrc)

    def take_in(self) -> None:
        """What has come since the last time: loopback delivers before the sender's call returns."""
        while True:
            try:
                data = self._udp.recv(2048)
            except BlockingIOError:
                return
            self.calls.append([rtp.parse(data[:12] + self._opened(data))])

    def _opened(self, data: bytes) -> bytes:
        header, sequence, ssrc = data[:12], int.from_bytes(data[2:4]), int.from_bytes(data[8:12])
        for rollover in range(64):
            index = number(ssrc, rollover << 16 | sequence)
            nonce = (int.from_bytes(self._sealer.salt) ^ index).to_bytes(12)
            try:
                payload = AESGCM(self._sealer.key).decrypt(nonce, data[12:], header)
            except InvalidTag:
                continue
            self._note(index, header, payload)
            return payload
        raise AssertionError("a packet that does not open")

    def close(self) -> None:
        self._udp.close()


class House:
    """A channel with its viewers, and a publisher's packets to push. With a port its viewers are on cables."""

    def __init__(self, port: MediaPort | None = None) -> None:
        self.clock = ManualClock()
        self.wires: list[Wire] = []
        self._port = port
        self.channel = Channel(KEY)
        self.asked: list[str] = []
        self.channel.request_keyframe = self.asked.append  # type: ignore[method-assign,assignment]
        self._sequences = {"audio": 70_000, "high": 80_000, "low": 90_000}
        self.run = 1
        self._times = {"audio": 0, "high": 0, "low": 0}

    def viewer(self, *, rtx: bool = False, payload_type: int = 96) -> tuple[Subscriber, Wire]:
        subscriber, wire = Subscriber(KEY, self.clock, METRICS), Wire() if self._port is None else Cable(self._port)
        self.wires.append(wire)
        repeats = (97, self.channel.ssrc("video", repeats=True)) if rtx else (None, 0)
        tracks = (
            Track("audio", "0", 111, 48_000, FEEDBACK, ssrc=self.channel.ssrc("audio")),
            Track("video", "1", payload_type, 90_000, FEEDBACK, "", self.channel.ssrc("video"), *repeats),
        )
        peer = cast("Any", wire)
        peer.negotiated = type("Negotiated", (), {"tracks": tracks})()
        subscriber.attach(peer)
        return subscriber, wire

    def join(self, **options: Any) -> tuple[Subscriber, Wire]:
        subscriber, wire = self.viewer(**options)
        self.channel.join(subscriber)
        return subscriber, wire

    def packet(self, lane: str, size: int, *, marker: bool = False, key: bool = False) -> MediaPacket:
        sequence = self._sequences[lane] = self._sequences[lane] + 1
        run = self.run * 10 + ("audio", "high", "low").index(lane)
        payload = bytes((sequence & 0xFF,)) * size
        kind: Any = "audio" if lane == "audio" else "video"
        now = self.clock.monotonic()
        return MediaPacket(kind, run, sequence, self._times[lane], marker, payload, key, now, lane == "low")

    def frame(self, *sizes: int, lane: str = "high", key: bool = False) -> list[MediaPacket]:
        self._times[lane] += 3000
        return [self.packet(lane, size, marker=i == len(sizes) - 1, key=key and i == 0) for i, size in enumerate(sizes)]

    def push(self, packets: Sequence[MediaPacket]) -> None:
        for packet in packets:
            self.channel.push(packet)

    def sound(self) -> MediaPacket:
        self._times["audio"] += 960
        return self.packet("audio", 100)

    def video(self, wire: Wire) -> list[rtp.Parsed]:
        return wire.of(self.channel.ssrc("video"))


def unbroken(packets: Sequence[rtp.Parsed]) -> bool:
    return all((b.sequence - a.sequence) & 0xFFFF == 1 for a, b in itertools.pairwise(packets))
