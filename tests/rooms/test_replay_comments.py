"""A replay has the comments of its time, bounded, without what nobody may see any more; and the shelf's changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from recording import kinds
from recording.trail import Draft
from rooms import replay_comments
from tests.rooms.house import BOND, RISKY, House
from tests.rooms.test_replay import ended, house

__all__ = ["house"]


def comment(number: int, at_ms: int, **more: Any) -> Draft:
    data = {"id": f"cmt-{number}", "author_tag": "t", "host": False} | more
    private = {"text": f"words {number}", "author": "李**", "person": "customer-c3"}
    return Draft(kinds.COMMENT, "customer", data, private, media_ms=at_ms)


async def past(house: House, folder: Path, *drafts: Draft) -> str:
    """A show that is over, with these entries."""
    show = await house.show(BOND, RISKY)
    async with house.db.write() as tx:
        await house.trail.append(tx, show["session"], *drafts)
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/pin", {"product": RISKY})
    return str((await ended(house, folder, show))["session"])


async def heard(house: House, session: str, first: int, end: int) -> Any:
    path = f"/api/sessions/{session}/replay/comments?from={first}&to={end}"
    status, answer = await house.api("customer-c1", "GET", path)
    assert status == 200, answer
    return answer


async def test_a_window_has_what_was_said_in_it_and_nothing_that_may_not_be_seen(house: House, tmp_path: Path) -> None:
    gone = [Draft(kinds.COMMENT_REMOVED, "adviser-1", {"id": "cmt-3"})]
    said = [comment(n, n * 1000) for n in range(1, 7)]
    session = await past(house, tmp_path, *said, comment(7, 7000, shadow=True), comment(8, 7500, question=True), *gone)
    async with house.db.write() as tx:
        [erased] = [
            one.seq for one in await house.trail.entries(tx, session, kinds={kinds.COMMENT}) if one.data["id"] == "cmt-4"
        ]
        await house.trail.erase(tx, session, erased, "text")
    answer = await heard(house, session, 2000, 8000)
    assert [(one["id"], one["media_ms"], one["kind"]) for one in answer["comments"]] == [
        ("cmt-2", 2000, "comment"), ("cmt-5", 5000, "comment"), ("cmt-6", 6000, "comment"), ("cmt-8", 7500, "question"),
    ]  # fmt: skip
    assert answer["comments"][0] | {"at": ""} == {
        "id": "cmt-2", "at": "", "media_ms": 2000, "author": "李**", "author_tag": "t", "text": "words 2", "host": False,
        "kind": "comment", "answers": None, "mentions": [],
    }  # fmt: skip
    assert (await heard(house, session, 9000, 10_000))["comments"] == []


async def test_of_a_rush_an_even_choice_is_given(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_comments, "COMMENTS_MAX", 10)
    session = await past(house, tmp_path, *(comment(n, n * 100) for n in range(100)))
    answer = await heard(house, session, 0, 60_000)
    assert ([one["media_ms"] for one in answer["comments"]], answer["left_out"]) == ([n * 1000 for n in range(10)], 90)


async def test_questions_and_what_the_host_said_are_not_left_out_of_a_rush(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_comments, "COMMENTS_MAX", 10)
    crowd = [comment(n, n * 100) for n in range(100)]
    hidden = [comment(n, n * 100, shadow=True, question=True) for n in range(100, 120)]
    asked = comment(200, 12_050, question=True)
    answer = Draft(
        kinds.COMMENT,
        "adviser",
        {"id": "cmt-201", "author_tag": "h", "host": True, "answers": "cmt-200", "answers_seq": 200},
        {"text": "六个月", "author": "周**", "person": "adviser-1"},
        media_ms=12_060,
    )
    session = await past(house, tmp_path, *crowd, *hidden, asked, answer)
    told = await heard(house, session, 0, 60_000)
    assert [one["id"] for one in told["comments"]][-2:] == ["cmt-200", "cmt-201"]
    assert (len(told["comments"]), told["left_out"]) == (10, 92)


async def test_a_minute_costs_the_same_however_long_the_show_was(house: House, tmp_path: Path) -> None:
    session = await past(house, tmp_path, *(comment(n, n * 100) for n in range(3000)))
    if not house.db.is_sqlite:
        async with house.db.write() as tx:
            await tx.execute(text("ANALYZE trail_entries"))
    asked: list[tuple[str, Any]] = []
    async with house.db.read() as tx:
        event.listen(
            tx.sync_connection, "before_cursor_execute", lambda _c, _u, what, given, *_rest: asked.append((what, given))
        )
        found, _left_out = await replay_comments.said(tx, house.trail, session, 100_000, 110_000)
        await replay_comments.marks(tx, house.trail, session)
    assert len(found) == 100
    read = [(what, given) for what, given in asked if "FROM trail_entries" in what]
    explain = "EXPLAIN QUERY PLAN" if house.db.is_sqlite else "EXPLAIN"
    async with house.db.read() as tx:
        plans = ["\n".join(row[-1] for row in await tx.exec_driver_sql(f"{explain} {what}", given)) for what, given in read]
    [window] = [plan for (what, _), plan in zip(read, plans, strict=True) if "media_ms >=" in what]
    assert "ix_trail_entries_comments_media" in window
    assert len(plans) >= 5
    for plan in plans:
        assert "Seq Scan" not in plan
        assert "(session_id=? AND seq>?)" not in plan, "all of the trail is read"


async def test_the_shelf_s_changes_are_told_by_media_time(house: House, tmp_path: Path) -> None:
    session = await past(house, tmp_path)
    status, answer = await house.api("customer-c1", "GET", f"/api/sessions/{session}/replay/marks")
    assert status == 200
    assert [(mark["products"], mark["pinned"]) for mark in answer["marks"]] == [([BOND, RISKY], None), ([BOND, RISKY], RISKY)]
    assert answer["marks"][0]["at_ms"] == 0


@pytest.mark.parametrize(
    "asked", ["", "?from=0", "?from=5&to=5", "?from=0&to=60001", "?from=-1&to=5", "?from=٣&to=9", "?from=1e3&to=9"]
)
async def test_windows_that_are_none_or_too_long_are_refused(house: House, tmp_path: Path, asked: str) -> None:
    session = await past(house, tmp_path)
    status, problem = await house.api("customer-c1", "GET", f"/api/sessions/{session}/replay/comments{asked}")
    assert (status, problem["code"]) == (400, "bad_request")


async def test_as_long_as_there_is_no_film_nothing_of_it_is_told(house: House) -> None:
    session = (await house.show())["session"]
    for path in ("marks", "comments?from=0&to=5"):
        status, problem = await house.api("customer-c1", "GET", f"/api/sessions/{session}/replay/{path}")
        assert (status, problem["code"]) == (404, "no_replay")
