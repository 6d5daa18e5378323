"""The buyers of `bench/race.py`, in a process of their own: each with his own sign-in and his own way of being impatient.

Started with a course on standard input (one line of JSON); races, answers with one line of JSON, and ends. So many connections
are open at any time; a connection is one person's (who he is is proved when it opens), so the next buyer opens another one.
Who comes through two doors at once has two.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import uvloop

from bench.buyers import Buyer, connect
from bench.processes import allow_many_files
from commerce.errors import DESK_BUSY, SALE_CLOSED
from core.errors import DATABASE_AWAY, TOO_MANY

# Answers that mean: not now, and the same key may be used again.
AGAIN = frozenset(problem.code for problem in (SALE_CLOSED, DESK_BUSY, DATABASE_AWAY, TOO_MANY))
ANSWERED_WITHIN_S = 600.0
CAP_UNITS = 2
_AWAY = (OSError, TimeoutError, aiohttp.ClientError)
_PAUSE_S = (0.02, 0.4)
_CUT_WITHIN_S = 0.06
_LOOK_AGAIN = 0.2
_LINE = 1 << 26


@dataclass(frozen=True)
class Course:
    """What all race for: `tokens` one for each buyer, `unit` the amount of one piece, `connections` in use at once."""

    urls: list[str]
    tokens: list[str]
    session: str
    product: str
    unit: int
    connections: int
    seed: int


@dataclass
class Tally:
    """What it took: connections, tries, cut connections, answers that meant "again"; ms from a wish to its answer."""

    counts: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)


class Hand:
    """A buyer's connection, opened anew, at any of the doors, whenever it is gone."""

    def __init__(self, http: aiohttp.ClientSession, course: Course, number: int, chance: random.Random, tally: Tally) -> None:
        self._http, self._course, self._token = http, course, course.tokens[number]
        self._chance, self._tally = chance, tally
        self._line: Buyer | None = None
        self._opening = asyncio.Lock()

    async def insist(self, key: str, units: int) -> str:
        """The answer at last, the same key again and again: the order's id, or `!` and the refusal's code."""
        while True:
            try:
                said = await self._once(key, units)
            except _AWAY:
                self._tally.counts["lost"] += 1
                await self.close()
            else:
                if said[1:] not in AGAIN:
                    return said
                self._tally.counts["again"] += 1
            await asyncio.sleep(self._chance.uniform(*_PAUSE_S))

    async def cut_short(self, key: str, units: int) -> str | None:
        """Sends the wish and loses the connection at some moment, most often before the answer; the answer if it was heard."""
        try:
            line = await self._opened()
            sending = asyncio.create_task(self._once(key, units))
            await asyncio.sleep(self._chance.choice((0.0, self._chance.uniform(0, _CUT_WITHIN_S))))
            line.cut()
            self._tally.counts["cut"] += 1
            return await sending
        except _AWAY:
            return None
        finally:
            await self.close()

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.socket.close()

    async def _once(self, key: str, units: int) -> str:
        line = await self._opened()
        course = self._course
        wish = {"session": course.session, "product": course.product, "amount": units * course.unit, "key": key}
        self._tally.counts["tries"] += 1
        at = time.perf_counter()
        ack = await line.call("order", {**wish, "disclosure": {"version": 1}})
        self._tally.latencies_ms.append(round((time.perf_counter() - at) * 1000, 2))
        return str(ack["order"]["id"]) if ack["ok"] else f"!{ack['error']['code']}"

    async def _opened(self) -> Buyer:
        async with self._opening:
            if self._line is None:
                self._tally.counts["connections"] += 1
                url = self._chance.choice(self._course.urls)
                self._line = await connect(self._http, url, self._token, self._course.session)
            return self._line


class Racer:
    """One buyer; `answers` holds every answer he got to each of his keys."""

    def __init__(self, http: aiohttp.ClientSession, course: Course, number: int, tally: Tally) -> None:
        self.chance = random.Random(f"{course.seed}-{number}")  # noqa: S311 - a race that can be run again
        self.units = self.chance.choice((1, 1, 1, CAP_UNITS))
        self.answers: dict[str, list[str]] = {}
        self._number, self._wished = number, dict[str, int]()
        self._hands = [Hand(http, course, number, self.chance, tally) for _ in range(2)]

    async def race(self) -> dict[str, Any]:
        """His way, and everything he was told."""
        way = self.chance.choices(list(WAYS), weights=[weight for weight, _go in WAYS.values()])[0]
        try:
            # A bound that only ends a race that has failed.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWERED_WITHIN_S):
                    await WAYS[way][1](self)
                    if self.chance.random() < _LOOK_AGAIN:
                        await self._look_again()
        finally:
            for hand in self._hands:
                await hand.close()
        return {"number": self._number, "way": way, "answers": self.answers}

    async def once(self) -> None:
        await self._insist(0, "one", self.units)

    async def twice(self) -> None:
        """The same key twice over one connection, the second before the first is answered."""
        await asyncio.gather(*(self._insist(0, "one", self.units) for _ in range(2)))

    async def two_doors(self) -> None:
        """The same key through two doors at once."""
        await asyncio.gather(*(self._insist(hand, "one", self.units) for hand in (0, 1)))

    async def cut_off(self) -> None:
        """The connection is lost once or more before there is an answer."""
        for _ in range(self.chance.randint(1, 3)):
            said = await self._hands[0].cut_short(self._key("one"), self.units)
            if said is not None and said[1:] not in AGAIN:
                self._told("one", said)
        await self._insist(0, "one", self.units)

    async def greedy(self) -> None:
        """Twice as much as one customer may have, by two keys through two doors at once."""
        await asyncio.gather(*(self._insist(hand, name, CAP_UNITS) for hand, name in enumerate(("one", "two"))))

    async def _look_again(self) -> None:
        """Every key once more, over another connection."""
        await self._hands[0].close()
        for name, units in list(self._wished.items()):
            await self._insist(0, name, units)

    async def _insist(self, hand: int, name: str, units: int) -> None:
        self._wished[name] = units
        self._told(name, await self._hands[hand].insist(self._key(name), units))

    def _told(self, name: str, said: str) -> None:
        self.answers.setdefault(self._key(name), []).append(said)

    def _key(self, name: str) -> str:
        return f"race-{self._number:05}-{name}"


WAYS: dict[str, tuple[int, Callable[[Racer], Awaitable[None]]]] = {
    "once": (6, Racer.once),
    "twice": (3, Racer.twice),
    "two_doors": (3, Racer.two_doors),
    "cut_off": (4, Racer.cut_off),
    "greedy": (4, Racer.greedy),
}


async def race(course: Course) -> dict[str, Any]:
    """All of them, `connections` at a time; who has his answer makes room for the next."""
    waiting = deque(range(len(course.tokens)))
    told: list[dict[str, Any]] = []
    tally = Tally()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:

        async def one_after_the_other() -> None:
            while waiting:
                told.append(await Racer(http, course, waiting.popleft(), tally).race())

        began = time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(course.connections)))
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "racers": told, "counts": dict(tally.counts), "latencies_ms": tally.latencies_ms}


async def main() -> None:
    allow_many_files()
    reader = asyncio.StreamReader(limit=_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps(await race(Course(**json.loads(await reader.readline())))), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
