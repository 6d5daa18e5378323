"""One way into the database for SQLite and PostgreSQL: a writer that can't oversell and a reader that never waits for it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Dialect, MetaData, TypeDecorator, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

# Names for every constraint, so that migrations can change them on both databases.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_MICROSECOND = 1_000_000
_STATEMENT_TIMEOUT_S = 10


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime kept as microseconds since 1970: exact, sortable and the same on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        delta = value - datetime(1970, 1, 1, tzinfo=UTC)
        return (delta.days * 86_400 + delta.seconds) * _MICROSECOND + delta.microseconds

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        seconds, micro = divmod(value, _MICROSECOND)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micro)


class Database:
    """`write()` for a transaction that may change things, `read()` for one that may not.

    On SQLite every write begins IMMEDIATE on one connection (a deferred one fails with "locked" the moment it first writes,
    and the driver's own mode oversells); readers use other connections and see the last commit (WAL).
    """

    def __init__(self, url: str) -> None:
        self.url: URL = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer, self._reader = _sqlite_engines(self.url)
        else:
            self._writer = _postgresql_engine(self.url)
            # The same pool. By default each statement there sees what was committed meanwhile: a state read before a commit
            # would be told with a number read after it, and pages keep what has the highest number.
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: commits when the block ends, rolls back when it raises."""
        async with self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view; nothing written here is kept."""
        async with self._reader.connect() as connection:
            yield connection

    @property
    def engine(self) -> AsyncEngine:
        """The writing engine, for migrations and tests."""
        return self._writer

    async def close(self) -> None:
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()


class _Rollback(sqlite3.Connection):
    """Gives its lock back when it is closed, whatever was under way.

    SQLite keeps a closed connection, and its write lock, until its last statement is finalised: for a task that was cancelled
    in the middle of one, not before Python's garbage collector comes by. Nobody could write meanwhile.
    """

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # closed already, or no transaction
            if self.in_transaction:
                self.execute("ROLLBACK")
        super().close()


def _sqlite_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    if not url.database or url.database == ":memory:":
        raise ValueError("SQLite needs a file: an in-memory database is shared by one connection only")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    given = {"factory": _Rollback}
    writer = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=30, connect_args=given)
    reader = create_async_engine(url, pool_size=4, max_overflow=4, pool_timeout=30, connect_args=given)
    _prepare_sqlite(writer, begin="BEGIN IMMEDIATE", pragmas=("synchronous=FULL",))
    _prepare_sqlite(reader, begin="BEGIN", pragmas=("query_only=ON",))
    return writer, reader


def _prepare_sqlite(engine: AsyncEngine, *, begin: str, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None  # we begin ourselves, below
        cursor = dbapi_connection.cursor()
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)


def _postgresql_engine(url: URL) -> AsyncEngine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+asyncpg")
    return create_async_engine(
        url,
        pool_size=10,
        max_overflow=10,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args={"command_timeout": _STATEMENT_TIMEOUT_S, "timeout": 5},
    )
