"""No recording, no sale: it closes when the watermark is older than 5 s, opens again, and says so exactly once."""

from __future__ import annotations

import asyncio

import pytest

from commerce import sale
from commerce.sale import SaleMonitor
from core.errors import NOT_FOUND, Refused
from recording import kinds, sessions
from tests.commerce.conftest import HOST, Market


async def told(market: Market) -> str | None:
    async with market.db.read() as tx:
        return await sale.reason(tx, market.session)


async def test_the_sale_follows_the_watermark(market: Market) -> None:
    assert await told(market) is None
    market.clock.advance(5.0)
    assert await market.sale.check(market.session) is None
    market.clock.advance(0.001)
    change = await market.sale.check(market.session)
    assert change is not None
    assert (change.reason, change.sale.open) == ("recording_stale", False)
    assert change.sale.sentence_zh == "录制暂时滞后，下单已暂停。"
    assert await told(market) == "recording_stale"
    assert await market.sale.check(market.session) is None
    await market.record()
    again = await market.sale.check(market.session)
    assert again is not None
    assert again.sale.open
    entries = await market.entries(kinds.SALE_OPENED, kinds.SALE_CLOSED)
    assert [(entry.kind, dict(entry.data)) for entry in entries] == [
        ("sale_opened", {}),
        ("sale_closed", {"reason": "recording_stale"}),
        ("sale_opened", {}),
    ]
    assert [change.seq for change in market.sales] == [entry.seq for entry in entries[1:]]


async def test_of_many_processes_one_puts_it_on_the_record(market: Market) -> None:
    others = [SaleMonitor(market.db, market.trail, market.clock) for _ in range(6)]
    market.clock.advance(6)
    changes = await asyncio.gather(*(one.check(market.session) for one in others))
    assert sum(change is not None for change in changes) == 1
    assert len(await market.entries(kinds.SALE_CLOSED)) == 1


@pytest.mark.parametrize(
    ("status", "reason"), [("lost", "publisher_lost"), ("left", "publisher_lost"), ("failed", "recording_failed")]
)
async def test_every_reason_has_its_sentence(market: Market, status: str, reason: str) -> None:
    await market.record(status=status)
    change = await market.sale.check(market.session)
    assert change is not None
    assert change.reason == reason
    assert change.sale.sentence_en != change.sale.sentence_zh
    await market.record(status="publishing", age_s=9)
    change = await market.sale.check(market.session)
    assert change is not None
    assert change.reason == "recording_stale"  # still closed, now for another reason, and pages must hear of it


async def test_a_recorded_pause_keeps_it_open_and_the_end_closes_it(market: Market) -> None:
    async with market.db.write() as tx:
        await sessions.move(tx, market.clock, market.trail, market.session, "pause", HOST.id)
    market.clock.advance(60)
    await market.record()
    assert await market.sale.check(market.session) is None
    async with market.db.write() as tx:
        await sessions.move(tx, market.clock, market.trail, market.session, "end", HOST.id)
    await market.sale.check_all()
    assert [change.reason for change in market.sales] == ["session_ended"]
    await market.sale.check_all()
    assert len(market.sales) == 1


async def test_before_the_start_and_before_the_first_fragment(market: Market) -> None:
    async with market.db.write() as tx:
        made = await sessions.create(tx, market.clock, kind="show", title="明天", host_id=HOST.id, required=("host",))
    async with market.db.read() as tx:
        assert await sale.reason(tx, made.id) == "session_not_started"
    async with market.db.write() as tx:
        await sessions.move(tx, market.clock, market.trail, made.id, "start", HOST.id)
    await market.sale.check_all()
    async with market.db.read() as tx:
        assert await sale.reason(tx, made.id) == "recording_not_started"
    assert await market.entries(kinds.SALE_CLOSED, session=made.id) == []


async def test_every_required_stream_counts(market: Market) -> None:
    call = await market.open_session(kind="call", required=("adviser", "customer"))
    market.clock.advance(4)
    await market.record("adviser", session=call)
    market.clock.advance(2)
    change = await market.sale.check(call)
    assert change is not None
    assert change.reason == "recording_stale"


async def test_no_such_session(market: Market) -> None:
    with pytest.raises(Refused) as caught:
        await market.sale.check("ses_nowhere")
    assert caught.value.problem is NOT_FOUND


async def test_the_loop_watches_until_it_is_cancelled(market: Market) -> None:
    closed = asyncio.Event()

    async def on_change(_change: sale.SaleChanged) -> None:
        closed.set()

    monitor = SaleMonitor(market.db, market.trail, market.clock, on_change)
    market.clock.advance(6)
    task = asyncio.create_task(monitor.run(every_s=0.01))
    await asyncio.wait_for(closed.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
