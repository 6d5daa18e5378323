"""The thread between the packets and the disk: muxes, writes, announces, in the order it was asked to.

The event loop never waits for it. What does not fit into its bounded queue, or into one publisher's share of it, is dropped and
reported as a failed recording; what the feed cannot take now (its disk may be the full one) is kept and tried again, and a
fragment stays marked until then.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from recording.archive import FolderArchive, Place, sealed_event
from recording.fragment import AUDIO_RATE, VIDEO_RATE, BadMedia, Media, Muxer
from stream.errors import FeedStalled

QUEUE_JOBS = 256  # fragments of all publishers; at one every 2 s of 30 publishers, some 17 s of a disk that hangs
QUEUE_BYTES = 128 * 2**20
SHARE_JOBS = 32  # of one publisher: a minute of it
SHARE_BYTES = 32 * 2**20
BACKLOG = 4096  # events the feed would not take
RETRY_S = 1.0
_BARRIER = ""  # stands in the backlog behind what has to be announced first

log = structlog.get_logger(__name__)


class Feed(Protocol):
    """Takes what happened, durably and in order (stream/feed.py). Thread-safe.

    Raises OSError when it can't keep a record, FeedStalled when it will keep it later.
    """

    def append(self, kind: str, data: dict[str, Any]) -> int:
        """Keeps one record and returns its number."""
        ...


# Why a recording fails, each until it is over by itself. What ends a recording for good has a cause of its own, `LASTING`.
STORAGE, PICTURE, LASTING = "storage", "picture", "lasting"


@dataclass(slots=True)
class Recording:
    """One publisher's recording as the writer knows it. What is queued, and `dropped`, is shared with the loop.

    `failing` holds the causes for which not all of it is written: one of the above, or the name of a track. Each comes with the
    index of the last fragment lost for it, -1 where none is. `dropped` is the loss since the last report: where it begins, in
    media ms, and the index of its last fragment.
    """

    session: str
    stream: str
    epoch: int
    stored: int = 0
    failing: dict[str, int] = field(default_factory=dict)
    dropped: tuple[int, int] | None = None
    queued_jobs: int = 0
    queued_bytes: int = 0

    def has_room(self, size: int) -> bool:
        """Whether its share of the queue takes `size` bytes more. One fragment alone always fits."""
        return self.queued_jobs == 0 or (self.queued_jobs < SHARE_JOBS and self.queued_bytes + size <= SHARE_BYTES)

    def data(self, **more: Any) -> dict[str, Any]:
        """An event's data: whose it is, and `more`."""
        return {"session": self.session, "stream": self.stream, "epoch": self.epoch, **more}


