"""What a second media process adds: the cost of carrying a stream to it, and what its subscribers cost and wait, beside one's.

A home and, for one half of each round, an edge run as in service: the edge gets the stream from the home's internal API. Each
has sinks of a process of their own. The parts of a half, one after the other. Home alone: so many subscribers; none, but the
publisher. Both: so many at the edge and none at the home; as many at each; nobody, while the edge still has its line to the
home. How many fill a process can't be shown where all share two cores, so it is worked out from the CPU: as many as fit between
what a process needs with nobody there and the share of a core that it may have.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from bench.processes import Child
from bench.stage import Home, Stage, Window, edge, home, sink_process, watched_together, watching

SHARE = 0.5
"""Of a core, what each process may need: at a whole one its viewers would wait without end. What that carries is told too."""
_SETTLE_S = 1.0
_DELIVERED_LEAST = 0.95
_LINES = "tellercast_media_relays"

Seen = tuple[Window, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Costs:
    """Shares of a core. The home's with its publisher alone, an edge's with its line alone, the line's at the home, and one
    subscriber's at the home and at the edge."""

    home: float
    edge: float
    line: float
    home_each: float
    edge_each: float

    def one(self, share: float) -> float:
        """How many subscribers one process carries, home without an edge."""
        return (share - self.home) / self.home_each

    def two(self, share: float) -> float:
        """How many a home and an edge carry."""
        return (share - self.home - max(self.line, 0.0)) / self.home_each + (share - self.edge) / self.edge_each

    def ratio(self, share: float) -> float:
        return self.two(share) / self.one(share)


@dataclass(frozen=True, slots=True)
class Alone:
    """The home while there is no edge: with subscribers, and with none."""

    watched: Seen
    idle: Seen


@dataclass(frozen=True, slots=True)
class Beside:
    """Home and edge, each at the same time: with subscribers at the edge, at both, and at neither. Where nobody watches, the
    delays are None."""

    at_edge: tuple[Seen, Seen]
    at_both: tuple[Seen, Seen]
    at_neither: tuple[Seen, Seen]


async def two_processes(sinks: Child, subscribers: int, seconds: float, rounds: int) -> dict[str, Any]:
    """The figures. Every other round begins with the other half, so that a change of the machine's pace meets both alike."""
    alone: list[Alone] = []
    beside: list[Beside] = []
    async with (
        sink_process() as others,
        home() as one,
        watching(sinks, one.media, one.url, one.source) as stage,
    ):
        for n in range(rounds):
            if n % 2:
                beside.append(await _beside(one, stage, others, subscribers, seconds))
            alone.append(await _alone(one, stage, subscribers, seconds))
            if not n % 2:
                beside.append(await _beside(one, stage, others, subscribers, seconds))
    return figures(alone, beside, subscribers)


async def _alone(one: Home, stage: Stage, subscribers: int, seconds: float) -> Alone:
    await stage.fill_all(subscribers)
    (watched,) = await _part((stage,), seconds, subscribers)
    await _lines(one, 0)
    await stage.sinks.ask("leave", count=subscribers)
    (idle,) = await _part((stage,), seconds, 0)
    return Alone(watched, idle)


async def _beside(one: Home, stage: Stage, others: Child, subscribers: int, seconds: float) -> Beside:
    async with edge(others, one) as side:
        both = (stage, side)
        await side.fill_all(subscribers)
        at_edge = await _part(both, seconds, subscribers)
        await stage.fill_all(subscribers)
        at_both = await _part(both, seconds, 2 * subscribers)
        for each in both:
            await each.sinks.ask("leave", count=subscribers)
        # For some seconds the edge keeps the line.
        at_neither = await _part(both, seconds, 0)
        await _lines(one, 1)
    return Beside(_pair(at_edge), _pair(at_both), _pair(at_neither))


def _pair(seen: list[Seen]) -> tuple[Seen, Seen]:
    at_home, at_edge = seen
    return at_home, at_edge


