"""On a line that loses 3 % and takes 60 ms for a round trip, repair is what makes the picture run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.lossy import measure
from tests.browser.people import People
from tests.browser.server import Server

SECONDS = 15.0


@pytest.mark.timeout(180)
async def test_repair_keeps_the_picture_running(server: Server, people: People, tmp_path: Path) -> None:
    """`python -m bench.lossy` measures how well; here only that it does, beside a viewer of the same minute who has none."""
    found = await measure(server, people, tmp_path, SECONDS)
    print(found)
    assert min(found.repaired.line_lost, found.unrepaired.line_lost) >= 10, "the line lost nothing"
    assert found.unrepaired.nacks == 0
    assert found.repaired.nacks > 0
    assert found.repeats > 0
    assert found.unrepaired.freeze_percent >= 20, "without repair the picture should stand most of the time"
    assert found.repaired.freeze_percent <= found.unrepaired.freeze_percent / 4
