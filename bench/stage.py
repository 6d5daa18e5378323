"""What every scenario is played on: the server, the one source, the sinks, each a process; and what is measured there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.janus import janus
from bench.processes import Child, child, cpu_seconds, waited_seconds

READY_WITHIN_S = 30.0
JOIN_WITHIN_S = 120.0
SETTLE_S = 3.0
JOINS_A_SECOND = 50


@dataclass(frozen=True, slots=True)
class Stage:
    """A server (ours or the peer's) that forwards the source to the sinks. `media` is None when it is the peer's."""

    pid: int
    media: Child | None
    source: Child
    sinks: Child

    async def fill(self, count: int) -> dict[str, Any]:
        """So many sinks, joined at an even pace; see `Sinks.join`."""
        joined: dict[str, Any] = await self.sinks.ask(
            "join", count=count, within_s=count / JOINS_A_SECOND, limit_s=JOIN_WITHIN_S
        )
        return joined

    async def fill_all(self, count: int) -> dict[str, Any]:
        """Raises RuntimeError when one of them sees nothing."""
        joined = await self.fill(count)
        if joined["failed"]:
            raise RuntimeError(f"{joined['failed']} of {count} sinks saw nothing: {joined['failures']}")
        return joined


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two looks at a stage. `cpu_s` is the server's user and system time, `took_s` the wall's."""

    took_s: float
    cpu_s: float
    packets: int
    bytes: int
    expected: int
    sent: int
    repeated: int
    unauthentic: int
    stalled: int
    ended_by_server: int
    late_ms: float
    waited_s: float

    @property
    def us_per_packet(self) -> float:
        return self.cpu_s / max(self.packets, 1) * 1e6

    @property
    def loss(self) -> float:
        """Of what the sequence numbers promised, the share that did not come."""
        return (self.expected - self.packets) / max(self.expected, 1)

    @property
    def cpu_percent(self) -> float:
        return self.cpu_s / self.took_s * 100

    @property
    def waited_percent(self) -> float:
        """Of the time, how much the server wanted to run and could not: with more than a few, delays are the machine's."""
        return self.waited_s / self.took_s * 100

    @property
    def packets_per_s(self) -> float:
        return self.packets / self.took_s


class Watch:
    """Looks at a stage at a beginning and, as often as wanted, at an end."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._before: dict[str, Any] = {}

    async def begin(self) -> None:
        self._before = await self._look()

    async def so_far(self) -> Window:
        before, now = self._before, await self._look()
        passed = {name: now[name] - before[name] for name in before}
        return Window(
            took_s=passed["at"],
            cpu_s=passed["cpu"],
            packets=passed["packets"],
            bytes=passed["bytes"],
            expected=passed["expected"],
            sent=passed["sent"],
            repeated=now["repeated"],
            unauthentic=now["unauthentic"],
            stalled=now["stalled"],
            ended_by_server=now["ended_by_server"],
            late_ms=now["late_ms"],
            waited_s=passed["waited"],
        )

    async def _look(self) -> dict[str, Any]:
        figures = await self._stage.sinks.ask("figures")
        cpu, at, source = cpu_seconds(self._stage.pid), time.perf_counter(), await self._stage.source.ask("figures")
        waited = waited_seconds(self._stage.pid)
        return {**figures, "cpu": cpu, "waited": waited, "at": at, "sent": source["packets"], "late_ms": source["late_ms"]}


@asynccontextmanager
async def sink_process() -> AsyncIterator[Child]:
    """The sinks' process, ready to be asked."""
    async with child("bench.sinks") as sinks:
        await sinks.line(READY_WITHIN_S)
        yield sinks


@dataclass(frozen=True, slots=True)
class Home:
    """A media process of ours with the source publishing to it. `api` is the path of its internal API's socket."""

    media: Child
    source: Child
    url: str
    api: str


@asynccontextmanager
async def home() -> AsyncIterator[Home]:
    """Both started, and nobody watching."""
    async with child("bench.media") as media:
        told = await media.line(READY_WITHIN_S)
        async with child("bench.source", "--whip", f"{told['url']}/whip") as source:
            await source.line(READY_WITHIN_S)
            yield Home(media, source, told["url"], told["api"])


@asynccontextmanager
async def watching(sinks: Child, media: Child, url: str, source: Child) -> AsyncIterator[Stage]:
    """The sinks' way to a media process of ours is open, by its `url`."""
    await sinks.ask("open", whep=f"{url}/whep")
    try:
        yield Stage(media.pid, media, source, sinks)
    finally:
        await sinks.ask("close", limit_s=READY_WITHIN_S)


@asynccontextmanager
async def ours(sinks: Child) -> AsyncIterator[Stage]:
    """A media process of ours with the source publishing to it."""
    async with home() as one, watching(sinks, one.media, one.url, one.source) as stage:
        yield stage


@asynccontextmanager
async def edge(sinks: Child, of: Home) -> AsyncIterator[Stage]:
    """A second media process, which gets its streams from the home."""
    async with child("bench.media", "--home", of.api) as media:
        url = (await media.line(READY_WITHIN_S))["url"]
        async with watching(sinks, media, url, of.source) as stage:
            yield stage


@asynccontextmanager
async def theirs(sinks: Child) -> AsyncIterator[Stage]:
    """Janus with the same source sending to its mountpoint."""
    async with (
        janus() as peer,
        child("bench.source", "--rtp", str(peer.audio_port), str(peer.video_port)) as source,
    ):
        await source.line(READY_WITHIN_S)
        await sinks.ask("open", janus=peer.api)
        try:
            yield Stage(peer.pid, None, source, sinks)
        finally:
            await sinks.ask("close", limit_s=READY_WITHIN_S)


async def watched(stage: Stage, seconds: float) -> tuple[Window, dict[str, Any]]:
    """So many seconds of what is going on, and the delays in them. Raises RuntimeError when packets were not authentic."""
    return (await watched_together((stage,), seconds))[0]


async def watched_together(stages: Sequence[Stage], seconds: float) -> list[tuple[Window, dict[str, Any]]]:
    """As `watched`, of several at once, which have no sinks in common."""
    watches = [Watch(stage) for stage in stages]
    for stage in stages:
        await stage.sinks.ask("forget_delays")
    for watch in watches:
        await watch.begin()
    await asyncio.sleep(seconds)
    windows = [await watch.so_far() for watch in watches]
    if unauthentic := sum(window.unauthentic for window in windows):
        raise RuntimeError(f"{unauthentic} packets were not authentic")
    return [(window, await stage.sinks.ask("delays")) for window, stage in zip(windows, stages, strict=True)]
