"""A bundle that no verifier would accept is not made: the export fails and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from compliance import record
from compliance.bundle import Limits
from compliance.bundling import Bundler, TooLarge
from core.clock import ManualClock
from core.database import Database
from core.ids import new_id
from recording import sessions
from recording.keys import SigningKeys
from recording.trail import Trail
from tests.compliance.sealed import disclosed, make_session


async def make(database: Database, clock: ManualClock, folder: Path, limits: Limits) -> Path:
    """The bundle of a small session under these limits."""
    session_id = await make_session(database, clock, folder)
    async with database.read() as tx:
        session = await sessions.get(tx, session_id)
    keys = SigningKeys(folder / "keys")
    bundler = Bundler(database, Trail(clock), clock, keys, folder / "archive", disclosed, limits)
    out = folder / "evidence" / f"{new_id('evd')}.zip"

    async def alive() -> None:
        return

    await bundler.make(out.stem, session, out, alive, 1)
    return out


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(entries=5), "entries, a bundle holds at most 5"),
        (Limits(lines=5), "entries.jsonl has 6 lines"),
        (Limits(line_bytes=100), "seal.txt|register.jsonl has 1 lines, the longest of"),
        (Limits(text_bytes=1000), "entries.jsonl is larger than 1000 bytes"),
        (Limits(fragment_bytes=10), "is larger than 10 bytes"),
        (Limits(members=5), "more than 5 members"),
        (Limits(keys=0), "more than 0 keys"),
    ],
    ids=["entries", "lines", "line", "text", "fragment", "members", "keys"],
)
async def test_it_is_refused(database: Database, clock: ManualClock, tmp_path: Path, limits: Limits, said: str) -> None:
    with pytest.raises(TooLarge, match=said):
        await make(database, clock, tmp_path, limits)
    left = tmp_path / "evidence"
    assert not left.exists() or list(left.iterdir()) == []


async def test_so_is_a_record_that_names_too_much(
    database: Database, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "MOST_KEPT", 5)
    with pytest.raises(TooLarge, match="fragments, gaps and orders"):
        await make(database, clock, tmp_path, Limits())
