"""The benchmark's bundle is one that the verifier takes, whole and at once, and its figures are of the whole of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as document
from bench import verifier
from compliance.examination import Examination
from compliance.stretch import Proven


def test_all_of_a_show_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = verifier.measure(1500, tmp_path)
    assert (figures["entries"], figures["fragments"]) == (1500, 5)
    assert figures["orders"] > 200
    assert {"seconds", "entries_per_s", "peak_mb", "cpu_s", "floor_s", "floor_ratio"} <= figures.keys()
    [shown] = [one for one in document.BENCHMARKS if one.module == "bench.verifier"]
    assert "| 1,500 |" in shown.table(figures)

    taken: list[bool] = []
    take = Examination.take_stretch

    def counted(exam: Examination, proven: Proven, first: int) -> bool:
        taken.append(take(exam, proven, first))
        return taken[-1]

    monkeypatch.setattr(Examination, "take_stretch", counted)
    verifier.measure_file(tmp_path / "bundle.zip")
    assert taken == [True, True]
