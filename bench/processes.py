"""Processes of a benchmark: asked by a line of JSON, answering with one, and what they cost seen from outside."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

_LINE_BYTES = 1 << 24
_CLOSE_WITHIN_S = 10.0
_FILES = 8192
# clock_getcpuclockid(3): the CPU clock of another process is its complemented id and this kind.
_CPUCLOCK_SCHED = 2


class Child:
    """Another process, ended by closing its stdin."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._in, self._out = process.stdin, process.stdout

    @property
    def pid(self) -> int:
        return self.process.pid

    async def line(self, within_s: float) -> Any:
        """Its next answer. Raises TimeoutError, or RuntimeError when it has ended or says that it could not."""
        async with asyncio.timeout(within_s):
            read = await self._out.readline()
        if not read:
            raise RuntimeError(f"process {self.pid} ended before it answered")
        answer = json.loads(read)
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    async def ask(self, what: str = "figures", *, limit_s: float = 10.0, **arguments: Any) -> Any:
        """Its answer to a question. Raises as `line` does."""
        self._in.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        return await self.line(limit_s)

    async def close(self) -> None:
        self._in.close()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def child(module: str, *arguments: str) -> AbstractAsyncContextManager[Child]:
    """A module of ours in a process of its own."""
    return program(sys.executable, "-m", module, *arguments)


@asynccontextmanager
async def program(*command: str) -> AsyncIterator[Child]:
    """Any program that answers lines of JSON."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=_LINE_BYTES)
    started = Child(process)
    try:
        yield started
    finally:
        await started.close()


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def waited_seconds(pid: int) -> float:
    """How long threads of a process have been ready to run while others ran: what a busy machine takes from it."""
    waited = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            waited += int((task / "schedstat").read_text().split()[1])
    return waited / 1e9


def resident_kb(pid: int) -> int:
    """What a process has in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} has no memory")


def allow_many_files() -> None:
    """Room for a socket per sink."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, hard) if hard != resource.RLIM_INFINITY else _FILES, hard))


async def answer_lines(answers: Mapping[str, Callable[..., Awaitable[Any]]]) -> None:
    """Serves the other end: each line of stdin names one of `answers`, whose result is a line on stdout, until stdin ends."""
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            question = json.loads(line)
            answer = await answers[question.pop("do")](**question)
        except Exception as error:  # the one who asked hears of it, and decides
            answer = {"error": f"{type(error).__name__}: {error}"}
        tell(answer)


def tell(answer: Any) -> None:
    """A line of JSON for whoever started this process."""
    print(json.dumps(answer), flush=True)
