"""The recorder: one sink for each publisher, one thread that writes for all of them.

Everything here runs on the event loop and takes its time from the packets' `arrival` or from the clock, never from a sleep.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from core.clock import Clock
from recording.archive import FolderArchive, Place
from recording.assembly import H264, Assembler, Opus, Unit
from recording.cutting import Cutter, Limits
from recording.fragment import AUDIO_RATE, VIDEO_RATE, Media
from recording.writer import Feed, Recording, Writer
from stream.repair import Budget
from stream.sink import Kind, SinkOrder

ASK_AGAIN_S = 0.5
ASK_OFTEN = 12  # for 6 s; a sender that has not answered by then is asked every 2 s, not flooded
ASK_SELDOM_S = 2.0
TICK_S = 0.25
CLOSE_TIMEOUT_S = 30.0
UNREADABLE_S = 4.0  # of packets that nothing recordable comes of; with less than the watermark's 5 s the reason comes first
# Fragments of one publisher: 2 s each is 30 a minute, and some ten more are left to changes of size and clocks that leap.
CUTS_S = 40 / 60
CUTS_AT_ONCE = 15

log = structlog.get_logger(__name__)


class KeyframeAsker:
    """Asks for a keyframe while one is wanted, often at first and seldom later."""

    def __init__(self, request: Callable[[], None]) -> None:
        self._request = request
        self._tries = 0
        self._next = float("-inf")

    def consider(self, wanted: bool, now: float) -> None:
        """Asks when it is wanted and time to; cheap enough for every packet."""
        if not wanted:
            self._tries = 0
            return
        if now < self._next:
            return
        self._tries += 1
        self._next = now + (ASK_AGAIN_S if self._tries < ASK_OFTEN else ASK_SELDOM_S)
        self._request()


class TrackSink:
    """One publisher's packets on their way into fragments: stream/sink.py's PacketSink."""

    def __init__(self, order: SinkOrder, writer: Writer, limits: Limits, forget: Callable[[TrackSink], None]) -> None:
        key = order.key
        self.session = key.session
        self._recording = Recording(key.session, key.stream, order.epoch)
        self._writer = writer
        self._limits = limits
        self._forget = forget
        self._cutter = Cutter(order.started_at, limits)
        self._assemblers: dict[Kind, Assembler] = {}
        self._asker = KeyframeAsker(order.request_keyframe)
        self._cuts = Budget(CUTS_S, CUTS_AT_ONCE)
        self._unread: dict[Kind, float] = {}  # since when a track's packets yield nothing
        self._unreadable: set[Kind] = set()  # said to be so
        self._started_at = order.started_at
        self._index = 0
        self._video_arrival: float | None = None
        self._stalled = False
        self._over = False
        self._closed = False

    def track(self, kind: Kind, codec: str, clock_rate: int) -> None:
        """A track is coming. When one cannot be recorded nothing is: the recording has failed, whatever else is sent."""
        if self._over or kind in self._assemblers:
            return
        wanted = ("H264", VIDEO_RATE) if kind == "video" else ("opus", AUDIO_RATE)
        if (codec.lower(), clock_rate) != (wanted[0].lower(), wanted[1]):
            self.give_up("codec_unsupported")
            return
        self._assemblers[kind] = Assembler(H264() if kind == "video" else Opus())
        self._cutter.track(kind)

    def rtp(self, kind: Kind, payload: bytes, *, timestamp: int, sequence: int, marker: bool, arrival: float) -> None:
        """One packet, in whatever order the network brought it."""
        assembler = self._assemblers.get(kind)
        if assembler is None or self._over:
            return
        units = assembler.push(payload, timestamp=timestamp, sequence=sequence, marker=marker, arrival=arrival)
        if payload:
            self._watch(kind, arrival)
        self._take(kind, units, arrival)
        if kind == "video":
            last, self._video_arrival = self._video_arrival, arrival
            if last is not None and arrival - last > self._limits.stall_s:
                self._stalled = True
        self._ask(arrival)

    def sender_report(self, kind: Kind, *, ntp: float, timestamp: int, arrival: float) -> None:
        """The sender's clock at an RTP time: it ties sound to picture."""
        assembler = self._assemblers.get(kind)
        if assembler is not None and not self._over:
            self._cutter.sender_report(kind, ntp, assembler.near(timestamp))

    def closed(self, reason: str) -> None:
        """No more packets: what is gathered is written, then the stream is closed in the feed."""
        if self._closed:
            return
        self._closed = True
        try:
            self._finish()
        finally:
            self._over = True
            self._writer.stream_closed(self._recording, self._cutter.end_ms, reason)
            self._forget(self)

    def give_up(self, reason: str) -> None:
        """Records nothing more of this publisher: half of it would pass for all. Only the next publisher recovers from that."""
        if not self._over:
            self._over = True
            self._writer.fail(self._recording, self._cutter.end_ms, reason)

    def tick(self, now: float) -> None:
        """Time went by (`now` in Unix seconds): a fragment is ended and a keyframe asked for even if nothing arrives."""
        if self._over:
            return
        for kind, assembler in self._assemblers.items():
            self._take(kind, assembler.expire(now), now)
        self._write(self._cutter.tick(now), now)
        self._ask(now)

    def _finish(self) -> None:
        if self._over:
            return
        rest = [(kind, unit) for kind, assembler in self._assemblers.items() for unit in assembler.flush()]
        last = [media for kind, unit in rest for media in self._cutter.push(kind, unit)]
        for media in [*last, *self._cutter.finish()]:
            self._hand_over(media)

    def _watch(self, kind: Kind, arrival: float) -> None:
        """A packet came: what never becomes picture or sound is a failed recording, though the viewers may well see it."""
        since = self._unread.setdefault(kind, arrival)
        self._cutter.unread(kind, arrival - since)
        if arrival - since > UNREADABLE_S and kind not in self._unreadable:
            self._unreadable.add(kind)
            self._writer.fail(self._recording, self._media_ms(arrival), "undecodable", kind)

    def _take(self, kind: Kind, units: list[Unit], now: float) -> None:
        if units:
            self._unread.pop(kind, None)
            if kind in self._unreadable:
                self._unreadable.remove(kind)
                self._writer.works(self._recording, self._media_ms(now), kind)
        for unit in units:
            if kind == "video" and unit.keyframe:
                self._stalled = False
            media = self._cutter.push(kind, unit)
            if media:
                self._write(media, now)

    def _write(self, fragments: list[Media], now: float) -> None:
        """Hands fragments over, within what one publisher may cost the disk, the feed and everybody else's recording."""
        for media in fragments:
            if self._over:
                return
            if not self._cuts.take(1, now):
                self.give_up("cut_too_often")
                return
            self._hand_over(media)

    def _hand_over(self, media: Media) -> None:
        self._writer.write(self._recording, self._index, media)
        self._index += 1

    def _media_ms(self, arrival: float) -> int:
        return max(0, round((arrival - self._started_at) * 1000))

    def _ask(self, now: float) -> None:
        video = self._assemblers.get("video")
        if video is not None:
            self._asker.consider(video.waiting or self._stalled or self._cutter.wants_keyframe(now), now)


