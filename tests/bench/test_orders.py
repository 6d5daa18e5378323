"""What the benchmark of orders says of what it saw, and that the document shows it."""

from __future__ import annotations

import pytest

from bench import __main__ as document
from bench.order_floor import Tally
from bench.orders import figures


def test_the_figures_are_shown_beside_the_floor() -> None:
    product = Tally(done=2_000, seconds=2.0, latencies_ms=[float(n % 100) for n in range(2_000)])
    found = figures(product, Tally(done=3_000, seconds=1.0), cpu_s=1.5, buyers=200)
    assert (found["orders_per_s"], found["floor_per_s"], found["floor_ratio"]) == (1_000.0, 3_000.0, 3.0)
    assert (found["p99_ms"], found["web_us_per_order"]) == (pytest.approx(98.99, abs=0.1), 750.0)
    [shown] = [one for one in document.BENCHMARKS if one.module == "bench.orders"]
    table = shown.table({"sqlite": found, "postgresql": found})
    assert "| SQLite | 1000.0 |" in table
    assert "| PostgreSQL | 1000.0 |" in table
    assert "2000 orders, 200 at once" in table
