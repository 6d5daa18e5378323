"""On PostgreSQL one role owns the tables and another serves: what the second can't do, and that it can do its work."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from app.cli import main
from app.migrate import check
from app.process import CANNOT_START, CannotStart
from app.settings import PREFIX, Settings, load
from commerce import demo_data
from commerce.tables import product_changes
from core.clock import ManualClock
from core.database import Database
from recording import register, seal
from recording.keys import SigningKeys
from recording.trail import Trail
from tests.commerce.conftest import BOND, C5, Market
from tests.conftest import admin, apart

GUARDED = ("trail_entries", "seals", "trail_heads", "trail_texts", "product_changes", "orders")
_TRIGGERS = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = to_regclass(:name) ORDER BY 1"


@dataclass(frozen=True)
class Bank:
    """A database of its own with an owner and a role that serves, neither of them a superuser."""

    owner_url: str
    serving_url: str
    owner: str
    serving: str
    sold: tuple[str, list[str], list[str]] = ("", [], [])

    def settings(self, folder: Path, **more: str) -> Settings:
        given = {"DATABASE_URL": self.serving_url, "MIGRATION_DATABASE_URL": self.owner_url, "DATA_DIR": str(folder)}
        return load({PREFIX + name: value for name, value in (given | more).items()})


@pytest.fixture(scope="module")
def bank(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Migrated by `tellercast migrate`. The tests leave its tables as they are."""
    made = new_bank(postgresql_url)
    with pytest.MonkeyPatch.context() as patch:
        environment(patch, made, tmp_path_factory.mktemp("var"))
        assert main(["migrate"]) == 0
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(asyncio.run, sold(made, tmp_path_factory.mktemp("sold"))).result(timeout=60)
        yield replace(made, sold=done)


def new_bank(server: str) -> Bank:
    name = f"bank_{uuid.uuid4().hex[:12]}"
    owner, serving = f"{name}_owner", f"{name}_app"
    apart(admin(server, f"CREATE ROLE {owner} LOGIN"))
    apart(admin(server, f"CREATE ROLE {serving} LOGIN"))
    apart(admin(server, f"CREATE DATABASE {name} OWNER {owner}"))
    host = server.partition("@")[2]
    return Bank(f"postgresql://{owner}@{host}/{name}", f"postgresql://{serving}@{host}/{name}", owner, serving)


def environment(patch: pytest.MonkeyPatch, bank: Bank, folder: Path, *, owner: bool = True) -> None:
    for variable in list(os.environ):
        if variable.startswith(PREFIX):
            patch.delenv(variable)
    patch.setenv(f"{PREFIX}DATABASE_URL", bank.serving_url)
    patch.setenv(f"{PREFIX}DATA_DIR", str(folder))
    if owner:
        patch.setenv(f"{PREFIX}MIGRATION_DATABASE_URL", bank.owner_url)


async def sold(bank: Bank, folder: Path) -> tuple[str, list[str], list[str]]:
    """A whole order path as the serving role: shelf, disclosure, orders, a cancellation, the seal, an erasure.

    Answers the session, what the examination of trail and register found, and the states of the orders.
    """
    clock = ManualClock()
    async with opened(bank.serving_url) as database:
        market = Market(database, clock, Trail(clock))
        async with database.write() as tx:
            await demo_data.seed(tx, clock)
        market.session = await market.open_session()
        first, second = await market.buy(C5), await market.buy(C5)
        await market.desk.cancel(C5, second.order.id)
        await market.set_state("ended")
        change = {"product_id": BOND, "revision": 1, "at": clock.now(), "actor": "operator-1", "kind": "changed"}
        async with database.write() as tx:
            await tx.execute(insert(product_changes).values(**change, before={}, after={}))
        keys = SigningKeys(folder / "keys")
        async with database.write() as tx:
            await market.trail.erase(tx, market.session, first.seq, "customer")
            await seal.seal_session(tx, clock, market.trail, keys.signer(), market.session)
        async with database.read() as tx:
            found = await seal.check_session(tx, market.trail, keys.public(), market.session)
            found += await register.check(tx, keys.public())
        return market.session, found, [order.state.value for order in await market.orders(C5)]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def refused(url: str, *statements: str, by: str) -> list[str]:
    """Tries each statement in a transaction of its own; answers those that were not refused, or by something else."""
    passed = []
    async with opened(url) as database:
        for statement in statements:
            async with database.engine.connect() as tx:
                try:
                    await tx.execute(text(statement))
                    passed.append(statement)
                except DBAPIError as error:
                    if not re.search(by, str(error.orig)):
                        passed.append(f"{statement}: {error.orig}")
    return passed


