"""How one process runs: uvloop, clean end on a signal or with its parent, files enough for every viewer."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Awaitable, Callable

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
