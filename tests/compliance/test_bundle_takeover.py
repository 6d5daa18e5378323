"""Two attempts at one bundle at once: who was taken over can't put a half-made or another file in its place."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from compliance.bundling import Bundler
from compliance.verifier import verify_bundle
from core.clock import ManualClock
from core.database import Database
from core.ids import new_id
from recording import sessions
from recording.keys import SigningKeys
from recording.trail import Trail
from tests.compliance.sealed import make_session


class _Held:
    """Stops an attempt half-way until `goes_on`."""

    def __init__(self) -> None:
        self.half_made, self.goes_on = asyncio.Event(), asyncio.Event()

    async def alive(self) -> None:
        self.half_made.set()
        await self.goes_on.wait()


async def test_an_attempt_that_was_taken_over_changes_nothing(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    session_id = await make_session(database, clock, tmp_path)
    async with database.read() as tx:
        session = await sessions.get(tx, session_id)

    async def disclosed(_session: str) -> list[dict[str, str]]:
        return []

    bundler = Bundler(database, Trail(clock), clock, SigningKeys(tmp_path / "keys"), tmp_path / "archive", disclosed)
    evidence_id = new_id("evd")
    out = tmp_path / "evidence" / f"{evidence_id}.zip"
    held = [_Held(), _Held()]
    making = []
    for attempt, one in enumerate(held, start=1):
        making.append(asyncio.create_task(bundler.make(evidence_id, session, out, one.alive, attempt)))
        await one.half_made.wait()
    held[0].goes_on.set()
    with pytest.raises(FileNotFoundError):
        await making[0]
    assert not out.exists()
    held[1].goes_on.set()
    made = await making[1]
    assert out.stat().st_size == made.bytes
    assert verify_bundle(out).ok
    assert [path.name for path in out.parent.iterdir()] == [out.name]
