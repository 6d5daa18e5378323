"""The comment desk without sockets: one commit a tick, nothing acknowledged that isn't committed, nothing unbounded."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from core.identity import Person, Role
from recording import kinds, sessions
from recording.tables import trail_heads
from recording.trail import Trail
from rooms import comments
from rooms.comments import PER_TICK, QUEUE_MAX, AuthorTags, CommentDesk
from rooms.wire import Comment


class Room:
    """A comment desk over a live session; `shown` are its batches."""

    def __init__(self, db: Database, clock: ManualClock) -> None:
        self.db, self.clock, self.trail = db, clock, Trail(clock)
        self.shown: list[tuple[str, list[Comment]]] = []
        self.desk = CommentDesk(db, self.trail, clock, AuthorTags(b"secret"), self._show)

    async def _show(self, session_id: str, batch: list[Comment]) -> None:
        self.shown.append((session_id, batch))

    async def live(self) -> str:
        async with self.db.write() as tx:
            made = await sessions.create(tx, self.clock, kind="show", title="x", host_id="a", required=("host",))
            await sessions.move(tx, self.clock, self.trail, made.id, "start", "a")
        return made.id

    async def say(self, session_id: str, text: str, count: int) -> list[asyncio.Task[str]]:
        """`count` people say it at once; all wait for the tick."""
        people = [Person(f"customer-{n}", Role.CUSTOMER, "某某") for n in range(count)]
        tasks = [asyncio.create_task(self.desk.say(one, session_id, text, host=False)) for one in people]
        await asyncio.sleep(0)
        return tasks


@pytest.fixture
def room(database: Database, clock: ManualClock) -> Room:
    return Room(database, clock)


async def test_a_tick_is_one_batch_and_the_rest_waits_for_the_next(room: Room) -> None:
    session = await room.live()
    tasks = await room.say(session, "好", PER_TICK + 5)
    await room.desk.tick()
    await asyncio.wait(tasks[:PER_TICK])
    assert [task.done() for task in tasks].count(True) == PER_TICK
    await room.desk.tick()
    ids = await asyncio.gather(*tasks)
    assert [len(batch) for _, batch in room.shown] == [PER_TICK, 5]
    assert [one.id for _, batch in room.shown for one in batch] == ids
    async with room.db.read() as tx:
        entries = await room.trail.entries(tx, session, kinds={kinds.COMMENT})
        last = await comments.latest(tx, room.trail, session)
    assert [entry.data["id"] for entry in entries] == ids
    assert [one.id for one in last] == ids[-50:]


async def test_what_could_not_be_committed_is_not_acknowledged_and_not_shown(room: Room) -> None:
    session, other = await room.live(), await room.live()
    async with room.db.write() as tx:
        await tx.execute(update(trail_heads).where(trail_heads.c.session_id == session).values(sealed=1))
    sealed = await room.say(session, "好", 2)
    fine = await room.say(other, "好", 1)
    await room.desk.tick()
    answers = await asyncio.gather(*sealed, *fine, return_exceptions=True)
    assert [isinstance(one, Refused) for one in answers] == [True, True, False]
    assert [session_id for session_id, _ in room.shown] == [other]


async def test_a_database_that_is_away_refuses_and_the_desk_goes_on(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await room.live()

    async def away(*_: object) -> None:
        raise OSError("no database")

    tasks = await room.say(session, "好", 1)
    with monkeypatch.context() as patched:
        patched.setattr(sessions, "get", away)
        await room.desk.tick()
    with pytest.raises(Refused) as refused:
        await tasks[0]
    assert refused.value.problem.code == "not_recorded"
    room.clock.advance(1)
    again = await room.say(session, "好", 1)
    await room.desk.tick()
    assert await again[0]


async def test_a_full_queue_refuses_and_loses_nobody_s_place(room: Room) -> None:
    session = await room.live()
    tasks = await room.say(session, "好", QUEUE_MAX)
    with pytest.raises(Refused) as refused:
        await room.desk.say(Person("one-more", Role.CUSTOMER, "某"), session, "好", host=False)
    assert refused.value.problem.code == "too_many_here"
    for _ in range(QUEUE_MAX // PER_TICK):
        await room.desk.tick()
    assert len(await asyncio.gather(*tasks)) == QUEUE_MAX


async def test_an_erased_comment_is_gone_from_the_history(room: Room) -> None:
    session = await room.live()
    tasks = await room.say(session, "好", 2)
    await room.desk.tick()
    await asyncio.gather(*tasks)
    async with room.db.write() as tx:
        await room.trail.erase(tx, session, 2, "text")
    async with room.db.read() as tx:
        assert [one.id for one in await comments.latest(tx, room.trail, session)] == [tasks[1].result()]


def test_author_tags_are_the_same_within_a_session_and_say_nothing_across(clock: ManualClock) -> None:
    tags = AuthorTags(b"secret")
    assert tags.tag("ses_1", "customer-c3") == AuthorTags(b"secret").tag("ses_1", "customer-c3")
    assert (
        len({tags.tag("ses_1", "a"), tags.tag("ses_1", "b"), tags.tag("ses_2", "a"), AuthorTags(b"x").tag("ses_1", "a")}) == 4
    )
