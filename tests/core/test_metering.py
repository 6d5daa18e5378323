"""What work costs its thread: its own steps count, waiting and other people's turns don't; nothing about it changes."""

from __future__ import annotations

import asyncio
import time

import pytest

from core.metering import Meter, metered

_WORK_S = 0.02


def burn(seconds: float) -> None:
    """Uses so much of this thread's CPU."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_its_own_steps_are_counted_and_others_are_not() -> None:
    meter, begun, done = Meter(), asyncio.Event(), asyncio.Event()

    async def work() -> str:
        burn(_WORK_S)
        begun.set()
        await done.wait()
        burn(_WORK_S)
        return "done"

    async def other() -> None:
        await begun.wait()
        burn(10 * _WORK_S)
        done.set()

    task = asyncio.create_task(other())
    assert await metered(work(), meter) == "done"
    await task
    assert 2 * _WORK_S <= meter.cpu_s < 10 * _WORK_S


async def test_what_it_raises_is_raised_and_counted() -> None:
    meter = Meter()

    async def work() -> None:
        await asyncio.sleep(0)
        burn(_WORK_S)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await metered(work(), meter)
    assert meter.cpu_s >= _WORK_S


async def test_who_is_cancelled_may_still_tidy_up() -> None:
    begun, tidied, never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await never.wait()
        finally:
            await asyncio.sleep(0)
            tidied.set()

    task = asyncio.ensure_future(metered(work(), Meter()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tidied.is_set()


async def test_a_time_limit_within_ends_it() -> None:
    async def work() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await metered(work(), Meter())
