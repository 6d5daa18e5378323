"""`tellercast serve`: the web processes and the media processes, watched over; whichever dies is started again.

Several web processes take connections off one listening socket, which is made here and handed down: that works the same on
Linux and macOS, and a connection that was waiting when one of them died is taken by another. (With SO_REUSEPORT each has a line
of its own, which is lost with it, and macOS does not spread connections over them.)
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import structlog

from app.process import BACKLOG, CANNOT_START, CannotStart, only_one, taking
from app.settings import Settings

log = structlog.get_logger()

# A process that lived this long was well; its next death is restarted at once.
_WELL_AFTER_S = 30.0
_LONGEST_PAUSE_S = 5.0
_STOP_WITHIN_S = 15.0
_READY_WITHIN_S = 60.0


@dataclass
class Child:
    """One watched process and what is known of its deaths."""

    name: str
    command: tuple[str, ...]
    environ: dict[str, str]
    files: tuple[int, ...] = ()  # handed down, under the same numbers
    process: asyncio.subprocess.Process | None = None
    deaths: int = 0
    cannot_start: bool = False

    async def start(self) -> asyncio.subprocess.Process:
        # Its standard input is a pipe that we hold: when we vanish it reads the end and stops (`--with-parent`).
        # A session of its own keeps the terminal's Ctrl-C from reaching it before us. A SIGHUP that comes before it listens
        # would end it: it is born with the signal blocked (which exec keeps), and takes it once it listens (`app/lexicon.py`).
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.PIPE, env=self.environ, start_new_session=True, pass_fds=self.files
            )
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        return self.process

    def read_anew(self) -> None:
        """Has it read again what an operator may change while it runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGHUP)

    async def stop(self) -> None:
        """Asks it to end, then insists."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_WITHIN_S)
        except TimeoutError:
            log.warning("process did not stop in time and was killed", process=self.name)
            process.kill()
            await process.wait()


async def serve(settings: Settings) -> int:
    """Runs until SIGINT or SIGTERM; answers the exit code: 1 when no web process ever became ready, 78 when none can."""
    try:
        _held = only_one(settings.data_dir / "serve.lock")
        shared = _port(settings)
    except CannotStart as error:
        print(f"tellercast: {error}", file=sys.stderr)
        return CANNOT_START
    media, webs = _children(settings, shared)
    children = [*media, *webs]
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, _hangup(webs, stopping))
    watchers = [asyncio.create_task(_watch(child, stopping)) for child in children]
    announced = asyncio.create_task(_announce(settings, stopping))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({stopped, announced}, return_when=asyncio.FIRST_COMPLETED)
    ready = not announced.done() or announced.result()
    if ready:
        await stopping.wait()
    stopping.set()
    announced.cancel()
    await asyncio.gather(*(child.stop() for child in media))  # web still hears the last fragments
    await asyncio.gather(*(web.stop() for web in webs))
    await asyncio.gather(*watchers)
    if shared is not None:
        shared.close()
    return 0 if ready and not any(child.cannot_start for child in children) else 1


def _hangup(webs: list[Child], stopping: asyncio.Event) -> Callable[[], None]:
    """What SIGHUP asks of us: the web processes read their files anew. From a terminal that was closed it means the end."""
    began_at_one = _at_terminal()

    def hang_up() -> None:
        if began_at_one and not _at_terminal():
            stopping.set()
            return
        for web in webs:
            web.read_anew()

    return hang_up


def _at_terminal() -> bool:
    """Whether there is a terminal that we belong to."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _children(settings: Settings, shared: socket.socket | None) -> tuple[list[Child], list[Child]]:
    """The media processes, the home first, and the web processes."""
    environ = {**os.environ, "TELLERCAST_DEMO": "1" if settings.demo else "0", "TELLERCAST_WEBS": str(settings.webs)}
    base = (sys.executable, "-m", "app.cli")
    home = Child("media", (*base, "media", "--with-parent"), environ)
    edges = (
        Child(f"media {number}", (*base, "media", "--edge", str(number), "--with-parent"), environ)
        for number in range(1, settings.media_processes)
    )
    web = (*base, "web", "--with-parent")
    if shared is None:
        return [home, *edges], [Child("web", web, environ)]
    listening = (*web, "--listening", str(shared.fileno()))
    names = (f"web {number}" for number in range(1, settings.webs + 1))
    return [home, *edges], [Child(name, listening, environ, (shared.fileno(),)) for name in names]


def _port(settings: Settings) -> socket.socket | None:
    """The socket that several web processes share; one makes its own.

    Also then the port is asked for before anything is started: otherwise whoever has it would answer that "we" are ready.
    """
    host, port = settings.http_host, settings.http_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with taking(f"port {port}", "TELLERCAST_HTTP_PORT"):
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=False)
    if settings.several_webs > 1:
        return listening
    listening.close()
    return None


async def _watch(child: Child, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        began = time.monotonic()
        code = await _live(child, stopping)
        if stopping.is_set():
            return
        if code == CANNOT_START:  # it has said why
            stopping.set()
            child.cannot_start = True
            return
        child.deaths = 1 if time.monotonic() - began > _WELL_AFTER_S else child.deaths + 1
        pause = 0.0 if child.deaths == 1 else min(_LONGEST_PAUSE_S, 0.25 * 2.0**child.deaths)
        log.error("process died; starting it again", process=child.name, code=code, deaths=child.deaths, pause_s=pause)
        try:
            await asyncio.wait_for(stopping.wait(), pause or 0.01)
        except TimeoutError:
            continue


async def _live(child: Child, stopping: asyncio.Event) -> int:
    """Starts it and answers the code it ended with; one that can't be started counts as dead at once."""
    try:
        process = await child.start()
    except OSError as error:  # no memory, no more processes: there may be soon
        log.error("process could not be started", process=child.name, error=str(error))
        return 1
    if stopping.is_set():  # while it was being started: nobody else knows of it yet
        await child.stop()
    return await process.wait()


async def _announce(settings: Settings, stopping: asyncio.Event) -> bool:
    """Waits until a web process is ready, then says how to get in."""
    host = "127.0.0.1" if settings.http_host in {"0.0.0.0", ""} else settings.http_host  # noqa: S104 - compared, not bound
    address = f"http://{host}:{settings.http_port}/readyz"
    deadline = time.monotonic() + _READY_WITHIN_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as client:
        while not stopping.is_set() and time.monotonic() < deadline:
            try:
                async with client.get(address) as response:
                    if response.status == 200:  # noqa: PLR2004
                        print(_ways_in(settings), flush=True)
                        return True
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1)
    if not stopping.is_set():
        print(f"Tellercast did not become ready within {_READY_WITHIN_S:.0f} s; the lines above say why.", file=sys.stderr)
    return stopping.is_set()


def _ways_in(settings: Settings) -> str:
    base = settings.base_url
    if not settings.demo:
        return f"Tellercast is ready at {base}/"
    return "\n".join(
        (
            "Tellercast is ready. Ways in:",
            f"  customer    {base}/login?as=customer-c3",
            f"  adviser     {base}/login?as=adviser-1&next=/studio",
            f"  compliance  {base}/login?as=reviewer-1&next=/console",
            f"  operator    {base}/login?as=operator-1&next=/catalogue",
            "Ctrl-C ends it.",
        )
    )
