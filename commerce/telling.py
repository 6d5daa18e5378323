"""Telling others of what is committed, beside those who wait for their answer: it holds up no acknowledgement, and it is done
whether or not somebody still waits for one."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

# What others are told is written to their sockets at once, or goes to Redis, which has timeouts of its own.
_WITHIN_S: Final = 10.0
# So many groups may be told of at the same time. Pages that miss something catch up by number when they next join.
_MOST: Final = 50

_log = structlog.get_logger(__name__)

# Tells of one thing; what goes wrong in it is logged.
Step = Callable[[], Awaitable[object]]


class Telling:
    """Does steps in their order, those that come together one after the other, and forgets what it can't do in time."""

    def __init__(self, *, most: int = _MOST, within_s: float = _WITHIN_S) -> None:
        self._most, self._within_s = most, within_s
        self._under_way: set[asyncio.Task[None]] = set()

    def later(self, steps: Sequence[Step]) -> None:
        """Begin to tell; returns at once."""
        if not steps:
            return
        if len(self._under_way) >= self._most:
            _log.error("not_told", why="too much is being told", steps=len(steps))
            return
        # A context of its own: what the caller's log lines carry is not the others'.
        task = asyncio.create_task(self._tell(list(steps)), context=contextvars.Context())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self, within_s: float) -> None:
        """Let what is being told end; after `within_s` seconds it is broken off."""
        if not self._under_way:
            return
        _done, late = await asyncio.wait(self._under_way, timeout=within_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _tell(self, steps: Sequence[Step]) -> None:
        left = len(steps)
        try:
            async with asyncio.timeout(self._within_s):
                for step in steps:
                    await self._one(step)
                    left -= 1
        except TimeoutError:
            _log.error("not_told", why="it took too long", steps=left)

    async def _one(self, step: Step) -> None:
        try:
            await step()
        except Exception:
            _log.exception("not_told", why="it failed")
