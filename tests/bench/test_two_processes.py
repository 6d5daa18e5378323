"""How many viewers one media process and two carry, worked out from what was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.stage import Window
from bench.two_processes import SHARE, Alone, Beside, Costs, Seen, costs, figures

NOBODY: dict[str, Any] = {"samples": 0, "p50_ms": None, "p99_ms": None, "max_ms": None}
SUBSCRIBERS = 100
WINDOW = Window(
    took_s=2.0, cpu_s=0.0, packets=40_000, bytes=38_000_000, expected=40_000, sent=400,
    repeated=0, unauthentic=0, stalled=0, ended_by_server=0, late_ms=1.0, waited_s=0.0,
)  # fmt: skip


def seen(share: float, p99_ms: float | None = None) -> Seen:
    """A window in which a process needed that share of a core; with viewers, if there is a delay."""
    window = replace(WINDOW, cpu_s=share * WINDOW.took_s)
    if p99_ms is None:
        return replace(window, packets=0, expected=0, bytes=0), NOBODY
    return window, {"samples": 100, "p50_ms": 2.0, "p99_ms": p99_ms, "max_ms": 40.0}


# The home needs 4 % of a core, the line 1 %, the edge 2 %; a viewer 0.1 % at the home and 0.2 % at the edge, where it is quiet
# more and where both serve less.
ALONE = Alone(watched=seen(0.145, 9.0), idle=seen(0.04))
BESIDE = Beside(
    at_edge=(seen(0.05), seen(0.225, 12.0)),
    at_both=(seen(0.145, 9.0), seen(0.215, 13.0)),
    at_neither=(seen(0.05), seen(0.02)),
)


def test_what_each_thing_costs_is_the_difference_between_parts() -> None:
    found = costs([ALONE, ALONE], [BESIDE, BESIDE], SUBSCRIBERS)
    wanted = Costs(home=0.04, edge=0.02, line=0.01, home_each=0.001, edge_each=0.002)
    for name in ("home", "edge", "line", "home_each", "edge_each"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name)), name


def test_viewers_fill_what_a_process_does_not_need_for_itself() -> None:
    found = costs([ALONE], [BESIDE], SUBSCRIBERS)
    assert found.one(0.5) == pytest.approx((0.5 - 0.04) / 0.001)
    assert found.two(0.5) == pytest.approx((0.5 - 0.05) / 0.001 + (0.5 - 0.02) / 0.002)
    assert found.ratio(0.5) == pytest.approx(690 / 460)


def test_a_line_that_seems_to_cost_less_than_nothing_adds_no_viewers() -> None:
    found = replace(costs([ALONE], [BESIDE], SUBSCRIBERS), line=-0.01)
    assert found.two(0.5) == replace(found, line=0.0).two(0.5)


def test_the_figures_name_the_worst_delay_and_the_working_share() -> None:
    told = figures([ALONE, replace(ALONE, watched=seen(0.145, 17.0))], [BESIDE], SUBSCRIBERS)
    assert told["processes_one_delay_p99_ms"] == 17.0
    assert told["processes_edge_delay_p99_ms"] == 12.0
    assert told["processes_one_us_per_packet"] == pytest.approx(7.25)
    assert told["processes_share_percent"] == SHARE * 100
    assert (told["processes_one_carries"], told["processes_two_carry"], told["processes_ratio"]) == (460, 690, 1.5)
    assert told["processes_full_ratio"] == pytest.approx(((0.95 / 0.001) + (0.98 / 0.002)) / (0.96 / 0.001), abs=0.005)