class Writer:
    """Owns the thread. `start` before use; `stop` writes what is queued and ends it."""

    def __init__(self, archive: FolderArchive, feed: Feed) -> None:
        self._archive = archive
        self._feed = feed
        self._muxer = Muxer()
        self._wake = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._queued_jobs = self._queued_bytes = 0
        self._stopping = False
        self._backlog: deque[tuple[str, dict[str, Any], Callable[[], None]]] = deque()
        self._thread = threading.Thread(target=self._run, name="recording-writer", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Writes what is queued and ends the thread; False when that took longer than `timeout` seconds. Blocks."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def write(self, recording: Recording, index: int, media: Media) -> bool:
        """Queues a fragment; False (and a failed recording) when the queue is full. Never blocks."""
        size = media.size
        with self._wake:
            full = self._queued_jobs >= QUEUE_JOBS or self._queued_bytes + size > QUEUE_BYTES
            if full or not recording.has_room(size):
                began = recording.dropped[0] if recording.dropped else first_ms(media)
                recording.dropped = began, index
                return False
            self._count(recording, 1, size)
            self._push(lambda: self._write_queued(recording, index, media))
        return True

    def fail(self, recording: Recording, media_ms: int, reason: str, cause: str = LASTING) -> None:
        """Queues the news that something is not recorded, until `works` says so of its cause."""
        self._control(lambda: self._failed(recording, cause, media_ms, reason))

    def works(self, recording: Recording, media_ms: int, cause: str) -> None:
        """Queues the news that a cause of failing is over."""
        self._control(lambda: self._works(recording, cause, media_ms))

    def stream_closed(self, recording: Recording, end_ms: int, reason: str) -> None:
        """Queues the end of a publisher, after its last fragment."""

        def close() -> None:
            self._report_dropped(recording)
            self._announce("stream_closed", recording.data(end_ms=end_ms, fragments=recording.stored, reason=reason))

        self._control(close)

    def barrier(self, done: Callable[[], None]) -> None:
        """Calls `done` in the writer's thread when everything queued so far is written and announced."""
        self._control(lambda: self._announce(_BARRIER, {}, done))

    def _control(self, job: Callable[[], None]) -> None:
        """Few and without media, so they are not counted: the end of a recording must never be dropped."""
        with self._wake:
            self._push(job)

    def _push(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)
        self._wake.notify()

    def _count(self, recording: Recording, jobs: int, size: int) -> None:
        self._queued_jobs += jobs
        self._queued_bytes += size
        recording.queued_jobs += jobs
        recording.queued_bytes += size

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._jobs or self._stopping, RETRY_S if self._backlog else None)
                if not self._jobs and self._stopping:
                    break
                job = self._jobs.popleft() if self._jobs else self._announce_backlog
            try:
                job()
            except Exception:
                # The thread must outlive a bug in one fragment: every other recording depends on it.
                log.exception("recording_writer_error")
        self._announce_backlog()

    def _write_queued(self, recording: Recording, index: int, media: Media) -> None:
        try:
            self._write(recording, index, media)
        finally:
            with self._wake:
                self._count(recording, -1, -media.size)

    def _write(self, recording: Recording, index: int, media: Media) -> None:
        self._report_dropped(recording)
        place = Place(recording.session, recording.stream, recording.epoch, index)
        try:
            data, contents = self._muxer.mux(media)
            holes = [{"track": h.track, "from_ms": h.from_ms, "to_ms": h.to_ms, "reason": h.reason} for h in media.holes]
            extra = {"recorded_ms": media.recorded_ms} | ({"holes": holes} if holes else {})
            stored = self._archive.write(place, data, extra)
        except Exception as error:
            # Sound that is written without its picture is no recovery of the picture.
            cause = PICTURE if isinstance(error, BadMedia) and media.video else STORAGE
            self._failed(recording, cause, first_ms(media), _reason(error), index)
            return
        recording.stored += 1
        for cause in (STORAGE, PICTURE) if media.video else (STORAGE,):
            if index > recording.failing.get(cause, -1):  # what was queued before the loss is no recovery from it
                self._works(recording, cause, contents.start_ms)
        event = sealed_event(place, stored, contents) | extra
        self._announce("fragment_sealed", event, lambda: self._archive.announced(stored.path))

    def _report_dropped(self, recording: Recording) -> None:
        with self._wake:
            dropped, recording.dropped = recording.dropped, None
        if dropped is not None:
            began_ms, last = dropped
            self._failed(recording, STORAGE, began_ms, "overloaded", last)

    def _failed(self, recording: Recording, cause: str, media_ms: int, reason: str, index: int = -1) -> None:
        """One event until it works again, however many fragments are lost: the gap between fragments tells the rest."""
        known = cause in recording.failing
        recording.failing[cause] = max(index, recording.failing.get(cause, -1))
        if known:
            return
        log.error("recording_failed", reason=reason, **recording.data(media_ms=media_ms))
        self._announce("recording_failed", recording.data(media_ms=media_ms, reason=reason))

    def _works(self, recording: Recording, cause: str, media_ms: int) -> None:
        """A cause is over; all is written again once none is left."""
        if cause not in recording.failing:
            return
        del recording.failing[cause]
        if not recording.failing:
            self._announce("recording_recovered", recording.data(media_ms=media_ms))

    def _announce(self, kind: str, data: dict[str, Any], done: Callable[[], None] = lambda: None) -> None:
        if len(self._backlog) >= BACKLOG:
            log.error("recording_backlog_full", kind=kind)  # a fragment's pending mark brings it back at the next start
            return
        self._backlog.append((kind, data, done))
        self._announce_backlog()

    def _announce_backlog(self) -> None:
        while self._backlog:
            kind, data, done = self._backlog[0]
            try:
                if kind != _BARRIER:
                    self._feed.append(kind, data)
            except OSError as error:
                log.error("recording_feed_refused", kind=kind, error=str(error))
                return
            except FeedStalled:  # queued there, though not durable yet: a fragment keeps its pending mark, just in case
                self._backlog.popleft()
                if kind != "fragment_sealed":
                    done()
                continue
            self._backlog.popleft()
            done()


def first_ms(media: Media) -> int:
    """Where a fragment begins, in media ms."""
    starts = [track[0].at / rate for track, rate in ((media.video, VIDEO_RATE), (media.audio, AUDIO_RATE)) if track]
    return round(min(starts) * 1000)


def _reason(error: Exception) -> str:
    if isinstance(error, BadMedia):
        return "media_invalid"
    if isinstance(error, OSError):
        return "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "io_error"
    log.error("recording_internal_error", exc_info=error)
    return "internal_error"
