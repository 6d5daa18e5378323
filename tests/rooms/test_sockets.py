"""What we put in place of the libraries' own: one packet for all recipients, and a queue whose reader costs no task."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from rooms.sockets import _Queue
from tests.rooms.house import House


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Any) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


async def test_what_is_put_is_got_in_order_whoever_waits_first() -> None:
    queue = _Queue()
    first, second = queue.get(), queue.get()
    for number in range(4):
        queue.put_nowait(number)
    assert [await first, await second, await queue.get(), queue.get_nowait()] == [0, 1, 2, 3]
    assert queue.empty()


async def test_a_reader_who_gave_up_takes_nothing() -> None:
    queue = _Queue()
    gone, stays = queue.get(), queue.get()
    gone.cancel()
    queue.put_nowait("for who stays")
    assert await stays == "for who stays"
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(queue.get(), 0)
    queue.put_nowait("later")
    assert queue.qsize() == 1


async def test_the_queue_is_done_when_all_that_was_got_is_done() -> None:
    queue = _Queue()
    waiting = queue.get()
    await queue.put(1)
    await queue.put(2)
    assert await waiting == 1
    queue.task_done()
    joined = asyncio.create_task(queue.join())
    assert await queue.get() == 2
    queue.task_done()
    async with asyncio.timeout(10):
        await joined


async def test_everybody_in_the_room_hears_it_and_nobody_else(house: House) -> None:
    session = (await house.show())["session"]
    inside = [await house.tab(name) for name in ("customer-c3", "customer-c5")]
    outside = await house.tab("customer-c1")
    for tab in inside:
        await tab.room("join", {"session": session})
    await house.fanout.presence(session, 41)
    for tab in inside:
        assert (await tab.hears("presence", lambda said: said["viewers"] == 41))["session"] == session
    assert (await outside.room("leave", {"session": "any"}))["ok"]  # answered after whatever it would have heard
    assert not outside.all("presence")


async def test_one_who_is_gone_without_a_word_is_ended_and_holds_up_nobody(house: House) -> None:
    session = (await house.show())["session"]
    gone, stays = await house.tab("customer-c3"), await house.tab("customer-c5")
    for tab in (gone, stays):
        await tab.room("join", {"session": session})
    eio_sid = house.sio.manager.eio_sid_from_sid(gone.client.get_sid("/room"), "/room")
    socket = house.sio.eio.sockets[eio_sid]
    socket.last_ping = time.time() - 2 * house.sio.eio.ping_timeout
    await house.fanout.presence(session, 41)
    assert (await stays.hears("presence", lambda said: said["viewers"] == 41))["session"] == session
    async with asyncio.timeout(10):
        while not socket.closed:
            await asyncio.sleep(0)
