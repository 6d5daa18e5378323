"""How one process runs: uvloop, clean end on a signal or with its parent, files enough for every viewer."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import gc
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import structlog
import uvloop

log = structlog.get_logger()

# EX_CONFIG of sysexits(3): starting again would end the same way, so the supervisor does not.
CANNOT_START = 78
# Connections that wait to be taken: everybody who comes back at once.
BACKLOG = 1024
# Objects; a collection of so many takes about a millisecond.
_YOUNG = 20_000


class CannotStart(Exception):  # noqa: N818 - it names what is the matter
    """The process can't run as it is set up; the message says what to change."""


@contextlib.contextmanager
def taking(what: str, setting: str) -> Iterator[None]:
    """Turns "address in use" and its like into a sentence that names the setting to change."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL}:
            raise CannotStart(f"{what} can't be used ({os.strerror(error.errno)}); choose another with {setting}") from error
        raise


def only_one(lock: Path) -> IO[str]:
    """Holds `lock` until the process ends. Raises CannotStart when another process holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = lock.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise CannotStart(
            f"another Tellercast already runs in {lock.parent}; end it, or choose another TELLERCAST_DATA_DIR"
        ) from error
    return handle


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
        try:
            return runner.run(body())
        except CannotStart as error:
            log.error(str(error))
            return CANNOT_START


# What runs for as long as its process does, by name.
Works = Mapping[str, Callable[[], Coroutine[Any, Any, object]]]


async def attend(stopping: asyncio.Event, works: Works) -> int:
    """Runs the lasting works of a process side by side until `stopping`; answers its exit code.

    None of them ends by itself: one that does is a fault, and the process ends (1) so that it is started afresh.
    """
    tasks = {asyncio.create_task(work(), name=name) for name, work in works.items()}
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


def collect_rarely() -> None:
    """To be called once everything stands: it is not looked at any more, and young garbage only when there is some of it.

    Python's own thresholds made collections an eighth of the CPU in a rush of orders: every 700 objects, and what stands since
    the start again and again. A media process has stricter wishes (`stream/collecting.py`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


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
