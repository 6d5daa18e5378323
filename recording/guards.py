"""Triggers that keep the record from being changed behind the application's back, on both databases.

`append_only(table)` and its like hang them on the table's creation, so that `metadata.create_all` has them; a migration runs
`install` with the same statements. They stop mistakes and stray SQL, also of the tables' owner; what the application's role
may not even try, `app/grants.py` says. Whoever owns the database can drop them: what such a person changes is found by the
chain, the seal and the register.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import JSON, Connection, Table, event, inspect

# Checked by tests; a migration for a new append-only table adds its name.
APPEND_ONLY = ("trail_entries", "seals", "product_changes")
_CHANGING: Final = "changing"
_TEXT_KEY: Final = ("session_id", "seq", "field")

# (dialect, schema) → statements. Functions that read tables name the schema: a temporary table would come first otherwise.
Statements = Callable[[str, str], list[str]]

_APPEND_ONLY = """
CREATE OR REPLACE FUNCTION tellercast_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'integrity_constraint_violation';
END $$
"""
_REFUSE = """
CREATE OR REPLACE FUNCTION tellercast_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation';
END $$
"""
_FOLLOW = """
CREATE OR REPLACE FUNCTION tellercast_heads_follow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before bigint := 0;
  follows boolean;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    before := OLD.seq;
    IF NEW.session_id = OLD.session_id AND NEW.sealed >= OLD.sealed AND NEW.seq = OLD.seq AND NEW.hash = OLD.hash THEN
      RETURN NEW;
    END IF;
    follows := NEW.session_id = OLD.session_id AND OLD.sealed = 0 AND NEW.sealed >= OLD.sealed AND NEW.seq > OLD.seq;
  ELSE
    IF NEW.seq = 0 AND NEW.sealed = 0 THEN
      RETURN NEW;
    END IF;
    follows := NEW.seq > 0;
  END IF;
  IF follows AND NEW.session_id = 'register' THEN
    SELECT count(*) = NEW.seq - before AND max(number) = NEW.seq AND bool_or(number = NEW.seq AND hash = NEW.hash)
      INTO follows FROM {schema}.seals WHERE number > before;
  ELSIF follows THEN
    SELECT count(*) = NEW.seq - before AND max(seq) = NEW.seq AND bool_or(seq = NEW.seq AND hash = NEW.hash)
      INTO follows FROM {schema}.trail_entries WHERE session_id = NEW.session_id AND seq > before;
  END IF;
  IF follows IS NOT TRUE THEN
    RAISE EXCEPTION USING MESSAGE = 'trail_heads only follow their entries', ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$
