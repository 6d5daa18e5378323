"""When a media process collects garbage: not while somebody is there, unless there may be much of it.

A full collection looks at every object in one go, and all viewers wait for it. With 300 of them connected it took 109 ms
(CPython 3.11 on 2 shared cores, 196,000 objects), and 37 ms without what stands since the start, which is frozen here. Python
would make one whenever a quarter more has come: two while those 300 joined and 400 changed places. They found 10 objects;
peers that are over are not among them, since nothing of theirs refers in circles (`tests/stream/test_freed.py`). Young
collections go on: 15 a second of 0.2 ms in a rush of joiners, now and then one of 2 ms, hardly any in between.

What libraries and faults of ours leave behind stays bounded. Once a second the number of allocated blocks is read (0.05 ms)
and what belongs to peers taken off: everything is collected when nobody is there and some more are left than after the last
time, or when a great many more are.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

import structlog

from stream.metrics import MediaMetrics

_log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 1.0
# In blocks of memory, about a hundred bytes each. A connected peer has 780.
_OF_A_PEER = 1000
_MUCH = 1_000_000
_MUCH_IDLE = 50_000
_NEVER = 1_000_000_000
_NOTED = 1000


class Collecting:
    """Of the whole process: there is one. `peers` tells how many are there now."""

    def __init__(self, metrics: MediaMetrics, peers: Callable[[], int]) -> None:
        self._metrics = metrics
        self._peers = peers
        self._settled = 0
        self._began = 0.0
        self._noted: deque[tuple[int, float]] = deque(maxlen=_NOTED)

    async def run(self) -> None:
        """Until cancelled. What is there when it begins is taken to stay, and is not looked at any more."""
        thresholds = gc.get_threshold()
        gc.callbacks.append(self._note)
        try:
            gc.collect()
            gc.freeze()
            self._settled = self._unexplained()
            if sys.getallocatedblocks():  # an allocator that does not count (PYTHONMALLOC=malloc) leaves it to Python
                gc.set_threshold(thresholds[0], thresholds[1], _NEVER)
            while True:
                await asyncio.sleep(_LOOK_EVERY_S)
                self._look()
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()
            gc.callbacks.remove(self._note)

    def _look(self) -> None:
        peers, more = self._peers(), self._unexplained() - self._settled
        if more >= (_MUCH if peers else _MUCH_IDLE):
            found = gc.collect()
            self._settled = self._unexplained()
            _log.info("media_collected", found=found, peers=peers, blocks=more)
        while self._noted:
            generation, seconds = self._noted.popleft()
            self._metrics.collections.labels(str(generation)).observe(seconds)

    def _unexplained(self) -> int:
        """Blocks beyond those that belong to peers."""
        return sys.getallocatedblocks() - _OF_A_PEER * self._peers()

    def _note(self, phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        """A collection may come while a metric holds its lock, so that nothing is told from here."""
        now = time.perf_counter()
        if phase == "start":
            self._began = now
        else:
            self._noted.append((info["generation"], now - self._began))
