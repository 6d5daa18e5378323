"""What `tellercast migrate` makes is what the code believes is there, on both databases."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from app.migrate import configuration
from core.database import Database, metadata
from recording.guards import APPEND_ONLY
from tests.conftest import admin, apart


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that only migrations have touched, of each kind. The tests leave it as they found it."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('migrated') / 'tellercast.db'}"
    else:
        server = request.getfixturevalue("postgresql_url")
        apart(admin(server, "CREATE DATABASE migrated"))
        url = f"{server}/migrated"
    command.upgrade(configuration(url), "head")
    return url


@pytest.fixture
async def migrated(migrated_url: str) -> AsyncIterator[Database]:
    database = Database(migrated_url)
    yield database
    await database.close()


async def test_the_migrations_make_the_tables_of_the_code(migrated: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with migrated.engine.connect() as connection:
        assert await connection.run_sync(differences) == [], "write a migration: tools/revision.py"


async def test_every_check_of_the_code_is_kept_by_the_database(migrated: Database) -> None:
    """Alembic does not compare check constraints; an amount that may fall below zero would go unseen."""

    def checks(connection: Connection) -> dict[str, set[str]]:
        return {name: {str(c["name"]) for c in inspect(connection).get_check_constraints(name)} for name in metadata.tables}

    declared = {
        name: {
            f"ck_{name}_{str(c.name).removeprefix(f'ck_{name}_')}" for c in table.constraints if isinstance(c, CheckConstraint)
        }
        for name, table in metadata.tables.items()
    }
    async with migrated.engine.connect() as connection:
        assert await connection.run_sync(checks) == declared


_TRIGGERS = {
    "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal "
    "UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
}


async def test_the_migrations_make_the_guards_of_the_code(migrated: Database, database: Database) -> None:
    """On the same kind of database, one made by migrations and one by the tables' declarations."""
    if migrated.is_sqlite != database.is_sqlite:
        return
    query = text(_TRIGGERS[migrated.engine.dialect.name])
    async with migrated.read() as one, database.read() as other:
        made = sorted((await one.execute(query)).scalars())
        declared = sorted((await other.execute(query)).scalars())
    assert made == declared, "a migration has to install what `recording/guards.py` declares"
    assert len(made) > len(APPEND_ONLY)


async def test_migrating_again_changes_nothing(migrated: Database, migrated_url: str) -> None:
    await asyncio.to_thread(command.upgrade, configuration(migrated_url), "head")
    heads = ScriptDirectory.from_config(configuration(migrated_url)).get_heads()
    async with migrated.read() as tx:
        assert (await tx.execute(text("SELECT version_num FROM alembic_version"))).scalars().all() == heads


ROWS = {
    "trail_entries": "INSERT INTO trail_entries (session_id, seq, kind, body, hash) VALUES ('ses_x', 1, 'note', '{}', 'h')",
    "seals": (
        "INSERT INTO seals (number, session_id, at, entries, fragments, root, key_id, checkpoint, prev, hash) "
        "VALUES (1, 'ses_x', 0, 1, 0, 'r', 'k', 'c', 'p', 'h')"
    ),
    "product_changes": (
        "INSERT INTO product_changes (product_id, revision, at, actor, kind, before, after) "
        "VALUES ('prd_x', 1, 0, 'operator-1', 'created', '{}', '{}')"
    ),
}
PRODUCT = (
    "INSERT INTO products (id, class, name_en, name_zh, rate_text_en, rate_text_zh, issuer_risk, bank_risk, currency, minimum, "
    'step, quota, "left", price, sale_from, sale_until, disclosure_version, revision) '
    "VALUES ('prd_x', 'fund', 'n', 'n', 'r', 'r', 1, 1, 'CNY', 1, 1, 1, 1, '{}', 0, 0, 1, 1)"
)


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("change", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"])
async def test_the_record_of_a_migrated_database_takes_no_change(migrated: Database, table: str, change: str) -> None:
    async with migrated.engine.connect() as tx:
        await tx.execute(text(PRODUCT))
        await tx.execute(text(ROWS[table]))
        column = metadata.tables[table].primary_key.columns[0].name
        with pytest.raises(DBAPIError, match="is append-only"):
            await tx.execute(text(change.format(table=table, column=column)))
        await tx.rollback()


_CALL = (
    "INSERT INTO calls (id, customer_id, customer_name, adviser_id, topic, state, waiting_since, seen_at) "
    "VALUES (:id, :customer, 'n', :adviser, 't', :state, 0, 0)"
)


@pytest.mark.parametrize(
    ("first", "second", "may"),
    [
        (("c1", None, "waiting"), ("c1", None, "waiting"), False),
        (("c1", None, "waiting"), ("c1", "a1", "live"), False),
        (("c1", None, "ended"), ("c1", None, "waiting"), True),
        (("c1", "a1", "live"), ("c2", "a1", "accepted"), False),
        (("c1", "a1", "ended"), ("c2", "a1", "live"), True),
        (("c1", None, "waiting"), ("c2", None, "waiting"), True),
    ],
)
async def test_a_migrated_database_keeps_one_open_call_each(
    migrated: Database, first: tuple[str, str | None, str], second: tuple[str, str | None, str], may: bool
) -> None:
    def row(number: int, call: tuple[str, str | None, str]) -> dict[str, str | None]:
        return dict(zip(("id", "customer", "adviser", "state"), (f"cal_{number}", *call), strict=True))

    async with migrated.engine.connect() as tx:
        await tx.execute(text(_CALL), row(1, first))
        with contextlib.nullcontext() if may else pytest.raises(DBAPIError):
            await tx.execute(text(_CALL), row(2, second))
        await tx.rollback()
