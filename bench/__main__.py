"""`make bench`: runs every benchmark in a process of its own and writes docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import viewers_report
from bench.postgresql import server_version

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "benchmarks.md"

_INTRODUCTION = """\
# Benchmarks

Written by `make bench`. Each figure stands beside its floor: the least that the same machine, in the same run, needs for the
same outcome without us. Times and rates belong to the machine; the ratio travels better. What a benchmark does in detail stands
at the head of its file.
"""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A module that ends with one line of JSON, and how its figures are shown."""

    title: str
    module: str
    table: Callable[[dict[str, Any]], str]
    limit_s: float = 120.0
    plot: Callable[[dict[str, Any]], str] | None = None
    """An SVG, written beside the document as `benchmarks-NAME.svg`."""

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]


def _orders(found: dict[str, Any]) -> str:
    lines = [
        "| database | orders/s | p50 | p99 | floor: bare commits/s | floor / ours | web process | measured |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['orders_per_s']} | {one['p50_ms']} ms | {one['p99_ms']} ms | {one['floor_per_s']} "
        f"| {one['floor_ratio']} | {one['web_us_per_order']} µs an order | {one['orders']} orders, {one['under_way']} at once |"
        for name, one in _databases(found)
    ]
    lines += [
        "",
        "Through the whole gate, in one show, from the event to the acknowledgement after the durable commit, which orders",
        "that come at once share; p50 and p99 include the wait for the orders ahead. The floor is one bare connection that",
        "commits an order's row and an entry's row, one at a time. Buyers, database and web process share the CPUs.",
    ]
    return "\n".join(lines)


def _databases(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, found[key]) for key, name in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")) if key in found]


def _race(found: dict[str, Any]) -> str:
    lines = [
        "| database | web processes | buyers | connections, at once | orders | sold out | cap reached | seconds | faults |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['webs']} | {one['buyers']} | {one['did']['connections']}, {one['connections']} | {one['orders']} "
        f"| {one['ends'].get('out_of_stock', 0)} | {one['ends'].get('cap_exceeded', 0)} | {one['seconds']} "
        f"| {len(one['faults'])} |"
        for name, one in _databases(found)
    ]
    lines += [
        "",
        "More buyers than pieces, each signed in for himself: some send a key twice, some through two doors at once, some lose",
        "the connection before they are answered, some want more than one customer may have. A fault is whatever does not",
        "agree between what everybody was told, the orders, the stock, the trail and the deliveries.",
    ]
    return "\n".join(lines)


def _comments(found: dict[str, Any]) -> str:
    show, bad = found["show"], found["nuisances"]
    names = (("ours", "us_per_delivery"), ("Node's socket.io", "node_us"), ("python-socketio", "stock_us"))
    lines = ["| server | CPU a delivery |", "|---|---|"]
    lines += [f"| {name} | {found[key]} µs |" for name, key in (*names, ("floor: a bare write", "floor_us"))]
    lines += [
        "",
        f"{found['clients']:,} clients of one room, {found['batches_per_s']:.0f} batches of five comments a second. Node costs "
        f"{found['ratio_node']} times ours, stock python-socketio",
        f"{found['ratio_stock']} times; ours costs {found['floor_ratio']} times the floor, which writes a ready frame to each "
        "transport on the same loop.",
        "",
        "| viewers | comments/s | seen p50 | p99 | memory a connection | web process | acknowledged, missing in the trail |",
        "|---|---|---|---|---|---|---|",
        f"| {show['viewers']:,} | {show['comments_per_s']:.0f} | {show['seen_p50_ms']} ms | {show['seen_p99_ms']} ms "
        f"| {show['kb_per_connection']} kB | {show['web_percent']}% of a core "
        f"| {show['acknowledged']:,}, {show['missing_in_trail']} |",
        "",
        f"Of {bad['good']} viewers with {bad['bad_of_each_kind']} each who never read, read a byte a second, or come and go "
        f"without a pause: comments seen p99 {bad['p99_with_ms']} ms,",
        f"{bad['p99_before_ms']} ms without them; those who do not read are cut off after {bad['cut_off_s']} s.",
    ]
    return "\n".join(lines)


def _replay(found: dict[str, Any]) -> str:
    lines = [
        "| at 1x from | frames dropped | by the standing page | by the film alone | comments | long tasks |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| minute {one['at_s'] // 60} | {one['dropped_percent']}% | {one['floor_dropped_percent']}% "
        f"| {one['film_dropped_percent']}% | {one['comments']} | {one['long_tasks_ms']} ms |"
        for one in found["windows"]
    ]
    whole = found["whole"]
    lines += [
        "",
        f"A show of {found['minutes']} minutes with {found['comments']:,} comments, {found['densest_minute']} in its densest "
        "minute, on the watch page in Chromium without a GPU,",
        f"which tells at most 300 of a minute. {found['dropped_percent']}% of {found['frames']:,} frames were dropped in the "
        f"windows at 1x, {found['floor_dropped_percent']}% by the same page with the film standing",
        f"still, {found['film_dropped_percent']}% by an empty page that plays the film alone. Played as a whole at "
        f"{whole['rate']:.0f}x: at most {found['dom_nodes_max']:,} elements in the",
        f"document, {found['rows_max']} comments in the list, {found['flying_max']} flying.",
    ]
    return "\n".join(lines)


