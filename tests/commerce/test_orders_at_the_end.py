"""A web process ends while orders are under way: they are answered first, and none is taken any more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from commerce import errors
from commerce.orders import ORDERS
from commerce.wire import DisclosureVersion, PlaceOrder
from core.clock import ManualClock
from core.database import Database
from core.errors import Unavailable
from tests.commerce.bank import BOND, YUAN, open_bank


async def test_an_order_under_way_is_answered_before_its_socket_ends(
    database: Database, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_bank(database, clock, tmp_path) as bank:
        desk = bank.built.application[ORDERS]
        customer, session = await bank.customer(), await bank.show(BOND)
        await bank.confirm(customer, session)
        at_work, go_on, commit = asyncio.Event(), asyncio.Event(), desk._commit

        async def slowly(*args: Any, **options: Any) -> Any:
            at_work.set()
            await go_on.wait()
            return await commit(*args, **options)

        began, close = asyncio.Event(), desk.close

        async def closing() -> None:
            ended = asyncio.ensure_future(close())
            await asyncio.sleep(0)
            began.set()
            await ended

        monkeypatch.setattr(desk, "_commit", slowly)
        monkeypatch.setattr(desk, "close", closing)
        wish = bank.order(customer, session).body
        ordering = asyncio.create_task(bank.emit(customer, "/room", ("order", wish)))
        await at_work.wait()
        late = PlaceOrder(session=session, product=BOND, amount=10_000 * YUAN, key="key-late", disclosure=DisclosureVersion(1))
        other = await bank.customer()
        ending = asyncio.create_task(bank.server.close())
        await began.wait()
        with pytest.raises(Unavailable) as refused:
            await desk.place(other, late)
        assert refused.value.problem is errors.DESK_BUSY
        go_on.set()
        [answer] = await ordering
        assert answer["order"]["state"] == "placed"
        await ending
