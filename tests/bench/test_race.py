"""More buyers than pieces, at a small size: the benchmark's race on both databases, and that its judge is not to be fooled."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as document
from bench.race import Record, Size, faults, measure

SIZE = Size(buyers=100, connections=25, units=16)


@pytest.mark.timeout(180)
async def test_a_race_sells_every_piece_once_and_everybody_has_one_answer(empty_database_url: str, tmp_path: Path) -> None:
    webs = 1 if empty_database_url.startswith("sqlite") else 2
    found = await measure(empty_database_url, tmp_path, SIZE, webs=webs)
    assert found["faults"] == []
    assert found["orders"] == found["entries"]
    assert found["ends"].keys() >= {"order", "out_of_stock"}
    assert found["did"]["cut"] > 0
    [shown] = [one for one in document.BENCHMARKS if one.module == "bench.race"]
    assert f"| {webs} | 100 |" in shown.table({"seed": SIZE.seed, "sqlite" if webs == 1 else "postgresql": found})


# Two buyers raced for three pieces at 10: one has two, the other one, and was refused for a second wish.
NAMES = ["ann", "ben"]
TOLD: list[dict[str, Any]] = [
    {"number": 0, "way": "twice", "answers": {"a": ["ord_1", "ord_1"]}},
    {"number": 1, "way": "greedy", "answers": {"b": ["ord_2"], "c": ["!out_of_stock"]}},
]
RECORD = Record(
    orders=[("ann", "a", "ord_1", 20), ("ben", "b", "ord_2", 10)],
    left=0,
    entries=Counter({"ord_1": 1, "ord_2": 1}),
    deliveries=Counter({"ord_1": 1, "ord_2": 1}),
    chain=[],
)


def judged(record: Record = RECORD, told: list[dict[str, Any]] = TOLD) -> list[str]:
    return faults(told, NAMES, record, unit=10, units=3)


def test_a_race_in_which_all_agrees_has_no_fault() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("record", "named"),
    [
        (replace(RECORD, orders=RECORD.orders[:1]), "ord_2 was acknowledged and is not kept"),
        (replace(RECORD, orders=[*RECORD.orders, ("ben", "d", "ord_3", 10)]), "ord_3 is kept and nobody was told"),
        (replace(RECORD, orders=[("ann", "a", "ord_9", 20), RECORD.orders[1]]), "was told ord_1, kept is ord_9"),
        (replace(RECORD, left=10), "3.0 of 3 pieces are sold, 1.0 are left"),
        (replace(RECORD, orders=[("ann", "a", "ord_1", 30), RECORD.orders[1]]), "ann holds 3.0, the cap is 2"),
        (replace(RECORD, entries=Counter({"ord_1": 2, "ord_2": 1})), "ord_1: 2 entries of 1"),
        (replace(RECORD, deliveries=Counter({"ord_1": 1})), "ord_2: 0 deliveries of 1"),
        (replace(RECORD, chain=["entry 7 does not follow"]), "entry 7 does not follow"),
    ],
)
def test_what_the_record_has_otherwise_is_named(record: Record, named: str) -> None:
    assert any(named in fault for fault in judged(record))


@pytest.mark.parametrize(
    ("told", "named"),
    [
        (TOLD[:1], "ben raced 0 times"),
        ([*TOLD, TOLD[0]], "ann raced 2 times"),
        ([{**TOLD[0], "answers": {}}, TOLD[1]], "ann (twice) was answered to 0 keys"),
        ([{**TOLD[0], "answers": {"a": ["ord_1", "!out_of_stock"]}}, TOLD[1]], "ann was told of a"),
        ([{**TOLD[0], "answers": {"a": ["!cap_exceeded"]}}, TOLD[1]], "ann was told !cap_exceeded"),
    ],
)
def test_what_somebody_was_told_otherwise_is_named(told: list[dict[str, Any]], named: str) -> None:
    assert any(named in fault for fault in judged(told=told))
