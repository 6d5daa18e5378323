"""The lexicon's benchmark measures comments of which some are hit, and its figures are shown."""

from __future__ import annotations

from bench import __main__ as document
from bench import lexicon


def test_each_kind_of_comment_is_measured() -> None:
    figures = lexicon.measure(20)
    assert figures["rules"] > lexicon.RULES
    assert all(figures[f"{kind}_us"] > 0 for kind in ("ordinary", "random_chinese", "random_unicode", "cold", "floor"))
    [shown] = [one for one in document.BENCHMARKS if one.module == "bench.lexicon"]
    assert f"| Chinese at random | {figures['random_chinese_us']} µs |" in shown.table(figures)
