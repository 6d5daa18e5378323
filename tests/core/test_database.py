"""A writer that is cut off in the middle gives its lock back at once: nobody waits for what nobody does any more."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, event, insert, select, text
from sqlalchemy.exc import DBAPIError

from core.database import Database, is_away

numbers = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))
# Long enough to be caught in the middle, with rows still to come.
SLOW = text(
    "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 300000) SELECT n FROM up ORDER BY n DESC"
)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What only the garbage collector would mend is not mended."""
    gc.disable()
    yield
    gc.enable()


async def _change(db: Database, n: int, *, slowly: bool = False) -> None:
    async with db.write() as tx:
        await tx.execute(insert(numbers).values(n=n))
        if slowly:
            await tx.execute(SLOW)


async def _cut_off(db: Database, n: int, turns: int) -> None:
    """`_change`, cancelled `turns` turns of the loop after its long statement was given to the database."""
    given = asyncio.Event()

    def heard(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if sql.startswith("WITH"):
            given.set()

    event.listen(db.engine.sync_engine, "before_cursor_execute", heard)
    try:
        task = asyncio.create_task(_change(db, n, slowly=True))
        await given.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    finally:
        event.remove(db.engine.sync_engine, "before_cursor_execute", heard)
    assert task.cancelled()


@pytest.mark.usefixtures("no_collector")
async def test_a_cancelled_write_leaves_nothing_and_locks_nothing(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(numbers.metadata.create_all)
    cut = [0, 1, 2, 5, 20, 200]
    for n, turns in enumerate(cut):
        await _cut_off(database, n, turns)
        async with asyncio.timeout(8):  # SQLite's own patience ends after 10 s
            await _change(database, 100 + n)
    async with database.read() as tx:
        assert set((await tx.execute(select(numbers.c.n))).scalars()) == {100 + n for n in range(len(cut))}


async def test_a_server_that_takes_no_connection_is_an_ordinary_network_error(postgresql_url: str) -> None:
    """As while it starts or stops: loops that wait for their database expect OSError, and SQLAlchemy's own."""
    db = Database(f"{postgresql_url}/no_such_database")
    try:
        for way in (db.read, db.write):
            with pytest.raises(OSError, match="InvalidCatalogName"):
                async with way():
                    pass
    finally:
        await db.close()


async def test_who_gives_up_waiting_for_his_turn_keeps_nobody_from_theirs(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(numbers.metadata.create_all)
    for turns in range(6):
        async with database.write():
            waiting = asyncio.create_task(_change(database, 1000 + turns))
            await asyncio.sleep(0)
        for _ in range(turns):  # cut off before, while and after it is his turn
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(10):
            await _change(database, turns)
    async with database.read() as tx:
        assert set(range(6)) <= set((await tx.execute(select(numbers.c.n))).scalars())
    async with database.engine.begin() as connection:
        await connection.run_sync(numbers.metadata.drop_all)


def test_a_fault_of_sqlites_driver_that_has_no_code_is_a_fault() -> None:
    assert not is_away(DBAPIError("SELECT 1", None, sqlite3.OperationalError("cannot be used twice")))
