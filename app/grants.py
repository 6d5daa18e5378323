"""What the application's role may do on PostgreSQL, where the tables belong to another role.

`tellercast migrate`, run by the owner after every upgrade, grants it.

The role may read and insert everywhere. It may change and delete only where the tables' declarations (`recording/guards.py`)
don't say that rows stay; of those, only the columns that live on. It owns nothing, so that it can't drop or disable a guard,
empty a table, or make one that hides ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from app.settings import SettingsError
from core.database import metadata
from recording.guards import changing_columns

_VERSION = "alembic_version"


def grant(connection: Connection, role: str) -> None:
    """Give `role` what it needs and take what it does not. Raises SettingsError when there is no such role."""
    known = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).scalar_one_or_none()
    quote = connection.dialect.identifier_preparer.quote
    if known is None:
        raise SettingsError(
            f"TELLERCAST_DATABASE_URL names the role {role!r}, which this PostgreSQL does not know; "
            f"as its administrator: CREATE ROLE {quote(role)} LOGIN PASSWORD '…'"
        )
    schema = str(connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one())
    for statement in grant_ddl(schema, quote(role)):
        connection.exec_driver_sql(statement)


def grant_ddl(schema: str, role: str) -> Iterator[str]:
    """The statements, for a schema and a role that are quoted already. Running them again changes nothing."""
    yield f"GRANT USAGE ON SCHEMA {schema} TO {role}"
    yield f"REVOKE CREATE ON SCHEMA {schema} FROM {role}"
    for name, rights in _rights():
        table = f'{schema}."{name}"'
        yield f"REVOKE ALL ON {table} FROM PUBLIC, {role}"
        yield f"GRANT {rights} ON {table} TO {role}"
    yield f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
    # A table that comes later and that no declaration speaks of yet: careful until the next `tellercast migrate`.
    defaults = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT"
    yield f"{defaults} SELECT, INSERT ON TABLES TO {role}"
    yield f"{defaults} USAGE, SELECT ON SEQUENCES TO {role}"


def _rights() -> Iterator[tuple[str, str]]:
    yield _VERSION, "SELECT"
    for name, table in sorted(metadata.tables.items()):
        changing = changing_columns(table)
        if changing is None:
            yield name, "SELECT, INSERT, UPDATE, DELETE"
        elif changing:
            columns = ", ".join(f'"{column}"' for column in changing)
            yield name, f"SELECT, INSERT, UPDATE ({columns})"
        else:
            yield name, "SELECT, INSERT"
