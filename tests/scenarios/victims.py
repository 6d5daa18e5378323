"""Who is killed while the town buys, by SIGKILL alone, and what it takes until all is as before."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Awaitable, Callable

import asyncpg
import psutil
from sqlalchemy.engine import make_url

from tests.scenarios.town import Town, until

_BACK_WITHIN_S = 60.0

Victim = Callable[[Town, random.Random], Awaitable[None]]


async def web(town: Town, _dice: random.Random) -> None:
    """The supervisor starts it again, after a pause that grows with each early death."""
    await _kill_child(town, "web")
    await town.up()


async def media(town: Town, _dice: random.Random) -> None:
    """With it goes the host's connection: nothing can be bought until his camera is back, as a page would be by itself."""
    await _kill_child(town, "media")
    while town.cameras:
        await town.cameras.pop().vanish()
    await town.up()
    await town.camera()
    await town.sale_open()


async def backend(town: Town, dice: random.Random) -> None:
    """One of the server processes behind the town's connections, rather one at work.

    PostgreSQL then ends every session at once and recovers from its log: what is in its shared memory may be damaged.
    """
    connection = await asyncpg.connect(town.database_url.replace("+asyncpg", ""))
    try:
        found = await connection.fetch(_SERVING, make_url(town.database_url).database)
        busy = [row["pid"] for row in found if row["state"] != "idle"]
        pid = dice.choice(sorted(busy or [row["pid"] for row in found]))
        os.kill(pid, signal.SIGKILL)
    finally:
        connection.terminate()  # it would wait for a server that is on its way out

    async def gone() -> bool:
        return not any(psutil.pid_exists(row["pid"]) for row in found)

    await until(gone, "PostgreSQL has ended every session", _BACK_WITHIN_S)
    await town.up()


_SERVING = "SELECT pid, state FROM pg_stat_activity WHERE datname = $1 AND usename LIKE 'serves\\_%'"


def victims(town: Town, rounds: int, dice: random.Random) -> list[Victim]:
    """One for each round, each kind as often as the others; for 0 rounds each kind once."""
    kinds: list[Victim] = [web, media] if town.db.is_sqlite else [web, media, backend]
    rounds = rounds or len(kinds)
    chosen: list[Victim] = []
    while len(chosen) < rounds:
        chosen += dice.sample(kinds, len(kinds))
    return chosen[:rounds]


async def _kill_child(town: Town, name: str) -> None:
    victim = town.server.child(name)
    victim.kill()

    async def another_runs() -> bool:
        try:
            return bool(town.server.child(name) != victim)
        except RuntimeError:  # the supervisor has not started it yet
            return False

    await until(another_runs, f"another {name} process runs", _BACK_WITHIN_S)
