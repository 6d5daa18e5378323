"""One subscriber's end: its own numbers, times and encryption for each packet; whatever goes wrong here stays here."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import structlog

from core.clock import Clock
from stream import rtcp
from stream.cache import PacketCache
from stream.errors import SrtpError
from stream.forwarding import Rewriter
from stream.metrics import MediaMetrics
from stream.peer import Peer
from stream.repair import Budget, SenderClock
from stream.rtp import MediaPacket, header
from stream.sdp import Track
from stream.sink import Kind, StreamKey

_log = structlog.get_logger(__name__)

# A joiner gets the picture so far in bursts that fit a default socket buffer (208 KiB holds about 90 packets on Linux).
_BURST = 32
_BURST_EVERY_S = 0.005
_REPORT_S = 1.0
# Repeats (asked for, found or not) per second for one subscriber, and how soon the same packet may go again.
_REPEATS_S = 800
_REPEAT_AGAIN_S = 0.02
# Keyframes one subscriber may ask for: every one costs the publisher's line and everybody's picture. The recorder has one made
# every two seconds anyhow.
_KEYFRAMES_S = 1 / 4
_KEYFRAMES_AT_ONCE = 3


class _Leg:
    """One kind of media on its way to one subscriber."""

    __slots__ = ("cursor", "group", "octets", "packets", "repeated", "rewriter", "track")

    def __init__(self, track: Track) -> None:
        self.track = track
        self.rewriter = Rewriter(
            track.ssrc,
            track.payload_type,
            track.clock_rate,
            first_sequence=secrets.randbelow(0x4000) + 1,
            first_timestamp=secrets.randbits(31),
        )
        self.group: list[MediaPacket] | None = None
        """The group being replayed, from `cursor` on; None when live."""
        self.cursor = 0
        self.packets = 0
        self.octets = 0
        self.repeated: dict[int, float] = {}


class Subscriber:
    """Takes a channel's packets. `request_keyframe` is merged upstream."""

    def __init__(self, key: StreamKey, clock: Clock, metrics: MediaMetrics) -> None:
        self.key = key
        self.peer: Peer | None = None
        self.caches: dict[Kind, PacketCache] = {}
        self.request_keyframe: Callable[[], None] = lambda: None
        self.forwarded = 0
        self._clock = clock
        self._metrics = metrics
        self._legs: dict[Kind, _Leg] = {}
        self._cname = key.stream
        self._report_at = 0.0
        self._repeats = Budget(_REPEATS_S)
        self._keyframes = Budget(_KEYFRAMES_S, _KEYFRAMES_AT_ONCE)
        self._replay: asyncio.TimerHandle | None = None

    def attach(self, peer: Peer) -> None:
        """The peer this subscriber is behind, known before it connects."""
        self.peer = peer
        self._legs = {t.kind: _Leg(t) for t in peer.negotiated.tracks}

    def join(self, caches: dict[Kind, PacketCache]) -> None:
        """Connected: show the picture so far at once, or ask for a keyframe when there is none."""
        self.caches = caches
        leg = self._legs.get("video")
        if leg is None:
            return
        if caches["video"].group:
            self._start_replay(leg, caches["video"])
        else:
            self.request_keyframe()

    def leave(self) -> None:
        if self._replay is not None:
            self._replay.cancel()
            self._replay = None

    def take(self, packet: MediaPacket) -> None:
        """A new packet of the stream."""
        leg = self._legs.get(packet.kind)
        if leg is None or leg.group is not None:
            return  # not asked for, or the replay will come to it
        if leg.rewriter.run != packet.run:
            if packet.kind == "video" and not self.caches["video"].begins_group(packet):
                return  # a decoder has to begin at a keyframe
            leg.rewriter.begin(packet.run, packet.sequence, (packet.timestamp,), packet.at)
        self._forward(leg, packet)

    def _forward(self, leg: _Leg, packet: MediaPacket) -> None:
        placed = leg.rewriter.forward(packet)
        if placed is not None and self._send(leg, packet, placed):
            self.forwarded += 1
            leg.packets += 1
            leg.octets += len(packet.payload)

    def _send(self, leg: _Leg, packet: MediaPacket, placed: tuple[int, int]) -> bool:
        peer = self.peer
        if peer is None or peer.link is None:
            return False
        track = leg.track
        head = header(track.payload_type, packet.marker, placed[0], placed[1], track.ssrc)
        return peer.ice.send(peer.link.seal_rtp(head, packet.payload, track.ssrc, placed[0]))

    def _start_replay(self, leg: _Leg, cache: PacketCache) -> None:
        first = cache.group[0]
        leg.group = cache.group
        leg.cursor = 0
        leg.rewriter.begin(first.run, min(p.sequence for p in cache.group), cache.frames(), self._clock.monotonic())
        self._replay_some(leg)

    def _replay_some(self, leg: _Leg) -> None:
        self._replay = None
        try:
            done = self._replay_burst(leg)
        except SrtpError as error:
            _log.warning("subscriber_failed", error=str(error))
            if self.peer is not None:
                self.peer.end("failed")
            return
        if not done:
            self._replay = asyncio.get_running_loop().call_later(_BURST_EVERY_S, self._replay_some, leg)

    def _replay_burst(self, leg: _Leg) -> bool:
        """Sends the next packets; True when the replay has caught up with the present (or with nothing)."""
        group, cache = leg.group, self.caches["video"]
        if group is None:
            return True
        if cache.group is not group:  # a keyframe came meanwhile: the rest of the past is of no use
            if not cache.group or cache.group[0].run != leg.rewriter.run:
                leg.group = None
                self.request_keyframe()
                return True
            leg.group = group = cache.group
            leg.cursor = 0
            leg.rewriter.skip_to(min(p.sequence for p in group))
        burst = group[leg.cursor : leg.cursor + _BURST]
        leg.cursor += len(burst)
        for packet in burst:
            self._forward(leg, packet)
        if leg.cursor < len(group):
            return False
        leg.group = None
        return True

    def on_rtp(self, data: bytes) -> None:
        """Subscribers send no media; a sendrecv offer may, and it goes nowhere."""

    def on_rtcp(self, data: bytes) -> None:
        """A decrypted RTCP compound: what this subscriber misses."""
        try:
            packets = rtcp.parse(data)
        except ValueError:
            self._metrics.dropped.labels("malformed").inc()
            return
        for packet in packets:
            if rtcp.is_keyframe_request(packet):
                self._metrics.plis_received.inc()
                if self._keyframes.take(1, self._clock.monotonic()):
                    self.request_keyframe()
                continue
            numbers = rtcp.nacked(packet)
            leg = next((leg for leg in self._legs.values() if leg.track.ssrc == getattr(packet, "media_ssrc", None)), None)
            if numbers and leg is not None:
                self._repeat(leg, numbers)

    def _repeat(self, leg: _Leg, numbers: list[int]) -> None:
        """Sends packets again from the cache, within this subscriber's budget."""
        now = self._clock.monotonic()
        self._metrics.nacks_received.inc(len(numbers))
        leg.repeated = {n: at for n, at in leg.repeated.items() if now - at < _REPEAT_AGAIN_S}
        for number in numbers:
            if not self._repeats.take(1, now):  # looking costs too, so what is not found is paid for as well
                return
            found = leg.rewriter.find(number)
            cache = self.caches.get(leg.track.kind)
            if found is None or cache is None or number in leg.repeated:
                continue
            segment, source = found
            packet = cache.get(segment.run, source)
            placed = segment.place(packet) if packet is not None else None
            if packet is not None and placed is not None and self._send(leg, packet, placed):
                leg.repeated[number] = now
                self._metrics.retransmitted.inc()

    def tick(self, now: float, senders: SenderClock | None) -> None:
        """Once in a while: sender reports, without which sound and picture drift apart."""
        if senders is None or self.peer is None or now - self._report_at < _REPORT_S:
            return
        wall = self._clock.now().timestamp()
        for leg in self._legs.values():
            run, source = leg.rewriter.run, senders.at(leg.track.kind, wall)
            stamp = leg.rewriter.timestamp_of(run, source) if run is not None and source is not None else None
            if stamp is not None and leg.packets:
                self._report_at = now
                self.peer.send_rtcp(rtcp.sender_report(leg.track.ssrc, self._cname, wall, stamp, leg.packets, leg.octets))
