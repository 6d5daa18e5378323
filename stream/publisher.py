"""One publisher's end: counts what comes, asks again for what does not, and hands each packet on once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime

import structlog

from core.clock import Clock
from stream import h264, rtcp
from stream.metrics import MediaMetrics
from stream.peer import Peer
from stream.repair import BitrateAdvice, Budget, SenderClock
from stream.rtp import MediaPacket, Parsed, extension, from_ntp64, parse
from stream.sdp import Track
from stream.settings import MediaSettings
from stream.sink import PacketSink, StreamKey
from stream.source import Source, Sources
from stream.twcc import Arrivals

_log = structlog.get_logger(__name__)

_REPORT_S = 1.0
_NUMBER_BYTES = 2
# Chromium waits for feedback 50 to 250 ms; the sooner it comes, the sooner it gives way.
_FEEDBACK_S = 0.05
# What a packet is counted as at least: the small ones cost us as much work as those of this size.
_PACKET_BYTES = 500


class Publisher:
    """Feeds a channel (`on_packet`) and a sink. `epoch` is 0 until it is connected.

    The channel gets the packets of both videos; the sink, `tracks` and `profile` know the better one alone.
    """

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
        self._sources = Sources(())
        self._ssrc = secrets.randbits(32) or 1
        self._arrivals = Arrivals()
        self._numbered = 0  # the header extension with the transport-wide number, 0 for none
        self._feedback_at = 0.0
        self._limit = Budget(settings.publisher_limit / 8)
        self._advice = BitrateAdvice(settings.start_bitrate, settings.min_bitrate, settings.max_bitrate)
        self._report_at = 0.0

    def attach(self, peer: Peer) -> None:
        """The peer this publisher is behind, known before it connects."""
        self.peer = peer
        tracks = peer.negotiated.tracks
        self.tracks = tuple(track for track in tracks if not track.low)
        self._sources = Sources(tracks)
        self._numbered = next((track.transport_cc for track in tracks if track.transport_cc), 0)

    @property
    def profile(self) -> str:
        """The H.264 profile being sent, empty without video."""
        return next((t.profile for t in self.tracks if t.kind == "video"), "")

    @property
    def has_low(self) -> bool:
        """Whether a second, lower video was agreed on."""
        return self._sources.video(low=True) is not None

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
        if self._numbered and self.peer is not None and len(number := extension(data, self._numbered)) == _NUMBER_BYTES:
            self._arrivals.seen(int.from_bytes(number), self.peer.ice.arrived_at())
        found = self._sources.of(parsed, data)
        if found is None:
            self._metrics.dropped.labels("unexpected").inc()
            return
        source, repeats = found
        if repeats:
            self._repaired(source, parsed, now)
        elif self._expected(source, parsed, now):
            source.last_at = now
            sequence = source.unwrap(parsed.sequence)
            arrival = self._clock.now().timestamp()
            source.reception.seen(sequence, parsed.timestamp, arrival)
            self._hand_on(source, sequence, parsed, now, arrival)

    def _repaired(self, source: Source, parsed: Parsed, now: float) -> None:
        """A repeat under its own SSRC. It is no arrival of the original: the receiver report tells what the line lost."""
        restored = source.restored(parsed)
        if restored is not None:
            number, payload = restored
            original = parsed._replace(sequence=number, payload=payload)
            self._hand_on(source, source.unwrap(number), original, now, self._clock.now().timestamp())

    def _expected(self, source: Source, parsed: Parsed, now: float) -> bool:
        if not source.is_from(parsed.ssrc, now):
            self._metrics.dropped.labels("unexpected").inc()
            return False
        if source.ssrc != parsed.ssrc:
            self._begin_run(source, parsed.ssrc, now)
        continues = source.continues(parsed.sequence)
        if continues is False:
            self._metrics.dropped.labels("stray").inc()
            return False
        if continues is None:
            self._begin_run(source, parsed.ssrc, now)
            self._ask_for_keyframe(source)
        return True

    def _begin_run(self, source: Source, ssrc: int, now: float) -> None:
        source.begin(ssrc, self._next_run())
        self.senders.forget(source.clock)
        self._report_at = now  # advise a rate at once: Chromium takes it whole in its first two seconds only
        self._report(now)

    def _hand_on(self, source: Source, sequence: int, parsed: Parsed, now: float, arrival: float) -> None:
        """`sequence` is unwrapped, `parsed` the original packet whichever way it came, `now` and `arrival` are ours."""
        self.received += 1
        kind, low = source.track.kind, source.track.low
        keyframe = kind == "video" and h264.is_keyframe(parsed.payload)
        if keyframe:
            source.gate.arrived()
        packet = MediaPacket(
            kind, source.run, sequence, parsed.timestamp, parsed.marker, parsed.payload, keyframe, now, low=low
        )
        if self.on_packet is not None and self.on_packet(packet) and not low:
            self._record(packet, parsed.sequence, arrival)
        if "nack" in source.track.feedback:
            self._ask_again(source, source.nacks.seen(sequence, now))

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

    def _ask_again(self, source: Source, numbers: list[int]) -> None:
        if source.nacks.gave_up:
            source.nacks.gave_up = False
            self._ask_for_keyframe(source)
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
            if isinstance(packet, rtcp.SenderReport):
                self._sender_report(packet)

    def _sender_report(self, packet: rtcp.SenderReport) -> None:
        source = next((source for source, ssrc in self._sources.heard() if ssrc == packet.ssrc), None)
        if source is None:
            return
        arrival = self._clock.now().timestamp()
        ntp = from_ntp64(packet.ntp)
        source.last_report = (packet.ntp >> 16) & 0xFFFFFFFF
        source.last_report_at = self._clock.monotonic()
        self.senders.heard(source.clock, source.track.clock_rate, ntp, packet.timestamp, arrival)
        if self.sink is None or source.track.low:
            return
        try:
            self.sink.sender_report(source.track.kind, ntp=ntp, timestamp=packet.timestamp, arrival=arrival)
        except Exception as error:
            self._sink_failed(error)

    def request_keyframe(self, low: bool = False) -> None:
        """Asks for a keyframe of one video, merged with everybody else's wish."""
        source = self._sources.video(low)
        if source is not None:
            self._ask_for_keyframe(source)

    def _ask_for_keyframe(self, source: Source) -> None:
        if source.track.kind == "video" and source.gate.want(self._clock.monotonic()):
            self._send_pli(source)

    def _send_pli(self, source: Source) -> None:
        if source.ssrc is None or self.peer is None:
            return
        self._metrics.plis_sent.inc()
        self.peer.send_rtcp(rtcp.pli(self._ssrc, source.ssrc))

    def tick(self, now: float) -> None:
        """Every few tens of milliseconds: what is due."""
        for source in self._sources.all:
            if source.ssrc is not None and "nack" in source.track.feedback:
                self._ask_again(source, source.nacks.due(now))
            if source.gate.due(now):
                self._send_pli(source)
        if self._numbered and now - self._feedback_at >= _FEEDBACK_S:
            self._feedback_at = now
            self._send_feedback()
        if now - self._report_at >= _REPORT_S:
            self._report_at = now
            self._report(now)

    def _send_feedback(self) -> None:
        """Tells what arrived of the whole transport. The sender looks for one of its own sources in it, whichever."""
        heard = self._sources.heard()
        if not heard or self.peer is None:
            return
        for packet in self._arrivals.feedback(self._ssrc, heard[0][1]):
            self.peer.send_rtcp(packet)

    def _report(self, now: float) -> None:
        heard = [(source, ssrc, source.reception.report()) for source, ssrc in self._sources.heard()]
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