"""


def guard_ddl(dialect: str, table: str, key: Sequence[str]) -> list[str]:
    """The statements that make `table`, with this primary key, append-only.

    For dialect "sqlite" or "postgresql". Raises ValueError for others, and for a table that `APPEND_ONLY` doesn't name.
    """
    if table not in APPEND_ONLY:
        raise ValueError(f"{table} is not declared append-only")
    if dialect == "sqlite":
        return [
            *_sqlite_never(table, ("UPDATE", "DELETE"), f"{table} is append-only"),
            *_sqlite_no_replace(table, key),
        ]
    if dialect == "postgresql":
        call = "EXECUTE FUNCTION tellercast_append_only()"
        return [
            _APPEND_ONLY,
            *_postgresql(table, "append_only", f"BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {call}"),
            *_postgresql(table, "no_truncate", f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {call}"),
        ]
    raise ValueError(f"no guards for {dialect}")


def keeping_ddl(dialect: str, table: str, key: Sequence[str], kept: Sequence[str], json: Sequence[str] = ()) -> list[str]:
    """Rows of `table` stay, and so do their columns `kept` and `json` (which PostgreSQL compares as text). As `guard_ddl`."""
    message = f"{table}: what stands there is kept"
    if dialect == "sqlite":
        return [
            *_sqlite(table, "kept", f"BEFORE UPDATE ON {table} WHEN {_differ('sqlite', kept, json)}", message),
            *_sqlite_never(table, ("DELETE",), message),
            *_sqlite_no_replace(table, key),
        ]
    if dialect == "postgresql":
        return _postgresql_kept(table, _differ("postgresql", kept, json), message)
    raise ValueError(f"no guards for {dialect}")


def erasing_ddl(dialect: str) -> list[str]:
    """Of a personal text, salt and text may become NULL together, for good, and nothing else may change. As `guard_ddl`."""
    table, message = "trail_texts", "trail_texts: a text may be erased and nothing else"
    changed = f"NEW.salt IS NOT NULL OR NEW.text IS NOT NULL OR {_differ(dialect, _TEXT_KEY)}"
    if dialect == "sqlite":
        return [
            *_sqlite(table, "kept", f"BEFORE UPDATE ON {table} WHEN {changed}", message),
            *_sqlite_never(table, ("DELETE",), message),
            *_sqlite_no_replace(table, _TEXT_KEY),
        ]
    if dialect == "postgresql":
        return _postgresql_kept(table, changed, message)
    raise ValueError(f"no guards for {dialect}")


def heads_ddl(dialect: str, schema: str) -> list[str]:
    """A trail's head moves on by exactly the entries that were appended, or is marked sealed. As `guard_ddl`."""
    table, message = "trail_heads", "trail_heads only follow their entries"
    if dialect == "sqlite":
        same = "NEW.session_id IS OLD.session_id AND NEW.sealed >= OLD.sealed"
        still = f"({same} AND NEW.seq = OLD.seq AND NEW.hash = OLD.hash)"
        grown = f"({same} AND OLD.sealed = 0 AND NEW.seq > OLD.seq AND {_sqlite_followed('OLD.seq')})"
        fresh = f"((NEW.seq = 0 AND NEW.sealed = 0) OR (NEW.seq > 0 AND {_sqlite_followed('0')}))"
        return [
            *_sqlite(table, "follow", f"BEFORE UPDATE ON {table} WHEN NOT ({still} OR {grown})", message),
            *_sqlite(table, "begin", f"BEFORE INSERT ON {table} WHEN NOT {fresh}", message),
            *_sqlite_never(table, ("DELETE",), message),
            # Quietly: whoever makes the head a moment after another does nothing (`lock_head`).
            "DROP TRIGGER IF EXISTS trail_heads_no_replace",
            f"CREATE TRIGGER trail_heads_no_replace BEFORE INSERT ON {table} "
            f"WHEN {_sqlite_stands(table, ('session_id',))} BEGIN SELECT RAISE(IGNORE); END",
        ]
    if dialect == "postgresql":
        call = "EXECUTE FUNCTION tellercast_heads_follow()"
        return [
            _FOLLOW.replace("{schema}", schema),
            *_postgresql(table, "follow", f"BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW {call}"),
            *_postgresql_never(table, message),
        ]
    raise ValueError(f"no guards for {dialect}")


def install(connection: Connection, table: str) -> None:
    """Create the guards of one append-only table, which must exist."""
    key = inspect(connection).get_pk_constraint(table)["constrained_columns"]
    execute(connection, lambda dialect, _schema: guard_ddl(dialect, table, key))


def execute(connection: Connection, statements: Statements) -> None:
    """Run what makes a guard; one that is there already is made anew."""
    schema = "main"
    if connection.dialect.name == "postgresql":
        schema = str(connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one())
    for statement in statements(connection.dialect.name, schema):
        connection.exec_driver_sql(statement)


def append_only(table: Table) -> None:
    """Have `table` guarded whenever it is created."""
    key = [column.name for column in table.primary_key]
    _on_create(table, lambda dialect, _schema: guard_ddl(dialect, table.name, key), changing=())


def erasable(table: Table) -> None:
    """The same for the personal texts."""
    _on_create(table, lambda dialect, _schema: erasing_ddl(dialect), changing=("salt", "text"))


def following(table: Table) -> None:
    """The same for the trails' heads; the tables they follow may be created later."""
    _on_create(table, heads_ddl, changing=("seq", "hash", "sealed"))


def keeps_all_but(table: Table, *changing: str) -> None:
    """The same for a table of which only the columns `changing` ever change."""
    kept = [column for column in table.columns if column.name not in changing]
    json = [column.name for column in kept if isinstance(column.type, JSON)]
    plain = [column.name for column in kept if column.name not in json]
    key = [column.name for column in table.primary_key]
    _on_create(table, lambda dialect, _schema: keeping_ddl(dialect, table.name, key, plain, json), changing=changing)


