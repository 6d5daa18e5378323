"""What stands on the record can't be changed, replaced or taken away, by whoever writes SQL; erasing a text is all there is."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.clock import ManualClock
from core.database import Database
from recording import register
from recording.chain import GENESIS, Draft
from recording.trail import Trail

SESSION = "ses_guarded"
ENTRY = "(session_id, seq, kind, body, hash) VALUES ('ses_guarded', {seq}, 'note', '{{}}', '{hash}')"


@pytest.fixture
async def trail(database: Database, clock: ManualClock) -> Trail:
    """Two entries, the second with a text."""
    made = Trail(clock)
    async with database.write() as tx:
        await made.append(tx, SESSION, Draft("note", "recording", {}), Draft("note", "recording", {}, {"text": "您好"}))
    return made


async def passes(database: Database, *statements: str) -> bool:
    """Whether the last statement, after the others, is carried out; nothing of it is kept. Raises for one before."""
    async with database.engine.connect() as tx:
        for statement in statements[:-1]:
            await tx.execute(text(statement))
        try:
            await tx.execute(text(statements[-1]))
        except IntegrityError:
            return False
        finally:
            await tx.rollback()
        return True


@pytest.mark.parametrize(
    ("statement", "may"),
    [
        ("salt = NULL, text = NULL", True),
        ("text = NULL", False),  # the salt alone still lets others try texts against the commitment
        ("salt = NULL", False),
        ("text = 'another'", False),
        ("salt = NULL, text = NULL, field = 'another'", False),
        ("salt = NULL, text = NULL, seq = 7", False),
    ],
)
async def test_a_text_may_be_erased_and_nothing_else(database: Database, trail: Trail, statement: str, may: bool) -> None:
    erase = f"UPDATE trail_texts SET {statement}"  # noqa: S608 - our own names
    assert await passes(database, erase) is may


async def test_an_erased_text_never_comes_back(database: Database, trail: Trail) -> None:
    async with database.write() as tx:
        await trail.erase(tx, SESSION, 2, "text")
    assert not await passes(database, "UPDATE trail_texts SET text = 'invented'")
    assert not await passes(database, "DELETE FROM trail_texts")


@pytest.mark.parametrize(
    ("statement", "may"),
    [
        ("sealed = 1", True),
        ("seq = seq", True),
        ("seq = 1", False),
        ("seq = 3", False),
        ("hash = 'x'", False),
        ("seq = 3, hash = 'three'", True),  # with the entry below
        ("seq = 3, hash = 'another'", False),
        ("seq = 4, hash = 'three'", False),
        ("session_id = 'ses_another', seq = 3, hash = 'three'", False),
    ],
)
async def test_a_head_moves_on_with_its_entries_alone(database: Database, trail: Trail, statement: str, may: bool) -> None:
    before = [f"INSERT INTO trail_entries {ENTRY.format(seq=3, hash='three')}"] if "three" in statement else []
    before += ["SELECT 1"]
    assert await passes(database, *before, f"UPDATE trail_heads SET {statement} WHERE session_id = '{SESSION}'") is may  # noqa: S608


async def test_a_head_does_not_skip_or_leave_behind_an_entry(database: Database, trail: Trail) -> None:
    fourth, fifth = (f"INSERT INTO trail_entries {ENTRY.format(seq=seq, hash=seq)}" for seq in (4, 5))
    move = "UPDATE trail_heads SET seq = {0}, hash = '{0}'"
    assert not await passes(database, fourth, move.format(4))  # 3 is missing
    third = f"INSERT INTO trail_entries {ENTRY.format(seq=3, hash=3)}"
    assert await passes(database, third, fourth, move.format(4))
    assert not await passes(database, third, fourth, fifth, move.format(4))  # 5 would stand outside
    assert not await passes(database, fourth, fifth, move.format(4))  # both: as many as the head moves on


async def test_a_sealed_head_stays(database: Database, trail: Trail) -> None:
    sealed = "UPDATE trail_heads SET sealed = 1"
    third = f"INSERT INTO trail_entries {ENTRY.format(seq=3, hash='three')}"
    assert not await passes(database, sealed, "UPDATE trail_heads SET sealed = 0")
    assert not await passes(database, sealed, third, "UPDATE trail_heads SET seq = 3, hash = 'three'")
    assert not await passes(database, "DELETE FROM trail_heads")


async def test_the_registers_head_follows_the_seals(database: Database, trail: Trail) -> None:
    async with database.write() as tx:
        await register.lock_tip(tx)
    insert = (
        "INSERT INTO seals (number, session_id, at, entries, fragments, root, key_id, checkpoint, prev, hash) "
        "VALUES (1, 'ses_guarded', 0, 2, 0, 'r', 'k', 'c', 'p', 'one')"
    )
    move = "UPDATE trail_heads SET seq = 1, hash = '{}' WHERE session_id = 'register'"
    assert await passes(database, insert, move.format("one"))
    assert not await passes(database, insert, move.format("two"))
    assert not await passes(database, "SELECT 1", move.format("one"))


async def test_no_head_is_made_ahead_of_its_entries(database: Database, trail: Trail) -> None:
    make = f"INSERT INTO trail_heads (session_id, seq, hash, sealed) VALUES ('ses_new', {{}}, '{GENESIS}', {{}})"  # noqa: S608
    assert await passes(database, make.format(0, 0))
    assert not await passes(database, make.format(1, 0))
    assert not await passes(database, make.format(0, 1))


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT OR REPLACE INTO trail_entries {ENTRY.format(seq=1, hash='forged')}",
        "INSERT OR REPLACE INTO trail_texts (session_id, seq, field, salt, text) SELECT session_id, seq, field, salt, 'x' "
        "FROM trail_texts",
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nothing_is_replaced(database: Database, trail: Trail, statement: str) -> None:
    """SQLite's REPLACE deletes without asking triggers on DELETE."""
    assert not await passes(database, statement)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_head_is_not_replaced(database: Database, trail: Trail) -> None:
    async with database.write() as tx:
        await tx.execute(
            text(f"INSERT OR REPLACE INTO trail_heads (session_id, seq, hash, sealed) VALUES ('{SESSION}', 0, 'x', 0)")  # noqa: S608
        )
        assert await trail.last(tx, SESSION) == 2
