"""Ten thousand buyers race for a thousand pieces, impatiently: what was sold, to whom, and what each of them was told.

Each buyer signs in for himself over a plain Engine.IO v4 WebSocket, `connections` of them at once, each making room for the
next (`bench/racers.py`): some send the same key twice, some through two doors at once, some lose the connection before they
have an answer and ask again, some want more than one customer may have. On PostgreSQL two web processes serve them, joined by
Redis; on SQLite one. The recording's watermark is moved on by hand, as the intake would: no picture is sent.

Afterwards the database is read and compared with what everybody was told (`faults`). Whatever does not agree is named, and the
exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import uvloop
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select

from app.identity import Identity
from bench.orders import _crowd, _keep_recording, open_market
from bench.postgresql import postgresql
from bench.racers import CAP_UNITS, Course
from bench.service import ROOT, migrate, web
from commerce.errors import CAP_EXCEEDED, OUT_OF_STOCK
from commerce.tables import orders, outbox, products
from core.database import Database
from core.identity import Person, Role
from recording import kinds
from recording.seal import check_session
from tests.commerce.conftest import BOND, Market
from tests.ports import free_port

# What a buyer may be told in the end instead of an order.
SOLD_OUT, CAP_REACHED = f"!{OUT_OF_STOCK.code}", f"!{CAP_EXCEEDED.code}"
_READY_WITHIN_S = 30.0
_RACE_WITHIN_S = 1_800.0
_LINE = 1 << 28
_LOG_SHOWN, _FAULTS_SHOWN = 20_000, 20


@dataclass(frozen=True)
class Size:
    """How many race for how many pieces over how many connections; the same `seed` gives each buyer the same temper."""

    buyers: int = 10_000
    connections: int = 500
    units: int = 1_000
    seed: int = 1


@dataclass(frozen=True)
class Record:
    """What the database holds after the race: `orders` as (customer, key, id, amount), the others by order."""

    orders: Sequence[tuple[str, str, str, int]]
    left: int
    entries: Counter[str]
    deliveries: Counter[str]
    chain: Sequence[str]


async def measure(url: str, folder: Path, size: Size, *, webs: int) -> dict[str, Any]:
    """The race on one database: its figures, and under `faults` what does not agree, which should be nothing."""
    await migrate(url, folder)
    db = Database(url)
    over = asyncio.Event()
    try:
        market = await open_market(db)
        unit = await _put_up(market, size.units)
        watermarks = asyncio.create_task(_keep_recording(market, over))
        try:
            names = await _crowd(market, size.buyers)
            told = await _raced(url, folder, market, names, unit, size, webs)
        finally:
            over.set()
            await watermarks
        record = await _record(market)
    finally:
        await db.close()
    return _figures(told, record, size, webs, faults(told["racers"], names, record, unit, size.units))


async def _put_up(market: Market, units: int) -> int:
    """So many pieces and no more, a few for each customer at most; what one of them costs."""
    async with market.db.read() as tx:
        unit = int((await tx.execute(select(products.c.minimum).where(products.c.id == BOND))).scalar_one())
    await market.product(BOND, left=units * unit, quota=units * unit, cap=CAP_UNITS * unit)
    return unit


async def _raced(url: str, folder: Path, market: Market, names: list[str], unit: int, size: Size, webs: int) -> dict[str, Any]:
    """What everybody was told."""
    async with AsyncExitStack() as stack:
        joined = {"TELLERCAST_REDIS_URL": await stack.enter_async_context(_redis(folder))} if webs > 1 else {}
        services = [await stack.enter_async_context(web(url, folder, f"web-{number}", **joined)) for number in range(webs)]
        identity = Identity(services[0].secret, secure_cookie=False)
        course = Course(
            urls=[service.address for service in services],
            tokens=[identity.token(Person(name, Role.CUSTOMER, "某某")) for name in names],
            session=market.session,
            product=BOND,
            unit=unit,
            connections=size.connections,
            seed=size.seed,
        )
        try:
            return await _ask(json.dumps(asdict(course)))
        except RuntimeError:
            for number in range(webs):
                said = (folder / f"web-{number}.log").read_text(errors="replace")
                print(f"web process {number} said:\n{said[-_LOG_SHOWN:]}", file=sys.stderr)
            raise


async def _ask(course: str) -> dict[str, Any]:
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.racers", cwd=ROOT, stdin=pipe, stdout=pipe, limit=_LINE
    )
    try:
        async with asyncio.timeout(_RACE_WITHIN_S):
            said, _ = await process.communicate(course.encode() + b"\n")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError("the buyers' process failed; its own words are above")
    return dict(json.loads(said))


@asynccontextmanager
async def _redis(folder: Path) -> AsyncIterator[str]:
    """A Redis of our own that keeps nothing; its address."""
    port = free_port()
    settings = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "save": "", "appendonly": "no"}
    command = ["redis-server", *(part for name, value in settings.items() for part in (f"--{name}", value))]
    with (folder / "redis.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(_READY_WITHIN_S), Redis(host="127.0.0.1", port=port) as client:
            while not await _pings(client):
                if process.returncode is not None:
                    raise RuntimeError((folder / "redis.log").read_text())
                await asyncio.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _pings(client: Redis) -> bool:
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False


async def _record(market: Market) -> Record:
    """In one consistent view."""
    async with market.db.read() as tx:
        columns = (orders.c.customer_id, orders.c.key, orders.c.id, orders.c.amount)
        sold = [(row[0], row[1], row[2], int(row[3])) for row in await tx.execute(select(*columns))]
        left = int((await tx.execute(select(products.c.left).where(products.c.id == BOND))).scalar_one())
        entries: Counter[str] = Counter()
        after = 0
        while page := await market.trail.entries(tx, market.session, after, 1_000, kinds=(kinds.ORDER_PLACED,)):
            entries.update(str(entry.data["order"]) for entry in page)
            after = page[-1].seq
        placed = select(outbox.c.order_id, func.count()).where(outbox.c.kind == "order_placed").group_by(outbox.c.order_id)
        deliveries = Counter({str(row[0]): int(row[1]) for row in await tx.execute(placed)})
        chain = await check_session(tx, market.trail, [], market.session)
    return Record(sold, left, entries, deliveries, [finding for finding in chain if finding != "not sealed"])


def faults(racers: Sequence[dict[str, Any]], names: Sequence[str], record: Record, unit: int, units: int) -> list[str]:
    """What does not agree, a sentence each, empty when all does: what was told, sold, kept, entered and is to be delivered."""
    found = [*_told_wrongly(racers, names), *record.chain]
    told = {
        (names[racer["number"]], key): said
        for racer in racers
        for key, answers in racer["answers"].items()
        for said in answers
        if not said.startswith("!")
    }
    kept = {(customer, key): id_ for customer, key, id_, _amount in record.orders}
    found += [f"{told[one]} was acknowledged and is not kept" for one in sorted(told.keys() - kept.keys())]
    found += [f"{kept[one]} is kept and nobody was told" for one in sorted(kept.keys() - told.keys())]
    found += [
        f"{one} was told {told[one]}, kept is {kept[one]}"
        for one in sorted(told.keys() & kept.keys())
        if told[one] != kept[one]
    ]
    sold = sum(amount for *_who, amount in record.orders)
    if (sold, record.left) != (units * unit, 0):
        found.append(f"{sold / unit} of {units} pieces are sold, {record.left / unit} are left")
    held: Counter[str] = Counter()
    for customer, _key, _id, amount in record.orders:
        held[customer] += amount
    found += [
        f"{who} holds {amount / unit}, the cap is {CAP_UNITS}" for who, amount in held.items() if amount > CAP_UNITS * unit
    ]
    once = Counter(kept.values())
    for what, there in (("entries", record.entries), ("deliveries", record.deliveries)):
        found += [f"{one}: {there[one]} {what} of {once[one]}" for one in once | there if there[one] != once[one]]
    return found


def _told_wrongly(racers: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """Who raced not once, has no answer, more than one to the same key, or one that nobody should get."""
    found = [f"{names[number]} raced {times} times" for number, times in _times(racers, len(names)).items() if times != 1]
    for racer in racers:
        who = names[racer["number"]]
        if len(racer["answers"]) != (2 if racer["way"] == "greedy" else 1):
            found.append(f"{who} ({racer['way']}) was answered to {len(racer['answers'])} keys")
        for key, answers in racer["answers"].items():
            if len({said for said in answers if not said.startswith("!")}) + any(said.startswith("!") for said in answers) != 1:
                found.append(f"{who} was told of {key}: {', '.join(answers)}")
            allowed = {SOLD_OUT, CAP_REACHED} if racer["way"] == "greedy" else {SOLD_OUT}
            found += [f"{who} was told {said}" for said in answers if said.startswith("!") and said not in allowed]
    return found


def _times(racers: Sequence[dict[str, Any]], count: int) -> Counter[int]:
    times = Counter(dict.fromkeys(range(count), 0))
    times.update(racer["number"] for racer in racers)
    return times


def _figures(told: dict[str, Any], record: Record, size: Size, webs: int, found: list[str]) -> dict[str, Any]:
    cuts = quantiles(told["latencies_ms"], n=100)
    ends = Counter(
        said if said.startswith("!") else "order"
        for racer in told["racers"]
        for answers in racer["answers"].values()
        for said in answers[-1:]
    )
    return {
        "buyers": size.buyers,
        "connections": size.connections,
        "webs": webs,
        "seconds": round(told["seconds"], 1),
        "orders": len(record.orders),
        "entries": sum(record.entries.values()),
        "ends": {name.lstrip("!"): number for name, number in sorted(ends.items())},
        "ways": dict(sorted(Counter(racer["way"] for racer in told["racers"]).items())),
        "did": told["counts"],
        "p50_ms": round(cuts[49], 1),
        "p99_ms": round(cuts[98], 1),
        "faults": found,
    }


def run(kind: str, folder: Path, size: Size) -> dict[str, Any]:
    """The race on a database of that kind, made in `folder`."""
    inner = folder / kind
    inner.mkdir()
    if kind == "sqlite":
        return uvloop.run(measure(f"sqlite+aiosqlite:///{inner / 'race.db'}", inner, size, webs=1))
    place = inner / "server"
    place.mkdir()
    with postgresql(place) as url:
        return uvloop.run(measure(url, inner, size, webs=2))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.race", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--buyers", type=int, default=Size.buyers)
    parser.add_argument("--connections", type=int, default=Size.connections, help="at any time; each is one buyer's")
    parser.add_argument("--units", type=int, default=Size.units, help="pieces for sale")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="who does what; default: another each time")
    parser.add_argument("--dir", type=Path, default=None, help="where the databases are made; default: the temporary folder")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), action="append", help="one database alone")
    arguments = parser.parse_args()
    size = Size(arguments.buyers, arguments.connections, arguments.units, arguments.seed)
    figures: dict[str, Any] = {"seed": size.seed}
    with tempfile.TemporaryDirectory(prefix="tellercast-race-", dir=arguments.dir) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's user has to pass
        for kind in arguments.only or ("sqlite", "postgresql"):
            found = figures[kind] = run(kind, folder, size)
            print(
                f"{kind:<10} {found['orders']} orders by {found['buyers']} buyers in {found['seconds']} s, "
                f"{found['did']['connections']} connections; {len(found['faults'])} faults"
            )
            for fault in found["faults"][:_FAULTS_SHOWN]:
                print(f"  {fault}")
    if arguments.json:
        print(json.dumps(figures))
    return 1 if any(figures[kind]["faults"] for kind in figures if kind != "seed") else 0


if __name__ == "__main__":
    sys.exit(main())
