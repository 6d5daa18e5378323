"""One publisher's end: counts what comes, asks again for what does not, and hands each packet on once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from aiortc.rtp import RtcpSrPacket

from core.clock import Clock
from stream import h264, rtcp
from stream.metrics import MediaMetrics
from stream.peer import Peer
from stream.repair import BitrateAdvice, Budget, KeyframeGate, NackTracker, Reception, SenderClock
from stream.rtp import MediaPacket, Unwrapper, from_ntp64, parse
from stream.sdp import Track
from stream.settings import MediaSettings
from stream.sink import Kind, PacketSink, StreamKey

_log = structlog.get_logger(__name__)

# A source that changes its SSRC is believed once the old one has been silent this long.
_SSRC_SILENCE_S = 1.0
_REPORT_S = 1.0
# RFC 3550 A.1 MAX_DROPOUT: a number further away than this is no loss and no latecomer.
_MAX_DROPOUT = 3000
# What a packet is counted as at least: the small ones cost us as much work as those of this size.
_PACKET_BYTES = 500


@dataclass(slots=True)
class _Source:
    """The state of one incoming track."""

    track: Track
    run: int = 0
    ssrc: int | None = None
    last_at: float = 0.0
    unwrap: Unwrapper = field(default_factory=Unwrapper)
    stray: int | None = None  # the number that would follow one far away
    nacks: NackTracker = field(default_factory=NackTracker)
    reception: Reception = field(default_factory=lambda: Reception(90_000))
    last_report: int = 0
    last_report_at: float = 0.0


class Publisher:
    """Feeds a channel (`on_packet`) and a sink. `epoch` is 0 until it is connected."""

    def __init__(
        self,
        key: StreamKey,
        started_at: datetime,
        clock: Clock,
        settings: MediaSettings,
        metrics: MediaMetrics,
        next_run: Callable[[], int],
    ) -> None:
        self.key = key
        self.started_at = started_at
        self.epoch = 0
        self.peer: Peer | None = None
        self.sink: PacketSink | None = None
        self.senders = SenderClock()
        self.on_packet: Callable[[MediaPacket], bool] | None = None
        self.on_sink_failure: Callable[[Publisher, Exception], None] | None = None
        self.received = 0
        self.tracks: tuple[Track, ...] = ()
        self._clock = clock
        self._metrics = metrics
        self._next_run = next_run
        self._sources: dict[int, _Source] = {}
        self._ssrc = secrets.randbits(32) or 1
        self._gate = KeyframeGate()
        self._limit = Budget(settings.publisher_limit / 8)
        self._advice = BitrateAdvice(settings.start_bitrate, settings.min_bitrate, settings.max_bitrate)
        self._report_at = 0.0

    def attach(self, peer: Peer) -> None:
        """The peer this publisher is behind, known before it connects."""
        self.peer = peer
        self.tracks = peer.negotiated.tracks
        self._sources = {t.payload_type: _Source(t) for t in self.tracks}

    @property
    def profile(self) -> str:
        """The H.264 profile being sent, empty without video."""
        return next((t.profile for t in self.tracks if t.kind == "video"), "")

    def on_rtp(self, data: bytes) -> None:
        """A decrypted RTP packet."""
        try:
            parsed = parse(data)
        except ValueError:
            self._metrics.dropped.labels("malformed").inc()
            return
        now = self._clock.monotonic()
        if not self._limit.take(max(len(data), _PACKET_BYTES), now):
            self._metrics.dropped.labels("flood").inc()
            return
        source = self._sources.get(parsed.payload_type)
        if source is None or not self._same_source(source, parsed.ssrc, now):
            self._metrics.dropped.labels("unexpected").inc()
            return
        if not self._continues(source, parsed.sequence, now):
            self._metrics.dropped.labels("stray").inc()
            return
        self.received += 1
        source.last_at = now
        arrival = self._clock.now().timestamp()
        sequence = source.unwrap(parsed.sequence)
        source.reception.seen(sequence, parsed.timestamp, arrival)
        kind = source.track.kind
        keyframe = kind == "video" and h264.is_keyframe(parsed.payload)
        if keyframe:
            self._gate.arrived()
        packet = MediaPacket(kind, source.run, sequence, parsed.timestamp, parsed.marker, parsed.payload, keyframe, now)
        if self.on_packet is not None and self.on_packet(packet):
            self._record(packet, parsed.sequence, arrival)
        if "nack" in source.track.feedback:
            self._ask_again(source, source.nacks.seen(sequence, now))

    def _same_source(self, source: _Source, ssrc: int, now: float) -> bool:
        if source.ssrc == ssrc:
            return True
        if source.ssrc is not None and now - source.last_at < _SSRC_SILENCE_S:
            return False
        source.ssrc = ssrc
        self._begin_run(source, now)
        return True

    def _continues(self, source: _Source, sequence: int, now: float) -> bool:
        """Whether a packet is to be taken. One far from all others is a stray; two in a row are a sender that counts anew."""
        if source.unwrap.near(sequence, _MAX_DROPOUT):
            source.stray = None
            return True
        if sequence != source.stray:
            source.stray = (sequence + 1) & 0xFFFF
            return False
        self._begin_run(source, now)
        if source.track.kind == "video":
            self.request_keyframe()
        return True

    def _begin_run(self, source: _Source, now: float) -> None:
        """What comes from here on has nothing to do with the numbers and times before."""
        source.run = self._next_run()
        source.unwrap = Unwrapper()
        source.stray = None
        source.nacks = NackTracker()
        source.reception = Reception(source.track.clock_rate)
        source.last_report = 0
        self.senders.forget(source.track.kind)
        self._report_at = now  # advise a rate at once: Chromium takes it whole in its first two seconds only
        self._report(now)

    def _record(self, packet: MediaPacket, sequence: int, arrival: float) -> None:
        if self.sink is None:  # padding alone goes there too: it fills a sequence number that would look lost
            return
        try:
            self.sink.rtp(
                packet.kind,
                packet.payload,
                timestamp=packet.timestamp,
                sequence=sequence,
                marker=packet.marker,
                arrival=arrival,
            )
        except Exception as error:
            self._sink_failed(error)

    def _sink_failed(self, error: Exception) -> None:
        if self.on_sink_failure is not None:
            self.on_sink_failure(self, error)

    def _ask_again(self, source: _Source, numbers: list[int]) -> None:
        if source.nacks.gave_up:
            source.nacks.gave_up = False
            if source.track.kind == "video":
                self.request_keyframe()
        if numbers and self.peer is not None and source.ssrc is not None:
            self._metrics.nacks_sent.inc(len(numbers))
            self.peer.send_rtcp(rtcp.nack(self._ssrc, source.ssrc, numbers))

    def on_rtcp(self, data: bytes) -> None:
        """A decrypted RTCP compound."""
        try:
            packets = rtcp.parse(data)
        except ValueError:
            self._metrics.dropped.labels("malformed").inc()
            return
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                self._sender_report(packet)

    def _sender_report(self, packet: RtcpSrPacket) -> None:
        source = next((s for s in self._sources.values() if s.ssrc == packet.ssrc), None)
        if source is None:
            return
        arrival = self._clock.now().timestamp()
        info = packet.sender_info
        ntp = from_ntp64(info.ntp_timestamp)
        source.last_report = (info.ntp_timestamp >> 16) & 0xFFFFFFFF
        source.last_report_at = self._clock.monotonic()
        self.senders.heard(source.track.kind, source.track.clock_rate, ntp, info.rtp_timestamp, arrival)
        if self.sink is None:
            return
        try:
            self.sink.sender_report(source.track.kind, ntp=ntp, timestamp=info.rtp_timestamp, arrival=arrival)
        except Exception as error:
            self._sink_failed(error)

    def request_keyframe(self) -> None:
        """Asks for a keyframe, merged with everybody else's wish."""
        if self._gate.want(self._clock.monotonic()):
            self._send_pli()

    def _send_pli(self) -> None:
        source = self._source("video")
        if source is None or source.ssrc is None or self.peer is None:
            return
        self._metrics.plis_sent.inc()
        self.peer.send_rtcp(rtcp.pli(self._ssrc, source.ssrc))

    def _source(self, kind: Kind) -> _Source | None:
        return next((s for s in self._sources.values() if s.track.kind == kind), None)

    def tick(self, now: float) -> None:
        """Every few tens of milliseconds: what is due."""
        for source in self._sources.values():
            if source.ssrc is not None and "nack" in source.track.feedback:
                self._ask_again(source, source.nacks.due(now))
        if self._gate.due(now):
            self._send_pli()
        if now - self._report_at >= _REPORT_S:
            self._report_at = now
            self._report(now)

    def _report(self, now: float) -> None:
        heard = [(s, s.ssrc, s.reception.report()) for s in self._sources.values() if s.ssrc is not None]
        if not heard or self.peer is None:
            return
        reports = []
        advised: list[int] = []
        for source, ssrc, figures in heard:
            delay = int((now - source.last_report_at) * 65536) if source.last_report else 0
            reports.append((ssrc, figures, source.last_report, delay & 0xFFFFFFFF))
            if source.track.kind == "video" and "goog-remb" in source.track.feedback:
                advised.append(ssrc)
                self._advice.report(figures.fraction_lost)
        self.peer.send_rtcp(rtcp.receiver_report(self._ssrc, reports, self._advice.rate, advised))
