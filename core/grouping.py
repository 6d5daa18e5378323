"""Many at once in one go: what comes while a group is at work waits, and goes with the next. No timer, no thread, no lock."""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")
T = TypeVar("T")


@dataclass(slots=True)
class _Place(Generic[R, T]):
    request: R
    done: asyncio.Future[T]


class Grouping(Generic[R, T]):
    """Hands requests to `work` in groups of at most `most`, one group at a time, in the order they came.

    `work` answers one result for each request, in order; an Exception among them is raised to that one's caller. What `work`
    itself raises goes to all of the group: it should see to it that one bad request spoils nobody else's. A group never holds
    two requests with the same `one_each` (None: they never exclude each other), so that `work` need not think of what the
    first of them does to the second; of each at most `each_max` may wait, so that nobody fills the line for all. Who has
    given up before his group began is left out.
    """

    def __init__(
        self,
        work: Callable[[Sequence[R]], Awaitable[Sequence[T | Exception]]],
        *,
        most: int,
        waiting_max: int,
        full: Callable[[], Exception],
        one_each: Callable[[R], Hashable | None] = lambda _request: None,
        each_max: int = 32,
    ) -> None:
        self._work, self._most, self._one_each = work, most, one_each
        self._waiting_max, self._each_max, self._full = waiting_max, each_max, full
        self._of_each: Counter[Hashable] = Counter()
        self._waiting: deque[_Place[R, T]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    async def do(self, request: R) -> T:
        """The result for this request.

        Raises `full()` when too many wait, in all or like this one, or when this is being closed; and what `work` says.
        """
        one = self._one_each(request)
        if (
            self._closed
            or len(self._waiting) >= self._waiting_max
            or (one is not None and self._of_each[one] >= self._each_max)
        ):
            raise self._full()
        place: _Place[R, T] = _Place(request, asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        if one is not None:
            self._of_each[one] += 1
        if self._running is None:
            # A context of its own: what the first caller's log lines carry is not the others'.
            self._running = asyncio.create_task(self._run(), context=contextvars.Context())
        return await place.done

    async def close(self, within_s: float) -> None:
        """Take nothing more, and let those who are at work or wait be served; whoever is not after `within_s` seconds gets
        `full()`, which for who was at work means that he has to ask what became of it."""
        self._closed = True
        if self._running is None:
            return
        running = self._running
        _done, late = await asyncio.wait({running}, timeout=within_s)
        if late:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while group := self._next():
                await self._serve(group)
        finally:
            self._running = None
            for place in self._waiting:  # only when this task was cancelled: nobody serves them any more
                self._left(place)
            self._waiting.clear()
            self._of_each.clear()

    def _next(self) -> list[_Place[R, T]]:
        group: list[_Place[R, T]] = []
        later: list[_Place[R, T]] = []
        seen: set[Hashable] = set()
        while self._waiting and len(group) < self._most:
            place = self._waiting.popleft()
            one = self._one_each(place.request)
            if place.done.cancelled():
                self._gone(one)
            elif one is not None and one in seen:
                later.append(place)
            else:
                self._gone(one)
                seen.add(one)
                group.append(place)
        self._waiting.extendleft(reversed(later))
        return group

    def _gone(self, one: Hashable | None) -> None:
        """One of these waits no longer."""
        if one is not None:
            self._of_each[one] -= 1
            if not self._of_each[one]:
                del self._of_each[one]

    async def _serve(self, group: Sequence[_Place[R, T]]) -> None:
        try:
            results = await self._work([place.request for place in group])
            for place, result in zip(group, results, strict=True):
                if place.done.done():
                    continue
                if isinstance(result, Exception):
                    place.done.set_exception(result)
                else:
                    place.done.set_result(result)
        except Exception as error:
            for place in group:
                if not place.done.done():
                    place.done.set_exception(error)
        finally:
            for place in group:  # only when this task was cancelled
                self._left(place)

    def _left(self, place: _Place[R, T]) -> None:
        """Nobody will serve this one."""
        if not place.done.done():
            place.done.set_exception(self._full())
