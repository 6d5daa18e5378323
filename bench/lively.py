"""A lively show as a whole: the web process as in service, thousands watching, many talking, and some who are there to hurt.

`show` has everybody in one room while comments come in: how late they are seen, what a connection holds of memory, and whether
the trail has them all. `nuisances` compares what a few hundred good viewers see before and while others never read, read a byte
a second, or come and go without a pause; when the bad are cut off; and what memory is left of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil

from app.identity import Identity
from bench.orders import open_market
from bench.processes import Child, child, cpu_seconds, resident_kb
from bench.service import Service, migrate, web
from core.clock import SystemClock
from core.database import Database
from core.identity import Person, Role
from recording import kinds
from recording.trail import Trail

TEXTS = ("这个产品的风险怎么样?", "What is the fee?", "谢谢主播 👍", "封闭期多久?", "How long is the term?")
_PROCESSES = 2
_READERS = 25  # of each process: who looks at when a comment was sent
_CONNECTED_WITHIN_S = 300.0
_CALM_S = 3.0
_CUT_OFF_WITHIN_S = 60.0
_ROUNDS = 2  # what a first round leaves in memory, a second must not leave again


@asynccontextmanager
async def _room(folder: Path, viewers: int) -> AsyncIterator[tuple[Service, Database, str, list[Child], float]]:
    """A show on SQLite and its viewers, all in; last what the web process holds for each of them, in kB."""
    url = f"sqlite+aiosqlite:///{folder / 'bench.db'}"
    await migrate(url, folder)
    db = Database(url)
    try:
        market = await open_market(db)
        async with web(url, folder) as service, AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(child("bench.listeners")) for _ in range(_PROCESSES)]
            before = resident_kb(service.process.pid)
            names = tokens(service, "viewer", viewers)
            entering = [
                one.ask(
                    "connect", url=service.address, tokens=names[number::_PROCESSES], session=market.session, readers=_READERS,
                    limit_s=_CONNECTED_WITHIN_S,
                )
                for number, one in enumerate(crowd)
            ]  # fmt: skip
            await asyncio.gather(*entering)
            held = (resident_kb(service.process.pid) - before) / viewers
            yield service, db, market.session, crowd, held
    finally:
        await db.close()


def tokens(service: Service, name: str, count: int) -> list[str]:
    """Of so many customers."""
    identity = Identity(service.secret, secure_cookie=False)
    return [identity.token(Person(f"{name}-{number:05}", Role.CUSTOMER, "某某")) for number in range(count)]


async def _talk(crowd: list[Child], per_s: float, seconds: float) -> dict[str, Any]:
    """So many comments a second from the crowd; what came of it and how late it was seen."""
    await asyncio.gather(*(one.ask() for one in crowd))
    share = per_s / len(crowd)
    talking = [one.ask("talk", per_s=share, seconds=seconds, texts=TEXTS, limit_s=seconds + 60) for one in crowd]
    said = await asyncio.gather(*talking)
    await asyncio.sleep(_CALM_S)
    seen = await asyncio.gather(*(one.ask(limit_s=60) for one in crowd))
    late = [ms for one in seen for ms in one["late_ms"]]
    cuts = quantiles(late, n=100)
    refused: dict[str, int] = {}
    for one in said:
        for code, count in one["refused"].items():
            refused[code] = refused.get(code, 0) + count
    return {
        "sent": sum(one["sent"] for one in said),
        "refused": refused,
        "seen_p50_ms": round(cuts[49], 1),
        "seen_p99_ms": round(cuts[98], 1),
        "seen": len(late),
        "batches": sum(one["batches"] for one in seen),
        "lost": sum(one["lost"] for one in seen),
    }


async def show(folder: Path, viewers: int, per_s: float, seconds: float) -> dict[str, Any]:
    """The figures of a lively show."""
    async with _room(folder, viewers) as (service, db, session, crowd, held):
        cpu_s = cpu_seconds(service.process.pid)
        talked = await _talk(crowd, per_s, seconds)
        cpu_s = cpu_seconds(service.process.pid) - cpu_s
        async with db.read() as tx:
            recorded = await Trail(SystemClock()).count(tx, session, {kinds.COMMENT})
    acknowledged = talked["sent"] - sum(talked["refused"].values())
    return {
        "viewers": viewers,
        "comments_per_s": per_s,
        "kb_per_connection": round(held, 1),
        **talked,
        "acknowledged": acknowledged,
        "missing_in_trail": acknowledged - recorded,
        "web_percent": round(cpu_s / seconds * 100, 1),
    }


async def nuisances(folder: Path, viewers: int, each: int, per_s: float, seconds: float) -> dict[str, Any]:
    """What the good ones see without and with so many of each kind of nuisance."""
    async with _room(folder, viewers) as (service, _db, session, crowd, _held):
        process = service.process
        calm = await _talk(crowd, per_s, seconds)
        held = [resident_kb(process.pid)]
        rounds = []
        for _ in range(_ROUNDS):
            rounds.append(await _trouble(service, session, crowd, each, per_s, seconds))
            await asyncio.sleep(_CALM_S)
            held.append(resident_kb(process.pid))
    worst = max(rounds, key=lambda one: float(one["seen_p99_ms"]))
    return {
        "good": viewers,
        "bad_of_each_kind": each,
        "p99_before_ms": calm["seen_p99_ms"],
        "p99_with_ms": worst["seen_p99_ms"],
        "rise": round(worst["seen_p99_ms"] / calm["seen_p99_ms"] - 1, 3),
        "good_lost": sum(one["lost"] for one in rounds),
        "cut_off_s": max(one["cut_off_s"] for one in rounds),
        "came_and_went": sum(one["came"] for one in rounds),
        "memory_kb": held,
    }


async def _trouble(
    service: Service, session: str, crowd: list[Child], each: int, per_s: float, seconds: float
) -> dict[str, Any]:
    """One round of nuisances; all of them are gone after it."""
    async with child("bench.nuisances") as bad:
        names = tokens(service, "nuisance", 3 * each)
        here = await bad.ask("begin", url=service.address, tokens=names, session=session, limit_s=60)
        cut_off = asyncio.create_task(_until_gone(service.process, set(here["ports"])))
        talked = await _talk(crowd, per_s, seconds)
        return {**talked, "cut_off_s": round(await cut_off, 1), "came": (await bad.ask("count"))["came"]}


async def _until_gone(process: psutil.Process, ports: set[int]) -> float:
    """How long it takes until the server has none of these any more. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(_CUT_OFF_WITHIN_S):
        while True:
            theirs = await asyncio.to_thread(process.net_connections, "tcp")
            if ports.isdisjoint(one.raddr.port for one in theirs if one.raddr and one.status == psutil.CONN_ESTABLISHED):
                return loop.time() - began
            await asyncio.sleep(0.5)
