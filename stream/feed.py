"""The ordered, resumable feed from the media process to the web side: what was appended is told until it is acknowledged.

A record's life: numbered and queued → written and fsynced by the one writer thread (many records, one fsync) → seen by
readers → acknowledged → dropped from memory → gone from the file at the next compaction. Numbers go on over restarts.

The file is lines of JSON: a head `{"feed":1,"base":N,"id":ID}` (all up to N are acknowledged), then records and `{"ack":N}`
lines.
A torn end is what a crash leaves and is cut off: no reader has seen it. Damage before the end raises FeedCorrupt.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog

from core.clock import Clock, to_text
from core.errors import Refused
from stream.errors import FEED_AHEAD, FEED_ANEW, FeedCorrupt, FeedStalled

_log = structlog.get_logger(__name__)

# About 80 MB of memory: a web side away for days of a busy house.
LOUD_BACKLOG = 200_000
_COMPACT_BYTES = 1024 * 1024
_RETRY_S = 0.5
_APPEND_TIMEOUT_S = 10.0
_RESERVED = frozenset({"n", "kind", "at"})


@dataclass(slots=True)
class _Pending:
    n: int
    line: bytes
    done: Future[int] = field(default_factory=Future)


class Feed:
    """`append` for threads, `append_soon` for the event loop, `lines` and `wait_beyond` for the web side's connection.

    `id` is that of the file: numbers of one file say nothing about another's. A file from before there were ids has "".
    Raises FeedCorrupt when the file is damaged. `on_write_failure` is called (in the writer thread) for each failed write.
    """

    def __init__(self, path: Path, clock: Clock, *, on_write_failure: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._clock = clock
        self._on_write_failure = on_write_failure
        self._changed = threading.Condition()
        self._queue: deque[_Pending] = deque()
        self._acks: deque[int] = deque()
        self._kept: deque[tuple[int, bytes]] = deque()
        self._acked = 0
        self._durable = 0
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._closed = False
        self._loud = False
        self._dirty = False
        self._renamed = False
        self._kept_bytes = 0
        self.id = secrets.token_hex(8)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._size = self._recover()
        self._last = self._durable
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._thread = threading.Thread(target=self._write_forever, name="feed-writer", daemon=True)
        self._thread.start()

    @property
    def last(self) -> int:
        """The number of the last durable record, 0 for none ever."""
        return self._durable

    @property
    def acked(self) -> int:
        """The number up to which the web side has acknowledged."""
        return self._acked

    @property
    def backlog(self) -> int:
        """Records not acknowledged, durable or not."""
        return self._last - self._acked

    def append(self, kind: str, data: dict[str, Any], *, timeout_s: float = _APPEND_TIMEOUT_S) -> int:
        """Appends and waits until the record is on disk; for threads. Raises FeedStalled after the timeout."""
        try:
            return self._enqueue(kind, data).done.result(timeout_s)
        except TimeoutError as error:
            raise FeedStalled(kind) from error

    def append_soon(self, kind: str, data: dict[str, Any]) -> int:
        """Numbers and queues a record and returns at once; it is durable, in order, a moment later."""
        return self._enqueue(kind, data).n

    def _enqueue(self, kind: str, data: dict[str, Any]) -> _Pending:
        if taken := _RESERVED & data.keys():
            raise ValueError(f"a record's data can't hold {sorted(taken)}")
        with self._changed:
            if self._closed:
                raise RuntimeError("the feed is closed")
            n = self._last + 1
            record = {"n": n, "kind": kind, "at": to_text(self._clock.now()), **data}
            pending = _Pending(n, json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
            self._last = n
            self._queue.append(pending)
            self._changed.notify_all()
            if self._last - self._acked > LOUD_BACKLOG and not self._loud:
                self._loud = True
                _log.error(
                    "feed_backlog", unacknowledged=self._last - self._acked, advice="is the web process reading the feed?"
                )
        return pending

    def require(self, feed: str) -> None:
        """Raises Refused(FEED_ANEW) when a reader's numbers are another file's; an empty `feed` is not compared."""
        if feed and feed != self.id:
            raise Refused(FEED_ANEW)

    def ack(self, upto: int) -> None:
        """All up to `upto` is safe with the reader. Going back does nothing; beyond the end raises Refused(FEED_AHEAD)."""
        with self._changed:
            if upto > self._durable:
                raise Refused(FEED_AHEAD, after=upto, last=self._durable)
            if upto <= self._acked:
                return
            self._acked = upto
            while self._kept and self._kept[0][0] <= upto:
                self._kept_bytes -= len(self._kept.popleft()[1])
            self._loud = self._loud and self._last - upto > LOUD_BACKLOG
            self._acks.append(upto)
            self._changed.notify_all()

    def lines(self, after: int, limit: int = 500) -> list[tuple[int, bytes]]:
        """Up to `limit` durable records beyond `after` as JSON lines, oldest first. Raises Refused(FEED_AHEAD)."""
        with self._changed:
            if after > self._durable:
                raise Refused(FEED_AHEAD, after=after, last=self._durable)
            if not self._kept:
                return []
            skip = max(0, after - self._kept[0][0] + 1)
            return [self._kept[i] for i in range(skip, min(skip + limit, len(self._kept)))]

    async def wait_beyond(self, after: int, timeout_s: float) -> bool:
        """Until there is a durable record beyond `after` or the feed is closed (True), or time is up (False)."""
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        self._waiters.add(waiter)
        try:
            if self._durable > after or self._closed:
                return True
            async with asyncio.timeout(timeout_s):
                while self._durable <= after and not self._closed:
                    await event.wait()
                    event.clear()
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return True

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Writes what is queued (if the disk lets it) and ends all readers."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=_APPEND_TIMEOUT_S)
        os.close(self._file)
        self._wake()

    def _wake(self) -> None:
        for loop, event in list(self._waiters):
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # its loop is closed: nobody waits there any more
                self._waiters.discard((loop, event))

    def _write_forever(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._acks and not self._closed:
                    self._changed.wait()
                batch, acks = list(self._queue), list(self._acks)
                if not batch and not acks:
                    return
            try:
                self._write(batch, acks)
            except OSError as error:
                _log.error("feed_not_written", error=str(error), records=len(batch))
                self._on_write_failure()
                with self._changed:
                    if self._closed:
                        return
                    self._changed.wait(_RETRY_S)
                continue
            self._written(batch, acks)

    def _write(self, batch: list[_Pending], acks: list[int]) -> None:
        data = b"".join(p.line for p in batch)
        if acks:
            data += b'{"ack":%d}\n' % acks[-1]
        if self._dirty:
            os.ftruncate(self._file, self._size)
        self._dirty = True  # until all of it is there, what is beyond `_size` is a torn end
        _write_all(self._file, data)
        if batch:  # a lost acknowledgement only means that a record is told twice
            os.fsync(self._file)
            if self._renamed:  # the compacted file may still be the old one after a crash, and this record is not in that
                _sync_folder(self._path)
                self._renamed = False
        self._dirty = False
        self._size += len(data)

    def _written(self, batch: list[_Pending], acks: list[int]) -> None:
        with self._changed:
            for _ in batch:
                pending = self._queue.popleft()
                self._kept.append((pending.n, pending.line))
                self._kept_bytes += len(pending.line)
                self._durable = pending.n
            for _ in acks:
                self._acks.popleft()
            compact = self._size > _COMPACT_BYTES and self._kept_bytes * 2 < self._size
        self._wake()
        for pending in batch:
            pending.done.set_result(pending.n)
        if compact:
            try:
                self._compact()
            except OSError as error:  # the old file is still in use, and whole; the next batch tries again
                _log.warning("feed_not_compacted", error=str(error))

    def _compact(self) -> None:
        with self._changed:
            kept, base = list(self._kept), self._acked
        data = _head(base, self.id) + b"".join(line for _, line in kept)
        temporary = self._path.with_name(self._path.name + ".tmp")
        fresh = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            _write_all(fresh, data)
            os.fsync(fresh)
            temporary.replace(self._path)
        except OSError:
            os.close(fresh)
            raise
        # From here on the old file has no name: nothing may fail between the renaming and writing to the new one.
        old, self._file, self._size, self._renamed = self._file, fresh, len(data), True
        os.close(old)

    def _recover(self) -> int:
        """Reads the file back, cuts a torn end off and returns the size."""
        if not self._path.exists():
            replace_durably(self._path, _head(0, self.id))
            return len(_head(0, self.id))
        raw = self._path.read_bytes()
        *whole, _torn = raw.split(b"\n")
        size = 0
        for number, line in enumerate(whole, start=1):
            try:
                self._replay(msgspec.json.decode(line, type=dict[str, Any]), line + b"\n", first=number == 1)
            except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
                raise FeedCorrupt(f"{self._path} line {number}: {error}") from error
            size += len(line) + 1
        if not whole:
            raise FeedCorrupt(f"{self._path} has no head")
        if size < len(raw):
            _log.warning("feed_torn_end", cut_bytes=len(raw) - size)
            with self._path.open("r+b") as file:
                file.truncate(size)
                os.fsync(file.fileno())
        while self._kept and self._kept[0][0] <= self._acked:
            self._kept.popleft()
        self._kept_bytes = sum(len(line) for _, line in self._kept)
        return size

    def _replay(self, entry: dict[str, Any], line: bytes, *, first: bool) -> None:
        if first:
            if entry["feed"] != 1:
                raise ValueError("an unknown version")
            self._acked = self._durable = int(entry["base"])
            self.id = str(entry.get("id", ""))
        elif "ack" in entry:
            if entry["ack"] > self._durable:
                raise ValueError("an acknowledgement from the future")
            self._acked = max(self._acked, int(entry["ack"]))
        else:
            if entry["n"] != self._durable + 1:
                raise ValueError(f"number {entry['n']} after {self._durable}")
            self._durable = entry["n"]
            self._kept.append((self._durable, line))


def _head(base: int, feed: str) -> bytes:
    return b'{"feed":1,"base":%d,"id":"%b"}\n' % (base, feed.encode())


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def replace_durably(path: Path, data: bytes) -> None:
    """Writes a file so that after a crash either the old or the new one is there, whole."""
    temporary = path.with_name(path.name + ".tmp")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write_all(file, data)
        os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(path)
    _sync_folder(path)


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