def _lossy(found: dict[str, Any]) -> str:
    lines = ["| viewer | picture stood still | freezes | frames | keyframes asked |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {found['freeze_percent' + key]}% | {found['freezes' + key]} | {found['frames' + key]} "
        f"| {found['keyframe_requests' + key]} |"
        for name, key in (("with repair", ""), ("without", "_without_repair"))
    ]
    lines += [
        "",
        f"Chromium for {found['seconds']:.0f} s on a line with 60 ms of round trip and 3 % loss each way. With repair: "
        f"{found['packets_lost']} packets lost, {found['nacks']} asked for again, {found['repaired']} sent again.",
    ]
    return "\n".join(lines)


def _verifier(found: dict[str, Any]) -> str:
    lines = [
        "| entries | seconds | entries/s | CPU | memory | floor: unpack and hash |",
        "|---|---|---|---|---|---|",
        f"| {found['entries']:,} | {found['seconds']} | {found['entries_per_s']:,} | {found['cpu_s']} s "
        f"| {found['peak_mb']} MiB | {found['floor_s']} s |",
        "",
        f"The evidence of a show with {found['orders']:,} orders and {found['fragments']:,} fragments, and all personal texts",
        "of its comments and orders, from opening the file to the report, on both CPUs. The floor unpacks the same entries and",
        "puts each through SHA-256, on one.",
    ]
    return "\n".join(lines)


def _lexicon(found: dict[str, Any]) -> str:
    lines = ["| a comment of 100 characters | CPU |", "|---|---|"]
    kinds = (
        ("ordinary", "ordinary_us"),
        ("Chinese at random", "random_chinese_us"),
        ("Unicode at random", "random_unicode_us"),
    )
    lines += [
        f"| {name} | {found[key]} µs |" for name, key in (*kinds, ("floor: a search without folding, ordinary", "floor_us"))
    ]
    lines += [
        "",
        f"{found['rules']:,} rules, found by sound as well; {found['comments']:,} comments of each kind. A process's first "
        f"comments, of Chinese at random: {found['cold_us']} µs.",
    ]
    return "\n".join(lines)


BENCHMARKS = (
    Benchmark("Orders", "bench.orders", _orders),
    # Ten thousand people to sign up, and twice as many connections to open, twice.
    Benchmark("The race for the last pieces", "bench.race", _race, limit_s=3_000.0),
    Benchmark("Comments", "bench.comments", _comments, limit_s=900.0),
    # Three windows of two minutes with their floors, the whole at eight times its pace, and the show to be made.
    Benchmark("A replay", "bench.replay", _replay, limit_s=2_000.0),
    Benchmark("The lexicon", "bench.lexicon", _lexicon),
    Benchmark("The verifier", "bench.verifier", _verifier, limit_s=600.0),
    # A crowd takes 80 s, and there are four to try; the other scenarios take five minutes.
    Benchmark("A bad line", "bench.lossy", _lossy, limit_s=240.0),
    Benchmark("Viewers", "bench.viewers", viewers_report.table, limit_s=900.0, plot=viewers_report.plot),
)


def main() -> int:
    parts = [_INTRODUCTION, _machine()]
    for benchmark in BENCHMARKS:
        print(f"{benchmark.module} ...", flush=True)
        began = time.monotonic()
        found = _run(benchmark)
        print(f"{benchmark.module}: {json.dumps(found)} ({time.monotonic() - began:.0f} s)", flush=True)
        command = f"`python -m {benchmark.module} --json`"
        parts.append(f"## {benchmark.title}\n\n{command}\n\n{benchmark.table(found)}\n")
        if benchmark.plot is not None:
            DOCUMENT.with_name(f"benchmarks-{benchmark.name}.svg").write_text(benchmark.plot(found))
    DOCUMENT.write_text("\n".join(parts))
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")
    return 0


def _run(benchmark: Benchmark) -> dict[str, Any]:
    """Its figures. Raises CalledProcessError or TimeoutExpired: a benchmark that fails leaves the document as it was."""
    command = [sys.executable, "-m", benchmark.module, "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=benchmark.limit_s, cwd=ROOT)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _machine() -> str:
    """Where and when; the load tells how alone the run was."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("aiortc", "uvloop", "sqlalchemy", "asyncpg", "cryptography"))
    lines = (
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; load average before it began {os.getloadavg()[0]:.1f}",
        f"- {_processor()}, {os.cpu_count()} CPUs, {memory:.0f} GiB; {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}; SQLite {sqlite3.sqlite_version}; {server_version()}; {packages}",
    )
    return "\n".join(lines) + "\n"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
