"""One subscriber's end: which lane it follows, where in it, and what it asks for; whatever goes wrong here stays here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from core.clock import Clock
from stream import rtcp
from stream.errors import SrtpError
from stream.fanout import Audience, Delivery, gather
from stream.forwarding import Entry, LaneName
from stream.lane import Lane
from stream.leg import Leg, When
from stream.metrics import MediaMetrics, Totals
from stream.peer import Peer
from stream.quality import LossMeter, QualityChoice, Rates, Wish
from stream.repair import Budget, SenderClock
from stream.roster import NOTHING, Counts
from stream.rtp import MediaPacket
from stream.sender import Seat
from stream.sink import Kind, StreamKey
from stream.srtp import Sealable

if TYPE_CHECKING:
    from stream.channel import Channel, FlowName

_log = structlog.get_logger(__name__)

# A joiner gets the picture so far in bursts that fit a default socket buffer (208 KiB holds about 90 packets on Linux).
_BURST = 32
_BURST_EVERY_S = 0.005
# Repeats (asked for, found or not) per second for one subscriber, and how soon the same packet may go again.
_REPEATS_S = 800
_REPEAT_AGAIN_S = 0.02
# Keyframes one subscriber may ask for: every one costs the publisher's line and everybody's picture. The recorder has one made
# every two seconds anyhow.
_KEYFRAMES_S = 1 / 4
_KEYFRAMES_AT_ONCE = 3
# Changes of quality by the viewer that take effect at once: each may cost a keyframe and a replay.
_CHANGES_S = 1 / 2
_CHANGES_AT_ONCE = 3
# A request may be lost, and so may the keyframe.
_ASK_AGAIN_S = 1.0


class Subscriber:
    """Takes a channel's packets, by `deliver` with everybody or by its own replay."""

    def __init__(self, key: StreamKey, clock: Clock, metrics: MediaMetrics) -> None:
        self.key = key
        self.peer: Peer | None = None
        self.choice = QualityChoice()
        self.totals = Totals()
        self.lost = 0.0
        """The share of the video lost lately, by the receiver's reports."""
        self._clock = clock
        self._metrics = metrics
        self._channel: Channel | None = None
        self._legs: dict[Kind, Leg] = {}
        self._cname = key.stream
        self._losses = LossMeter()
        self._asked_at = 0.0
        self._repeats = Budget(_REPEATS_S)
        self._keyframes = Budget(_KEYFRAMES_S, _KEYFRAMES_AT_ONCE)
        self._changes = Budget(_CHANGES_S, _CHANGES_AT_ONCE)
        self._replay: asyncio.TimerHandle | None = None

    def attach(self, peer: Peer) -> None:
        """The peer this subscriber is behind, known before it connects."""
        self.peer = peer
        self._legs = {t.kind: Leg(t) for t in peer.negotiated.tracks}

    @property
    def video(self) -> LaneName | None:
        """The video lane it follows or is about to, None for sound alone."""
        leg = self._legs.get("video")
        return leg.lane.name if leg is not None and leg.lane is not None else None

    @property
    def seat(self) -> Seat | None:
        """With one it is sent to together with others."""
        return self.peer.ice.seat if self.peer is not None else None

    def join(self, channel: Channel) -> None:
        """Connected: show the picture so far at once, or ask for a keyframe when there is none. Raises SrtpError."""
        self._channel, self.totals = channel, channel.totals
        if self.peer is not None and self.peer.link is not None:
            self.peer.ice.take_seat(self.peer.link.seal, self._not_sealed)
        sound = self._legs.get("audio")
        if sound is not None:
            sound.lane = lane = channel.lanes["audio"]
            sound.path.begin(lane.name, lane.numbering.highest + 1, (0,), self._clock.monotonic())
            sound.live = True
        channel.settle(self)
        self.choose()

    def sent(self, kind: Kind) -> tuple[int, int]:
        """Packets and bytes of payload so far, those sent together with others and its own; repeats count as packets."""
        leg, together = self._legs.get(kind), self.seat.counts if self.seat is not None else NOTHING
        own = (leg.packets, leg.octets) if leg is not None else (0, 0)
        packets, octets = together[:2] if kind == "video" else together[2:]
        return own[0] + packets, own[1] + octets

    def leave(self) -> None:
        """It is in no flow any more."""
        self._stop_replay()
        if self.peer is not None:
            self.peer.ice.leave_seat()

    def _not_sealed(self) -> None:
        if self.peer is not None and not self.peer.ending:
            _log.warning("subscriber_ended", error="the cipher refused", session=self.key.session, stream=self.key.stream)
            self.peer.end("failed")

    def wish(self, wish: Wish, height: int) -> None:
        """What the viewer wants (see `QualityChoice`): at once, or with the next tick when it changes its mind too often."""
        self.choice.wish, self.choice.height = wish, height
        if self._changes.take(1, self._clock.monotonic()):
            self.choose()

    def choose(self) -> None:
        """Follows the video that the choice says; a change takes effect at that lane's next keyframe."""
        leg, channel = self._legs.get("video"), self._channel
        if leg is None or channel is None or leg.group is not None:
            return
        now = self._clock.monotonic()
        rates = {name: lane.rate if (lane := channel.lanes[name]).alive(now) else None for name in ("high", "low")}
        chosen = self.choice.decide(now, Rates(rates["high"], rates["low"]))
        wanted = None if chosen == "sound" else channel.lanes[chosen]
        if wanted is leg.lane:
            if wanted is not None and not leg.follows and now - self._asked_at >= _ASK_AGAIN_S:
                self._await_keyframe(wanted)
            return
        before, leg.lane = leg.lane, wanted
        if wanted is not None and leg.follows:  # the change back, before the change came about
            channel.wait(self, None)
        elif wanted is None:
            self._leave_lane(leg)
        elif before is None and wanted.cache.group:
            self._start_replay(leg, wanted)
        else:
            self._await_keyframe(wanted)

    def _await_keyframe(self, lane: Lane) -> None:
        now = self._asked_at = self._clock.monotonic()
        if self._channel is not None:
            self._channel.wait(self, lane.name)
            if self._keyframes.take(1, now):
                self._channel.request_keyframe(lane.name)

    def _leave_lane(self, leg: Leg) -> None:
        """No more of the lane it is in: what of it was waiting goes out, and the numbers go on from there.

        That is the lane of its segment, whatever lane it was about to follow: a number given twice would be a nonce used twice.
        """
        self._stop_replay()
        leg.group = None
        self.lost = 0.0
        if self._channel is not None:
            self._channel.wait(self, None)
        segment = leg.path.segment
        if not leg.live or self._channel is None or segment is None:
            return
        leg.live = False
        self._channel.settle(self)
        last = self._channel.lanes[segment.lane].numbering.last
        if last is not None:
            leg.path.reached(*last)

    def begin(self, lane: Lane, entry: Entry) -> None:
        """The keyframe waited for."""
        leg = self._legs["video"]
        if self._channel is None or leg.lane is not lane:
            return
        self._leave_lane(leg)
        leg.path.begin(lane.name, entry.position, (entry.time,), entry.packet.at)
        self._go_live(leg)

    def _go_live(self, leg: Leg) -> None:
        leg.live = True
        if self._channel is not None:
            self._channel.settle(self)

    def place(self) -> tuple[FlowName, Audience] | None:
        """Where it gets its packets from now on, None when from nowhere."""
        if self.peer is None or self.peer.link is None:
            return None
        audio, video = self._legs.get("audio"), self._legs.get("video")
        audience = Audience(
            audio.target() if audio is not None else None,
            video.target() if video is not None else None,
            self.peer.link.seal.overhead,
        )
        if video is not None and audience.video is not None and video.path.segment is not None:
            lane = video.path.segment.lane
            return ("low" if lane == "low" else "high"), audience
        return None if audience.audio is None else ("sound", audience)

    def deliver(self, delivery: Delivery) -> None:
        """Packets that come with everybody's."""
        if not self._send(delivery):
            return
        audio, video, counts = self._legs.get("audio"), self._legs.get("video"), delivery.counts
        if audio is not None:
            audio.packets += counts.audio_packets
            audio.octets += counts.audio_octets
        if video is not None:
            video.packets += counts.video_packets
            video.octets += counts.video_octets

    def _send(self, delivery: Delivery) -> bool:
        peer = self.peer
        if peer is None or peer.link is None:
            return False
        sender, address, seat = peer.ice.port.sender, peer.ice.address, peer.ice.seat
        if sender is None or address is None:
            return False
        try:
            for run in delivery.runs:
                if seat is not None:
                    self.totals.packets += sender.send_all(seat.rows, run.packed)
                elif sender.send_run(peer.link.seal(run.batch), run.control, address):
                    self.totals.packets += len(run.batch.numbers)
            self.totals.octets += delivery.counts.audio_octets + delivery.counts.video_octets
        except SrtpError as error:
            _log.warning("subscriber_ended", error=str(error))
            peer.end("failed")
            return False
        except Exception:
            _log.exception("subscriber_failed", session=self.key.session, stream=self.key.stream)
            peer.end("failed")
            return False
        return True

    def _send_own(self, leg: Leg, packets: list[Sealable], *, octets: int = 0) -> None:
        """Packets with headers of this subscriber's own."""
        if self.peer is None or self.peer.link is None or not packets:
            return
        if self._send(Delivery(gather(packets, self.peer.link.seal.overhead), Counts(0, octets, 0, 0))):
            leg.packets += len(packets)
            leg.octets += octets

    def late(self, lane: Lane, entry: Entry) -> None:
        """A packet that came out of order: its place is where it always was."""
        leg = self._legs.get(lane.kind)
        if leg is None or not leg.live or leg.path.segment is None or leg.path.segment.lane != lane.name:
            return
        ready = leg.ready(leg.path.segment, entry)
        if ready is not None:
            self._send_own(leg, [ready], octets=len(entry.packet.payload))

    def _start_replay(self, leg: Leg, lane: Lane) -> None:
        first = lane.numbering.place(lane.cache.group[0])
        if first is None:
            self._await_keyframe(lane)
            return
        leg.group = lane.cache.group
        leg.cursor = 0
        leg.path.begin(lane.name, first.position, lane.frames(), self._clock.monotonic())
        self._replay_some(leg, lane)

    def _stop_replay(self) -> None:
        if self._replay is not None:
            self._replay.cancel()
            self._replay = None

    def _replay_some(self, leg: Leg, lane: Lane) -> None:
        self._replay = None
        if leg.lane is not lane or leg.group is None:
            return
        group = lane.cache.group
        if group is not leg.group:  # a keyframe came meanwhile: the rest of the past is of no use
            first = lane.numbering.place(group[0]) if group else None
            if first is None:
                leg.group = None
                self._await_keyframe(lane)
                return
            leg.group, leg.cursor = group, 0
            leg.path.skip_to(first.position)
        if self._replay_burst(leg, lane, group):
            leg.group = None
            self._go_live(leg)
        else:
            self._replay = asyncio.get_running_loop().call_later(_BURST_EVERY_S, self._replay_some, leg, lane)

    def _replay_burst(self, leg: Leg, lane: Lane, group: list[MediaPacket]) -> bool:
        """Sends the next packets; True when the replay has caught up with what everybody has been sent."""
        segment, octets = leg.path.segment, 0
        ready: list[Sealable] = []
        caught_up = False
        while leg.cursor < len(group) and len(ready) < _BURST and segment is not None:
            entry = lane.numbering.place(group[leg.cursor])
            if entry is not None and entry.position > lane.sent:
                caught_up = True  # it waits for its frame, and will come with everybody's
                break
            leg.cursor += 1
            sent = leg.ready(segment, entry) if entry is not None else None
            if entry is not None and sent is not None:
                ready.append(sent)
                octets += len(entry.packet.payload)
                leg.path.reached(entry.position, entry.time, entry.packet.at)
        self._send_own(leg, ready, octets=octets)
        return caught_up or leg.cursor >= len(group)

    def on_rtp(self, data: bytes) -> None:
        """Subscribers send no media; a sendrecv offer may, and it goes nowhere."""

    def on_rtcp(self, data: bytes) -> None:
        """A decrypted RTCP compound: what this subscriber misses, loses and can take."""
        try:
            packets = rtcp.parse(data)
        except ValueError:
            self._metrics.dropped.labels("malformed").inc()
            return
        now = self._clock.monotonic()
        for packet in packets:
            if isinstance(packet, rtcp.KeyframeRequest):
                self.totals.keyframe_requests += 1
                if self._keyframes.take(1, now):
                    self._wish_keyframe()
                continue
            if isinstance(packet, rtcp.Nack):
                leg = next((leg for leg in self._legs.values() if leg.track.ssrc == packet.media_ssrc), None)
                if leg is not None:
                    self._repeat(leg, packet.numbers, now)
                continue
            video = self._legs.get("video")
            if video is not None:
                self._heed(packet, video.track.ssrc, now)

    def _heed(self, packet: rtcp.Packet, ssrc: int, now: float) -> None:
        sums = rtcp.losses(packet, ssrc)
        share = self._losses.reported(*sums, now) if sums is not None else None
        if share is not None:
            self.lost = share
            self.choice.lost(share, now)
        if isinstance(packet, rtcp.Remb):
            self.choice.estimated(packet.bitrate)

    def _wish_keyframe(self) -> None:
        name = self.video
        if name is not None and self._channel is not None:
            self._channel.request_keyframe(name)

    def _repeat(self, leg: Leg, numbers: list[int], now: float) -> None:
        """Sends packets again from the cache, within this subscriber's budget."""
        self.totals.nacks += len(numbers)
        leg.repeated = {n: at for n, at in leg.repeated.items() if now - at < _REPEAT_AGAIN_S}
        ready: list[Sealable] = []
        for wanted in numbers:
            if not self._repeats.take(1, now):  # looking costs too, so what is not found is paid for as well
                break
            again = None if wanted in leg.repeated else self._again(leg, wanted)
            if again is not None:
                leg.repeated[wanted] = now
                ready.append(again)
        self.totals.repeats += len(ready)
        self._send_own(leg, ready)

    def _again(self, leg: Leg, wanted: int) -> Sealable | None:
        """What was sent as that 16-bit number, if it is still kept."""
        channel, track = self._channel, leg.track
        current = leg.path.segment
        if channel is None or current is None:
            return None
        lane = channel.lanes[current.lane]
        sent = lane.numbering.highest if track.kind == "audio" else lane.sent if leg.live else None
        found = leg.path.find(wanted, sent)
        if found is None:
            return None
        segment, position = found
        lane = channel.lanes[segment.lane]
        packet = lane.get(position)
        entry = lane.numbering.place(packet) if packet is not None else None
        return leg.repeat(segment, entry) if entry is not None else None

    def tick(self, now: float, senders: SenderClock | None) -> None:
        """Once in a while: another video where that is better, and sender reports, which keep sound and picture together."""
        self.choose()
        if senders is None or self.peer is None or self._channel is None:
            return
        when = When(now, self._clock.now().timestamp(), self.lost > 0, self._cname)
        for leg in self._legs.values():  # one for each: some receivers take a compound for the stream of its first report
            report = leg.report(self._channel.lanes, senders, self.sent(leg.track.kind), when)
            if report:
                self.peer.send_rtcp(report)
