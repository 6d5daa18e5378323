"""A few at a time: who comes to a crowded door is let through in order, and others have half of the time.

A handshake costs little, but fifty in one turn of the event loop keep everybody else waiting for all of them, and what a room
hears takes several turns from its timer to its sockets. So those who come go in small groups, after each group the door stays
shut for as long as the group took, and it stays shut while a room's comments are under way. With nobody else about, one is
through at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# What is under way for longer waits for something else than turns of the loop: a database that is slow, or away.
SHUT_MOST_S: Final = 0.1


class Turnstile:
    """Lets `at_once` through, first come, first served, then rests as long as that turn of the loop was; `waiting_max` wait."""

    def __init__(self, at_once: int, waiting_max: int) -> None:
        self._at_once, self._waiting_max = at_once, waiting_max
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._free = at_once
        self._resting = False
        self._since = 0.0
        self._shut: asyncio.TimerHandle | None = None  # while it is; opens it when that takes too long

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Nobody is let through meanwhile, for SHUT_MOST_S at most. By one at a time."""
        self._shut = mine = asyncio.get_running_loop().call_later(SHUT_MOST_S, self._unshut)
        try:
            yield
        finally:
            if self._shut is mine:
                mine.cancel()
                self._unshut()

    def _unshut(self) -> None:
        self._shut = None
        if not self._resting:
            self._open()

    async def through(self) -> bool:
        """It is one's turn; False when too many wait already."""
        if self._free and self._shut is None:
            self._free -= 1
            self._rest()
            return True
        if len(self._waiting) >= self._waiting_max:
            return False
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        await mine
        return True

    def _rest(self) -> None:
        """Begins with the first who is through: the loop comes back when he and the others have been served."""
        if not self._resting:
            self._resting = True
            self._since = time.perf_counter()
            loop = asyncio.get_running_loop()
            # Who is let through from a waiting place runs in the next turn, and this behind him.
            loop.call_soon(loop.call_soon, self._served)

    def _served(self) -> None:
        asyncio.get_running_loop().call_later(time.perf_counter() - self._since, self._open)

    def _open(self) -> None:
        """As many again, those who wait first; not while it is shut, which opens it then."""
        self._resting = False
        if self._shut is not None:
            return
        self._free = self._at_once
        while self._free and self._waiting:
            mine = self._waiting.popleft()
            if not mine.done():  # done: who waited has been cancelled
                mine.set_result(None)
                self._free -= 1
        if self._free < self._at_once:
            self._rest()
