"""One way into the database for SQLite and PostgreSQL: a writer that can't oversell and a reader that never waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Dialect,
    MetaData,
    String,
    TypeDecorator,
    bindparam,
    event,
    func,
    select,
)
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.type_api import TypeEngine
from sqlalchemy.sql.visitors import InternalTraversal

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
# A migration that waits for a table keeps all who come after it waiting too.
_MIGRATION_LOCK_TIMEOUT_S = 10
_POOL_TIMEOUT_S = 30
# A process of ours that is stopped or hangs within a transaction holds rows that others need; PostgreSQL ends that one.
# Nothing of ours pauses for so long between two statements.
_IDLE_TIMEOUT_S = 30


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


class _Several(TypeDecorator[list[str]]):
    """A list of texts as one bound value: an array on PostgreSQL, JSON on SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else ARRAY(String()))

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> Any:
        several = sorted(value or ())
        return _json(several) if dialect.name == "sqlite" else several


class among(ColumnElement[bool]):  # noqa: N801 - reads as what it is in a statement
    """`column` is one of the texts that are bound as `name` when the statement is executed.

    Unlike `in_` the statement is the same however many there are: it is prepared once.
    """

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - as SQLAlchemy wants it
        ("column", InternalTraversal.dp_clauseelement),
        ("values", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values: BindParameter[list[str]] = bindparam(name, type_=_Several())


def waiting_at_most(ms: int) -> ColumnElement[bool]:
    """For the WHERE of the statement that takes a transaction's first locks, on PostgreSQL: true, and from here on the
    transaction waits no longer than this for any lock (SQLSTATE 55P03), without a statement of its own to say so.

    As a subquery that depends on no row it is evaluated once and before the first row is fetched, if there are any or not.
    """
    return select(func.set_config("lock_timeout", str(ms), True)).scalar_subquery() != ""


@compiles(among)
def _among_array(element: among, compiler: Any, **options: Any) -> str:
    return f"{compiler.process(element.column, **options)} = ANY ({compiler.process(element.values, **options)})"


@compiles(among, "sqlite")
def _among_json(element: among, compiler: Any, **options: Any) -> str:
    column, values = compiler.process(element.column, **options), compiler.process(element.values, **options)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both are SQLAlchemy's own text


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Database:
    """`write()` for a transaction that may change things, `read()` for one that may not.

    On SQLite every write begins IMMEDIATE on one connection (a deferred one fails with "locked" the moment it first writes,
    and the driver's own mode oversells); readers use other connections and see the last commit (WAL).
    """

    def __init__(self, url: str, *, migrating: bool = False) -> None:
        """`migrating`: on PostgreSQL a statement may take as long as it needs, for an index over millions of rows, and waits
        for a lock no longer than others would."""
        self.url: URL = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._turn = asyncio.Lock()
        if self.is_sqlite:
            self._writer, self._reader = _sqlite_engines(self.url)
        else:
            self._writer = _postgresql_engine(self.url, migrating=migrating)
            # The same pool. By default each statement there sees what was committed meanwhile: a state read before a commit
            # would be told with a number read after it, and pages keep what has the highest number.
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: commits when the block ends, rolls back when it raises."""
        if not self.is_sqlite:
            async with self._writer.begin() as connection:
                yield connection
            return
        # In turn: the pool gives its one connection to whoever asks at the right moment, and who writes without a pause,
        # as orders in a rush do, would keep the recording's watermark waiting until nothing may be sold.
        await self._my_turn()
        try:
            async with self._writer.begin() as connection:
                yield connection
        finally:
            self._turn.release()

    async def _my_turn(self) -> None:
        try:
            async with asyncio.timeout(_POOL_TIMEOUT_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise PoolTimeout(f"SQLite's one writer was busy for {_POOL_TIMEOUT_S} s") from error

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
    json: dict[str, Any] = {"json_serializer": _json, "json_deserializer": msgspec.json.decode}
    writer = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=_POOL_TIMEOUT_S, connect_args=given, **json)
    reader = create_async_engine(url, pool_size=4, max_overflow=4, pool_timeout=_POOL_TIMEOUT_S, connect_args=given, **json)
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


def _postgresql_engine(url: URL, *, migrating: bool) -> AsyncEngine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+asyncpg")
    settings = {"idle_in_transaction_session_timeout": f"{_IDLE_TIMEOUT_S}s"}
    if migrating:
        settings["lock_timeout"] = f"{_MIGRATION_LOCK_TIMEOUT_S}s"
    engine = create_async_engine(
        url,
        pool_size=10,
        max_overflow=10,
        pool_timeout=10,
        pool_pre_ping=True,
        json_serializer=_json,
        json_deserializer=msgspec.json.decode,
        connect_args={
            "command_timeout": None if migrating else _STATEMENT_TIMEOUT_S,
            "timeout": 5,
            "async_creator_fn": _connect,
            "server_settings": settings,
        },
    )
    event.listen(engine.sync_engine, "handle_error", _leave_read_only_server)
    return engine


def _leave_read_only_server(context: ExceptionContext) -> None:
    """A server that takes no writing transaction is a standby, or was the primary before a failover: all connections to it are
    given up, and new ones lead to whoever is the primary now."""
    refused = getattr(context.original_exception, "sqlstate", None) == _READ_ONLY
    if refused and context.connection is not None and not context.connection.get_execution_options().get("postgresql_readonly"):
        context.is_disconnect = True


# PostgreSQL: read_only_sql_transaction.
_READ_ONLY = "25006"


class DatabaseAway(ConnectionError):  # noqa: N818 - it says what is so; waiting helps
    """There is no connection to be had: the server is not there, or takes none as it starts, stops, recovers or is full."""


# PostgreSQL's classes: connection exception, insufficient resources, operator intervention (it stops, a backend was killed, a
# statement took too long).
_AWAY = frozenset({"08", "53", "57"})
# PostgreSQL: lock_not_available. Somebody sat on a row for longer than this transaction waits (`waiting_at_most`).
LOCK_TIMEOUT = "55P03"


def is_away(error: BaseException) -> bool:
    """Whether it was the database that could not be reached, was lost meanwhile or did not answer in time, also because
    somebody holds a row, rather than anything about what was asked: it may be asked again.

    After a commit that fails so nobody knows whether it was done.
    """
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error.connection_invalidated or state[:2] in _AWAY or state == LOCK_TIMEOUT or _sqlite_is_busy(error.orig)
    return isinstance(error, DatabaseAway | PoolTimeout | TimeoutError)


def _sqlite_is_busy(error: object) -> bool:
    """Somebody else holds SQLite's one write lock, and has for longer than we wait for it. What Python itself raises in the
    driver's name has no code of SQLite's."""
    return isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


async def _connect(*args: Any, **options: Any) -> Any:
    """A connection. Raises DatabaseAway.

    SQLAlchemy hands asyncpg's own errors through while it connects, and nobody who waits for a database expects those.
    """
    try:
        return await asyncpg.connect(*args, **options)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise DatabaseAway(f"{type(error).__name__}: {error}") from error
