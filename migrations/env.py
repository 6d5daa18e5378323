"""Runs migrations through the application's own Database, so that SQLite and PostgreSQL begin as they do in service."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy.engine import Connection

from app.grants import grant
from app.migrate import TABLES
from core.database import Database, metadata

assert TABLES  # importing them filled `metadata`


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    role = context.config.attributes.get("application_role")
    if role is not None:  # in the same transaction: nobody ever has the new tables with the wrong rights
        grant(connection, role)


async def main() -> None:
    database = Database(context.config.attributes["database_url"], migrating=True)
    try:
        async with database.write() as connection:
            await connection.run_sync(run)
    finally:
        await database.close()


asyncio.run(main())
