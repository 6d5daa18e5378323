"""Where a publisher's packets go besides its subscribers. The recorder implements it; the hub calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["audio", "video"]


@dataclass(frozen=True, slots=True)
class StreamKey:
    """One named stream of one session, such as `host` of a show."""

    session: str
    stream: str


class PacketSink(Protocol):
    """Takes one publisher's packets, undecoded. Called on the event loop for every packet, so it must not block or raise."""

    def track(self, kind: Kind, codec: str, clock_rate: int) -> None:
        """A track is coming: `codec` is "H264" or "opus", `clock_rate` in Hz. Called once a track, before its packets."""
        ...

    def rtp(self, kind: Kind, payload: bytes, *, timestamp: int, sequence: int, marker: bool, arrival: float) -> None:
        """One packet's payload (header and padding removed). `timestamp` and `sequence` as received (32 and 16 bits, they
        wrap), `arrival` in seconds of Unix time. Packets come as the network brought them: reordered, doubled or missing."""
        ...

    def sender_report(self, kind: Kind, *, ntp: float, timestamp: int, arrival: float) -> None:
        """RFC 3550 sender report: the sender's clock `ntp` (seconds of Unix time) at RTP `timestamp`."""
        ...

    def closed(self, reason: str) -> None:
        """No more packets: "left" (the publisher said so), "lost" (it vanished) or "session_closed"."""
        ...


@dataclass(frozen=True, slots=True)
class SinkOrder:
    """What a sink is made from. `started_at` is the session's start in seconds of Unix time: media time 0."""

    key: StreamKey
    epoch: int
    started_at: float
    request_keyframe: Callable[[], None]


SinkFactory = Callable[[SinkOrder], PacketSink]
