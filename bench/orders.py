"""Orders a second, acknowledged only once they are safely on disk, beside the least a database could do for one.

The product: a web process as it is started in service, and buyers in another process, each on a Socket.IO connection of its
own: from the `order` event to its acknowledgement, 200 under way at once. The floor: one bare connection that inserts and
commits an order's row and its entry's row (the same tables, the same bytes), one at a time. Both by turns on the same
database, so that what else the machine does falls on both. Commits are durable: SQLite WAL with `synchronous=FULL`,
PostgreSQL's defaults. The recording's watermark is moved on by hand, as the intake would: no picture is sent.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any, cast

import uvloop
from sqlalchemy import insert, select

from app.identity import Identity
from bench.order_floor import Tally, bare
from bench.postgresql import postgresql
from bench.service import ROOT, Service, migrate, web
from commerce import assessments, customers, demo_data, disclosing, questionnaire
from commerce.tables import products
from core.clock import ManualClock, SystemClock
from core.database import Database
from core.identity import Person, Role
from recording.trail import Trail
from rooms.tables import shows
from tests.commerce.conftest import BOND, HOST, Market

ROUNDS = 3
WATERMARK_EVERY_S = 1.0
_LINE = 1 << 26
_AT_ONCE = 100


async def measure(url: str, folder: Path, *, seconds: float, buyers: int, customers: int) -> dict[str, Any]:
    """The figures of one database: `seconds` for the product and half of it for the floor, in `ROUNDS` turns each."""
    await migrate(url, folder)
    db = Database(url)
    market = await open_market(db)
    over = asyncio.Event()
    watermarks = asyncio.create_task(_keep_recording(market, over))
    product, floor, cpu_s = Tally(), Tally(), 0.0
    try:
        names = await _crowd(market, customers)
        async with web(url, folder) as service, _buyers(market, service, names, buyers) as crowd:
            await crowd(0.2)  # the first orders warm caches up, and one of them is the floor's pattern
            floor_round = await bare(db, market.session)
            for _ in range(ROUNDS):
                cpu_s -= service.cpu_s()
                await _round(crowd, product, seconds / ROUNDS)
                cpu_s += service.cpu_s()
                await floor_round(floor, seconds / ROUNDS / 2)
    finally:
        over.set()
        await watermarks
        await db.close()
    return figures(product, floor, cpu_s, buyers)


def figures(product: Tally, floor: Tally, cpu_s: float, buyers: int) -> dict[str, Any]:
    """What was measured; `cpu_s` of the web process for all orders, `buyers` of them under way at once."""
    cuts = quantiles(product.latencies_ms, n=100)
    return {
        "orders_per_s": round(product.per_s, 1),
        "p99_ms": round(cuts[98], 2),
        "floor_ratio": round(floor.per_s / product.per_s, 3),
        "p50_ms": round(cuts[49], 2),
        "orders": product.done,
        "under_way": buyers,
        "floor_per_s": round(floor.per_s, 1),
        "web_us_per_order": round(cpu_s * 1e6 / product.done, 1),
    }


async def open_market(db: Database) -> Market:
    clock = cast("ManualClock", SystemClock())  # orders are placed in real time
    market = Market(db, clock, Trail(clock))
    async with db.write() as tx:
        await demo_data.seed(tx, clock)
    market.session = await market.open_session()
    await market.product(BOND, quota=10**15, left=10**15, cap=None)
    values = {"session_id": market.session, "host_id": HOST.id, "host_name": HOST.name, "title": "年终理财专场"}
    async with db.write() as tx:
        await tx.execute(insert(shows).values(id="shw_bench", starts_at=clock.now(), created_at=clock.now(), **values))
    return market


async def _crowd(market: Market, count: int) -> list[str]:
    """Customers who have been assessed and have confirmed the disclosure."""
    names = [f"buyer-{number:05}" for number in range(count)]
    for some in range(0, count, _AT_ONCE):
        await _enter(market, names[some : some + _AT_ONCE])
    return names


async def _enter(market: Market, names: list[str]) -> None:
    now, given = market.clock.now(), {question.id: "d" for question in questionnaire.QUESTIONS}
    async with market.db.write() as tx:
        for name in names:
            await customers.create(tx, market.clock, name, (now - timedelta(days=40 * 366)).date(), "某某")
            await assessments.record(tx, name, now, given, questionnaire.evaluate(given))
            person = Person(name, Role.CUSTOMER, "某某")
            await disclosing.confirm(tx, market.trail, market.clock, person, market.session, BOND, 1)


async def _keep_recording(market: Market, over: asyncio.Event) -> None:
    """The watermark goes on as the intake would move it: without it nothing is sold. Not to be cancelled in a transaction."""
    while not over.is_set():
        await market.record()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), WATERMARK_EVERY_S)


@asynccontextmanager
async def _buyers(market: Market, service: Service, names: list[str], under_way: int) -> AsyncIterator[Any]:
    """The buyers' process, everybody connected; call it with seconds and it buys for so long."""
    identity = Identity(service.secret, secure_cookie=False)
    async with market.db.read() as tx:
        minimum = int((await tx.execute(select(products.c.minimum).where(products.c.id == BOND))).scalar_one())
    plan = {
        "url": service.address,
        "tokens": [identity.token(Person(name, Role.CUSTOMER, "某某")) for name in names],
        "session": market.session,
        "product": BOND,
        "amount": minimum,
        "under_way": under_way,
    }
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.buyers", cwd=ROOT, stdin=pipe, stdout=pipe, limit=_LINE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    given, said = process.stdin, process.stdout

    async def ask(line: str) -> dict[str, Any]:
        given.write(line.encode() + b"\n")
        await given.drain()
        answer = await said.readline()
        if not answer:
            raise RuntimeError("the buyers' process ended")
        return dict(json.loads(answer))

    try:
        await ask(json.dumps(plan))
        yield lambda seconds: ask(str(seconds))
    finally:
        given.close()
        await process.wait()


async def _round(crowd: Any, tally: Tally, seconds: float) -> None:
    done = await crowd(seconds)
    if done["refused"]:
        raise RuntimeError(f"orders were refused: {done['refused']}")
    tally.done += len(done["latencies_ms"])
    tally.seconds += done["seconds"]
    tally.latencies_ms += done["latencies_ms"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.orders", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--seconds", type=float, default=9.0, help="for the desk, on each database")
    parser.add_argument("--buyers", type=int, default=200, help="orders under way at once")
    parser.add_argument("--customers", type=int, default=400, help="connected and in the show, buying in turn")
    parser.add_argument("--dir", type=Path, default=None, help="where the databases are made; default: the temporary folder")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), action="append", help="one database alone")
    arguments = parser.parse_args()
    options = {"seconds": arguments.seconds, "buyers": arguments.buyers, "customers": arguments.customers}
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="tellercast-bench-", dir=arguments.dir) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's user has to pass
        for kind in arguments.only or ("sqlite", "postgresql"):
            inner = folder / kind
            inner.mkdir()
            if kind == "sqlite":
                figures[kind] = uvloop.run(measure(f"sqlite+aiosqlite:///{inner / 'bench.db'}", inner, **options))
                continue
            place = inner / "server"
            place.mkdir()
            with postgresql(place) as url:
                figures[kind] = uvloop.run(measure(url, inner, **options))
    for kind, found in figures.items():
        print(
            f"{kind:<10} {found['orders_per_s']:>8} orders/s   p50 {found['p50_ms']} ms   p99 {found['p99_ms']} ms   "
            f"the floor {found['floor_per_s']}/s, {found['floor_ratio']} times as much"
        )
    if arguments.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