def test_the_whole_order_path_works_for_who_serves(bank: Bank) -> None:
    assert bank.sold[1:] == ([], ["cancelled", "placed"])


@pytest.mark.parametrize("table", GUARDED)
async def test_who_serves_has_no_right_to_undo_the_record(bank: Bank, table: str) -> None:
    async with opened(bank.owner_url) as database, database.read() as tx:
        triggers = (await tx.execute(text(_TRIGGERS), {"name": table})).scalars().all()
    assert triggers
    statements = [
        f"DELETE FROM {table}",  # noqa: S608 - our own names
        f"TRUNCATE {table} CASCADE",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"ALTER TABLE {table} DISABLE TRIGGER USER",
        f"ALTER TABLE {table} OWNER TO CURRENT_USER",
        f"ALTER TABLE {table} RENAME TO another",
        f"DROP TABLE {table} CASCADE",
        f"CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION tellercast_refuse('x')",
        f"CREATE RULE mine AS ON INSERT TO {table} DO INSTEAD NOTHING",
        *(f"ALTER TABLE {table} DISABLE TRIGGER {name}" for name in triggers),
        *(f"DROP TRIGGER {name} ON {table}" for name in triggers),
    ]
    assert await refused(bank.serving_url, *statements, by="permission denied|must be owner") == []


