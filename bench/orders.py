"""Orders a second, acknowledged only once they are safely on disk, beside the least a database could do for one.

The product: `OrderDesk.place` for customers in one show: claim, locks, gate, stock, trail entry, outbox row, commit. The floor:
one bare connection that inserts and commits an order's row and an entry's row (the same tables, the same bytes), one at a time.
Both in turns on the same database, so that what else the machine does falls on both. Commits are durable: SQLite
`synchronous=FULL`, PostgreSQL's defaults.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, cast

import asyncpg  # type: ignore[import-untyped]
import uvloop
from sqlalchemy import select

import app.migrate  # noqa: F401 - fills `metadata` with every table
from bench.postgresql import postgresql
from commerce import demo_data
from commerce.tables import orders, products
from core.clock import ManualClock, SystemClock
from core.database import Database, metadata
from core.identity import Person
from recording import kinds
from recording.tables import trail_entries
from recording.trail import Trail
from tests.commerce.conftest import BOND, Market

ROUNDS = 3
# Below the velocity rule (`commerce/risk.py`), which would refuse more from one customer.
ORDERS_EACH = 8
WATERMARK_EVERY_S = 1.0


@dataclass
class Tally:
    """What was done in how many seconds."""

    done: int = 0
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return self.done / self.seconds


async def measure(url: str, *, seconds: float, buyers: int, customers: int) -> dict[str, Any]:
    """The figures of one database: `seconds` for the desk and half of it for the floor, in `ROUNDS` turns each."""
    db = Database(url)
    async with db.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    market = await _market(db)
    over = asyncio.Event()
    watermarks = asyncio.create_task(_keep_recording(market, over))
    desk, floor = Tally(), Tally()
    try:
        people = [await market.customer(f"buyer-{n:05}") for n in range(customers)]
        for person in people:
            await market.confirm(person)
        amount, wishes = await _minimum(market), itertools.chain.from_iterable([people] * ORDERS_EACH)
        await market.desk.place(next(wishes), market.wish(amount=amount))
        bare = await _bare(db, market.session)
        for _ in range(ROUNDS):
            await _desk_round(market, wishes, amount, desk, seconds / ROUNDS, buyers)
            await bare(floor, seconds / ROUNDS / 2)
    finally:
        over.set()
        await watermarks
        await db.close()
    return {
        "orders_per_s": round(desk.per_s, 1),
        "p99_ms": round(quantiles(desk.latencies_ms, n=100)[98], 2),
        "floor_ratio": round(desk.per_s / floor.per_s, 3),
        "p50_ms": round(quantiles(desk.latencies_ms, n=100)[49], 2),
        "orders": desk.done,
        "buyers": buyers,
        "floor_per_s": round(floor.per_s, 1),
    }


async def _market(db: Database) -> Market:
    clock = cast("ManualClock", SystemClock())  # orders are placed in real time
    market = Market(db, clock, Trail(clock))
    async with db.write() as tx:
        await demo_data.seed(tx, clock)
    market.session = await market.open_session()
    await market.product(BOND, left=10**15, cap=None)
    return market


async def _minimum(market: Market) -> int:
    async with market.db.read() as tx:
        return int((await tx.execute(select(products.c.minimum).where(products.c.id == BOND))).scalar_one())


async def _keep_recording(market: Market, over: asyncio.Event) -> None:
    """The watermark goes on as the intake would move it: without it nothing is sold. Not to be cancelled in a transaction."""
    while not over.is_set():
        await market.record()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), WATERMARK_EVERY_S)


async def _desk_round(
    market: Market, wishes: itertools.chain[Person], amount: int, tally: Tally, seconds: float, buyers: int
) -> None:
    began = time.perf_counter()
    until = began + seconds

    async def buyer() -> None:
        while (at := time.perf_counter()) < until and (person := next(wishes, None)) is not None:
            placed = await market.desk.place(person, market.wish(amount=amount))
            assert placed.created
            tally.latencies_ms.append((time.perf_counter() - at) * 1000)
            tally.done += 1

    await asyncio.gather(*(buyer() for _ in range(buyers)))
    tally.seconds += time.perf_counter() - began
    market.told.clear()


async def _bare(db: Database, session: str) -> Callable[[Tally, float], Any]:
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.orders", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--seconds", type=float, default=9.0, help="for the desk, on each database")
    parser.add_argument("--buyers", type=int, default=8, help="orders under way at once")
    parser.add_argument("--customers", type=int, default=500, help="each buys up to eight times")
    parser.add_argument("--dir", type=Path, default=None, help="where the databases are made; default: the temporary folder")
    arguments = parser.parse_args()
    options = {"seconds": arguments.seconds, "buyers": arguments.buyers, "customers": arguments.customers}
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="tellercast-bench-", dir=arguments.dir) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's user has to pass
        figures["sqlite"] = uvloop.run(measure(f"sqlite+aiosqlite:///{folder / 'bench.db'}", **options))
        inner = folder / "postgresql"
        inner.mkdir()
        with postgresql(inner) as url:
            figures["postgresql"] = uvloop.run(measure(url, **options))
    for kind, found in figures.items():
        print(
            f"{kind:<10} {found['orders_per_s']:>8} orders/s   p50 {found['p50_ms']} ms   p99 {found['p99_ms']} ms   "
            f"{found['floor_ratio']:.1%} of the floor's {found['floor_per_s']}/s"
        )
    if arguments.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
