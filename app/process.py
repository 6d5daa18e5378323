"""How one process runs: uvloop, clean end on a signal or with its parent, files enough for every viewer."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog
import uvloop

log = structlog.get_logger()


def run(main: Callable[[asyncio.Event], Awaitable[int]], *, with_parent: bool = False) -> int:
    """Runs `main(stopping)` on uvloop; `stopping` is set by SIGINT, SIGTERM or, `with_parent`, the end of standard input."""
    _raise_file_limit()

    async def body() -> int:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        watcher = asyncio.create_task(_follow_parent(stopping)) if with_parent else None
        try:
            return await main(stopping)
        finally:
            if watcher is not None:
                watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(body())


async def attend(stopping: asyncio.Event, works: Mapping[str, Coroutine[Any, Any, object]]) -> int:
    """Runs the lasting works of a process side by side until `stopping`; answers its exit code.

    None of them ends by itself: one that does is a fault, and the process ends (1) so that it is started afresh.
    """
    tasks = {asyncio.create_task(work, name=name) for name, work in works.items()}
    told = asyncio.create_task(stopping.wait(), name="stopping")
    try:
        done, _ = await asyncio.wait({told, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {told}:
            log.error("a lasting task ended; the process ends", task=task.get_name(), exc_info=task.exception())
        return 0 if done == {told} else 1
    finally:
        for task in (told, *tasks):
            task.cancel()
        await asyncio.gather(told, *tasks, return_exceptions=True)


async def _follow_parent(stopping: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read(1)
    log.warning("the supervising process is gone; ending too")
    stopping.set()


def _raise_file_limit() -> None:
    """A connection is a file; the usual 1,024 would be a hidden cap on viewers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