def insert_only(table: Table) -> None:
    """Have the application's role insert rows into `table` and never change one. No trigger: its owner may."""
    table.info[_CHANGING] = ()


def changing_columns(table: Table) -> tuple[str, ...] | None:
    """The columns that may change where a table's rows stay for good; None where rows may change and go."""
    changing: tuple[str, ...] | None = table.info.get(_CHANGING)
    return changing


def _on_create(table: Table, statements: Statements, *, changing: tuple[str, ...]) -> None:
    table.info[_CHANGING] = changing

    @event.listens_for(table, "after_create")
    def on_create(_target: Table, connection: Connection, **_kw: Any) -> None:
        execute(connection, statements)


def _differ(dialect: str, plain: Iterable[str], json: Iterable[str] = ()) -> str:
    """A condition: one of the columns is another than before."""
    if dialect == "sqlite":
        return " OR ".join(f'NEW."{name}" IS NOT OLD."{name}"' for name in (*plain, *json))
    as_text = [f'NEW."{name}"::text IS DISTINCT FROM OLD."{name}"::text' for name in json]  # json has no equality
    return " OR ".join([*(f'NEW."{name}" IS DISTINCT FROM OLD."{name}"' for name in plain), *as_text])


def _sqlite(table: str, name: str, when: str, message: str) -> list[str]:
    return [
        f"DROP TRIGGER IF EXISTS {table}_{name}",
        f"CREATE TRIGGER {table}_{name} {when} BEGIN SELECT RAISE(ABORT, '{message}'); END",
    ]


def _sqlite_never(table: str, verbs: Iterable[str], message: str) -> list[str]:
    return [line for verb in verbs for line in _sqlite(table, f"no_{verb.lower()}", f"BEFORE {verb} ON {table}", message)]


def _sqlite_no_replace(table: str, key: Sequence[str]) -> list[str]:
    """INSERT OR REPLACE deletes the row in its way and asks no trigger on DELETE (sqlite.org/lang_conflict.html)."""
    when = f"BEFORE INSERT ON {table} WHEN {_sqlite_stands(table, key)}"
    return _sqlite(table, "no_replace", when, f"{table}: what stands there is not replaced")


def _sqlite_stands(table: str, key: Sequence[str]) -> str:
    mine = " AND ".join(f"{name} = NEW.{name}" for name in key)
    return f"EXISTS (SELECT 1 FROM {table} WHERE {mine})"  # noqa: S608 - our own names


def _sqlite_followed(before: str) -> str:
    """A condition: beyond the number `before` there is just what NEW.seq and NEW.hash say."""

    def ends(number: str, rows: str) -> str:
        last = f"max({number} = NEW.seq AND hash = NEW.hash)"
        return f"(SELECT count(*) = NEW.seq - {before} AND max({number}) = NEW.seq AND {last} FROM {rows})"  # noqa: S608 - our own names

    seals = ends("number", f"seals WHERE number > {before}")
    entries = ends("seq", f"trail_entries WHERE session_id = NEW.session_id AND seq > {before}")
    return f"CASE NEW.session_id WHEN 'register' THEN {seals} ELSE {entries} END"


def _postgresql(table: str, name: str, when: str) -> list[str]:
    return [f"DROP TRIGGER IF EXISTS {table}_{name} ON {table}", f"CREATE TRIGGER {table}_{name} {when}"]


def _postgresql_kept(table: str, changed: str, message: str) -> list[str]:
    call = f"EXECUTE FUNCTION tellercast_refuse('{message}')"
    when = f"BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({changed}) {call}"
    return [_REFUSE, *_postgresql(table, "kept", when), *_postgresql_never(table, message)]


def _postgresql_never(table: str, message: str) -> list[str]:
    call = f"EXECUTE FUNCTION tellercast_refuse('{message}')"
    return [
        _REFUSE,
        *_postgresql(table, "no_delete", f"BEFORE DELETE ON {table} FOR EACH ROW {call}"),
        *_postgresql(table, "no_truncate", f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {call}"),
    ]