async def test_nor_to_change_what_stands_there(bank: Bank) -> None:
    statements = [
        "UPDATE trail_entries SET hash = 'x'",
        "UPDATE seals SET root = 'x'",
        "UPDATE trail_texts SET field = 'x'",
        "UPDATE trail_heads SET session_id = 'x'",
        "UPDATE product_changes SET actor = 'x'",
        "UPDATE orders SET amount = 1",
        "UPDATE orders SET customer_id = 'customer-c1'",
        "UPDATE assessments SET grade = 5",
        "DELETE FROM assessments",
        "UPDATE alembic_version SET version_num = '0001'",
        "SET session_replication_role = replica",
        "CREATE TABLE seals_too (number int)",
        "DROP FUNCTION tellercast_append_only() CASCADE",
        "CREATE OR REPLACE FUNCTION tellercast_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ]
    assert await refused(bank.serving_url, *statements, by="permission denied|must be owner") == []
    # Within its rights, and stopped by the triggers.
    statements = [
        "UPDATE trail_heads SET seq = seq - 1",
        "UPDATE trail_heads SET sealed = 0 WHERE sealed = 1",
        "UPDATE trail_texts SET text = 'another' WHERE text IS NOT NULL",
        "INSERT INTO trail_heads (session_id, seq, hash, sealed) VALUES ('ses_new', 7, 'x', 0)",
    ]
    assert await refused(bank.serving_url, *statements, by="only follow|may be erased") == []


async def test_no_table_of_its_own_deceives_the_heads(bank: Bank) -> None:
    """Temporary tables come first where a name has no schema."""
    async with opened(bank.serving_url) as database, database.engine.connect() as tx:
        await tx.execute(text("CREATE TEMPORARY TABLE trail_entries AS SELECT 'ses_new' AS session_id, 1 AS seq, 'x' AS hash"))
        with pytest.raises(DBAPIError, match="only follow"):
            await tx.execute(text("INSERT INTO trail_heads (session_id, seq, hash, sealed) VALUES ('ses_new', 1, 'x', 0)"))


@pytest.mark.parametrize("table", GUARDED)
async def test_the_owner_itself_is_stopped_by_the_triggers(bank: Bank, table: str) -> None:
    changes = {
        "orders": "amount = 1",
        "trail_heads": "seq = 999",
        "trail_texts": "text = 'x'",
        "product_changes": "actor = 'x'",
    }
    statements = [
        f"UPDATE {table} SET {changes.get(table, 'hash = 0')}",  # noqa: S608 - our own names
        f"DELETE FROM {table}",  # noqa: S608
        f"TRUNCATE {table} CASCADE",
    ]
    assert await refused(bank.owner_url, *statements, by="is append-only|is kept|only follow|may be erased") == []


async def test_the_rights_are_given_anew_with_every_migration(bank: Bank, tmp_path: Path) -> None:
    """Somebody has given too much by hand, and a table has come that no migration knows."""
    async with opened(bank.owner_url) as owner, opened(bank.serving_url) as serving:
        await _given_anew(bank, owner, serving, tmp_path)


async def _given_anew(bank: Bank, owner: Database, serving: Database, folder: Path) -> None:
    async with owner.write() as tx:
        await tx.execute(text(f"GRANT ALL ON trail_entries TO {bank.serving}"))
        await tx.execute(text("CREATE TABLE IF NOT EXISTS of_tomorrow (n int)"))
    async with serving.engine.connect() as tx:
        await tx.execute(text("DELETE FROM trail_entries WHERE false"))
        await tx.execute(text("INSERT INTO of_tomorrow VALUES (1)"))
        with pytest.raises(DBAPIError, match="permission denied"):
            await tx.execute(text("DELETE FROM of_tomorrow"))
    with pytest.MonkeyPatch.context() as patch:
        environment(patch, bank, folder)
        for _ in range(2):
            assert await asyncio.to_thread(main, ["migrate"]) == 0
    async with serving.engine.connect() as tx:
        with pytest.raises(DBAPIError, match="permission denied"):
            await tx.execute(text("DELETE FROM trail_entries WHERE false"))
    async with owner.write() as tx:
        await tx.execute(text("DROP TABLE of_tomorrow"))


async def test_who_serves_needs_nothing_of_the_owner(bank: Bank, tmp_path: Path) -> None:
    with capture_logs() as said:
        await check(bank.settings(tmp_path, MIGRATION_DATABASE_URL=""))
    assert said == []


def test_serving_a_database_that_is_behind_says_what_to_run(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = new_bank(postgresql_url)
    environment(monkeypatch, bank, tmp_path, owner=False)
    for command in ("serve", "web", "demo"):
        assert main([command]) == CANNOT_START
        said = "".join(capsys.readouterr())
        assert "run `tellercast migrate` as the tables' owner" in said
        assert "Traceback" not in said


async def test_a_database_of_a_newer_version_is_left_alone(bank: Bank, tmp_path: Path) -> None:
    async with opened(bank.owner_url) as owner:
        await _newer(bank, owner, tmp_path)


async def _newer(bank: Bank, owner: Database, folder: Path) -> None:
    async with owner.write() as tx:
        at = (await tx.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
        await tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(CannotStart, match="newer version of Tellercast"):
            await check(bank.settings(folder))
    finally:
        async with owner.write() as tx:
            await tx.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": at})


async def test_one_role_for_both_is_warned_of_outside_the_demo(bank: Bank, tmp_path: Path) -> None:
    one = {"DATABASE_URL": bank.owner_url, "MIGRATION_DATABASE_URL": ""}
    with capture_logs() as said:
        await check(bank.settings(tmp_path, **one, DEMO="1"))
    assert said == []
    with capture_logs() as said:
        await check(bank.settings(tmp_path, **one))
    [line] = said
    assert "owns the record's tables and could drop their guards" in line["event"]
    assert set(GUARDED) <= set(line["tables"].split(", "))


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("DATABASE_URL", "postgresql://nobody_here@{host}/{name}", "does not know"),
        ("DATABASE_URL", "postgresql://{host}/{name}", "must each name their role"),
        ("DATABASE_URL", "postgresql://someone@{host}/another", "the same database"),
        ("DATABASE_URL", "sqlite+aiosqlite:///x.db", "the same database"),
    ],
)
def test_addresses_that_do_not_fit_are_said(
    bank: Bank, variable: str, value: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    environment(monkeypatch, bank, tmp_path)
    host, _, name = bank.owner_url.partition("@")[2].partition("/")
    monkeypatch.setenv(PREFIX + variable, value.format(host=host, name=name))
    assert main(["migrate"]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert said.count("\n") == 1


def test_a_database_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = Bank("postgresql://owner@127.0.0.1:1/x", "postgresql://app@127.0.0.1:1/x", "owner", "app")
    environment(monkeypatch, nowhere, tmp_path)
    for command in ("migrate", "serve"):
        assert main([command]) == CANNOT_START
        assert "the database" in capsys.readouterr().err
