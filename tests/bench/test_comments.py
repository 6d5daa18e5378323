"""The benchmark of comments, small: every server's clients get everything, and nothing of a show is missing in its trail."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as report
from bench import comments, lively


@pytest.mark.timeout(120)
async def test_all_four_servers_reach_all_their_clients() -> None:
    found = await comments.delivery(20, 20.0, 0.5, rounds=1, warm_s=0.1)
    assert found["deliveries"] == 10 * 20
    assert all(found[name] > 0 for name in ("us_per_delivery", "node_us", "stock_us", "floor_us"))


@pytest.mark.timeout(120)
async def test_a_show_s_comments_are_seen_and_recorded(tmp_path: Path) -> None:
    found = await lively.show(tmp_path, 20, 20.0, 1.0)
    assert found["refused"] == {}
    assert (found["sent"], found["acknowledged"], found["missing_in_trail"], found["lost"]) == (20, 20, 0, 0)
    assert found["seen"] == 20 * 20, "few enough for everybody to be shown all"


def test_the_figures_have_a_table() -> None:
    show = {
        "viewers": 3000, "comments_per_s": 300.0, "seen_p50_ms": 100.0, "seen_p99_ms": 250.0, "kb_per_connection": 31.7,
        "web_percent": 29.1, "acknowledged": 18_000, "missing_in_trail": 0,
    }  # fmt: skip
    nuisances = {"good": 500, "bad_of_each_kind": 50, "p99_with_ms": 150.0, "p99_before_ms": 110.0, "cut_off_s": 27.0}
    found = {
        "us_per_delivery": 5.7, "node_us": 11.0, "stock_us": 46.0, "floor_us": 6.2, "clients": 1000, "batches_per_s": 20.0,
        "ratio_node": 1.93, "ratio_stock": 8.0, "floor_ratio": 0.92, "show": show, "nuisances": nuisances,
    }  # fmt: skip
    text = report._comments(found)
    assert "| ours | 5.7 µs |" in text
    assert "| 3,000 | 300 | 100.0 ms | 250.0 ms | 31.7 kB | 29.1% of a core | 18,000, 0 |" in text
    assert "cut off after 27.0 s" in text
