"""Being in a show: joining, talking, buying, and catching up."""

from __future__ import annotations

import pytest

from recording import kinds
from tests.rooms.house import AMOUNT, BOND, PEOPLE, RISKY, House


async def test_a_comment_is_on_the_record_before_it_is_acknowledged_and_all_see_it(house: House) -> None:
    show = await house.show()
    session = show["session"]
    one, two = await house.tab("customer-c3"), await house.tab("customer-c5")
    joined = await one.room("join", {"session": session})
    assert joined["ok"], joined
    await two.room("join", {"session": session})

    ack = await one.room("comment", {"session": session, "text": " 这个产品怎么赎回? "})

    assert ack["ok"], ack
    [entry] = await house.entries(session, kinds.COMMENT)
    assert entry.data["id"] == ack["id"]
    assert "赎回" not in entry.body.decode()
    assert "customer-c3" not in entry.body.decode()
    batch = await two.hears("comments")
    assert batch["session"] == session
    [comment] = batch["comments"]
    assert comment["text"] == "这个产品怎么赎回?"
    assert comment["author"] == "李**"
    assert comment["author_tag"] == joined["author_tag"]
    assert comment["host"] is False
    late = await house.tab("customer-c1")
    seen = await late.room("join", {"session": session})
    assert [one["text"] for one in seen["comments"]] == ["这个产品怎么赎回?"]


async def test_a_person_has_three_comments_at_once_and_one_a_second_over_all_tabs(house: House) -> None:
    session = (await house.show())["session"]
    tabs = [await house.tab("customer-c3"), await house.tab("customer-c3")]
    said = [await tabs[n % 2].room("comment", {"session": session, "text": f"第{n}句"}) for n in range(4)]
    assert [ack["ok"] for ack in said] == [True, True, True, False]
    assert said[3]["error"]["code"] == "comment_too_fast"
    house.clock.advance(1)
    assert (await tabs[0].room("comment", {"session": session, "text": "第5句"}))["ok"]


async def test_a_person_asks_two_questions_at_once_and_then_one_in_ten_seconds(house: House) -> None:
    session = (await house.show())["session"]
    tab = await house.tab("customer-c3")
    asked = [await tab.room("comment", {"session": session, "text": f"第{n}问?", "question": True}) for n in range(3)]
    assert [ack["ok"] for ack in asked] == [True, True, False]
    assert (asked[2]["error"]["code"], asked[2]["error"]["params"]["wait_s"]) == ("comment_too_fast", 10)
    house.clock.advance(1)
    assert (await tab.room("comment", {"session": session, "text": "不问了"}))["ok"]
    house.clock.advance(9)
    assert (await tab.room("comment", {"session": session, "text": "再问?", "question": True}))["ok"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("长" * 101, "comment_too_long"),
        ("   ", "comment_too_long"),
        ("这个稳赚不赔", "comment_blocked"),
        ("a\x00b", "bad_request"),
    ],
)
async def test_what_may_not_be_said_is_refused_with_a_reason_and_not_recorded(house: House, text: str, code: str) -> None:
    session = (await house.show())["session"]
    tab = await house.tab("customer-c3", lang="zh")
    ack = await tab.room("comment", {"session": session, "text": text})
    assert ack["error"]["code"] == code
    assert ack["error"]["next"]
    assert await house.entries(session, kinds.COMMENT) == []


async def test_a_flagged_word_is_shown_and_marked_for_the_reviewers(house: House) -> None:
    session = (await house.show())["session"]
    tab = await house.tab("customer-c3")
    assert (await tab.room("comment", {"session": session, "text": "这个保本吗"}))["ok"]
    [entry] = await house.entries(session, kinds.COMMENT)
    assert entry.data["flags"] == ["保本"]


async def test_nobody_talks_before_a_show_or_after_it(house: House) -> None:
    show = await house.show(live=False)
    tab = await house.tab("customer-c3")
    ack = await tab.room("comment", {"session": show["session"], "text": "早"})
    assert ack["error"]["code"] == "session_not_live"
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/start")
    assert (await tab.room("comment", {"session": show["session"], "text": "早"}))["ok"]
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/end")
    ack = await tab.room("comment", {"session": show["session"], "text": "晚"})
    assert ack["error"]["code"] == "session_not_live"


async def test_an_order_in_the_room_is_acknowledged_and_told_to_all_tabs_of_the_customer_and_as_a_sum_to_the_host(
    house: House,
) -> None:
    session = (await house.show(BOND))["session"]
    one, two, host, other = [await house.tab(name) for name in ("customer-c5", "customer-c5", "adviser-1", "customer-c3")]
    for tab in (one, two, host, other):
        assert (await tab.room("join", {"session": session}))["ok"]

    refused = await one.room("order", house.wish(session))
    assert refused["error"]["code"] == "disclosure_missing"
    await house.confirm_disclosure("customer-c5", session)
    ack = await one.room("order", house.wish(session))

    assert ack["ok"], ack
    for tab in (one, two):
        heard = await tab.hears("order")
        assert heard["order"]["id"] == ack["order"]["id"]
        assert heard["seq"] == ack["order"]["trail_seq"]
    told = await host.hears("order")
    assert told["tally"] == {"count": 1, "amount": AMOUNT, "currency": "CNY"}
    assert told["latest"]["name"] == "赵**"
    await house.fanout.flush()
    await other.hears("shelf")
    assert other.all("order") == []
    again = await two.room("order", house.wish(session))
    assert again["order"]["id"] == ack["order"]["id"]


