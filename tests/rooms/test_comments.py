"""The comment desk without sockets: one commit a tick, nothing acknowledged that isn't committed, nothing unbounded."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import event, insert, update
from structlog.testing import capture_logs

from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from core.identity import Person, Role
from recording import kinds, sessions
from recording.tables import trail_entries, trail_heads
from recording.trail import Draft, Trail
from rooms import moderation_view, spoken
from rooms.author_tags import AuthorTags
from rooms.comments import HISTORY, PER_COMMIT, PER_TICK, QUEUE_MAX, CommentDesk, Shown
from rooms.shaping import READABLE_BURST
from rooms.wire import Comment


class Room:
    """A comment desk over a live session; `shown` are its batches."""

    def __init__(self, db: Database, clock: ManualClock) -> None:
        self.db, self.clock, self.trail = db, clock, Trail(clock)
        self.shown: list[tuple[str, Shown]] = []
        self.desk = CommentDesk(db, self.trail, clock, AuthorTags(b"secret"), self._show)

    async def _show(self, session_id: str, batch: Shown) -> None:
        self.shown.append((session_id, batch))

    async def live(self) -> str:
        async with self.db.write() as tx:
            made = await sessions.create(tx, self.clock, kind="show", title="x", host_id="a", required=("host",))
            await sessions.move(tx, self.clock, self.trail, made.id, "start", "a")
        return made.id

    async def say(self, session_id: str, text: str, count: int) -> list[asyncio.Task[Comment]]:
        """`count` people say it at once; all wait for the tick."""
        people = [Person(f"customer-{n}-{session_id}"[:64], Role.CUSTOMER, "某某") for n in range(count)]
        tasks = [asyncio.create_task(self.desk.say(one, session_id, text, host=False)) for one in people]
        await asyncio.sleep(0)
        return tasks

    def count_commits(self) -> list[object]:
        """Grows by one with every commit from here on."""
        seen: list[object] = []
        event.listen(self.db.engine.sync_engine, "commit", seen.append)
        return seen

    async def recorded(self, session_id: str) -> list[str]:
        """The ids of the session's comments as its trail has them."""
        async with self.db.read() as tx:
            return [entry.data["id"] for entry in await self.trail.entries(tx, session_id, kinds={kinds.COMMENT})]


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
    ids = [one.id for one in await asyncio.gather(*tasks)]
    assert [len(batch.comments) + batch.skipped for _, batch in room.shown] == [PER_TICK, 5]
    shown = [one for _, batch in room.shown for one in batch.comments]
    assert shown == sorted(shown, key=lambda one: ids.index(one.id)), "in the order of the record"
    async with room.db.read() as tx:
        entries = await room.trail.entries(tx, session, kinds={kinds.COMMENT})
        last = (await spoken.latest(tx, session, HISTORY)).seen_by()
    assert [entry.data["id"] for entry in entries] == ids
    assert [one.id for one in last] == ids[-50:]


async def test_what_nobody_could_read_is_recorded_and_seen_by_who_wrote_it(room: Room) -> None:
    session = await room.live()
    host = Person("adviser-1", Role.ADVISER, "周岚")
    asker = Person("customer-asks", Role.CUSTOMER, "某某")
    tasks = await room.say(session, "好", PER_TICK - 2)
    tasks.append(asyncio.create_task(room.desk.say(asker, session, "几年?", host=False, question=True)))
    tasks.append(asyncio.create_task(room.desk.say(host, session, "请看风险等级", host=True, question=True)))
    await asyncio.sleep(0)
    await room.desk.tick()
    said = await asyncio.gather(*tasks)
    [(_, shown)] = room.shown
    assert len(shown.comments) == READABLE_BURST + 2
    assert [(one.kind, one.host) for one in shown.comments[-2:]] == [("question", False), ("comment", True)]
    own = {person: [one.id for one in comments] for person, comments in shown.own.items()}
    assert shown.skipped == PER_TICK - 2 - READABLE_BURST == len(own)
    by_id = {one.id: number for number, one in enumerate(said)}
    assert all(person == f"customer-{by_id[mine]}-{session}"[:64] for person, [mine] in own.items())
    assert {one.id for one in shown.comments}.isdisjoint(mine for [mine] in own.values())
    async with room.db.read() as tx:
        entries = await room.trail.entries(tx, session, kinds={kinds.COMMENT})
        last = (await spoken.latest(tx, session, HISTORY)).seen_by()
    assert [entry.data["id"] for entry in entries] == [one.id for one in said]
    assert [one.kind for one in last[-2:]] == ["question", "comment"]


