"""The least a database could do for an order: one bare connection that inserts and commits its row and its entry's row."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from sqlalchemy import select

from commerce.tables import orders
from core.database import Database
from recording import kinds
from recording.tables import trail_entries


@dataclass
class Tally:
    """What was done in how many seconds."""

    done: int = 0
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return self.done / self.seconds


async def bare(db: Database, session: str) -> Callable[[Tally, float], Any]:
    """What inserts copies of a real order and its entry, as fast as one bare connection can."""
    async with db.read() as tx:
        order = dict((await tx.execute(select(orders).limit(1))).mappings().one())
        placed = (trail_entries.c.session_id == session) & (trail_entries.c.kind == kinds.ORDER_PLACED)
        entry = dict((await tx.execute(select(trail_entries).where(placed).limit(1))).mappings().one())
    order_row = _raw(db, orders, order)
    entry_row = _raw(db, trail_entries, entry)
    number = itertools.count(1)

    def fresh() -> tuple[list[Any], list[Any]]:
        n = next(number)
        one = order_row | {"id": f"floor-{n}", "customer_id": "floor", "key": f"floor-{n}"}
        other = entry_row | {"session_id": "floor", "seq": n}
        return list(one.values()), list(other.values())

    statements = [_insert(db, orders.name, order_row), _insert(db, trail_entries.name, entry_row)]
    return _bare_sqlite(db, statements, fresh) if db.is_sqlite else _bare_postgresql(db, statements, fresh)


def _raw(db: Database, table: Any, row: dict[str, Any]) -> dict[str, Any]:
    """The row as the driver wants it."""
    dialect = db.engine.dialect
    processors = {c.name: c.type.dialect_impl(dialect).bind_processor(dialect) for c in table.columns}
    made = {}
    for name, value in row.items():
        process = processors[name]
        made[name] = process(value) if process is not None else value
        if isinstance(made[name], dict):
            made[name] = json.dumps(made[name])
    return made


def _insert(db: Database, table: str, row: dict[str, Any]) -> str:
    marks = ", ".join("?" if db.is_sqlite else f"${n}" for n in range(1, len(row) + 1))
    columns = ", ".join(f'"{name}"' for name in row)
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - our own names


Fresh = Callable[[], tuple[list[Any], list[Any]]]


def _bare_sqlite(db: Database, statements: list[str], fresh: Fresh) -> Callable[[Tally, float], Any]:
    connection = sqlite3.connect(str(db.url.database), isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA synchronous=FULL")

    def work(tally: Tally, seconds: float) -> None:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            order, entry = fresh()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(statements[0], order)
            connection.execute(statements[1], entry)
            connection.execute("COMMIT")
            tally.done += 1
        tally.seconds += time.perf_counter() - began

    async def round_(tally: Tally, seconds: float) -> None:
        await asyncio.to_thread(work, tally, seconds)

    return round_


def _bare_postgresql(db: Database, statements: list[str], fresh: Fresh) -> Callable[[Tally, float], Any]:
    async def round_(tally: Tally, seconds: float) -> None:
        connection = await asyncpg.connect(db.url.set(drivername="postgresql").render_as_string(hide_password=False))
        try:
            first, second = [await connection.prepare(statement) for statement in statements]
            began = time.perf_counter()
            while time.perf_counter() - began < seconds:
                order, entry = fresh()
                async with connection.transaction():
                    await first.fetch(*order)
                    await second.fetch(*entry)
                tally.done += 1
            tally.seconds += time.perf_counter() - began
        finally:
            await connection.close()

    return round_
