"""Two web sides over one database, joined by a real Redis: what happens in one is seen in the other, with Redis and without."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select
from structlog.testing import capture_logs

from commerce import shelf
from core.clock import ManualClock
from core.database import Database
from recording import kinds
from recording.trail import Draft
from rooms.line import DEAF_S, POISON, Line
from rooms.moderation_wire import SLOW_MAX_S
from rooms.presence import FRESH_S
from rooms.relay import CHANNEL, Batch, Relay, Taps
from rooms.tables import last_spoken
from tests.redis_server import RedisServer
from tests.rooms.house import AMOUNT, BOND, PEOPLE, House, Tab


@pytest.fixture
async def houses(database: Database, clock: ManualClock, redis: RedisServer) -> AsyncIterator[tuple[House, House]]:
    async with AsyncExitStack() as stack:
        second = Database(database.url.render_as_string(hide_password=False))
        stack.push_async_callback(second.close)
        here = await stack.enter_async_context(House(database, clock, redis.url))
        there = await stack.enter_async_context(House(second, clock, redis.url))
        await until(lambda: up(here) and up(there))
        yield here, there


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def up(house: House) -> bool:
    return house.line is not None and house.line.up


def poison() -> float:
    return float(POISON._value.get())


async def test_what_happens_in_one_is_seen_in_the_other(houses: tuple[House, House]) -> None:
    here, there = houses
    session = (await here.show(BOND))["session"]
    near, far = await here.tab("customer-c3"), await there.tab("customer-c5")
    host = await there.tab("adviser-1")
    for tab in (host, near, far):
        assert (await tab.room("join", {"session": session}))["ok"]

    said = await near.room("comment", {"session": session, "text": "大家好"})
    batch = await far.hears("comments")
    assert [one["id"] for one in batch["comments"]] == [said["id"]]
    assert batch == await near.hears("comments")

    await host.hears("presence", lambda told: told["viewers"] == 2)
    await near.hears("presence", lambda told: told["viewers"] == 2)
    assert (here.rooms.presence.viewers(session), there.rooms.presence.viewers(session)) == (2, 2)

    phone = await there.tab("customer-c3", "zh")
    await here.confirm_disclosure("customer-c3", session)
    placed = await near.room("order", here.wish(session))
    assert placed["ok"], placed
    told = await phone.hears("order")  # by language, in a room of a person who is elsewhere too
    assert told["order"]["id"] == placed["order"]["id"]
    await far.hears("shelf")
    await near.room("leave", {"session": session})
    await host.hears("presence", lambda told: told["viewers"] == 1)


async def test_reactions_of_all_are_told_together_and_by_each_to_its_own(houses: tuple[House, House]) -> None:
    here, there = houses
    session = (await here.show())["session"]
    near, far = await here.tab("customer-c3"), await there.tab("customer-c5")
    for tab in (near, far):
        await tab.room("join", {"session": session})
    await near.room("react", {"session": session, "kind": "heart", "count": 3})
    await far.room("react", {"session": session, "kind": "heart"})
    await far.room("react", {"session": session, "kind": "clap"})
    await here.rooms.reactions.tick()
    assert await near.hears("reactions") == {"session": session, "counts": {"heart": 3}}
    await until(lambda: there.rooms.reactions._elsewhere)
    await there.rooms.reactions.tick()
    await far.hears("reactions")
    await until(lambda: here.rooms.reactions._elsewhere)
    for _ in range(2):
        await here.rooms.reactions.tick()
        await there.rooms.reactions.tick()
    await near.hears("reactions", lambda told: told["counts"] == {"heart": 1, "clap": 1})
    for tab in (near, far):
        assert (await tab.room("leave", {"session": "any"}))["ok"]  # whatever was told before is here by now
    assert [told["counts"] for told in far.all("reactions")] == [{"heart": 4, "clap": 1}]
    assert [told["counts"] for told in near.all("reactions")] == [{"heart": 3}, {"heart": 1, "clap": 1}]


async def test_slow_mode_counts_what_was_said_in_all_of_them(houses: tuple[House, House], clock: ManualClock) -> None:
    here, there = houses
    session = (await here.show())["session"]
    near, far, other = await here.tab("customer-c3"), await there.tab("customer-c3"), await there.tab("customer-c5")
    for tab in (near, far, other):
        await tab.room("join", {"session": session})

    async def says(tab: Tab, text: str) -> str:
        """`ok`, or why not."""
        clock.advance(1)
        answer = await tab.room("comment", {"session": session, "text": text})
        return "ok" if answer["ok"] else str(answer["error"]["code"])

    async def slowed(slow_s: int) -> None:
        act = {"act": "rules", "slow_s": slow_s}
        assert (await here.api("adviser-1", "POST", f"/api/sessions/{session}/moderation", act))[0] == 200

    spoke = select(func.count()).select_from(last_spoken)
    assert [await says(near, "一"), await says(far, "二")] == ["ok", "ok"]
    assert await here.scalar(spoke) == 0  # without slow mode nobody is noted
    await slowed(15)
    assert [await says(near, "三"), await says(far, "四"), await says(other, "五")] == ["ok", "comment_slow", "ok"]
    clock.advance(14)
    assert [await says(far, "六"), await says(near, "七")] == ["ok", "comment_slow"]
    await slowed(SLOW_MAX_S)  # counts from what was said before
    clock.advance(SLOW_MAX_S - 5)
    assert [await says(near, "八"), await here.scalar(spoke)] == ["comment_slow", 2]
    clock.advance(5)
    assert [await says(near, "九"), await here.scalar(spoke)] == ["ok", 1]  # the other one's is long ago
    await slowed(0)
    assert await here.scalar(spoke) == 0
    await slowed(15)
    assert [await says(near, "十"), await here.scalar(spoke)] == ["ok", 1]
    shows = (await here.api("adviser-1", "GET", "/api/shows"))[1]["live"]
    assert (await here.api("adviser-1", "POST", f"/api/shows/{shows[0]['id']}/end"))[0] == 200
    assert await here.scalar(spoke) == 0


async def test_an_adviser_who_takes_calls_is_seen_by_all(houses: tuple[House, House]) -> None:
    here, there = houses
    adviser = await there.tab("adviser-2")
    await adviser.desk("available", {"on": True})
    await until(lambda: here.rooms.attendance.available() == {"adviser-2"})
    assert here.rooms.attendance.adviser_name("adviser-2") == "吴哲"
    assert here.rooms.attendance.connected() == {"adviser-2"}
    second = await here.tab("adviser-2")
    assert "adviser_back" not in [event for _, event, _ in second.heard]
    await adviser.close()
    await until(lambda: here.rooms.attendance.available() == frozenset())
    assert here.rooms.attendance.connected() == {"adviser-2"}


async def test_all_know_which_run_of_the_media_process_it_is(houses: tuple[House, House], clock: ManualClock) -> None:
    here, there = houses
    for number, takes in enumerate((here, there, here)):  # whichever takes the record of its start
        await takes.fanout.media_started(f"run-{number}")
        await until(lambda: {here.fanout.media_boot, there.fanout.media_boot} == {f"run-{number}"})  # noqa: B023 - at once
        clock.advance(1)


async def test_counts_of_a_process_that_is_silent_expire(houses: tuple[House, House], clock: ManualClock) -> None:
    here, there = houses
    session = (await here.show())["session"]
    far = await there.tab("customer-c5")
    await far.room("join", {"session": session})
    await until(lambda: here.rooms.presence.viewers(session) == 1)
    for loop in there._loops:
        loop.cancel()
    await asyncio.gather(*there._loops, return_exceptions=True)
    clock.advance(FRESH_S + 1)
    assert here.rooms.presence.viewers(session) == 0
    assert there.rooms.presence.viewers(session) == 1


async def test_a_batch_and_its_own_parts_go_to_the_rooms_they_are_for(houses: tuple[House, House]) -> None:
    here, there = houses
    session = (await here.show())["session"]
    far, other = await there.tab("customer-c3"), await there.tab("customer-c5")
    for tab in (far, other):
        await tab.room("join", {"session": session})
    assert here.relay is not None
    assert here.relay.publish(session, "", [("customer-c3", '2/room,["comments",{"own":1}]')])
    assert here.relay.publish(session, '2/room,["comments",{"all":1}]')
    await far.hears("comments", lambda told: "all" in told)
    await other.hears("comments", lambda told: "all" in told)
    assert [list(told) for told in far.all("comments")] == [["own"], ["all"]]
    assert [list(told) for told in other.all("comments")] == [["all"]]


async def test_taps_reach_all_but_those_who_are_behind(houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = houses
    session = (await here.show())["session"]
    near, far = await here.tab("customer-c3"), await there.tab("customer-c5")
    for tab in (near, far):
        assert (await tab.room("join", {"session": session}))["ok"]

    async def tap(kind: str) -> None:
        assert (await near.room("react", {"session": session, "kind": kind}))["ok"]
        await here.rooms.reactions.tick()
        await near.hears("reactions", lambda told: kind in told["counts"])
        await until(lambda: there.rooms.reactions._elsewhere)
        await there.rooms.reactions.tick()

    await tap("heart")
    await far.hears("reactions", lambda told: "heart" in told["counts"])
    with monkeypatch.context() as patch:
        patch.setattr("rooms.outlet.BEHIND", -1)
        for client in there.sio.eio.sockets.values():
            client.out._forget_file()
        await tap("clap")
        shown = {"products": [BOND]}
        show = (await here.api("adviser-1", "GET", f"/api/sessions/{session}"))[1]["show"]
        assert (await here.api("adviser-1", "PUT", f"/api/shows/{show}/shelf", shown))[0] == 200
        await far.hears("shelf")  # sent after the taps, by the same way
    assert [told["counts"] for told in far.all("reactions")] == [{"heart": 1}]


async def test_what_is_not_understood_harms_nobody(houses: tuple[House, House], redis: RedisServer) -> None:
    here, there = houses
    session = (await here.show())["session"]
    far, near = await there.tab("customer-c5"), await here.tab("customer-c3")
    for tab in (far, near):
        await tab.room("join", {"session": session})
    before = poison()
    bad = [b"", b"\xff\xfe", b"7", b'{"method":1}', b"[" * 100_000, b"\x94" * 50, b"x" * (2 << 20)]
    stranger = Relay(Line(redis.url, here.clock))
    bad.append(stranger._encoder.encode(Batch("another", session, '2/desk,["call",{}]', [])))
    bad.append(stranger._encoder.encode(Batch("another", session, "", [("customer-c5", "2[]")])))
    bad.append(stranger._encoder.encode(Taps("another", {session: {"heart": -1}})))
    bad.append(stranger._encoder.encode(Taps("another", {session: {"heart": 10**12}})))
    async with Redis(host="127.0.0.1", port=redis.port) as client:
        for channel in (CHANNEL, "tellercast:socketio", "tellercast:pulse"):
            for payload in bad:
                await client.publish(channel, payload)
    await until(lambda: poison() - before >= 2 * 2 * len(bad))  # at least those of two channels, in both
    said = await near.room("comment", {"session": session, "text": "还在吗"})
    await far.hears("comments", lambda told: [one["id"] for one in told["comments"]] == [said["id"]])
    assert up(here)
    assert up(there)
    assert far.all("call", "/desk") == []


async def test_a_redis_that_hangs_holds_up_nobody_and_no_order_is_missed(
    houses: tuple[House, House], redis: RedisServer, clock: ManualClock
) -> None:
    here, there = houses
    session = (await here.show(BOND))["session"]
    near, far, phone = await here.tab("customer-c3"), await there.tab("customer-c5"), await there.tab("customer-c3")
    for tab in (near, far):
        await tab.room("join", {"session": session})
    await here.confirm_disclosure("customer-c3", session)
    assert redis.process is not None
    with capture_logs() as logs:
        redis.process.send_signal(signal.SIGSTOP)
        try:
            clock.advance(DEAF_S + 1)  # no pulse has come back
            await until(lambda: not up(here) and not up(there))
            await here.record(session, "host")
            placed = await near.room("order", here.wish(session))
            assert placed["ok"], placed
            told = await phone.hears("order")  # read from the database
            assert (told["order"]["id"], told["order"]["amount"]) == (placed["order"]["id"], AMOUNT)
            assert (await near.room("comment", {"session": session, "text": "这边还好"}))["ok"]
            await near.hears("comments")
        finally:
            redis.process.send_signal(signal.SIGCONT)
        await until(lambda: up(here) and up(there))
    assert [far.all("comments"), len(phone.all("order"))] == [[], 1]
    assert sum(one["event"].startswith("redis is away") for one in logs) == 2
    assert sum(one["event"] == "redis is back" for one in logs) == 2
    said = await near.room("comment", {"session": session, "text": "又通了"})
    await far.hears("comments", lambda told: [one["id"] for one in told["comments"]] == [said["id"]])


async def test_a_line_that_takes_everything_and_brings_nothing_back_is_down(
    houses: tuple[House, House], clock: ManualClock
) -> None:
    line = houses[0].line
    assert line is not None
    pulse, hear = "tellercast:pulse", line._hearers["tellercast:pulse"]
    line._hearers[pulse] = swallowed
    clock.advance(DEAF_S + 1)
    await until(lambda: not line.up)
    line._hearers[pulse] = hear
    await until(lambda: line.up)


async def test_more_than_redis_takes_is_an_outage_and_told_afterwards(
    houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = houses
    show = await here.show(BOND)
    far = await there.tab("customer-c5")
    await far.room("join", {"session": show["session"]})
    assert here.line is not None
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr("rooms.line._WAITING_MAX", -1)
        status, _ = await here.api("adviser-1", "POST", f"/api/shows/{show['id']}/pause")
        assert status == 200
        await until(lambda: any(one["event"].startswith("redis is away") for one in logs))
    await far.hears("state", lambda told: told["state"] == "paused")
    await until(lambda: up(here))


async def swallowed(_payload: bytes) -> None:
    """On its way it was lost."""


async def test_after_an_outage_those_here_are_told_how_things_stand(houses: tuple[House, House], redis: RedisServer) -> None:
    here, there = houses
    show = await here.show(BOND)
    session = show["session"]
    far = await there.tab("customer-c5")
    await far.room("join", {"session": session})
    said = (await far.room("comment", {"session": session, "text": "加油"}))["id"]
    await redis.kill()
    await until(lambda: not up(here) and not up(there))
    status, _ = await here.api("adviser-1", "POST", f"/api/shows/{show['id']}/pin", {"product": BOND})
    assert status == 200
    act = {"act": "remove", "comment": said, "reason": "off topic"}
    status, _ = await here.api("adviser-1", "POST", f"/api/sessions/{session}/moderation", act)
    assert status in (200, 201)
    status, _ = await here.api("adviser-1", "POST", f"/api/shows/{show['id']}/pause")
    assert status == 200
    caller, adviser = await there.tab("customer-c3"), await here.tab("adviser-2")
    call = (await caller.desk("request", {"topic": "理财"}))["call"]["id"]
    assert (await adviser.desk("accept", {"call": call}))["ok"]
    assert far.all("pinned") == []
    await redis.start()
    await caller.hears("call", lambda told: told["call"]["state"] == "accepted", "/desk")
    await far.hears("state", lambda told: told["state"] == "paused")
    await far.hears("pinned", lambda told: told["product"]["id"] == BOND)
    await far.hears("moderated", lambda told: told["removed"] == [said])


async def test_what_moderators_did_and_others_said_in_an_outage_is_told_afterwards(
    houses: tuple[House, House], redis: RedisServer
) -> None:
    here, there = houses
    session = (await here.show())["session"]
    near, far, host = await here.tab("customer-c3"), await there.tab("customer-c5"), await there.tab("adviser-1")
    for tab in (near, far, host):
        assert (await tab.room("join", {"session": session}))["ok"]
    post = f"/api/sessions/{session}/moderation"

    async def act(act: str, comment: str = "", **more: object) -> int:
        body = {"act": act, **({"comment": comment} if comment else {}), **more}
        status, view = await here.api("supervisor-1", "POST", post, body)
        assert status == 200, view
        return int(view["acts"][0]["act"])

    said = (await near.room("comment", {"session": session, "text": "之前"}))["id"]
    down = await act("remove", said)
    await far.hears("moderated", lambda told: told["removed"] == [said])
    many = [Draft(kinds.COMMENT_REMOVED, "adviser-1", {"id": f"cmt_{n}", "comment": 1}) for n in range(500)]
    async with here.db.write() as tx:
        await here.trail.append(tx, session, *many)  # more than is read of a trail in one go
    await redis.kill()
    await until(lambda: not up(here) and not up(there))
    here.clock.advance(60)
    status, _ = await here.api("supervisor-1", "DELETE", f"{post}/{down}")
    assert status == 200
    gone = (await near.room("comment", {"session": session, "text": "不该说的"}))["id"]
    await act("remove", gone)
    here.clock.advance(5)
    asked = (await near.room("comment", {"session": session, "text": "几年?", "question": True}))["id"]
    await act("rules", premoderated=True)
    here.clock.advance(5)
    held = (await near.room("comment", {"session": session, "text": "等等"}))["id"]
    await act("release", held)
    here.clock.advance(5)
    assert (await near.room("comment", {"session": session, "text": "还在等"}))["held"]
    before = len(host.all("moderation"))
    await redis.start()
    told = await far.hears("moderated", lambda told: gone in told["removed"])
    assert [one["id"] for one in told["restored"]] == [said, asked, held]
    assert {said, gone} & set(told["removed"]) == {gone}
    await until(lambda: len(host.all("moderation")) > before)


async def test_who_is_back_while_others_are_told_is_heard_as_well(
    houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = houses
    session = (await here.show(BOND))["session"]
    far = await there.tab("customer-c5")
    await far.room("join", {"session": session})
    rejoining = there.rooms.rejoining
    assert rejoining is not None
    there._loops[-1].cancel()  # its rounds are the test's
    everything = rejoining._everything

    async def overtaken(since: datetime) -> None:
        await everything(since)
        async with here.db.write() as tx:  # as by a process that could not be heard, and now is back
            await shelf.pin(tx, here.trail, session, PEOPLE["adviser-1"], BOND)
        rejoining._missed(since + timedelta(seconds=1))

    with monkeypatch.context() as patch:
        patch.setattr(rejoining, "_everything", overtaken)
        rejoining._missed(here.clock.now())
        await rejoining.round()
    await rejoining.round()
    await far.hears("pinned", lambda told: told["product"] is not None)
    assert rejoining._missed_since is None