async def _part(stages: tuple[Stage, ...], seconds: float, subscribers: int) -> list[Seen]:
    """Raises RuntimeError when not all got the show: then the rest says nothing."""
    await asyncio.sleep(_SETTLE_S)
    seen = await watched_together(stages, seconds)
    came, sent = sum(window.packets for window, _ in seen), seen[0][0].sent
    if came < sent * subscribers * _DELIVERED_LEAST:
        raise RuntimeError(f"{came} packets of {sent} to each of {subscribers} came: the machine is too busy")
    return seen


async def _lines(one: Home, wanted: int) -> None:
    """Raises RuntimeError when another number of edges gets the stream: a part was not what it is taken for."""
    found = (await one.media.ask("figures"))[_LINES]
    if found != wanted:
        raise RuntimeError(f"{found:.0f} edges get the stream from the home, not {wanted}")


def costs(alone: list[Alone], beside: list[Beside], subscribers: int) -> Costs:
    """From all rounds. A subscriber's is the mean of that on a quiet machine and of that where both processes have as many."""
    idle, edge_idle = _share([a.idle for a in alone]), _share([b.at_neither[1] for b in beside])
    line = _share([b.at_edge[0] for b in beside] + [b.at_neither[0] for b in beside]) - idle
    at_home = _share([a.watched for a in alone]) + _share([b.at_both[0] for b in beside]) - line
    at_edge = _share([b.at_edge[1] for b in beside]) + _share([b.at_both[1] for b in beside])
    return Costs(
        home=idle,
        edge=edge_idle,
        line=line,
        home_each=(at_home / 2 - idle) / subscribers,
        edge_each=(at_edge / 2 - edge_idle) / subscribers,
    )


def figures(alone: list[Alone], beside: list[Beside], subscribers: int) -> dict[str, Any]:
    """By name. CPU is in percent of a core; the delays are those of the worst round."""
    found = costs(alone, beside, subscribers)
    parts = {
        "one": [a.watched for a in alone],
        "edge": [b.at_edge[1] for b in beside],
        "both_home": [b.at_both[0] for b in beside],
        "both_edge": [b.at_both[1] for b in beside],
    }
    told = {f"{part}_{name}": value for part, seen in parts.items() for name, value in _told(seen).items()}
    told |= {
        "subscribers": subscribers,
        "home_idle_cpu_percent": _percent(found.home),
        "edge_idle_cpu_percent": _percent(found.edge),
        "line_cpu_percent": _percent(found.line),
        "home_each_cpu_percent": _percent(found.home_each),
        "edge_each_cpu_percent": _percent(found.edge_each),
        "share_percent": round(SHARE * 100),
        "one_carries": round(found.one(SHARE)),
        "two_carry": round(found.two(SHARE)),
        "ratio": round(found.ratio(SHARE), 2),
        "full_one_carries": round(found.one(1.0)),
        "full_two_carry": round(found.two(1.0)),
        "full_ratio": round(found.ratio(1.0), 2),
    }
    return {f"processes_{name}": value for name, value in told.items()}


def _told(seen: list[Seen]) -> dict[str, Any]:
    windows, delays = [window for window, _ in seen], [delay for _, delay in seen]
    packets, expected = sum(w.packets for w in windows), sum(w.expected for w in windows)
    return {
        "cpu_percent": _percent(_share(seen)),
        "us_per_packet": round(sum(w.cpu_s for w in windows) / packets * 1e6, 2),
        "loss": round((expected - packets) / expected, 6),
        "delay_p50_ms": max(d["p50_ms"] for d in delays),
        "delay_p99_ms": max(d["p99_ms"] for d in delays),
        "waited_percent": round(max(w.waited_percent for w in windows), 1),
    }


def _share(seen: list[Seen]) -> float:
    """Of a core, over all of them."""
    return sum(window.cpu_s for window, _ in seen) / sum(window.took_s for window, _ in seen)


def _percent(share: float) -> float:
    return round(share * 100, 3)
