"""Sending the same to many: what can be done once is done once, so that each costs its encryption and one system call.

Receivers that follow the same lane are one `Flow`: one queue, emptied when a frame is complete. Those of them who have a seat
are a `Crowd`, which the compiled loop serves in one go, whatever their numbers; of the others, those whose headers are the same
are one `Audience`. Sound waits for the next frame for a moment and rides with it; with few receivers it does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import structlog

from stream import batching
from stream.compiled import HEADER, TAG, Numbers
from stream.forwarding import Entry
from stream.lane import Lane
from stream.metrics import Totals
from stream.roster import NO_BYTES, Counts, Packed, Target, control
from stream.rtp import MASK32, header, padded
from stream.sender import NOWHERE, Run, Seat, Sender
from stream.srtp import Batch, Sealable, number

_log = structlog.get_logger(__name__)

# Waiting saves a call for each receiver and costs everybody its length: only where there are many is it worth that.
_CROWD = 16
_HOLD_S = 0.012
# The rest of a frame that its sender spreads out, or whose end was lost.
_FRAME_S = 0.010
_LONGEST = 64
_TELL_EVERY_S = 60.0


class Audience(NamedTuple):
    """Receivers for whom everything but the key is the same."""

    audio: Target | None
    video: Target | None
    overhead: int


class Delivery(NamedTuple):
    """What one audience gets at a time."""

    runs: list[Run]
    counts: Counts


class Receiver(Protocol):
    """Who is sent to. `deliver` must not raise: a receiver's trouble is its own."""

    @property
    def seat(self) -> Seat | None:
        """With one it is sent to by `Sender.send_all`, together with others; it stays the same while it is in a flow."""

    def deliver(self, delivery: Delivery) -> None: ...


def sealable(entry: Entry, target: Target, time: int) -> Sealable:
    """A packet ready for a receiver's key, with a header of its own: `time` is the timestamp it carries."""
    packet = entry.packet
    head = header(
        target.payload_type, packet.marker, entry.position + target.shift, time, target.ssrc, padded=packet.padding > 0
    )
    return Sealable(head, padded(packet.payload, packet.padding), number(target.ssrc, entry.position + target.shift))


def gather(packets: Sequence[Sealable], overhead: int) -> list[Run]:
    """The calls in which these packets go out, in this order."""
    runs: list[Run] = []
    start = 0
    for length in batching.runs([len(p.payload) for p in packets], overhead + HEADER):
        part = Batch.of(packets[start : start + length])
        start += length
        runs.append(Run(part, HEADER + len(part.payloads[0]) + overhead if length > 1 else 0))
    return runs


def prepare(audience: Audience, entries: Sequence[Entry]) -> Delivery:
    """Video first and in order, then sound, which is shorter and may so end a run of video."""
    ready: list[Sealable] = []
    taken: list[Entry] = []
    for kind, target in (("video", audience.video), ("audio", audience.audio)):
        if target is not None:
            chosen = [e for e in entries if e.packet.kind == kind]
            ready += [sealable(e, target, (e.time + target.time_shift) & MASK32) for e in chosen]
            taken += chosen
    return Delivery(gather(ready, audience.overhead), _counts(taken))


def _welcome(receiver: Receiver, audience: Audience, queue: Sequence[Entry], since: int) -> None:
    """What of the queue is for one who came when it had `since` entries."""
    waiting = [e for i, e in enumerate(queue) if i >= since or e.packet.kind == "video"]
    if waiting:
        receiver.deliver(prepare(audience, waiting))


class Crowd:
    """The receivers of a flow who have a seat and take the same kinds of media."""

    def __init__(self, *, video: bool, audio: bool) -> None:
        self._kinds = [kind for kind, wanted in (("video", video), ("audio", audio)) if wanted]
        self._receivers: dict[Receiver, None] = {}
        self._sender: Sender | None = None
        self._generation = -1
        self._rows: Numbers = np.zeros(0, np.int64)

    def add(self, receiver: Receiver) -> None:
        self._receivers[receiver] = None
        self._sender = None

    def remove(self, receiver: Receiver) -> None:
        del self._receivers[receiver]
        self._sender = None

    def __contains__(self, receiver: Receiver) -> bool:
        return receiver in self._receivers

    def send(self, queue: Sequence[Entry], totals: Totals) -> None:
        """Sends to all of them; `totals` grows by it."""
        # Video first and in order, then sound, which is shorter and may so end a run of video.
        chosen = [e for kind in self._kinds for e in queue if e.packet.kind == kind]
        sender = self._seated() if chosen else None
        if sender is None:
            return
        counts = _counts(chosen)
        for run in _runs(chosen):
            totals.packets += sender.send_all(self._rows, run)
        totals.octets += (counts.video_octets + counts.audio_octets) * len(self._rows)
        sender.count(self._rows, counts)

    def _seated(self) -> Sender | None:
        """Looks anew who has which row where that may have changed: another's row must never be sent to."""
        if self._sender is None or self._sender.generation != self._generation:
            seats = [seat for receiver in self._receivers if (seat := receiver.seat) is not None and seat.row != NOWHERE]
            self._rows = np.array([seat.row for seat in seats], np.int64)
            self._sender = seats[0].sender if seats else None
            self._generation = self._sender.generation if self._sender is not None else -1
        return self._sender


