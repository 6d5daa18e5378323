"""Brings the database to this version's tables (Alembic). Importing this module fills `metadata` with every table.

On PostgreSQL there may be two roles: the owner (TELLERCAST_MIGRATION_DATABASE_URL), who migrates and grants, and the
application's (TELLERCAST_DATABASE_URL), who serves and can't change what stands on the record (`app/grants.py`). One role may
do both: then only the triggers guard the record, and whoever has that role can drop them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from asyncpg import PostgresError
from sqlalchemy import bindparam, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

import app.tables
import commerce.tables
import compliance.tables
import recording.guards
import recording.tables
import rooms.tables
from app.process import CannotStart
from app.settings import Settings, SettingsError
from core.database import LOCK_TIMEOUT, Database, is_away, metadata

log = structlog.get_logger("app.migrate")

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
TABLES = (app.tables, commerce.tables, compliance.tables, recording.tables, recording.guards, rooms.tables)
_ASKED_WITHIN_S = 15

# Whether this role could do what only the owner may: any of the record's tables it owns or may change beyond its columns.
_OVERREACH = text(
    "SELECT c.relname, pg_has_role(c.relowner, 'MEMBER') AS owned FROM pg_class c "
    "WHERE c.relnamespace = to_regnamespace(current_schema()) AND c.relkind = 'r' AND c.relname IN :names AND ("
    "pg_has_role(c.relowner, 'MEMBER') OR has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE') "
    "OR has_table_privilege(c.oid, 'TRIGGER') OR has_table_privilege(c.oid, 'UPDATE')) ORDER BY c.relname"
).bindparams(bindparam("names", expanding=True))
_MAY_MIGRATE = text(
    "SELECT coalesce((SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass('alembic_version')), "
    "has_schema_privilege(current_schema(), 'CREATE'), false)"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the application's role finds: the database's revision (None when it is empty), whether it may migrate, and which
    tables of the record it owns or could change."""

    revision: str | None
    may_migrate: bool
    owned: tuple[str, ...] = ()
    changeable: tuple[str, ...] = ()


def configuration(database_url: str, application_role: str | None = None) -> Config:
    """Alembic's configuration without a file: the scripts beside the packages, the given database, and who is granted what."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = database_url
    config.attributes["application_role"] = application_role
    return config


def application_role(settings: Settings) -> str | None:
    """The role that serves, None where it is the owner itself. Raises SettingsError when the two addresses don't fit."""
    if not settings.migration_database_url:
        return None
    owner, serving = make_url(settings.migration_database_url), make_url(settings.resolved_database_url)
    if {owner.get_backend_name(), serving.get_backend_name()} != {"postgresql"} or owner.database != serving.database:
        raise SettingsError(
            "TELLERCAST_MIGRATION_DATABASE_URL and TELLERCAST_DATABASE_URL must name the same database of a PostgreSQL server"
        )
    if not owner.username or not serving.username:
        raise SettingsError(
            "TELLERCAST_MIGRATION_DATABASE_URL and TELLERCAST_DATABASE_URL must each name their role, as in postgresql://role@host/…"
        )
    return None if owner.username == serving.username else serving.username


def migrate(settings: Settings) -> None:
    """Runs what is missing, up to the newest revision, as the owner, and grants the application's role what it needs.

    Raises CannotStart when the database can't be reached or others are using its tables, SettingsError when the application's
    role is not there.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    role = application_role(settings)
    url = settings.migration_database_url or settings.resolved_database_url
    try:
        command.upgrade(configuration(url, role), "head")
    except (OSError, PostgresError) as error:  # before there is a connection SQLAlchemy hands on the driver's own
        raise CannotStart(f"the database can't be opened to migrate it: {_said(error)}") from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_TIMEOUT:
            raise CannotStart(
                "the database can't be migrated while others use its tables: stop all servers of Tellercast, then try again"
            ) from error
        if is_away(error):
            raise CannotStart(f"the database was lost while it was migrated, nothing was changed: {error.orig}") from error
        raise


def _said(error: BaseException) -> str:
    """What an error says; a timeout of the network says nothing by itself."""
    return str(error) or f"it did not answer in time ({type(error).__name__})"


def prepare(settings: Settings) -> None:
    """For whoever serves: migrates where the serving role is the owner, and otherwise asks only whether somebody has.

    Raises CannotStart with what to run when the database is behind or ahead, or can't be reached.
    """
    if make_url(settings.resolved_database_url).get_backend_name() == "sqlite":
        migrate(settings)
        return
    if asyncio.run(_ask(settings)).may_migrate and application_role(settings) is None:
        migrate(settings)
    else:
        asyncio.run(check(settings))


async def check(settings: Settings) -> None:
    """Raises CannotStart unless the database has this version's tables; warns when the serving role could change the record."""
    found = await _ask(settings)
    scripts = ScriptDirectory.from_config(configuration(settings.resolved_database_url))
    head = scripts.get_current_head()
    if found.revision != head:
        known = {script.revision for script in scripts.walk_revisions()}
        if found.revision is not None and found.revision not in known:
            raise CannotStart(
                f"the database is of a newer version of Tellercast (revision {found.revision}; this one knows {head}): "
                "install that version, or restore the database from before the upgrade"
            )
        at = f"is at revision {found.revision}" if found.revision else "is empty"
        raise CannotStart(
            f"the database {at}, this version needs {head}: run `tellercast migrate` as the tables' owner "
            "(TELLERCAST_MIGRATION_DATABASE_URL), then start again"
        )
    if not settings.demo:
        warn(found)


def warn(found: Standing) -> None:
    """Says in the log that the record is guarded by triggers alone, and what to do about it."""
    if found.owned:
        log.warning(
            "TELLERCAST_DATABASE_URL's role owns the record's tables and could drop their guards: let another role own them "
            "(TELLERCAST_MIGRATION_DATABASE_URL; README, Two roles)",
            tables=", ".join(found.owned),
        )
    elif found.changeable:
        log.warning(
            "TELLERCAST_DATABASE_URL's role may change the record's tables beyond what it needs: run `tellercast migrate`",
            tables=", ".join(found.changeable),
        )


async def _ask(settings: Settings) -> Standing:
    database = Database(settings.resolved_database_url)
    try:
        async with asyncio.timeout(_ASKED_WITHIN_S), database.read() as tx:
            return await _standing(tx)
    except (OSError, PostgresError, DBAPIError) as error:
        raise CannotStart(f"the database of TELLERCAST_DATABASE_URL can't be asked: {_said(error)}") from error
    finally:
        await database.close()


async def _standing(tx: AsyncConnection) -> Standing:
    revision = await tx.run_sync(lambda connection: MigrationContext.configure(connection).get_current_revision())
    if tx.dialect.name == "sqlite":
        return Standing(revision, may_migrate=True)
    may = bool((await tx.execute(_MAY_MIGRATE)).scalar_one())
    guarded = [name for name, table in metadata.tables.items() if recording.guards.changing_columns(table) is not None]
    rows = (await tx.execute(_OVERREACH, {"names": guarded})).all()
    owned = tuple(row.relname for row in rows if row.owned)
    return Standing(revision, may, owned, tuple(row.relname for row in rows if not row.owned))