async def test_a_host_sees_each_order_of_a_rush_once_and_hears_of_moves_without_a_name(house: House) -> None:
    session = (await house.show(BOND))["session"]
    host, one, two = [await house.tab(name) for name in ("adviser-1", "customer-c5", "customer-c3")]
    await house.pause_rounds()
    for tab in (host, one, two):
        assert (await tab.room("join", {"session": session}))["ok"]
    orders = []
    for tab, name in ((one, "customer-c5"), (two, "customer-c3")):
        await house.confirm_disclosure(name, session)
        orders.append((await tab.room("order", house.wish(session)))["order"]["id"])
    await house.flush()
    await host.hears("order", lambda told: told["latest"]["name"] == "李**")
    assert [(told["latest"]["name"], told["tally"]["count"]) for told in host.all("order")] == [("赵**", 2), ("李**", 2)]

    await house.orders.cancel(PEOPLE["customer-c5"], orders[0])
    await house.flush()
    moved = await host.hears("order", lambda told: told["tally"]["count"] == 1)
    assert moved["latest"] is None


async def test_the_gate_refuses_over_the_socket_in_the_persons_language(house: House) -> None:
    session = (await house.show(RISKY))["session"]
    tab = await house.tab("customer-c1", lang="zh")
    ack = await tab.room("order", house.wish(session, product=RISKY))
    assert ack["error"]["code"] == "risk_too_high"
    assert "风险等级" in ack["error"]["title"]


async def test_rejoining_with_the_last_number_brings_the_orders_missed(house: House) -> None:
    session = (await house.show(BOND))["session"]
    tab = await house.tab("customer-c5")
    first = await tab.room("join", {"session": session})
    await tab.close()
    await house.confirm_disclosure("customer-c5", session)
    other = await house.tab("customer-c5")
    ack = await other.room("order", house.wish(session))

    back = await house.tab("customer-c5")
    rejoined = await back.room("join", {"session": session, "after": first["seq"]})
    assert [order["id"] for order in rejoined["orders"]] == [ack["order"]["id"]]
    nothing_new = await back.room("join", {"session": session, "after": rejoined["seq"]})
    assert nothing_new["orders"] == []

    house.clock.advance(-2)  # the next change comes from a web process on another machine, whose clock is late
    await house.orders.cancel(PEOPLE["customer-c5"], ack["order"]["id"])
    moved = await back.room("join", {"session": session, "after": rejoined["seq"]})
    assert [(order["id"], order["state"]) for order in moved["orders"]] == [(ack["order"]["id"], "cancelled")]


async def test_viewers_are_counted_exactly_by_tab_and_the_peak_is_kept(house: House) -> None:
    show = await house.show()
    session = show["session"]
    host = await house.tab("adviser-1")
    await host.room("join", {"session": session})
    tabs = [await house.tab(name) for name in ("customer-c1", "customer-c1", "customer-c3")]
    for tab in tabs:
        await tab.room("join", {"session": session})
    await tabs[0].room("join", {"session": session})
    await house.rooms.presence.tick()
    await host.hears("presence", lambda told: told["viewers"] == 3)
    await tabs[0].room("leave", {"session": session})
    await house.rooms.presence.tick()
    await host.hears("presence", lambda told: told["viewers"] == 2)
    _, again = await house.api("adviser-1", "GET", f"/api/shows/{show['id']}")
    assert (again["viewers"], again["viewers_peak"]) == (2, 3)


async def test_losing_the_picture_is_told_to_everybody_and_closes_the_sale(house: House) -> None:
    session = (await house.show(BOND))["session"]
    tab = await house.tab("customer-c5")
    joined = await tab.room("join", {"session": session})
    assert joined["session"]["sale"]["open"] is True
    assert joined["session"]["recording"] is True
    await house.record(session, "host", status="lost")
    await house.fanout.session_changed(session, "publisher_lost", {"stream": "host"})
    state = await tab.hears("state", lambda told: told["sale"]["open"] is False)
    assert state["sale"]["reason"] == "publisher_lost"
    assert state["sale"]["sentence_zh"]
    assert (await tab.hears("notice"))["kind"] == "publisher_lost"
    await house.record(session, "host")
    await house.fanout.session_changed(session, "publisher_joined", {"stream": "host"})
    await tab.hears("notice", lambda told: told["kind"] == "publisher_back")
    await house.fanout.session_changed("", "media_started", {"boot": "b2"})
    await tab.hears("notice", lambda told: told["kind"] == "media_restarted")
    assert (await tab.hears("state", lambda told: told["media_boot"] == "b2"))["session"] == session