async def test_the_last_comments_are_found_without_reading_those_before(room: Room) -> None:
    session = await room.live()
    for _ in range(3):
        await room.say(session, "好", PER_TICK)
        await room.desk.tick()
    plans: list[str] = []
    async with room.db.read() as tx:
        event.listen(tx.sync_connection, "before_cursor_execute", lambda _c, _u, said, *_rest: plans.append(said))
        assert len((await spoken.latest(tx, session, HISTORY)).seen_by()) == 50
    [said] = [one for one in plans if "kind" in one and "DESC" in one]
    if room.db.is_sqlite:
        async with room.db.read() as tx:
            plan = (await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", (session, "comment", 50, 0))).all()
        assert [row.detail for row in plan] == [
            "SEARCH trail_entries USING INDEX ix_trail_entries_session_kind_seq (session_id=? AND kind=?)"
        ]


async def test_what_else_happened_between_comments_is_not_read(room: Room) -> None:
    session = await room.live()
    for _ in range(3):
        await room.say(session, "好", 1)
        await room.desk.tick()
        room.clock.advance(1)
        bought = [Draft("order_placed", "c", {"order": f"ord_{number}"}, {"customer": "c"}) for number in range(50)]
        async with room.db.write() as tx:
            await room.trail.append(tx, session, *bought)
    asked: list[tuple[str, tuple[object, ...]]] = []
    async with room.db.read() as tx:
        event.listen(tx.sync_connection, "before_cursor_execute", lambda _c, _u, said, given, *_r: asked.append((said, given)))
        assert len((await spoken.latest(tx, session, HISTORY)).comments) == 3
        await spoken.is_removed(tx, session, "cmt_01jd0000000000000000000000")
        assert await moderation_view._last_acts(tx, session) == []
    [texts] = [one for one in asked if "FROM trail_texts" in one[0]]
    async with room.db.read() as tx:
        assert len((await tx.exec_driver_sql(*texts)).all()) == 3 * len(("text", "author", "person"))
        entries = [(f"EXPLAIN QUERY PLAN {said}", given) for said, given in asked if "FROM trail_entries" in said]
        for plan in [(await tx.exec_driver_sql(*one)).all() for one in entries if room.db.is_sqlite]:
            assert "INDEX ix_trail_entries_session_kind_seq (session_id=? AND kind=?" in plan[0].detail
    assert len(entries) == 4


async def test_one_commit_records_every_session_s_comments_in_their_order(room: Room) -> None:
    live = [await room.live() for _ in range(4)]
    commits = room.count_commits()
    tasks = {session: await room.say(session, "好", 3) for session in live}
    await room.desk.tick()
    for session in live:
        assert await room.recorded(session) == [one.id for one in await asyncio.gather(*tasks[session])]
    assert len(commits) == 1
    assert [session for session, _ in room.shown] == live


async def test_a_commit_is_bounded_and_no_session_waits_for_another_tick(room: Room) -> None:
    live = [await room.live() for _ in range(PER_COMMIT // PER_TICK + 1)]
    commits = room.count_commits()
    tasks = [task for session in live for task in await room.say(session, "好", PER_TICK)]
    await room.desk.tick()
    assert len(await asyncio.gather(*tasks)) == PER_COMMIT + PER_TICK
    assert len(commits) == 2


@pytest.mark.parametrize("bad", ["not JSON", "a number that is taken"])
async def test_what_can_t_be_written_costs_its_own_session_alone(room: Room, bad: str) -> None:
    first, spoilt, last = [await room.live() for _ in range(3)]
    fine = await room.say(first, "好", 2)
    if bad == "not JSON":
        half = Person("customer-x", Role.CUSTOMER, "\ud800")
        refused = [asyncio.create_task(room.desk.say(half, spoilt, "好", host=False))]
        await asyncio.sleep(0)
    else:
        taken = {"session_id": spoilt, "seq": 2, "kind": "x", "media_ms": 0, "body": "{}", "hash": "0" * 64}
        async with room.db.write() as tx:
            await tx.execute(insert(trail_entries).values(taken))
        refused = await room.say(spoilt, "好", 1)
    fine += await room.say(last, "好", 1)
    with capture_logs() as logged:
        await room.desk.tick()
    assert [line.get("sessions") for line in logged] == [3, [spoilt]]
    answers = await asyncio.gather(*refused, return_exceptions=True)
    assert [one.problem.code for one in answers if isinstance(one, Refused)] == ["not_recorded"]
    assert await room.recorded(first) + await room.recorded(last) == [one.id for one in await asyncio.gather(*fine)]
    assert [session for session, _ in room.shown] == [first, last]


async def test_sessions_that_take_none_say_why_and_cost_the_others_nothing(room: Room) -> None:
    over, fine = await room.live(), await room.live()
    async with room.db.write() as tx:
        await sessions.move(tx, room.clock, room.trail, over, "end", "a")
    tasks = [*await room.say(over, "好", 1), *await room.say("ses_none", "好", 1), *await room.say(fine, "好", 1)]
    commits = room.count_commits()
    await room.desk.tick()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one.problem.code for one in answers if isinstance(one, Refused)] == ["session_not_live", "not_found"]
    assert await room.recorded(fine) == [tasks[2].result().id]
    assert len(commits) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("好\ud83d", "bad_request"),
        ("\u202e赔不赚稳", "bad_request"),  # reads 稳赚不赔
        ("\u2067赔不赚稳\u2069", "bad_request"),
        ("上\u2028下", "bad_request"),
        ("上\x85下", "bad_request"),
        ("好" + "\u0301" * 5, "bad_request"),
        ("\u200b\u2060\ufe0f", "comment_too_long"),
        ("\u3164 \u3164", "comment_too_long"),
    ],
)
async def test_what_would_not_be_shown_as_it_is_judged_is_refused_before_it_waits(room: Room, text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        await room.desk.say(Person("customer-x", Role.CUSTOMER, "某"), await room.live(), text, host=False)
    assert refused.value.problem.code == code


async def test_emoji_marks_of_a_script_and_writing_from_right_to_left_are_taken(room: Room) -> None:
    session = await room.live()
    for number, text in enumerate(
        ("👩\u200d👧🏽 ❤️ 🏴\U000e0067\U000e0062\U000e007f", "ที่นี่ น้ำ", "क्षि", "é e\u0301", "שלום مرحبا")
    ):
        saying = asyncio.create_task(
            room.desk.say(Person(f"customer-{number}", Role.CUSTOMER, "某"), session, text, host=False)
        )
        await asyncio.sleep(0)
        await room.desk.tick()
        assert (await saying).comment.text == text


async def test_what_is_taken_down_while_the_host_answers_it_is_not_quoted(room: Room) -> None:
    session = await room.live()
    [asked] = await room.say(session, "不该问的", 1)
    await room.desk.tick()
    host = Person("adviser-1", Role.ADVISER, "周岚")
    question = (await asked).id
    answering = asyncio.create_task(room.desk.say(host, session, "这样", host=True, answers=question))
    async with asyncio.timeout(10):
        while not room.desk._rooms:
            await asyncio.sleep(0)
    async with room.db.write() as tx:
        await room.trail.append(tx, session, Draft(kinds.COMMENT_REMOVED, "a", {"id": question, "comment": 2}))
    await room.desk.tick()
    with pytest.raises(Refused) as refused:
        await answering
    assert refused.value.problem.code == "not_found"
    assert len(room.shown) == 1


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
        patched.setattr(sessions, "several", away)
        with capture_logs():
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
        assert [one.id for one in (await spoken.latest(tx, session, HISTORY)).seen_by()] == [tasks[1].result().id]


def test_author_tags_are_the_same_within_a_session_and_say_nothing_across(clock: ManualClock) -> None:
    tags = AuthorTags(b"secret")
    assert tags.tag("ses_1", "customer-c3") == AuthorTags(b"secret").tag("ses_1", "customer-c3")
    assert (
        len({tags.tag("ses_1", "a"), tags.tag("ses_1", "b"), tags.tag("ses_2", "a"), AuthorTags(b"x").tag("ses_1", "a")}) == 4
    )


@pytest.mark.parametrize(
    ("took_s", "work_s", "pause_s"),
    [
        pytest.param(0.06, 0.0, (0.03, 0.2), id="waited for others: the tick keeps its time"),
        pytest.param(0.0, 0.03, (0.12, 0.25), id="worked: a pause of four times that"),
        pytest.param(0.3, 0.0, (0.0, 0.2), id="late: at once"),
        pytest.param(0.0, 0.1, (0.25, 0.25), id="never longer than this"),
    ],
)
async def test_ticks_are_rarer_for_their_own_work_alone(
    room: Room, monkeypatch: pytest.MonkeyPatch, took_s: float, work_s: float, pause_s: tuple[float, float]
) -> None:
    pauses: list[float] = []
    paused = asyncio.Event()

    async def show(_session_id: str, _batch: Shown) -> None:
        room.clock.advance(took_s)
        until = time.thread_time() + work_s
        while time.thread_time() < until:
            pass

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        paused.set()
        await asyncio.Event().wait()

    session_id = await room.live()
    monkeypatch.setattr(room.desk, "_show", show)
    monkeypatch.setattr("rooms.comments.asyncio.sleep", pause)
    running = asyncio.create_task(room.desk.run())
    said = asyncio.create_task(room.desk.say(Person("c", Role.CUSTOMER, "某某"), session_id, "几年?", host=False))
    async with asyncio.timeout(20):
        await paused.wait()
    await said
    running.cancel()
    assert pause_s[0] <= pauses[0] <= pause_s[1]  # each far from what it was if waiting counted, whatever the machine
