"""How the viewers' figures are shown in docs/benchmarks.md, and the picture beside them. Pure."""

from __future__ import annotations

from typing import Any

from bench.crowd import DELAY_P99_MOST_MS
from bench.plot import Bar, Panel, svg

_COST = """\
| | CPU a packet | delay p50 | p99 | loss | SRTP |
|---|---|---|---|---|---|
| ours | {us_per_packet} µs | {delay_p50_ms} ms | {delay_p99_ms} ms | {loss:.3%} | {srtp} |
| Janus, streaming mountpoint | {janus_us_per_packet} µs | {janus_delay_p50_ms} ms | {janus_delay_p99_ms} ms \
| {janus_loss:.3%} | {janus_srtp} |
| floor: encrypt and send | {floor_us_per_packet} µs | | | | |

{subscribers} viewers of 150 + 50 packets a second, {packets_per_s} packets a second in all, of {mean_bytes} bytes in the mean.
Janus costs {ratio_janus} times ours; ours costs {floor_ratio} times the floor, which encrypts and sends each packet by itself,
in Python. All CPU time of the server's process counts,
over the packets that reached its viewers' sockets; the recorder is not part of it.

| a crowd of | loss | delay p99 | CPU of a core | holds |
|---|---|---|---|---|
"""
_RUNG = "| {subscribers} | {loss:.4%} | {delay_p99_ms} ms | {cpu_percent}% | {verdict} |\n"
_CROWD = """
Each for {crowd_seconds:.0f} s of a 1.5 Mb/s show on one media process, in the second half with 20 coming and 20 going a second.
Of the {crowd_subscribers}: {joined} came, {left} went, {crowd_outside} stayed outside; {rss_per_subscriber_kb} kB of resident
memory a viewer.

A rush of 200 viewers within 2 s: {join200_seeing} have the picture after {join200_all_s} s, and the publisher is asked for
{keyframes_asked} keyframes. Chromium shows its first frame {chromium_first_frame_p50_ms} ms (p50) and
{chromium_first_frame_p95_ms} ms (p95) after the click, over {chromium_joins} joins in the middle of a group of pictures.

"""
_PROCESSES = """\
| two media processes | CPU of a core | CPU a packet | loss | delay p50 | p99 |
|---|---|---|---|---|---|
"""
_PART = "| {name} | {cpu_percent:.1f}% | {us_per_packet} µs | {loss:.4%} | {delay_p50_ms} ms | {delay_p99_ms} ms |\n"
_PARTS = (
    ("one process, {processes_subscribers} viewers", "one"),
    ("the edge of two, as many there alone", "edge"),
    ("as many at each: the home", "both_home"),
    ("as many at each: the edge", "both_edge"),
)
_CARRY = """
With nobody watching, a home with its publisher needs {processes_home_idle_cpu_percent:.2f}% of a core, its line to an edge
{processes_line_cpu_percent:.2f}% more, an edge with its line {processes_edge_idle_cpu_percent:.2f}%; a viewer
{processes_home_each_cpu_percent}% at the home and {processes_edge_each_cpu_percent}% at the edge. So with
{processes_share_percent}% of a core one process carries {processes_one_carries} viewers, and two with as much each carry
{processes_two_carry}, {processes_ratio} times as many; with a whole core {processes_full_one_carries} and
{processes_full_two_carry}, {processes_full_ratio} times. This is worked out, not played: sinks, source and both processes share
the machine's cores.

![What a packet costs, how long it takes](benchmarks-viewers.svg)"""


def table(found: dict[str, Any]) -> str:
    """Markdown. Raises KeyError for figures that are not of a whole run."""
    rungs = (_RUNG.format(**rung, verdict="yes" if rung["holds"] else "no") for rung in found["crowd_ladder"])
    crowd = _COST.format_map(found) + "".join(rungs) + _CROWD.format_map(found)
    return crowd + "\n" + _PROCESSES + "".join(_part(found, *part) for part in _PARTS) + _CARRY.format_map(found)


def _part(found: dict[str, Any], name: str, part: str) -> str:
    prefix = f"processes_{part}_"
    told = {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}
    return _PART.format_map({**told, "name": name.format_map(found)})


def plot(found: dict[str, Any]) -> str:
    """SVG."""
    cost = (
        Bar("encrypt and send", found["floor_us_per_packet"]),
        Bar("ours", found["us_per_packet"], ours=True),
        Bar("Janus", found["janus_us_per_packet"]),
    )
    crowds = tuple(Bar(f"{one['subscribers']} viewers", one["delay_p99_ms"] or 0.0, ours=True) for one in found["crowd_ladder"])
    return svg((Panel("CPU a packet delivered", "µs", cost), Panel("Added delay, p99", "ms", crowds, DELAY_P99_MOST_MS)))
