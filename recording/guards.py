"""Triggers that keep the record from being changed behind the application's back, on both databases.

`append_only(table)` hangs them on the table's creation, so that `metadata.create_all` has them; a migration runs
`install(connection, name)`. They stop mistakes and stray SQL. Whoever owns the database can drop them: what such a person
changes is found by the chain, the seal and the register.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, event

# Checked by tests; a migration for a new append-only table adds its name.
APPEND_ONLY = ("trail_entries", "seals")

_FUNCTION = """
CREATE OR REPLACE FUNCTION tellercast_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'integrity_constraint_violation';
END $$
"""


def guard_ddl(dialect: str, table: str) -> list[str]:
    """The statements that make `table` append-only, for dialect "sqlite" or "postgresql". Raises ValueError for others."""
    if table not in APPEND_ONLY:
        raise ValueError(f"{table} is not declared append-only")
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    if dialect == "postgresql":
        return [
            _FUNCTION,
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION tellercast_append_only()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tellercast_append_only()",
        ]
    raise ValueError(f"no guards for {dialect}")


def install(connection: Connection, table: str) -> None:
    """Create the guards of one table, which must exist."""
    for statement in guard_ddl(connection.dialect.name, table):
        connection.exec_driver_sql(statement)


def append_only(table: Table) -> None:
    """Have `table` guarded whenever it is created."""

    @event.listens_for(table, "after_create")
    def on_create(target: Table, connection: Connection, **_kw: Any) -> None:
        install(connection, target.name)
