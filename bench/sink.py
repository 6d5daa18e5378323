"""One viewer that only receives: it connects as any, proves that its first packets are authentic, and then counts.

Afterwards every packet's plain RTP header is read (gaps in the sequence numbers are losses), and one packet in `SAMPLED` is
decrypted for the time it carries. Once a second it sends a receiver report, as browsers do; it asks for no repeats, so that a
loss stays one.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
import time
from array import array
from dataclasses import dataclass, field

import pylibsrtp
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket

from bench.descriptions import VIDEO_TYPE
from bench.draining import BATCH, SLOT, Drain, prepare
from bench.peer import CHECK_EVERY_S, RECEIVE_BYTES, Identity, LightPeer, Remote
from bench.source import MAGIC, STAMP

VERIFIED = 20
SAMPLED = 20
# As far back as libsrtp remembers by default.
_WINDOW = (1 << 128) - 1
SAMPLES_KEPT = 2_000_000
REPORT_S = 1.0
_HEAD = struct.Struct("!BBH4xI")


@dataclass(slots=True)
class Tally:
    """What all sinks together have seen. Delays are in ms."""

    packets: int = 0
    bytes: int = 0
    expected: int = 0
    repeated: int = 0
    verified: int = 0
    unauthentic: int = 0
    ended_by_server: int = 0
    delays: array[float] = field(default_factory=lambda: array("f"))


class Flow:
    """One RTP stream, by its 16-bit sequence numbers. `repeated` are those that came again, or too late to tell. Pure."""

    __slots__ = ("_window", "expected", "highest", "received", "repeated")

    def __init__(self, first: int) -> None:
        self.highest = first - 1
        self.expected = self.received = self.repeated = 0
        self._window = 0

    def seen(self, number: int) -> bool:
        """Takes a packet's number; whether it is a new one."""
        ahead = (number - self.highest) & 0xFFFF
        if ahead < 0x8000 and ahead:
            self.highest += ahead
            self.expected += ahead
            self._window = ((self._window << ahead) | 1) & _WINDOW
        else:
            bit = 1 << (-ahead & 0xFFFF)
            if bit > _WINDOW or self._window & bit:
                self.repeated += 1
                return False
            self._window |= bit
        self.received += 1
        return True


class Sink:
    """A viewer of the show."""

    def __init__(self, identity: Identity, tally: Tally, *, offers: bool) -> None:
        self.peer = LightPeer(identity, controlling=offers)
        prepare(self.peer.socket, RECEIVE_BYTES)
        self.began = time.monotonic()
        self.first_after_s: float | None = None
        """From the wish to watch to the first authentic packet of the picture."""
        self.last_ns = 0
        self.seen = asyncio.Event()
        """That packet has come, or the sink has left."""
        self._began_ns = time.time_ns()
        self.live_ns = 0
        """When it was connected, on the wall clock: delays count from then on."""
        self._tally = tally
        self._flows: dict[int, Flow] = {}
        self._ssrc = secrets.randbits(31) | 1
        self._seen = 0
        self._report_at = self._check_at = 0.0
        self._fd = self.peer.socket.fileno()

    async def connect(self, remote: Remote, within_s: float) -> None:
        """Raises as `LightPeer.connect`."""
        await self.peer.connect(remote, within_s)
        self.live_ns = time.time_ns()

    def drain(self, drain: Drain) -> None:
        """Takes in all that came."""
        count = BATCH
        while count == BATCH:
            count = drain.read(self._fd)
            for i in range(count):
                self._take(drain, i)

    def _take(self, drain: Drain, i: int) -> None:
        size = drain.size(i)
        if size < STAMP.size:
            return
        first, second, number, ssrc = _HEAD.unpack_from(drain.data, i * SLOT)
        if not 128 <= first <= 191:
            self._other(drain.packet(i))
            return
        if 192 <= second <= 223:
            return  # RTCP: sender reports
        tally = self._tally
        flow = self._flows.get(ssrc)
        if flow is None:
            flow = self._flows[ssrc] = Flow(number)
        was = flow.expected
        if not flow.seen(number):
            tally.repeated += 1
            return
        tally.expected += flow.expected - was
        tally.packets += 1
        tally.bytes += size
        self._seen += 1
        if flow.received <= VERIFIED or self._seen % SAMPLED == 0:
            self._open(drain.packet(i), drain.arrived_ns(i), is_video=second & 0x7F == VIDEO_TYPE)

    def _open(self, data: bytes, arrived_ns: int, *, is_video: bool) -> None:
        try:
            plain = self.peer.inbound.unprotect(data)
        except pylibsrtp.Error:
            self._tally.unauthentic += 1
            return
        self._tally.verified += 1
        self.last_ns = arrived_ns
        if self.first_after_s is None and is_video:
            self.first_after_s = (arrived_ns - self._began_ns) / 1e9
            self.seen.set()
        magic, _number, sent_ns = STAMP.unpack(plain[-STAMP.size :])
        # What was sent before we were there is the picture so far, replayed: its age is no delay.
        if magic == MAGIC and sent_ns > self.live_ns and len(self._tally.delays) < SAMPLES_KEPT:
            self._tally.delays.append((arrived_ns - sent_ns) / 1e6)

    def _other(self, data: bytes) -> None:
        was = self.peer.ended
        self.peer.take(data)
        if self.peer.ended and not was:
            self._tally.ended_by_server += 1

    def upkeep(self, now: float) -> None:
        """What is due: a receiver report, a check of consent."""
        if now >= self._report_at:
            self._report_at = now + REPORT_S
            reports = [_report(ssrc, flow) for ssrc, flow in self._flows.items()]
            self.peer.send(self.peer.outbound.protect_rtcp(bytes(RtcpRrPacket(ssrc=self._ssrc, reports=reports))))
        if now >= self._check_at:
            self._check_at = now + CHECK_EVERY_S
            self.peer.check()

    def leave(self) -> None:
        self.seen.set()
        self.peer.goodbye()


def _report(ssrc: int, flow: Flow) -> RtcpReceiverInfo:
    highest = flow.highest & 0xFFFFFFFF
    return RtcpReceiverInfo(ssrc, fraction_lost=0, packets_lost=0, highest_sequence=highest, jitter=0, lsr=0, dlsr=0)
