"""The media plane's figures, each beside its peer and its floor: what a packet costs, how many watch, how soon they see.

Every part is a process of its own: the media process (or Janus), the one source, the sinks (real ICE and DTLS; see
`bench/sink.py`), and this one, which looks at the server from outside. The parts stand at the heads of their files:
`bench/forwarding.py`, `bench/crowd.py`, `bench/first_frame.py`, `bench/two_processes.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

import uvloop

from bench.crowd import CROWDS, crowd, joiners
from bench.first_frame import first_frame
from bench.forwarding import forwarding
from bench.stage import sink_process
from bench.two_processes import two_processes

SCENARIOS = ("forwarding", "crowd", "joiners", "processes", "chromium")


async def measure(wanted: tuple[str, ...], arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of the wanted scenarios, one after the other."""
    found: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 1)}
    async with sink_process() as sinks:
        if "forwarding" in wanted:
            asked = (arguments.subscribers, arguments.seconds or 10.0, arguments.rounds)
            found |= _told(await forwarding(sinks, *asked, peer=not arguments.no_janus))
        if "joiners" in wanted:
            found |= _told(await joiners(sinks))
        if "processes" in wanted:
            asked = (arguments.subscribers, arguments.seconds or 2.5, arguments.rounds)
            found |= _told(await two_processes(sinks, *asked))
        if "crowd" in wanted:
            found |= _told(await crowd(sinks, tuple(arguments.crowd), arguments.seconds or 60.0))
    if "chromium" in wanted:
        found |= _told(await first_frame(arguments.joins))
    return found


def _told(figures: dict[str, Any]) -> dict[str, Any]:
    print("  ".join(f"{name} {value}" for name, value in figures.items()), flush=True)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.viewers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="this scenario (may be given several times)")
    parser.add_argument(
        "--seconds", type=float, help="to measure: a round of forwarding 10, a part of processes 2.5, the crowd 60"
    )
    parser.add_argument("--subscribers", type=int, default=100, help="of forwarding, and of each of processes")
    parser.add_argument("--rounds", type=int, default=2, help="of product, peer and floor by turns, and of processes")
    parser.add_argument("--no-janus", action="store_true", help="leave the peer out")
    parser.add_argument("--crowd", type=int, nargs="+", default=list(CROWDS), help="sizes, tried in turn until one holds")
    parser.add_argument("--joins", type=int, default=50, help="of the chromium scenario")
    arguments = parser.parse_args()
    found = uvloop.run(measure(tuple(arguments.only or SCENARIOS), arguments))
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
