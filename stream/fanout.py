"""Sending the same to many: what can be done once is done once, so that each costs its encryption and one system call.

Receivers that follow the same lane are one `Flow`: one queue, emptied when a frame is complete. Within it, those whose headers
are the same are one `Audience`. Sound waits for the next frame for a moment and rides with it; with few receivers it does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from stream import batching
from stream.forwarding import Entry
from stream.ice import Control, segmented
from stream.lane import Lane
from stream.rtp import header, padded
from stream.srtp import Batch, Sealable, number

# Waiting saves a call for each receiver and costs everybody its length: only where there are many is it worth that.
_CROWD = 16
_HOLD_S = 0.012
# The rest of a frame that its sender spreads out, or whose end was lost.
_FRAME_S = 0.010
_LONGEST = 64
_HEADER_BYTES = 12


class Target(NamedTuple):
    """How one receiver's packets of one lane differ from the lane's own."""

    ssrc: int
    payload_type: int
    shift: int
    time_shift: int


class Audience(NamedTuple):
    """Receivers for whom everything but the key is the same."""

    audio: Target | None
    video: Target | None
    overhead: int


class Run(NamedTuple):
    """Packets that go out in one call."""

    packets: Batch
    control: Control


class Delivery(NamedTuple):
    """What one audience gets at a time, with the counts of packets and payload bytes that sender reports want."""

    runs: list[Run]
    audio_packets: int
    audio_octets: int
    video_packets: int
    video_octets: int


class Receiver(Protocol):
    """Who is sent to. `deliver` must not raise: a receiver's trouble is its own."""

    def deliver(self, delivery: Delivery) -> None: ...


def seal_form(packet_header: bytes, entry: Entry, target: Target) -> Sealable:
    """A packet ready for a receiver's key, under the header made for it."""
    payload = padded(entry.packet.payload, entry.packet.padding)
    return Sealable(packet_header, payload, number(target.ssrc, entry.position + target.shift))


def sealable(entry: Entry, target: Target, time: int) -> Sealable:
    """The same with a header of its own: `time` is the timestamp it carries."""
    packet = entry.packet
    head = header(
        target.payload_type, packet.marker, entry.position + target.shift, time, target.ssrc, padded=packet.padding > 0
    )
    return seal_form(head, entry, target)


def gather(packets: Sequence[Sealable], overhead: int) -> list[Run]:
    """The calls in which these packets go out, in this order."""
    runs: list[Run] = []
    start = 0
    for length in batching.runs([len(p.payload) for p in packets], overhead + _HEADER_BYTES):
        part = Batch.of(packets[start : start + length])
        start += length
        runs.append(Run(part, segmented(_HEADER_BYTES + len(part.payloads[0]) + overhead) if length > 1 else []))
    return runs


def prepare(audience: Audience, entries: Sequence[Entry]) -> Delivery:
    """Video first and in order, then sound, which is shorter and may so end a run of video."""
    ready: list[Sealable] = []
    counts = []
    for kind, target in (("video", audience.video), ("audio", audience.audio)):
        chosen = [e for e in entries if e.packet.kind == kind] if target is not None else []
        if target is not None:
            ready += [sealable(e, target, (e.time + target.time_shift) & 0xFFFFFFFF) for e in chosen]
        counts.append((len(chosen), sum(len(e.packet.payload) for e in chosen)))
    (video_packets, video_octets), (audio_packets, audio_octets) = counts
    return Delivery(gather(ready, audience.overhead), audio_packets, audio_octets, video_packets, video_octets)


def _welcome(receiver: Receiver, audience: Audience, queue: Sequence[Entry], since: int) -> None:
    """What of the queue is for one who came when it had `since` entries."""
    waiting = [e for i, e in enumerate(queue) if i >= since or e.packet.kind == "video"]
    if waiting:
        receiver.deliver(prepare(audience, waiting))


class Flow:
    """Everyone who follows the same video lane (or none). Nothing waits longer than 12 ms or beyond 64 packets."""

    def __init__(self, lane: Lane | None) -> None:
        self._lane = lane
        self._audiences: dict[Audience, dict[Receiver, None]] = {}
        self._newcomers: dict[Receiver, tuple[Audience, int]] = {}
        self._queue: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._size = 0
        self._took = 0.0  # seconds that sending to all took, lately: whoever comes last waits that long on top

    def add(self, receiver: Receiver, audience: Audience) -> None:
        """From now on. Of what waits it gets the video, which it has not seen; the sound came to it otherwise or is past."""
        self._size += 1
        if self._queue:
            self._newcomers[receiver] = (audience, len(self._queue))
        else:
            self._audiences.setdefault(audience, {})[receiver] = None

    def remove(self, receiver: Receiver, audience: Audience) -> None:
        """What was waiting is sent to it now."""
        self._size -= 1
        self._level()
        if receiver in self._newcomers:
            audience, since = self._newcomers.pop(receiver)
            _welcome(receiver, audience, self._queue, since)
        else:
            members = self._audiences[audience]
            del members[receiver]
            if not members:
                del self._audiences[audience]
            if self._queue:
                receiver.deliver(prepare(audience, self._queue))
        if not self._size:
            self.flush()  # nobody waits for it any more, and a replay must not find it half sent

    def put(self, entry: Entry) -> None:
        """A new packet, in order."""
        packet = entry.packet
        if not self._size:
            self._sent(entry)
            return
        self._queue.append(entry)
        ends = packet.marker if packet.kind == "video" else self._size < _CROWD
        if ends or len(self._queue) >= _LONGEST:
            self.flush()
        elif self._timer is None:
            hold = _FRAME_S if packet.kind == "video" else max(0.0, _HOLD_S - self._took)
            self._timer = asyncio.get_running_loop().call_later(hold, self.flush)

    def flush(self) -> None:
        """Sends what is waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._queue:
            return
        self._level()
        began = time.monotonic()
        queue, self._queue = self._queue, []
        newcomers, self._newcomers = self._newcomers, {}
        for audience, members in self._audiences.items():
            delivery = prepare(audience, queue)
            for receiver in members:
                receiver.deliver(delivery)
        for receiver, (audience, since) in newcomers.items():
            _welcome(receiver, audience, queue, since)
            self._audiences.setdefault(audience, {})[receiver] = None
        for entry in queue:
            self._sent(entry)
        self._took += (time.monotonic() - began - self._took) / 8

    def _level(self) -> None:
        """Decides the padding of what is waiting, once: a number must never carry two different contents."""
        frame = [e.packet for e in self._queue if e.packet.kind == "video" and e.packet.padding < 0]
        for packet, padding in zip(frame, batching.level([len(p.payload) for p in frame]), strict=True):
            packet.padding = padding

    def _sent(self, entry: Entry) -> None:
        if self._lane is not None and entry.packet.kind == "video":
            self._lane.sent = max(self._lane.sent, entry.position)
