"""What every test may ask for: a clock that obeys, and a real database of each kind."""

from __future__ import annotations

import asyncio
import importlib
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import LRUCache

import core.database
from core.clock import ManualClock
from core.database import Database, metadata
from tests.ports import free_port
from tests.redis_server import RedisServer

# Every package with tables; importing them fills `metadata`.
TABLE_MODULES = ("recording.tables", "compliance.tables", "commerce.tables", "rooms.tables")


def pytest_configure() -> None:
    """Tracebacks are logged as the application logs them: drawn with every variable, as structlog does, one takes 2 s."""
    *before, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, plain])


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """The SQL that SQLAlchemy made of a statement for one test's engine serves all tests, as it serves all of a server's life.

    It keeps compiled statements per engine, by dialect object and structure. Here dialects of one class are one.
    """
    compiled: dict[type, LRUCache[Any, Any]] = {}
    create = core.database.create_async_engine

    def sharing(*args: Any, **options: Any) -> AsyncEngine:
        engine = create(*args, **options)
        kept = compiled.setdefault(type(engine.dialect), LRUCache(2_000))
        engine.sync_engine._compiled_cache = kept
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core.database, "create_async_engine", sharing)
        patch.setattr(DefaultDialect, "__hash__", lambda self: hash(type(self)))
        patch.setattr(DefaultDialect, "__eq__", lambda self, other: type(self) is type(other))
        yield


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL server of our own on a free port, gone with the run. A missing server is an error, not a skip."""
    binaries = _postgresql_binaries()
    folder = Path(tempfile.mkdtemp(prefix="tellercast-pg-"))
    as_other: list[str] = []
    if os.geteuid() == 0:  # initdb refuses root
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_other = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = folder / "data"
    port = free_port()
    run = [*as_other, str(binaries / "initdb"), "-D", str(data), "-U", "tellercast", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd=folder)
    # It ends with the run, so nothing it holds has to survive the machine.
    hasty = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "autovacuum=off")
    server = subprocess.Popen(
        [
            *as_other,
            str(binaries / "postgres"),
            "-D",
            str(data),
            "-p",
            str(port),
            "-k",
            str(folder),
            "-h",
            "127.0.0.1",
            *(part for setting in hasty for part in ("-c", setting)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        subprocess.run(
            [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-t", "30"],
            check=False,
            stdout=subprocess.DEVNULL,
            timeout=40,
        )
        _wait_ready(binaries, port, server)
        yield f"postgresql+asyncpg://tellercast@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _postgresql_binaries() -> Path:
    for candidate in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (candidate / "initdb").exists():
            return candidate
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError("PostgreSQL is not installed; `make test-tools` installs it")
    return Path(found).parent


def _wait_ready(binaries: Path, port: int, server: subprocess.Popen[bytes]) -> None:
    command = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    for _ in range(3000):
        if server.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended with {server.returncode} while starting")
        if subprocess.run(command, check=False, timeout=10).returncode == 0:
            return
    raise RuntimeError("PostgreSQL did not become ready")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture(scope="session")
def filled_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to be copied: making them for every test would take longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    apart(_make_tables(f"sqlite+aiosqlite:///{path}"))
    return path


@dataclass(frozen=True)
class ReusedDatabase:
    """One PostgreSQL database for test after test, because creating and dropping one takes longer than most tests."""

    server_url: str
    fingerprint: list[Any]

    @property
    def url(self) -> str:
        return f"{self.server_url}/reused"

    async def empty(self) -> None:
        """No row, no connection of an earlier test, and its tables as the code has them."""
        connection = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            changed = await connection.fetch(_SCHEMA) != self.fingerprint
            if not changed:
                # As a replica does, without asking guards and foreign keys.
                deletes = "; ".join(f'DELETE FROM "{name}"' for name in metadata.tables)  # noqa: S608 - our own names
                await connection.execute(f"SET session_replication_role = replica; {deletes}")
        finally:
            await connection.close()
        if changed:  # a test dropped the guards, to play the database's owner
            await admin(self.server_url, "DROP DATABASE reused WITH (FORCE)")
            await admin(self.server_url, "CREATE DATABASE reused")
            await _make_tables(self.url)


_SCHEMA = (
    "SELECT relname::text AS name, 'c' AS kind FROM pg_class WHERE relnamespace = 'public'::regnamespace "
    "UNION ALL SELECT tgname::text, 't' FROM pg_trigger WHERE NOT tgisinternal ORDER BY name, kind"
)


@pytest.fixture(scope="session")
def reused_postgresql(postgresql_url: str) -> ReusedDatabase:
    """With all tables."""
    apart(admin(postgresql_url, "CREATE DATABASE reused"))
    apart(_make_tables(f"{postgresql_url}/reused"))
    fingerprint: list[Any] = []

    async def look() -> None:
        connection = await asyncpg.connect(f"{postgresql_url}/reused".replace("+asyncpg", ""))
        fingerprint.extend(await connection.fetch(_SCHEMA))
        await connection.close()

    apart(look())
    return ReusedDatabase(postgresql_url, fingerprint)


@pytest.fixture
async def database(database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A database with all tables, empty, once on SQLite and once on PostgreSQL."""
    if database_url.startswith("sqlite"):
        path = database_url.removeprefix("sqlite+aiosqlite:///")
        shutil.copyfile(request.getfixturevalue("filled_sqlite"), path)
        database = Database(database_url)
        yield database
        await database.close()
        return
    reused: ReusedDatabase = request.getfixturevalue("reused_postgresql")
    await reused.empty()
    database = Database(reused.url)
    yield database
    await database.close()


@pytest.fixture
async def empty_database_url(database_url: str) -> AsyncIterator[str]:
    """The address of a database without any table, once of each kind; for those who migrate it themselves."""
    if database_url.startswith("sqlite"):
        yield database_url
        return
    name = f"e_{uuid.uuid4().hex}"
    await admin(database_url, f'CREATE DATABASE "{name}"')
    yield f"{database_url}/{name}"
    await admin(database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _make_tables(url: str) -> None:
    for module in TABLE_MODULES:
        importlib.import_module(module)
    database = Database(url)
    try:
        async with database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
    finally:
        await database.close()


async def admin(server_url: str, statement: str) -> None:
    """One statement to the PostgreSQL server itself."""
    connection = await asyncpg.connect(server_url.replace("+asyncpg", "") + "/postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def apart(work: Coroutine[Any, Any, None]) -> None:
    """Runs it on an event loop of its own, away from the test's."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result(timeout=60)


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A real one of the test's own, which may be killed and started again."""
    server = RedisServer(tmp_path)
    await server.start()
    yield server
    await server.kill()
