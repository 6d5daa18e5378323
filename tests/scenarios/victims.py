"""Who is killed while the town buys, by SIGKILL alone, and what it takes until all is as before."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod

import asyncpg
import psutil
from sqlalchemy.engine import make_url

from tests.scenarios.town import Town, until

_BACK_WITHIN_S = 60.0


class Victim(ABC):
    """One kind of process. It is found first, so that the blow itself takes no time."""

    name: str

    @abstractmethod
    async def find(self, town: Town, dice: random.Random) -> psutil.Process:
        """The one that is to be killed."""

    @abstractmethod
    async def recover(self, town: Town, killed: psutil.Process) -> None:
        """Waits until the service is back by itself; does only what people would."""


class _Child(Victim):
    """The supervisor starts it again, after a pause that grows with each early death."""

    async def find(self, town: Town, dice: random.Random) -> psutil.Process:
        return town.server.child(self.name)

    async def recover(self, town: Town, killed: psutil.Process) -> None:
        async def another_runs() -> bool:
            try:
                return bool(town.server.child(self.name) != killed)
            except RuntimeError:  # the supervisor has not started it yet
                return False

        await until(another_runs, f"another {self.name} process runs", _BACK_WITHIN_S)
        await town.up()


class Web(_Child):
    name = "web"


class Media(_Child):
    """With it goes the host's connection: nothing can be bought until his camera is back, as a page would be by itself."""

    name = "media"

    async def recover(self, town: Town, killed: psutil.Process) -> None:
        await super().recover(town, killed)
        while town.cameras:
            await town.cameras.pop().vanish()
        await town.camera()
        await town.sale_open()


class Backend(Victim):
    """One of the server processes behind the town's connections.

    PostgreSQL then ends every session at once and recovers from its log: what is in its shared memory may be damaged.
    """

    name = "backend"

    async def find(self, town: Town, dice: random.Random) -> psutil.Process:
        connection = await asyncpg.connect(town.database_url.replace("+asyncpg", ""))
        try:
            found = await connection.fetch(_SERVING, make_url(town.database_url).database)
        finally:
            await connection.close()
        return psutil.Process(dice.choice([row["pid"] for row in found]))

    async def recover(self, town: Town, killed: psutil.Process) -> None:
        async def recovered() -> bool:
            try:
                connection = await asyncpg.connect(town.database_url.replace("+asyncpg", ""))
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False
            try:
                return not killed.is_running()
            finally:
                connection.terminate()  # a goodbye would wait for a server that may be on its way out

        await until(recovered, "PostgreSQL takes connections again", _BACK_WITHIN_S)
        await town.up()


_SERVING = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND usename LIKE 'serves\\_%' ORDER BY pid"


def victims(town: Town, rounds: int, dice: random.Random) -> list[Victim]:
    """One for each round, each kind as often as the others; for 0 rounds each kind once."""
    kinds = (Web(), Media()) if town.db.is_sqlite else (Web(), Media(), Backend())
    rounds = rounds or len(kinds)
    chosen: list[Victim] = []
    while len(chosen) < rounds:
        chosen += dice.sample(kinds, len(kinds))
    return chosen[:rounds]
