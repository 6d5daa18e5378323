"""A migration may take long where there is much, and waits for nobody who uses the tables: it says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

import core.database
from app.migrate import configuration, migrate
from app.process import CannotStart
from app.settings import Settings, load
from core.database import Database
from tests.conftest import admin, apart

# Each index takes a second more than its rows need, as one over millions of entries does.
SLOWED = (
    "CREATE FUNCTION dawdle() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); END'",
    "CREATE EVENT TRIGGER dawdling ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION dawdle()",
)


@pytest.fixture
def before_url(postgresql_url: str) -> Iterator[str]:
    """A database of the version before."""
    apart(admin(postgresql_url, "CREATE DATABASE patience"))
    url = f"{postgresql_url}/patience"
    command.upgrade(configuration(url), "0006")
    yield url
    apart(admin(postgresql_url, "DROP DATABASE patience WITH (FORCE)"))


def settings(url: str, folder: Path) -> Settings:
    return load({"TELLERCAST_DATABASE_URL": url, "TELLERCAST_DATA_DIR": str(folder)})


async def revision(db: Database) -> str:
    async with db.read() as tx:
        return str((await tx.execute(text("SELECT version_num FROM alembic_version"))).scalar_one())


async def test_an_index_takes_as_long_as_it_needs(before_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = Database(before_url)
    try:
        async with db.write() as tx:
            for statement in SLOWED:
                await tx.execute(text(statement))
        monkeypatch.setattr(core.database, "_STATEMENT_TIMEOUT_S", 0.5)
        await asyncio.to_thread(migrate, settings(before_url, tmp_path))
        assert await revision(db) > "0006"
    finally:
        await db.close()


async def test_who_uses_the_tables_is_named_and_nothing_is_changed(
    before_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.database, "_MIGRATION_LOCK_TIMEOUT_S", 0.2)
    db = Database(before_url)
    try:
        async with db.write() as tx:
            await tx.execute(text("LOCK TABLE trail_entries IN ROW EXCLUSIVE MODE"))  # as whoever appends to a trail
            with pytest.raises(CannotStart, match="stop all servers"):
                await asyncio.to_thread(migrate, settings(before_url, tmp_path))
        assert await revision(db) == "0006"
    finally:
        await db.close()


def test_a_server_that_says_nothing_has_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(command, "upgrade", never)
    with pytest.raises(CannotStart, match="did not answer in time"):
        migrate(settings("", tmp_path))
