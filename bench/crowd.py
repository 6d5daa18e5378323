"""A full house: hundreds watch one show on one media process, some come and some go; and a rush to the door.

The crowd's first half is quiet, in the second so many join and as many leave each second. It holds when nobody stays outside
and losses and delays are within their bounds; when it does not, the next smaller crowd is tried.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from bench.processes import Child, resident_kb
from bench.stage import SETTLE_S, Stage, Watch, Window, ours

CROWDS = (600, 400, 300, 200)
COMING_A_SECOND = 20
LOSS_MOST = 0.001
DELAY_P99_MOST_MS = 20.0
_CHURN_GRACE_S = 60.0
RUSH, RUSH_S = 200, 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One crowd. The delays are dictionaries of the sinks' `delays`."""

    subscribers: int
    window: Window
    quiet: dict[str, Any]
    churning: dict[str, Any]
    overall: dict[str, Any]
    churn: dict[str, Any]
    kb_each: float
    outside: int
    """Those who never got in, at the beginning or later."""

    @property
    def holds(self) -> bool:
        """Whether it is served as promised."""
        p99 = self.overall["p99_ms"]
        whole = not (self.window.stalled or self.window.ended_by_server or self.window.unauthentic or self.outside)
        return whole and self.window.loss <= LOSS_MOST and p99 is not None and p99 <= DELAY_P99_MOST_MS


async def crowd(sinks: Child, sizes: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """The figures of the first size, how each smaller one fared until one held, and which that was (0: none)."""
    outcomes: list[Outcome] = []
    for size in sizes:
        async with ours(sinks) as stage:
            outcomes.append(await _crowd(stage, size, seconds))
        if outcomes[-1].holds:
            break
    first, last = outcomes[0], outcomes[-1]
    return {
        "crowd_subscribers": first.subscribers,
        "crowd_seconds": seconds,
        "crowd_loss": round(first.window.loss, 6),
        "crowd_delay_p50_ms": first.overall["p50_ms"],
        "crowd_delay_p99_ms": first.overall["p99_ms"],
        "crowd_quiet_delay_p99_ms": first.quiet["p99_ms"],
        "crowd_churn_delay_p99_ms": first.churning["p99_ms"],
        "crowd_cpu_percent": round(first.window.cpu_percent, 1),
        "crowd_us_per_packet": round(first.window.us_per_packet, 2),
        "crowd_packets_per_s": round(first.window.packets_per_s),
        "crowd_repeated": first.window.repeated,
        "crowd_stalled": first.window.stalled,
        "crowd_ended_by_server": first.window.ended_by_server,
        "rss_per_subscriber_kb": round(first.kb_each),
        "joined": first.churn["joined"],
        "left": first.churn["left"],
        "crowd_outside": first.outside,
        "crowd_waited_percent": round(first.window.waited_percent, 1),
        "crowd_source_late_ms": first.window.late_ms,
        "crowd_sustained": last.subscribers if last.holds else 0,
        "crowd_ladder": [_rung(outcome) for outcome in outcomes],
    }


def _rung(outcome: Outcome) -> dict[str, Any]:
    return {
        "subscribers": outcome.subscribers,
        "loss": round(outcome.window.loss, 6),
        "delay_p99_ms": outcome.overall["p99_ms"],
        "cpu_percent": round(outcome.window.cpu_percent, 1),
        "holds": outcome.holds,
    }


async def _crowd(stage: Stage, subscribers: int, seconds: float) -> Outcome:
    empty_kb = resident_kb(stage.pid)
    filled = await stage.fill(subscribers)
    await asyncio.sleep(SETTLE_S)
    watch, sinks = Watch(stage), stage.sinks
    await sinks.ask("forget_delays")
    await watch.begin()
    await asyncio.sleep(seconds / 2)
    quiet = await sinks.ask("delays")
    churn = await sinks.ask("churn", a_second=COMING_A_SECOND, seconds=seconds / 2, limit_s=seconds / 2 + _CHURN_GRACE_S)
    window = await watch.so_far()
    return Outcome(
        subscribers,
        window,
        quiet,
        churning=await sinks.ask("delays", since=quiet["samples"]),
        overall=await sinks.ask("delays"),
        churn=churn,
        kb_each=(resident_kb(stage.pid) - empty_kb) / max((await sinks.ask())["sinks"], 1),
        outside=filled["failed"] + churn["failed"],
    )


async def joiners(sinks: Child, count: int = RUSH, within_s: float = RUSH_S) -> dict[str, Any]:
    """How long a rush takes until all have the picture, and how many keyframes the publisher was asked for."""
    async with ours(sinks) as stage:
        await asyncio.sleep(SETTLE_S)
        before = await stage.source.ask("figures")
        joined = await sinks.ask("join", count=count, within_s=within_s, limit_s=60.0)
        await asyncio.sleep(1.0)  # a request that is held back a little would come now
        after = await stage.source.ask("figures")
    return {
        f"join{count}_seeing": count - joined["failed"],
        f"join{count}_failures": joined["failures"],
        f"join{count}_all_s": joined["all_s"],
        f"join{count}_first_packet_p50_s": joined["first_packet_p50_s"],
        f"join{count}_first_packet_max_s": joined["first_packet_max_s"],
        "keyframes_asked": after["keyframes_asked"] - before["keyframes_asked"],
    }
