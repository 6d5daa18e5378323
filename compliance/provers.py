"""Proves stretches of a long trail in processes beside this one: the work is a core's for each, and the result is little.

A process gets frames of a length (4 bytes, big-endian) and a `Stretch` in MessagePack on its standard input, and answers each
with the same of a `Proven`, or nil. It ends when its input does, so that it never outlives who started it. What a process
doesn't answer, whatever the reason, is not proven, and is then looked at entry by entry.
"""

from __future__ import annotations

import contextlib
import gc
import os
import struct
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Final

import msgspec

from compliance.stretch import Proven, Stretch, prove

# Below this, starting them takes longer than what they save.
WORTHWHILE: Final = 100_000
# Reading and comparing takes the process that asks half as long as proving takes two.
_MOST: Final = 2
_ANSWER_WITHIN_S: Final = 60.0  # for some milliseconds of work
_LENGTH: Final = struct.Struct(">I")

_ENCODER: Final = msgspec.msgpack.Encoder()
_STRETCHES: Final = msgspec.msgpack.Decoder(Stretch)
_ANSWERS: Final = msgspec.msgpack.Decoder(Proven | None)


def processes(entries: int) -> int:
    """How many processes beside this one so many entries are worth on this machine; none where it has one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return min(_MOST, cores) if entries >= WORTHWHILE and cores > 1 else 0


class Provers:
    """Proves stretches in this process, or for at least `WORTHWHILE` entries in others. A context manager."""

    def __init__(self, entries: int) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._start(processes(entries))
        self._threads = ThreadPoolExecutor(len(self._processes)) if self._processes else None

    @property
    def ahead(self) -> int:
        """How many stretches may be under way at once."""
        return 2 * len(self._processes)

    def submit(self, stretch: Stretch) -> Future[Proven | None]:
        """What `prove` says, in time."""
        if self._threads is not None:
            return self._threads.submit(self._ask, stretch)
        future: Future[Proven | None] = Future()
        future.set_result(prove(stretch))
        return future

    def result(self, future: Future[Proven | None]) -> Proven | None:
        """The answer; None also when it doesn't come."""
        try:
            return future.result(_ANSWER_WITHIN_S)
        except TimeoutError:
            self._kill()  # which also ends the waiting of the threads
            return None

    def __enter__(self) -> Provers:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._kill()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):  # what could not be written any more
                    _open(pipe).close()

    def _start(self, count: int) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        # -P: without it what lies in the current directory, such as the folder a bundle came in, would be run as this module.
        for _ in range(count):
            with contextlib.suppress(OSError):  # then this process does it alone
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "compliance.provers"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=environment,
                )
                self._processes.append(process)
                self._idle.put(process)

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _ask(self, stretch: Stretch) -> Proven | None:
        process = self._idle.get()
        try:
            _write(_open(process.stdin), _ENCODER.encode(stretch))
            answer = _read(_open(process.stdout))
            return _ANSWERS.decode(answer) if answer is not None else None
        except (OSError, msgspec.MsgspecError):
            return None
        finally:
            self._idle.put(process)


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("not a pipe")
    return pipe


def _write(pipe: IO[bytes], frame: bytes) -> None:
    pipe.write(_LENGTH.pack(len(frame)))
    pipe.write(frame)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes | None:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    [length] = _LENGTH.unpack(head)
    frame = pipe.read(length)
    return frame if len(frame) == length else None


def main() -> None:
    """The process that proves."""
    gc.disable()  # what is read from JSON holds no cycles, and is let go of at once
    while (frame := _read(sys.stdin.buffer)) is not None:
        _write(sys.stdout.buffer, _ENCODER.encode(prove(_STRETCHES.decode(frame))))


if __name__ == "__main__":
    main()
