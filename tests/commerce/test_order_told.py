"""Who hears of an order, and when: after its commit, whoever still waits for the answer, and at nobody's expense."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commerce.order_book import OrderChanged
from commerce.orders import OrderDesk
from commerce.telling import Telling
from recording import kinds
from tests.commerce.conftest import C3, C5, Market


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


async def test_an_order_whose_customer_gave_up_waiting_is_told_of(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[int] = []
    desk = OrderDesk(
        market.db, market.trail, market.clock, market.sale, on_change=market.on_order, wake=lambda: woken.append(1)
    )
    await market.confirm(C5)
    at_work, go_on, commit = asyncio.Event(), asyncio.Event(), desk._commit

    async def slowly(*args: Any, **options: Any) -> Any:
        at_work.set()
        await go_on.wait()
        return await commit(*args, **options)

    monkeypatch.setattr(desk, "_commit", slowly)
    placing = asyncio.create_task(desk.place(C5, market.wish()))
    await at_work.wait()
    placing.cancel()
    await asyncio.gather(placing, return_exceptions=True)
    go_on.set()
    await until(lambda: market.told)
    [entry] = await market.entries(kinds.ORDER_PLACED)
    [told] = market.told
    assert (told.order.id, told.seq) == (entry.data["order"], entry.seq)
    assert woken == [1]


async def test_who_hears_slowly_or_fails_holds_up_no_answer(market: Market) -> None:
    heard: list[str] = []
    go_on = asyncio.Event()

    async def hear(change: OrderChanged) -> None:
        heard.append(change.order.customer_id)
        await go_on.wait()
        raise RuntimeError("nobody there")

    desk = OrderDesk(market.db, market.trail, market.clock, market.sale, on_change=hear)
    for person in (C3, C5):
        await market.confirm(person)
        assert (await desk.place(person, market.wish())).created  # though the one before is still being told of
    await until(lambda: heard == [C3.id, C5.id])
    go_on.set()


async def test_telling_is_bounded_in_time_and_number() -> None:
    heard: list[str] = []
    telling = Telling(most=1, within_s=0.01)

    async def never() -> None:
        heard.append("never")
        await asyncio.Event().wait()

    async def at_once() -> None:
        heard.append("at once")

    telling.later([never, at_once])
    telling.later([at_once])  # one too many
    await telling.close(10)
    assert heard == ["never"]
    telling.later([at_once])
    await telling.close(10)
    assert heard == ["never", "at once"]
    stuck = Telling()
    stuck.later([never])
    await until(lambda: heard[-1] == "never")
    await stuck.close(0)  # broken off, and nothing is left behind
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_goes_with_the_next_round_is_noted_though_nobody_can_be_told(market: Market) -> None:
    """As with a Redis that hangs: its customer's page catches up, and the host's sum is right."""
    noted: list[str] = []

    async def hangs(_change: OrderChanged) -> None:
        await asyncio.Event().wait()

    def note(change: OrderChanged) -> None:
        noted.append(f"{change.order.customer_id} {change.order.state}")
        raise RuntimeError("a fault there is nobody else's")

    desk = OrderDesk(market.db, market.trail, market.clock, market.sale, on_change=hangs, noted=note)
    for person in (C3, C5):
        await market.confirm(person)
    placed, _other = await asyncio.gather(*(desk.place(person, market.wish()) for person in (C5, C3)))
    await desk.cancel(C5, placed.order.id)
    assert noted == [f"{C5.id} placed", f"{C3.id} placed", f"{C5.id} cancelled"]
    await desk.close()
