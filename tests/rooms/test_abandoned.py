"""A session whose people are gone ends by itself, so that it is sealed and its adviser free; nobody else's does."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from sqlalchemy import select

from recording import kinds, sessions
from recording.journal import Journal
from recording.reports import PublisherReport
from rooms.abandoned import ABANDONED_BY, AFTER_S
from rooms.tables import calls
from tests.rooms.house import House
from tests.rooms.test_calls import begin


async def state(house: House, session_id: str) -> str:
    async with house.db.read() as tx:
        return (await sessions.get(tx, session_id)).state.value


async def test_a_show_without_its_host_ends_after_the_limit(house: House) -> None:
    show = await house.show()
    await house.record(show["session"], "host", status="lost")
    house.clock.advance(AFTER_S - 1)
    assert await house.rooms.abandoned.sweep() == []
    house.clock.advance(1)
    assert await house.rooms.abandoned.sweep() == [show["session"]]
    assert await house.rooms.abandoned.sweep() == []
    assert await state(house, show["session"]) == "ended"
    assert house.media.closed == [show["session"]]
    [entry] = await house.entries(show["session"], kinds.SESSION_ENDED)
    assert entry.actor == ABANDONED_BY


async def test_a_call_without_its_two_ends_and_the_adviser_is_free(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    call = await begin(house, customer, adviser)
    await house.record(call["session"], "adviser", status="left")
    house.clock.advance(AFTER_S)
    assert await house.rooms.abandoned.sweep() == []  # the customer is still there
    await house.record(call["session"], "customer", status="lost")
    house.clock.advance(AFTER_S)
    assert await house.rooms.abandoned.sweep() == [call["session"]]
    told = await customer.hears("call", lambda told: told["call"]["state"] == "ended", "/desk")
    assert told["call"]["reason"] == "abandoned"
    [entry] = await house.entries(call["session"], kinds.CALL_ENDED)
    assert (entry.actor, entry.data["reason"]) == (ABANDONED_BY, "abandoned")
    assert house.media.closed == [call["session"]]
    other = await house.tab("customer-c3")
    waiting = (await other.desk("request", {"topic": "x"}))["call"]
    assert (await adviser.desk("accept", {"call": waiting["id"]}))["ok"]


async def test_a_paused_show_is_given_four_times_as_long(house: House) -> None:
    show = await house.show()
    await house.record(show["session"], "host", status="left")
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/pause")
    house.clock.advance(4 * AFTER_S - 1)
    assert await house.rooms.abandoned.sweep() == []
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/resume")
    assert await house.rooms.abandoned.sweep() == []  # who resumed has time to send again
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/pause")
    house.clock.advance(4 * AFTER_S)
    assert await house.rooms.abandoned.sweep() == [show["session"]]


@pytest.mark.parametrize("status", ["publishing", "failed"])
async def test_who_is_there_is_not_abandoned_though_nothing_is_written(house: House, status: str) -> None:
    show = await house.show()
    await house.record(show["session"], "host", status=status)
    house.clock.advance(10 * AFTER_S)
    assert await house.rooms.abandoned.sweep() == []


async def test_a_host_who_came_back_and_went_at_once_is_waited_for_anew(house: House) -> None:
    show = await house.show()
    await house.record(show["session"], "host", status="lost")
    house.clock.advance(AFTER_S - 1)
    journal, back = Journal(house.trail), PublisherReport(show["session"], "host", 2, 0)
    async with house.db.write() as tx:  # a new publisher: the watermark's time is no longer known
        await journal.publisher_joined(tx, back, kinds.PUBLISHER_JOINED)
        await journal.publisher_gone(tx, back, kinds.PUBLISHER_LOST)
    house.clock.advance(2)
    assert await house.rooms.abandoned.sweep() == []
    house.clock.advance(AFTER_S)
    assert await house.rooms.abandoned.sweep() == [show["session"]]


async def test_a_show_that_nobody_ever_sent_to_ends_too(house: House) -> None:
    show = await house.show(live=False)
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/start")
    planned = await house.show(live=False)
    house.clock.advance(AFTER_S)
    assert await house.rooms.abandoned.sweep() == [show["session"]]
    assert await state(house, planned["session"]) == "scheduled"


async def test_several_web_processes_end_it_once(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    call = await begin(house, customer, adviser)
    show = await house.show(host="adviser-2")
    for session, *names in ((call["session"], "adviser", "customer"), (show["session"], "host")):
        await house.record(session, *names, status="lost")
    house.clock.advance(AFTER_S)
    swept = await asyncio.gather(*(house.rooms.abandoned.sweep() for _ in range(4)))
    assert sorted(itertools.chain(*swept)) == sorted([call["session"], show["session"]])
    assert len(await house.entries(call["session"], kinds.CALL_ENDED)) == 1
    assert len(await house.entries(show["session"], kinds.SESSION_ENDED)) == 1


async def test_one_who_returns_before_the_lock_is_kept(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    call = await begin(house, customer, adviser)
    asked = 0

    async def left(_tx: object, _session: object) -> bool:
        nonlocal asked
        asked += 1
        return False

    assert not await house.rooms.calls.end_abandoned(call["session"], left)
    assert not await house.rooms.shows.end_abandoned(call["session"], left)
    assert asked == 2
    assert await house.scalar(select(calls.c.state).where(calls.c.id == call["id"])) == "live"
