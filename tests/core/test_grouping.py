"""Many at once in one go: who comes meanwhile goes with the next group, and nobody is lost, doubled or spoilt by another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from core.grouping import Grouping


class FullError(Exception):
    """Too many wait."""


class Desk:
    """Keeps the groups it was handed; answers each number doubled, once it is let go on."""

    def __init__(self, *, most: int = 10, waiting_max: int = 100, each_max: int = 8) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fails: Exception | None = None
        self.grouping: Grouping[int, int] = Grouping(
            self.work,
            most=most,
            waiting_max=waiting_max,
            full=FullError,
            one_each=lambda number: number % 100 or None,
            each_max=each_max,
        )

    async def work(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(numbers))
        await self.open.wait()
        if self.fails is not None:
            raise self.fails
        return [ValueError(number) if number < 0 else number * 2 for number in numbers]

    async def busy_with(self, number: int) -> asyncio.Task[int]:
        """One is at work and stays there."""
        self.open.clear()
        task = asyncio.create_task(self.grouping.do(number))
        while not self.groups:
            await asyncio.sleep(0)
        return task


async def many(desk: Desk, *numbers: int) -> list[asyncio.Task[int]]:
    """Each waits for its group."""
    tasks = [asyncio.create_task(desk.grouping.do(number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


async def test_one_alone_does_not_wait() -> None:
    desk = Desk()
    assert await desk.grouping.do(7) == 14
    assert desk.groups == [[7]]


async def test_who_comes_meanwhile_goes_with_the_next_group_in_order() -> None:
    desk = Desk(most=3)
    first = await desk.busy_with(1)
    rest = await many(desk, 2, 3, 4, 5, 6)
    desk.open.set()
    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8, 10, 12]
    assert desk.groups == [[1], [2, 3, 4], [5, 6]]


async def test_a_group_never_holds_two_of_the_same_and_keeps_their_order() -> None:
    desk = Desk()
    first = await desk.busy_with(1)
    rest = await many(desk, 2, 102, 3, 202, 103, 4)
    desk.open.set()
    assert await asyncio.gather(first, *rest) == [2, 4, 204, 6, 404, 206, 8]
    assert desk.groups == [[1], [2, 3, 4], [102, 103], [202]]


async def test_those_without_a_mark_never_exclude_each_other() -> None:
    desk = Desk()
    first = await desk.busy_with(1)
    rest = await many(desk, 100, 100, 100)
    desk.open.set()
    await asyncio.gather(first, *rest)
    assert desk.groups == [[1], [100, 100, 100]]


async def test_an_exception_among_the_results_is_one_callers_alone() -> None:
    desk = Desk()
    first = await desk.busy_with(1)
    rest = await many(desk, 2, -3, 4)
    desk.open.set()
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
    assert outcomes[:2] + outcomes[3:] == [2, 4, 8]
    assert isinstance(outcomes[2], ValueError)


async def test_work_that_fails_as_a_whole_fails_its_group_and_no_other() -> None:
    desk = Desk()
    first = await desk.busy_with(1)
    rest = await many(desk, 2, 3)
    desk.fails = RuntimeError("away")
    desk.open.set()
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
    assert [type(one) for one in outcomes] == [RuntimeError] * 3
    desk.fails = None
    assert await desk.grouping.do(5) == 10


async def test_work_that_answers_for_too_few_leaves_nobody_waiting() -> None:
    async def half(numbers: Sequence[int]) -> Sequence[int | Exception]:
        return list(numbers[:-1])

    grouping: Grouping[int, int] = Grouping(half, most=5, waiting_max=5, full=FullError)
    with pytest.raises(ValueError, match="zip"):
        await grouping.do(1)


async def test_who_gave_up_before_the_group_began_is_left_out() -> None:
    desk = Desk()
    first = await desk.busy_with(1)
    gone, stays = await many(desk, 2, 3)
    gone.cancel()
    desk.open.set()
    assert [await first, await stays] == [2, 6]
    assert desk.groups == [[1], [3]]


async def test_who_gives_up_at_work_spoils_nobodys_result() -> None:
    desk = Desk()
    first = await desk.busy_with(1)
    first.cancel()
    [second] = await many(desk, 2)
    desk.open.set()
    assert await second == 4
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_when_too_many_wait_the_next_is_told_so_at_once() -> None:
    desk = Desk(waiting_max=2)
    first = await desk.busy_with(1)
    rest = await many(desk, 2, 3)
    with pytest.raises(FullError):
        await desk.grouping.do(4)
    desk.open.set()
    assert await asyncio.gather(first, *rest) == [2, 4, 6]


async def test_one_of_whom_too_many_wait_fills_the_line_for_nobody_else() -> None:
    desk = Desk(waiting_max=100, each_max=2)
    first = await desk.busy_with(1)
    rest = await many(desk, 2, 102)
    with pytest.raises(FullError):
        await desk.grouping.do(202)
    assert not (await many(desk, 3))[0].done()
    rest[0].cancel()
    desk.open.set()
    await asyncio.gather(first, rest[1])
    assert await desk.grouping.do(202) == 404  # those before are through: there is room again


async def test_closing_serves_those_who_came_and_refuses_who_comes_after() -> None:
    desk = Desk()
    first = await desk.busy_with(1)
    rest = await many(desk, 2, 3)
    closing = asyncio.create_task(desk.grouping.close(10))
    await asyncio.sleep(0)
    with pytest.raises(FullError):
        await desk.grouping.do(4)
    desk.open.set()
    await closing
    assert await asyncio.gather(first, *rest) == [2, 4, 6]
    assert desk.groups == [[1], [2, 3]]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_not_done_in_time_when_closing_is_broken_off_and_said() -> None:
    desk = Desk()
    first = await desk.busy_with(1)
    rest = await many(desk, 2, 3)
    await desk.grouping.close(0)
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
    assert [type(one) for one in outcomes] == [FullError] * 3
    assert desk.groups == [[1]]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_what_is_idle_takes_no_time() -> None:
    desk = Desk()
    await desk.grouping.close(0)
    with pytest.raises(FullError):
        await desk.grouping.do(1)
