"""The benchmark of replays, small: the watch page plays a show made for it, its comments come, and the page stays bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as document
from bench import replay, replayed

# What a page may hold beside its comments: 200 lines of at most 5 elements each, and 200 that fly.
ROWS, FLYING, ELEMENTS = 200, 200, 2500


@pytest.mark.timeout(180)
async def test_a_replay_is_measured_and_its_page_stays_bounded(tmp_path: Path) -> None:
    found = await replay.measure(tmp_path, minutes=1, comments=800, window_s=3.0, floor_s=0.5, rate=8.0)
    assert (found["minutes"], found["comments"], found["minutes_at_most"]) == (1, 800, 1)
    assert found["frames"] > 0
    assert [one["at_s"] for one in found["windows"]] == [0, 0, 56]
    assert all(one["comments"] and one["flying_max"] for one in found["windows"])
    assert found["whole"]["played_s"] >= 58
    assert found["whole"]["comments"] > ROWS, "more were told than the list keeps"
    assert found["rows_max"] == ROWS
    assert found["flying_max"] <= FLYING
    assert found["dom_nodes_max"] <= ELEMENTS
    [shown] = [one for one in document.BENCHMARKS if one.module == "bench.replay"]
    assert f"at most {found['dom_nodes_max']:,} elements in the" in shown.table(found)


def test_dropped_frames_are_a_share_of_those_there_should_have_been() -> None:
    assert replay.dropped_percent([{"dropped": 1, "frames": 59}, {"dropped": 2, "frames": 58}]) == 2.5
    assert replay.dropped_percent([]) == 0.0


def test_comments_gather_in_the_middle_and_none_is_lost() -> None:
    counts = replayed.spread(30_000, 60)
    assert (len(counts), sum(counts)) == (60, 30_000)
    assert max(counts) == max(counts[29:31]) > 3 * min(counts)
