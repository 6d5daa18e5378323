"""What moderators do, through real sockets and HTTP: it holds at once, everybody hears of it, it stands in the trail."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import String
from structlog.testing import capture_logs

from compliance import lexicon
from compliance.lexicon import Action, Hit
from core.clock import ManualClock
from core.database import DatabaseAway
from core.errors import Refused
from recording import kinds
from recording.chain import check_chain
from rooms.author_tags import AuthorTags
from rooms.comments import CommentDesk, Shown
from rooms.tables import sanctions
from tests.rooms.house import PEOPLE, SECRET, House
from tests.rooms.moderated import HOST, OTHER, VIEWER, Stage, heard_until, open_stage, says
from tests.rooms.test_calls import begin


@pytest.fixture
async def stage(house: House) -> Stage:
    return await open_stage(house)


async def test_slow_mode_lets_each_say_one_thing_at_a_time_and_the_host_what_he_likes(stage: Stage, clock: ManualClock) -> None:
    await stage.do("rules", slow_s=15)
    moderated = await stage.viewer.hears("moderated")
    assert moderated["rules"] == {"slow_s": 15, "premoderated": False}
    assert (await stage.say(stage.viewer, "一"))["ok"]
    refused = await stage.say(stage.viewer, "二")
    assert refused["error"]["code"] == "comment_slow"
    assert refused["error"]["params"] == {"slow_s": 15, "wait_s": 14}
    assert (await stage.say(stage.other, "三"))["ok"]
    assert (await stage.say(stage.host, "四"))["ok"]
    assert (await stage.say(stage.host, "五"))["ok"]
    clock.advance(11)
    assert (await stage.say(stage.viewer, "六"))["ok"]
    await stage.do("rules", slow_s=0)
    assert (await stage.say(stage.viewer, "七"))["ok"]
    status, view = await stage.house.api(VIEWER, "GET", f"/api/sessions/{stage.session}")
    assert (status, view["rules"]) == (200, {"slow_s": 0, "premoderated": False})


async def test_a_premoderated_comment_is_shown_once_it_is_released(stage: Stage) -> None:
    await stage.do("rules", premoderated=True)
    held = await stage.say(stage.viewer, "可以吗")
    other = await stage.say(stage.viewer, "不该说的")
    assert (held["ok"], held["held"], held["comment"]["text"]) == (True, True, "可以吗")
    assert "held" not in await stage.say(stage.host, "欢迎")
    assert await heard_until(stage.other, "欢迎") == ["欢迎"]
    await stage.host.hears("moderation")
    view = await stage.view()
    assert [(one["comment"]["text"], one["reason"]) for one in view["held"]] == [
        ("可以吗", "premoderated"),
        ("不该说的", "premoderated"),
    ]
    view = await stage.do("release", held["id"])
    assert view["waiting"] == 1
    [shown] = (await stage.other.hears("moderated", lambda one: bool(one["restored"])))["restored"]
    assert (shown["id"], shown["text"], shown["author"]) == (held["id"], "可以吗", held["comment"]["author"])
    assert (await stage.do("reject", other["id"]))["held"] == []
    assert await stage.seen_by(OTHER) == ["欢迎", "可以吗"]
    [_, released] = await stage.house.entries(stage.session, kinds.COMMENT)
    assert (released.data["id"], "held" in released.data) == (held["id"], False)
    assert await stage.refused("release", held["id"]) == (409, "act_overtaken")
    assert await stage.refused("release", other["id"]) == (409, "act_overtaken")
    assert await stage.kinds() == [
        "room_rules_changed",
        "comment_held",
        "comment_held",
        "comment_released",
        "comment_rejected",
    ]


async def test_what_was_released_or_rejected_is_taken_back(stage: Stage) -> None:
    await stage.do("rules", premoderated=True)
    held = await stage.say(stage.viewer, "可以吗")
    released = (await stage.do("release", held["id"]))["acts"][0]["act"]
    assert await stage.seen_by(OTHER) == ["可以吗"]
    assert (await stage.undo(released))[0] == 200
    assert await stage.seen_by(OTHER) == []
    other = await stage.say(stage.viewer, "还有一句")
    rejected = (await stage.do("reject", other["id"]))["acts"][0]["act"]
    _, view = await stage.undo(rejected)
    assert [one["comment"]["id"] for one in view["held"]] == [other["id"]]
    await stage.do("release", other["id"])
    assert await stage.seen_by(OTHER) == ["还有一句"]


async def test_a_word_the_lexicon_holds_waits_for_a_moderator(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    found = lexicon.hits

    def hits(text: str) -> list[Hit]:
        at = text.find("内幕")
        return found(text) if at < 0 else [Hit(at, at + 2, "内幕", Action.HOLD, "house rule")]

    monkeypatch.setattr(lexicon, "hits", hits)
    ack = await stage.say(stage.viewer, "有内幕吗")
    assert (ack["held"], ack["comment"]["text"]) == (True, "有内幕吗")
    [held] = (await stage.view())["held"]
    assert (held["reason"], held["flags"], held["comment"]["text"]) == ("lexicon", ["内幕"], "有内幕吗")
    assert (await stage.say(stage.host, "没有内幕"))["ok"]
    await stage.do("release", ack["id"])
    assert await stage.seen_by(OTHER) == ["没有内幕", "有内幕吗"]


async def test_what_a_moderator_has_to_see_first_is_refused_in_a_call(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    session = (await begin(house, customer, adviser))["session"]
    with monkeypatch.context() as patch:
        patch.setattr(lexicon, "hits", lambda _text: [Hit(0, 2, "内幕", Action.HOLD, "house rule")])
        refused = await customer.room("comment", {"session": session, "text": "内幕消息"})
        assert (refused["error"]["code"], refused["error"]["params"]["term"]) == ("comment_blocked", "内幕")
        assert (await adviser.room("comment", {"session": session, "text": "内幕消息不可信"}))["ok"]
    assert await house.entries(session, kinds.COMMENT_HELD) == []


async def test_who_is_muted_hears_so_until_his_time_is_over(stage: Stage, clock: ManualClock) -> None:
    said = await stage.say(stage.viewer, "吵")
    view = await stage.do("mute", said["id"], minutes=10, reason="吵闹")
    [sanction] = view["sanctions"]
    assert (sanction["kind"], sanction["author"], sanction["reason"]) == ("mute", said["comment"]["author"], "吵闹")
    refused = await stage.say(stage.viewer, "又吵")
    assert (refused["error"]["code"], refused["error"]["params"]["until"]) == ("comment_muted", sanction["until"])
    assert (await stage.say(stage.other, "静"))["ok"]
    clock.advance(600)
    assert (await stage.say(stage.viewer, "好了"))["ok"]
    assert (await stage.view())["sanctions"] == []


async def test_a_mute_for_the_show_holds_until_it_is_forgiven(stage: Stage, clock: ManualClock) -> None:
    said = await stage.say(stage.viewer, "吵")
    view = await stage.do("mute", said["id"])
    clock.advance(timedelta(hours=3).total_seconds())
    assert (await stage.say(stage.viewer, "又吵"))["error"]["code"] == "comment_muted"
    assert await stage.refused("mute", said["id"]) == (409, "act_overtaken")
    status, view = await stage.undo(view["sanctions"][0]["act"], by="supervisor-1")
    assert (status, view["sanctions"]) == (200, [])
    assert (await stage.say(stage.viewer, "谢谢"))["ok"]
    assert (await stage.undo(view["acts"][-1]["act"]))[1]["code"] == "act_overtaken"


async def test_who_is_banned_leaves_at_once_and_stays_out(stage: Stage) -> None:
    said = await stage.say(stage.viewer, "骂人")
    await stage.do("ban", said["id"], by="supervisor-1", reason="辱骂")
    told = await stage.viewer.hears("banned")
    assert (told["session"], told["code"]) == (stage.session, "banned")
    before = len(stage.viewer.all("comments"))
    assert (await stage.say(stage.host, "继续"))["ok"]
    await stage.other.hears("comments", says("继续"))
    assert (await stage.say(stage.viewer, "我还在"))["error"]["code"] == "banned"
    assert len(stage.viewer.all("comments")) == before
    again = await stage.house.tab(VIEWER)
    assert (await again.room("join", {"session": stage.session}))["error"]["code"] == "banned"
    status, answer = await stage.house.api(VIEWER, "GET", f"/api/sessions/{stage.session}")
    assert (status, answer["code"]) == (403, "banned")
    [sanction] = (await stage.view())["sanctions"]
    await stage.undo(sanction["act"])
    assert (await again.room("join", {"session": stage.session}))["ok"]


async def test_one_banned_by_another_process_is_put_out_by_the_next_look(stage: Stage) -> None:
    said = await stage.say(stage.viewer, "骂人")
    desk = stage.house.rooms.moderation

    async def elsewhere(_people: set[tuple[str, str]]) -> None:
        """Another process's sockets are not this one's."""

    desk._expel = elsewhere
    await stage.do("ban", said["id"])
    assert (await stage.say(stage.viewer, "我还在"))["error"]["code"] == "banned"
    await stage.house.rooms.room.expel_banned()
    assert (await stage.viewer.hears("banned"))["code"] == "banned"


async def test_in_the_shadow_one_sees_oneself_and_nobody_else_does(stage: Stage) -> None:
    said = await stage.say(stage.viewer, "广告一")
    await stage.do("shadow", said["id"])
    ack = await stage.say(stage.viewer, "广告二")
    assert set(ack) == set(said)
    await stage.viewer.hears("comments", says("广告二"))
    await stage.say(stage.host, "下一位")
    assert await heard_until(stage.other, "下一位") == ["广告一", "下一位"]
    assert await heard_until(stage.host, "下一位") == ["广告一", "下一位"]
    assert all(batch["skipped"] == 0 for batch in stage.other.all("comments"))
    assert await stage.seen_by(VIEWER) == ["广告一", "广告二", "下一位"]
    assert await stage.seen_by(OTHER) == ["广告一", "下一位"]
    entries = await stage.house.entries(stage.session, kinds.COMMENT)
    assert [entry.data.get("shadow", False) for entry in entries] == [False, True, False]
    await stage.do("rules", premoderated=True)
    assert (await stage.say(stage.viewer, "广告三"))["held"] is True
    assert (await stage.view())["held"] == []


async def test_a_comment_is_taken_down_and_put_back(stage: Stage) -> None:
    said = await stage.say(stage.viewer, "不妥")
    view = await stage.do("remove", said["id"], reason="不妥当")
    assert (await stage.other.hears("moderated"))["removed"] == [said["id"]]
    assert await stage.seen_by(OTHER) == []
    assert await stage.refused("remove", said["id"]) == (409, "act_overtaken")
    act = view["acts"][0]
    assert (act["kind"], act["text"], act["reason"], act["undoable"]) == ("comment_removed", "不妥", "不妥当", True)
    _, view = await stage.undo(act["act"])
    restored = await stage.other.hears("moderated", lambda one: bool(one["restored"]))
    assert [one["text"] for one in restored["restored"]] == ["不妥"]
    assert await stage.seen_by(OTHER) == ["不妥"]
    assert [(one["kind"], one["undoes"], one["undoable"]) for one in view["acts"]] == [
        ("comment_restored", act["act"], False),
        ("comment_removed", None, False),
    ]
    assert (await stage.undo(act["act"]))[1]["code"] == "act_overtaken"


async def test_who_was_away_is_told_what_was_taken_down_meanwhile(stage: Stage) -> None:
    said = [await stage.say(stage.viewer, text) for text in ("先", "后", "又")]
    seen = await stage.other.room("join", {"session": stage.session})
    assert seen["removed"] == []
    await stage.other.close()
    await stage.do("remove", said[2]["id"])
    act = (await stage.do("remove", said[1]["id"]))["acts"][0]["act"]
    await stage.do("remove", said[0]["id"])
    back = await stage.house.tab(OTHER)
    joined = await back.room("join", {"session": stage.session, "after": seen["seq"]})
    assert joined["removed"] == [said[2]["id"], said[1]["id"], said[0]["id"]]
    await stage.undo(act)
    again = await back.room("join", {"session": stage.session, "after": seen["seq"]})
    assert again["removed"] == [said[2]["id"], said[0]["id"]]
    fresh = await back.room("join", {"session": stage.session})
    assert fresh["removed"] == []


async def test_what_could_not_be_told_when_it_was_done_is_told_with_the_next_round(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fanout = stage.house.fanout
    said = [await stage.say(stage.viewer, text) for text in ("不妥", "也不妥")]

    class Away:
        def read(self) -> None:
            raise DatabaseAway("no connection is free")

    with monkeypatch.context() as patch, capture_logs():
        patch.setattr(fanout, "_db", Away())
        for one in said:
            await stage.do("remove", one["id"])
        await stage.undo((await stage.view())["acts"][0]["act"])
        await stage.do("mute", said[1]["id"], minutes=5)
        await fanout.flush()
        assert (stage.other.all("moderated"), stage.host.all("moderation")) == ([], [])
    told = await stage.other.hears("moderated", lambda told: bool(told["removed"]))
    assert (told["removed"], [one["id"] for one in told["restored"]]) == ([said[0]["id"]], [said[1]["id"]])
    await stage.host.hears("moderation", lambda told: told["session"] == stage.session)


async def test_one_comment_stands_above_the_others(stage: Stage) -> None:
    first, second = await stage.say(stage.viewer, "一"), await stage.say(stage.other, "二")
    assert (await stage.do("pin", first["id"]))["pinned_comment"]["text"] == "一"
    pinned = (await stage.do("pin", second["id"]))["acts"][0]["act"]
    assert (await stage.viewer.hears("moderated", lambda one: one["pinned_comment"]["text"] == "二"))["removed"] == []
    assert await stage.refused("pin", second["id"]) == (409, "act_overtaken")
    assert (await stage.undo(pinned))[1]["pinned_comment"]["text"] == "一"
    status, view = await stage.house.api(VIEWER, "GET", f"/api/sessions/{stage.session}")
    assert (status, view["pinned_comment"]["id"]) == (200, first["id"])
    unpinned = (await stage.do("unpin"))["acts"][0]["act"]
    assert (await stage.view())["pinned_comment"] is None
    assert await stage.refused("unpin") == (409, "act_overtaken")
    assert (await stage.undo(unpinned))[1]["pinned_comment"]["text"] == "一"
    assert (await stage.do("remove", first["id"]))["pinned_comment"] is None


async def test_an_answer_is_linked_to_its_question(stage: Stage) -> None:
    asked = await stage.say(stage.viewer, "几时到期?", question=True)
    answer = await stage.say(stage.host, "六个月", answers=asked["id"])
    quoted = {"id": asked["id"], "author": asked["comment"]["author"], "text": "几时到期?"}
    assert (answer["comment"]["kind"], answer["comment"]["answers"]) == ("answer", quoted)
    batch = await stage.other.hears("comments", says("六个月"))
    assert [one["answers"] for one in batch["comments"]] == [quoted]
    again = await stage.house.tab(OTHER)
    kept = (await again.room("join", {"session": stage.session}))["comments"]
    assert [(one["kind"], one["answers"]) for one in kept] == [("question", None), ("answer", quoted)]
    assert (await stage.say(stage.other, "我答", answers=asked["id"]))["error"]["code"] == "forbidden"
    assert (await stage.say(stage.host, "谁问?", answers="cmt_nothing"))["error"]["code"] == "not_found"
    await stage.do("remove", asked["id"])
    kept = (await again.room("join", {"session": stage.session}))["comments"]
    assert [one["answers"]["text"] for one in kept] == [""]
    assert (await stage.say(stage.host, "再答", answers=asked["id"]))["error"]["code"] == "not_found"


async def test_the_rules_are_put_back(stage: Stage) -> None:
    await stage.do("rules", slow_s=5)
    act = (await stage.do("rules", premoderated=True))["acts"][0]
    assert act["rules"] == {"slow_s": 5, "premoderated": True}
    assert await stage.refused("rules", slow_s=5) == (409, "act_overtaken")
    _, view = await stage.undo(act["act"])
    assert view["rules"] == {"slow_s": 5, "premoderated": False}


async def test_only_the_host_and_supervisors_moderate(stage: Stage) -> None:
    said = await stage.say(stage.viewer, "好")
    assert await stage.refused("remove", said["id"], by="adviser-2") == (403, "forbidden")
    status, answer = await stage.house.api("adviser-2", "GET", f"/api/sessions/{stage.session}/moderation")
    assert (status, answer["code"]) == (403, "forbidden")
    assert (await stage.do("remove", said["id"], by="supervisor-1"))["acts"][0]["by"] == "supervisor-1"
    mine = await stage.say(stage.host, "我")
    for act in ("mute", "ban", "shadow"):
        assert await stage.refused(act, mine["id"], by="supervisor-1") == (409, "host_stays")
    assert await stage.refused("ban") == (400, "bad_request")
    assert await stage.refused("ban", "cmt_01jd0000000000000000000000") == (404, "not_found")
    assert (await stage.undo(1))[0] == 404
    assert (await stage.undo(10**12))[0] == 404


async def test_every_act_is_an_entry_and_the_chain_holds(stage: Stage) -> None:
    said = await stage.say(stage.viewer, "一")
    for act, more in (("pin", {}), ("mute", {"minutes": 5}), ("shadow", {}), ("ban", {"reason": "够了"}), ("remove", {})):
        await stage.do(act, said["id"], **more)
    for act in (await stage.view())["acts"]:
        if act["undoable"]:
            await stage.undo(act["act"])
    assert await stage.kinds() == [
        "comment_pinned",
        "person_muted",
        "person_shadowed",
        "person_banned",
        "comment_removed",
        "comment_unpinned",
        "comment_restored",
        "person_forgiven",
        "person_forgiven",
        "person_forgiven",
    ]
    async with stage.house.db.read() as tx:
        assert check_chain(stage.session, await stage.house.trail.bodies(tx, stage.session)) == []
        texts = await stage.house.trail.texts(tx, stage.session)
    [ban] = await stage.house.entries(stage.session, kinds.PERSON_BANNED)
    assert ban.actor == HOST
    assert set(ban.data["reason"]) == {"sha256"}
    assert texts[ban.seq, "reason"] == "够了"
    assert texts[ban.seq, "person"] == VIEWER


async def test_what_an_act_says_of_somebody_is_gone_once_it_is_erased(stage: Stage) -> None:
    said = await stage.say(stage.viewer, "一")
    ban = (await stage.do("ban", said["id"], reason="在别处骂过人"))["sanctions"][0]["act"]
    async with stage.house.db.write() as tx:
        for field in ("reason", "author", "person"):
            await stage.house.trail.erase(tx, stage.session, ban, field)
        assert [column.name for column in sanctions.c if isinstance(column.type, String)] == [
            "session_id", "kind", "person_id", "author_tag", "by_id",
        ]  # fmt: skip
    [left] = (await stage.view())["sanctions"]
    assert (left["author"], left["reason"]) == ("**", "")
    assert (await stage.undo(ban))[0] == 200
    assert (await stage.house.api(VIEWER, "GET", f"/api/sessions/{stage.session}"))[0] == 200
    [forgiven] = await stage.house.entries(stage.session, kinds.PERSON_FORGIVEN)
    assert set(forgiven.data) == {"id", "comment", "author_tag", "undoes"}


async def test_what_was_laid_down_holds_in_every_process(stage: Stage) -> None:
    """Another process has its own desk of comments, and heard of nothing."""
    house = stage.house

    async def show(_session: str, _shown: Shown) -> None:
        """Nobody is connected there."""

    other = CommentDesk(house.db, house.trail, house.clock, AuthorTags(SECRET), show)
    ticking = asyncio.create_task(other.run())
    try:
        said = await stage.say(stage.viewer, "吵")
        await stage.do("mute", said["id"])
        with pytest.raises(Refused, match="comment_muted"):
            await other.say(PEOPLE[VIEWER], stage.session, "又吵", host=False)
        await stage.do("rules", premoderated=True)
        assert (await other.say(PEOPLE[OTHER], stage.session, "等", host=False)).held
        [held] = (await stage.view())["held"]
        assert held["comment"]["text"] == "等"
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
