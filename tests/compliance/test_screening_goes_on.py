"""One session that can't be screened must not keep the others from being looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.clock import ManualClock
from core.database import Database
from tests.compliance.sealed import build, make_session


async def test_a_broken_session_keeps_nobody_from_his_turn(
    database: Database, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = await make_session(database, clock, tmp_path), await make_session(database, clock, tmp_path)
    screening = build(database, clock, tmp_path).screening
    screen, screened = screening.screen, []

    async def failing(session_id: str) -> list[str]:
        if session_id == broken:
            raise LookupError(session_id)
        screened.append(session_id)
        return await screen(session_id)

    monkeypatch.setattr(screening, "screen", failing)
    assert await screening.sweep() == 2
    assert screened == [whole]
    assert await screening.sweep() == 0
    clock.advance(61)
    assert await screening.sweep() == 1
