"""Who serves may not change what stands on the record

The guards of the record, for tables that had none. The rights of the role that serves are given by `tellercast migrate` itself
(app/grants.py), after every upgrade: its name is known there alone.
"""

from __future__ import annotations

from alembic import op

from recording import guards

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ORDER_KEEPS = (
    "id",
    "customer_id",
    "key",
    "request_hash",
    "session_id",
    "product_id",
    "amount",
    "currency",
    "channel",
    "proposal_id",
    "placed_at",
    "cancellable_until",
    "media_ms",
    "trail_seq",
)


def upgrade() -> None:
    connection = op.get_bind()
    for table in ("trail_entries", "seals"):  # on SQLite nothing kept them from being replaced
        guards.install(connection, table)
    guards.execute(connection, lambda dialect, _schema: guards.erasing_ddl(dialect))
    guards.execute(connection, guards.heads_ddl)
    guards.execute(
        connection, lambda dialect, _schema: guards.keeping_ddl(dialect, "orders", ("id",), _ORDER_KEEPS, ("snapshot",))
    )
    if connection.dialect.name == "postgresql":
        # Whoever may make tables could put one before ours in a search path; PostgreSQL 15 lets nobody by itself.
        schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
        owned = "SELECT pg_has_role(nspowner, 'MEMBER') FROM pg_namespace WHERE oid = current_schema()::regnamespace"
        if connection.exec_driver_sql(owned).scalar_one():
            connection.exec_driver_sql(f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC")


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    last = "no_replace" if sqlite else "no_truncate"
    names = [f"{table}_{name}" for table in ("trail_texts", "orders") for name in ("kept", "no_delete", last)]
    names += [f"trail_heads_{name}" for name in ("follow", "no_delete", last)]
    if sqlite:
        names += ["trail_heads_begin", "trail_entries_no_replace", "seals_no_replace"]
    for name in names:
        on = "" if sqlite else f" ON {'_'.join(name.split('_')[:2])}" if name.startswith("trail") else " ON orders"
        op.execute(f"DROP TRIGGER IF EXISTS {name}{on}")