class Recorder:
    """Makes a sink for each publisher (`sink_factory`) and sees that what they gather reaches the archive and the feed."""

    def __init__(self, archive: FolderArchive, feed: Feed, clock: Clock, limits: Limits | None = None) -> None:
        self._archive = archive
        self._feed = feed
        self._clock = clock
        self._limits = limits or Limits()
        self._writer = Writer(archive, feed)
        self._sinks: list[TrackSink] = []

    def recover(self) -> int:
        """Announces what a process that died had written but not announced; returns how many. Call before `start`. Blocks."""
        count = 0
        for data in self._archive.recover():
            self._feed.append("fragment_sealed", data)
            count += 1
        return count

    def start(self) -> None:
        """Starts writing."""
        self._writer.start()

    def sink_factory(self, order: SinkOrder) -> TrackSink:
        """A sink for one publisher; a SinkFactory. Raises ValueError for names that cannot become paths."""
        Place(order.key.session, order.key.stream, order.epoch, 0).path  # noqa: B018 - it raises now, not with the first fragment
        sink = TrackSink(order, self._writer, self._limits, self._sinks.remove)
        self._sinks.append(sink)
        return sink

    def tick(self) -> None:
        """Lets time pass for every publisher; `run` does it every `TICK_S`."""
        now = self._clock.now().timestamp()
        for sink in list(self._sinks):
            try:
                sink.tick(now)
            except Exception:  # the others' recordings, and the process, go on
                log.exception("recording_sink_error", session=sink.session)
                sink.give_up("internal_error")

    async def run(self) -> None:
        """Ticks until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    async def flush(self, timeout: float = CLOSE_TIMEOUT_S) -> None:
        """Waits until everything handed to the writer so far is written (or failed) and announced. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def finish() -> None:
            if not done.done():
                done.set_result(None)

        def tell() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish)

        self._writer.barrier(tell)
        await asyncio.wait_for(done, timeout)

    async def stop(self, timeout: float = CLOSE_TIMEOUT_S) -> None:
        """Ends every recording and the thread, writing what there is."""
        for sink in list(self._sinks):
            try:
                sink.closed("lost")
            except Exception:
                log.exception("recording_sink_error", session=sink.session)
        if not await asyncio.to_thread(self._writer.stop, timeout):
            log.error("recording_writer_stuck", timeout_s=timeout)