def _runs(entries: Sequence[Entry]) -> Iterator[Packed]:
    """The calls in which these packets go out to a crowd, in this order."""
    sizes = [len(e.packet.payload) + max(0, e.packet.padding) for e in entries]
    start = 0
    for length in batching.runs(sizes, TAG + HEADER):
        part = entries[start : start + length]
        yield Packed(
            np.array([(*_columns(e), size) for e, size in zip(part, sizes[start:], strict=False)], np.int64),
            np.frombuffer(b"".join([padded(e.packet.payload, e.packet.padding) for e in part]), np.uint8),
            NO_BYTES,
            NO_BYTES,
            control(HEADER + sizes[start] + TAG if length > 1 else 0),
        )
        start += length


def _columns(entry: Entry) -> tuple[int, int, int, int]:
    """See `compiled.PACKET`."""
    packet = entry.packet
    flags = (0xA000 if packet.padding > 0 else 0x8000) | (0x80 if packet.marker else 0)
    return 0 if packet.kind == "video" else 1, entry.position, entry.time, flags


def _counts(entries: Sequence[Entry]) -> Counts:
    video = [len(e.packet.payload) for e in entries if e.packet.kind == "video"]
    audio = [len(e.packet.payload) for e in entries if e.packet.kind == "audio"]
    return Counts(len(video), sum(video), len(audio), sum(audio))


class Flow:
    """Everyone who follows the same video lane (or none). Nothing waits longer than 12 ms or beyond 64 packets."""

    def __init__(self, lane: Lane | None, totals: Totals) -> None:
        self._lane = lane
        self._totals = totals
        self._crowds: dict[tuple[bool, bool], Crowd] = {}
        self._audiences: dict[Audience, dict[Receiver, None]] = {}
        self._newcomers: dict[Receiver, tuple[Audience, int]] = {}
        self._queue: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._size = 0
        # Seconds that sending to all took, lately: a packet may wait so long for one before, and so long for its last receiver.
        self._took = 0.0
        self._told_at: float | None = None

    def add(self, receiver: Receiver, audience: Audience) -> None:
        """From now on. Of what waits it gets the video, which it has not seen; the sound came to it otherwise or is past."""
        self._size += 1
        if self._queue:
            self._newcomers[receiver] = (audience, len(self._queue))
        else:
            self._take_in(receiver, audience)

    def remove(self, receiver: Receiver, audience: Audience) -> None:
        """What was waiting is sent to it now."""
        self._size -= 1
        self._level()
        if receiver in self._newcomers:
            audience, since = self._newcomers.pop(receiver)
            _welcome(receiver, audience, self._queue, since)
        else:
            self._let_go(receiver, audience)
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
            hold = _FRAME_S if packet.kind == "video" else max(0.0, _HOLD_S - 2 * self._took)
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
        for crowd in self._crowds.values():
            self._serve(crowd, queue)
        for audience, members in self._audiences.items():
            delivery = prepare(audience, queue)
            for receiver in members:
                receiver.deliver(delivery)
        for receiver, (audience, since) in newcomers.items():
            _welcome(receiver, audience, queue, since)
            self._take_in(receiver, audience)
        for entry in queue:
            self._sent(entry)
        self._took += (time.monotonic() - began - self._took) / 8

    def _serve(self, crowd: Crowd, queue: Sequence[Entry]) -> None:
        """What fails there is nobody's who publishes: it costs the crowd this frame, and a line in the log once a minute."""
        try:
            crowd.send(queue, self._totals)
        except Exception:
            now = time.monotonic()
            if self._told_at is None or now - self._told_at >= _TELL_EVERY_S:
                self._told_at = now
                _log.exception("crowd_failed")

    def _take_in(self, receiver: Receiver, audience: Audience) -> None:
        if receiver.seat is None:
            self._audiences.setdefault(audience, {})[receiver] = None
            return
        receiver.seat.aim(audience.video, audience.audio)
        kinds = audience.video is not None, audience.audio is not None
        crowd = self._crowds.get(kinds)
        if crowd is None:
            crowd = self._crowds[kinds] = Crowd(video=kinds[0], audio=kinds[1])
        crowd.add(receiver)

    def _let_go(self, receiver: Receiver, audience: Audience) -> None:
        crowd = self._crowds.get((audience.video is not None, audience.audio is not None))
        if crowd is not None and receiver in crowd:
            crowd.remove(receiver)
            return
        members = self._audiences[audience]
        del members[receiver]
        if not members:
            del self._audiences[audience]

    def _level(self) -> None:
        """Decides the padding of what is waiting, once: a number must never carry two different contents."""
        frame = [e.packet for e in self._queue if e.packet.kind == "video" and e.packet.padding < 0]
        for packet, padding in zip(frame, batching.level([len(p.payload) for p in frame]), strict=True):
            packet.padding = padding

    def _sent(self, entry: Entry) -> None:
        if self._lane is not None and entry.packet.kind == "video":
            self._lane.sent = max(self._lane.sent, entry.position)
