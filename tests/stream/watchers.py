"""A channel with its viewers on wires that remember what they were sent, in the clear; and a publisher's packets to push."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from prometheus_client import CollectorRegistry

from core.clock import ManualClock
from stream import rtp
from stream.channel import Channel
from stream.ice import Control
from stream.metrics import MediaMetrics
from stream.rtp import MediaPacket
from stream.sdp import Track
from stream.sink import StreamKey
from stream.srtp import Batch
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

    address = ("127.0.0.1", 1)

    def __call__(self, batch: Batch) -> list[bytes]:
        pieces: list[bytes] = []
        for header, payload, number in zip(batch.headers, batch.payloads, batch.numbers, strict=True):
            assert self.by_number.setdefault(number, (header, payload)) == (header, payload), "a number with two contents"
            pieces += (header, payload)
        return pieces

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

    def of(self, ssrc: int) -> list[rtp.Parsed]:
        return [packet for call in self.calls for packet in call if packet.ssrc == ssrc]


class House:
    """A channel with its viewers, and a publisher's packets to push."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.channel = Channel(KEY)
        self.asked: list[str] = []
        self.channel.request_keyframe = self.asked.append  # type: ignore[method-assign,assignment]
        self._sequences = {"audio": 70_000, "high": 80_000, "low": 90_000}
        self.run = 1
        self._times = {"audio": 0, "high": 0, "low": 0}

    def viewer(self, *, rtx: bool = False, payload_type: int = 96) -> tuple[Subscriber, Wire]:
        subscriber, wire = Subscriber(KEY, self.clock, METRICS), Wire()
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
