"""A call from the first ring to the last word."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from commerce.wire import DisclosureVersion, PlaceOrder
from core.database import DatabaseAway
from recording import kinds
from rooms import call_view
from rooms.call_wire import Confirm
from rooms.calls import KEEP_PLACE_S
from rooms.tables import proposals
from tests.rooms.house import AMOUNT, BOND, PEOPLE, House, Tab


async def begin(house: House, customer: Tab, adviser: Tab, name: str = "customer-c5") -> dict[str, Any]:
    """Request, accept, consent: a live call, recorded."""
    call = (await customer.desk("request", {"topic": "定期到期怎么办"}))["call"]
    accepted = await adviser.desk("accept", {"call": call["id"]})
    assert accepted["ok"], accepted
    version = accepted["call"]["consent"]["version"]
    status, live = await house.api(name, "POST", f"/api/calls/{call['id']}/consent", {"version": version})
    assert status == 200, live
    await house.record(live["session"], "adviser", "customer")
    return dict(live)


async def test_a_call_from_request_to_hanging_up(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    on = await adviser.desk("available", {"on": True})
    assert on["queue"] == {"waiting": [], "available": 1}

    requested = (await customer.desk("request", {"topic": "定期到期怎么办"}))["call"]
    assert (requested["state"], requested["position"], requested["eta_s"]) == ("waiting", 1, 0)
    queue = await adviser.hears("queue", lambda told: bool(told["waiting"]), "/desk")
    assert queue["waiting"][0]["customer"] == {"id": "customer-c5", "name": "赵敏", "grade": "C5", "age_65": False}

    accepted = (await adviser.desk("accept", {"call": requested["id"]}))["call"]
    assert (accepted["state"], accepted["session"]) == ("accepted", None)
    told = await customer.hears("call", lambda told: told["call"]["state"] == "accepted", "/desk")
    assert told["call"]["adviser"]["name"] == "周岚"

    consent = {"version": accepted["consent"]["version"]}
    status, live = await house.api("customer-c5", "POST", f"/api/calls/{requested['id']}/consent", consent)
    assert (status, live["state"]) == (200, "live")
    session = live["session"]
    assert [entry.kind for entry in await house.entries(session)] == [
        kinds.CALL_REQUESTED,
        kinds.CALL_ACCEPTED,
        kinds.CONSENT_GIVEN,
        kinds.SESSION_STARTED,
    ]
    await adviser.hears("call", lambda told: told["call"]["session"] == session, "/desk")
    await house.record(session, "adviser", "customer")
    await customer.hears("state", lambda told: told["sale"]["open"] and told["call"] == live["id"], "/desk")

    made = await adviser.desk("propose", {"call": live["id"], "product": BOND, "amount": AMOUNT})
    assert made["ok"], made
    heard = (await customer.hears("proposal", namespace="/desk"))["proposal"]
    assert (heard["product"], heard["amount"], heard["state"]) == (BOND, AMOUNT, "open")
    await house.confirm_disclosure("customer-c5", session)
    await house.fanout.disclosure_confirmed(session)
    await adviser.hears("notice", lambda told: told["kind"] == "disclosure_confirmed")
    assert not customer.all("notice", "/room")
    yes = {"call": live["id"], "proposal": heard["id"], "key": "key-00000001", "disclosure": {"version": 1}, "amount": AMOUNT}
    confirmed = await customer.desk("confirm", yes)
    assert confirmed["ok"], confirmed
    await adviser.hears("proposal", lambda told: told["proposal"]["state"] == "confirmed", "/desk")
    doubled = await customer.desk("confirm", yes | {"key": "key-00000002"})
    assert doubled["order"]["id"] == confirmed["order"]["id"]

    ended = await customer.desk("hang_up", {"call": live["id"]})
    assert (ended["call"]["state"], ended["call"]["reason"]) == ("ended", "hung_up")
    await adviser.hears("call", lambda told: told["call"]["state"] == "ended", "/desk")
    assert house.media.closed == [session]
    seen = [entry.kind for entry in await house.entries(session)]
    for kind in (kinds.PROPOSAL_MADE, kinds.ORDER_PLACED, kinds.PROPOSAL_CONFIRMED, kinds.CALL_ENDED, kinds.SESSION_ENDED):
        assert seen.count(kind) == 1
    assert (await customer.desk("hang_up", {"call": live["id"]}))["error"]["code"] == "wrong_state"


async def test_nothing_is_recorded_or_sent_before_the_customer_agrees(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    call = (await customer.desk("request", {"topic": "x"}))["call"]
    await adviser.desk("accept", {"call": call["id"]})
    path = f"/api/calls/{call['id']}/consent"
    status, problem = await house.api("customer-c5", "POST", path, {"version": "0"})
    assert (status, problem["code"]) == (409, "consent_outdated")
    status, problem = await house.api("customer-c3", "POST", path, {"version": "1"})
    assert (status, problem["code"]) == (403, "call_not_yours")
    _, still = await house.api("customer-c5", "GET", f"/api/calls/{call['id']}")
    assert (still["state"], still["session"]) == ("accepted", None)
    refused = await adviser.desk("propose", {"call": call["id"], "product": BOND, "amount": AMOUNT})
    assert refused["error"]["code"] == "wrong_state"
    ended = (await customer.desk("hang_up", {"call": call["id"]}))["call"]
    assert (ended["state"], ended["reason"]) == ("ended", "no_consent")


async def test_agreeing_twice_makes_one_session(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    call = (await customer.desk("request", {"topic": "x"}))["call"]
    await adviser.desk("accept", {"call": call["id"]})
    path = f"/api/calls/{call['id']}/consent"
    answers = await asyncio.gather(*(house.api("customer-c5", "POST", path, {"version": "1"}) for _ in range(4)))
    assert {status for status, _ in answers} == {200}
    assert len({live["session"] for _, live in answers}) == 1


async def test_the_first_adviser_wins_and_the_other_is_told(house: House) -> None:
    customer = await house.tab("customer-c5")
    advisers = [await house.tab("adviser-1"), await house.tab("adviser-2")]
    call = (await customer.desk("request", {"topic": "x"}))["call"]
    acks = await asyncio.gather(*(adviser.desk("accept", {"call": call["id"]}) for adviser in advisers))
    assert sorted(ack["ok"] for ack in acks) == [False, True]
    [lost] = [ack for ack in acks if not ack["ok"]]
    assert lost["error"]["code"] == "call_gone"


async def test_a_customer_has_one_open_call_and_an_adviser_one_conversation(house: House) -> None:
    customers = [await house.tab("customer-c5"), await house.tab("customer-c5")]
    acks = await asyncio.gather(*(tab.desk("request", {"topic": "x"}) for tab in customers))
    assert sorted(ack["ok"] for ack in acks) == [False, True]
    [refused] = [ack for ack in acks if not ack["ok"]]
    assert refused["error"]["code"] == "call_already_open"
    other, adviser = await house.tab("customer-c3"), await house.tab("adviser-1")
    second = (await other.desk("request", {"topic": "y"}))["call"]
    [first] = [ack["call"] for ack in acks if ack["ok"]]
    assert (await adviser.desk("accept", {"call": first["id"]}))["ok"]
    assert (await adviser.desk("accept", {"call": second["id"]}))["error"]["code"] == "adviser_busy"


async def test_the_line_moves_up_and_everybody_hears_his_place(house: House) -> None:
    adviser = await house.tab("adviser-1")
    tabs = {name: await house.tab(name) for name in ("customer-c1", "customer-c3", "customer-c5")}
    calls = {}
    for name, tab in tabs.items():
        calls[name] = (await tab.desk("request", {"topic": name}))["call"]
        house.clock.advance(1)
    assert [call["position"] for call in calls.values()] == [1, 2, 3]
    assert calls["customer-c1"]["eta_s"] is None
    await adviser.desk("available", {"on": True})
    await tabs["customer-c3"].hears("call", lambda told: told["call"]["eta_s"] == 300, "/desk")
    await adviser.desk("accept", {"call": calls["customer-c1"]["id"]})
    await tabs["customer-c3"].hears("call", lambda told: told["call"]["position"] == 1, "/desk")
    await tabs["customer-c5"].hears("call", lambda told: told["call"]["position"] == 2, "/desk")


async def test_who_disconnects_keeps_his_place_for_a_minute_also_over_a_restart(house: House) -> None:
    stays, goes = await house.tab("customer-c3"), await house.tab("customer-c5")
    kept = (await stays.desk("request", {"topic": "x"}))["call"]
    lost = (await goes.desk("request", {"topic": "y"}))["call"]
    house.clock.advance(300)
    await house.rooms.calls.sweep()
    house.clock.advance(1)
    await goes.close()
    await house.gone("customer-c5")
    house.clock.advance(KEEP_PLACE_S - 1)
    assert await house.rooms.calls.sweep() == []
    house.clock.advance(2)
    assert await house.rooms.calls.sweep() == [lost["id"]]
    _, calls = await house.api("supervisor-1", "GET", "/api/calls")
    assert [call["id"] for call in calls["calls"]] == [kept["id"]]
    _, gone = await house.api("customer-c5", "GET", f"/api/calls/{lost['id']}")
    assert (gone["state"], gone["reason"]) == ("cancelled", "customer_away")


async def test_a_reload_in_mid_call_returns_into_it(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    live = await begin(house, customer, adviser)
    await customer.close()
    house.clock.advance(600)
    assert await house.rooms.calls.sweep() == []
    _, mine = await house.api("customer-c5", "GET", "/api/calls")
    assert [(call["id"], call["state"], call["session"]) for call in mine["calls"]] == [(live["id"], "live", live["session"])]
    back = await house.tab("customer-c5")
    assert (await back.room("join", {"session": live["session"]}))["session"]["me_role"] == "customer"


async def test_the_adviser_s_lost_page_is_told_and_the_call_goes_on(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    live = await begin(house, customer, adviser)
    await customer.room("join", {"session": live["session"]})
    await adviser.close()
    await customer.hears("notice", lambda told: told["kind"] == "adviser_away")
    await house.tab("adviser-1")
    await customer.hears("notice", lambda told: told["kind"] == "adviser_back")
    _, call = await house.api("customer-c5", "GET", f"/api/calls/{live['id']}")
    assert call["state"] == "live"


async def test_a_transfer_ends_this_recording_and_the_next_adviser_gets_his_own(house: House) -> None:
    customer, first, second = [await house.tab(name) for name in ("customer-c5", "adviser-1", "adviser-2")]
    live = await begin(house, customer, first)
    nobody = await first.desk("transfer", {"call": live["id"], "to": "adviser-9"})
    assert nobody["error"]["code"] == "not_found"
    moved = await first.desk("transfer", {"call": live["id"], "to": "adviser-2"})
    assert (moved["call"]["state"], moved["call"]["session"]) == ("waiting", None)
    assert house.media.closed == [live["session"]]
    assert (await first.desk("accept", {"call": live["id"]}))["error"]["code"] == "call_gone"
    taken = (await second.desk("accept", {"call": live["id"]}))["call"]
    assert taken["state"] == "live"
    assert taken["session"] not in (None, live["session"])
    assert taken["adviser"]["id"] == "adviser-2"
    refused = await first.room("join", {"session": taken["session"]})
    assert refused["error"]["code"] == "call_not_yours"


async def test_a_supervisor_listens_hidden_but_on_the_record(house: House) -> None:
    customer, adviser, supervisor = [await house.tab(name) for name in ("customer-c5", "adviser-1", "supervisor-1")]
    live = await begin(house, customer, adviser)
    joined = await supervisor.room("join", {"session": live["session"]})
    assert joined["session"]["me_role"] == "supervisor"
    assert joined["viewers"] == 0
    [entry] = await house.entries(live["session"], kinds.CALL_LISTENED)
    assert entry.actor == "supervisor-1"
    stranger = await house.tab("customer-c3")
    assert (await stranger.room("join", {"session": live["session"]}))["error"]["code"] == "call_not_yours"


async def test_a_declined_call_is_over_and_a_returned_one_waits_on(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    call = (await customer.desk("request", {"topic": "x"}))["call"]
    await adviser.desk("accept", {"call": call["id"]})
    back = (await adviser.desk("decline", {"call": call["id"]}))["call"]
    assert (back["state"], back["adviser"]) == ("waiting", None)
    declined = (await adviser.desk("decline", {"call": call["id"]}))["call"]
    assert declined["state"] == "declined"
    await customer.hears("call", lambda told: told["call"]["state"] == "declined", "/desk")
    assert (await customer.desk("request", {"topic": "again"}))["ok"]


async def test_the_adviser_sees_the_customer_s_picture_and_nobody_else_does(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    live = await begin(house, customer, adviser)
    path = f"/api/calls/{live['id']}/customer"
    status, picture = await house.api("adviser-1", "GET", path)
    assert status == 200
    assert (picture["name"], picture["grade"], picture["age_65"]) == ("赵敏", "C5", False)
    assert {one["class"] for one in picture["holdings"]} == {"deposit", "wealth", "fund", "insurance"}
    assert sum(picture["target"].values()) == 1
    assert BOND in {one["id"] for one in picture["suitable"]}
    status, problem = await house.api("adviser-2", "GET", path)
    assert (status, problem["code"]) == (403, "call_not_yours")


async def test_only_the_amount_proposed_can_be_confirmed(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    live = await begin(house, customer, adviser)
    made = (await adviser.desk("propose", {"call": live["id"], "product": BOND, "amount": AMOUNT}))["proposal"]
    await house.confirm_disclosure("customer-c5", live["session"])
    yes = {"call": live["id"], "proposal": made["id"], "key": "key-00000001", "disclosure": {"version": 1}, "amount": AMOUNT}
    assert (await customer.desk("confirm", yes | {"amount": 2 * AMOUNT}))["error"]["code"] == "proposal_differs"
    assert await house.entries(live["session"], kinds.ORDER_PLACED) == []
    confirmed = await customer.desk("confirm", yes)
    assert confirmed["order"]["amount"] == AMOUNT
    again = await customer.desk("confirm", yes)  # confirmed by now, and still the same order
    assert again["order"]["id"] == confirmed["order"]["id"]


async def test_a_refused_confirmation_leaves_the_proposal_standing(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    live = await begin(house, customer, adviser)
    made = (await adviser.desk("propose", {"call": live["id"], "product": BOND, "amount": AMOUNT}))["proposal"]
    yes = {"call": live["id"], "proposal": made["id"], "key": "key-00000001", "disclosure": {"version": 1}, "amount": AMOUNT}
    assert (await customer.desk("confirm", yes))["error"]["code"] == "disclosure_missing"
    await house.confirm_disclosure("customer-c5", live["session"])
    assert (await customer.desk("confirm", yes))["ok"]
    newer = (await adviser.desk("propose", {"call": live["id"], "product": BOND, "amount": 2 * AMOUNT}))["proposal"]
    await adviser.desk("propose", {"call": live["id"], "product": BOND, "amount": 3 * AMOUNT})
    late = await customer.desk("confirm", yes | {"proposal": newer["id"], "amount": 2 * AMOUNT})
    assert late["error"]["code"] == "proposal_gone"


async def test_a_confirmation_nobody_waits_for_any_more_is_confirmed_and_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The customer's line is lost while the order commits: order and proposal agree, and both hear of it."""
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    live = await begin(house, customer, adviser)
    made = (await adviser.desk("propose", {"call": live["id"], "product": BOND, "amount": AMOUNT}))["proposal"]
    await house.confirm_disclosure("customer-c5", live["session"])
    at_work, go_on = asyncio.Event(), asyncio.Event()
    commit = house.orders._commit

    async def slowly(*args: Any, **options: Any) -> Any:
        at_work.set()
        await go_on.wait()
        return await commit(*args, **options)

    monkeypatch.setattr(house.orders, "_commit", slowly)
    yes = Confirm(live["id"], made["id"], "key-00000001", DisclosureVersion(1), AMOUNT)
    confirming = asyncio.create_task(house.rooms.proposals.confirm(PEOPLE["customer-c5"], yes, "en"))
    await at_work.wait()
    confirming.cancel()
    await asyncio.gather(confirming, return_exceptions=True)
    go_on.set()
    for tab in (customer, adviser):
        await tab.hears("proposal", lambda told: told["proposal"]["state"] == "confirmed", "/desk")
    [placed] = await house.entries(live["session"], kinds.ORDER_PLACED)
    [confirmed] = await house.entries(live["session"], kinds.PROPOSAL_CONFIRMED)
    assert confirmed.data["order"] == placed.data["order"]
    assert confirmed.seq == placed.seq + 1
    assert await house.scalar(select(proposals.c.order_id).where(proposals.c.id == made["id"])) == placed.data["order"]


async def test_a_confirmation_whose_outcome_nobody_knew_is_told_when_it_is_asked_for_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It committed, and the connection to the database was lost before it said so."""
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    live = await begin(house, customer, adviser)
    made = (await adviser.desk("propose", {"call": live["id"], "product": BOND, "amount": AMOUNT}))["proposal"]
    await house.confirm_disclosure("customer-c5", live["session"])
    commit = house.orders._commit

    async def unheard(*args: Any, **options: Any) -> Any:
        await commit(*args, **options)
        raise DatabaseAway("connection was closed in the middle of operation")

    yes = {"call": live["id"], "proposal": made["id"], "key": "key-00000001", "disclosure": {"version": 1}, "amount": AMOUNT}
    with monkeypatch.context() as lost:
        lost.setattr(house.orders, "_commit", unheard)
        assert (await customer.desk("confirm", yes))["error"]["code"] == "order_desk_busy"
    assert (await customer.desk("confirm", yes))["ok"]
    for tab in (customer, adviser):
        await tab.hears("proposal", lambda told: told["proposal"]["state"] == "confirmed", "/desk")
    assert len(await house.entries(live["session"], kinds.PROPOSAL_CONFIRMED)) == 1


async def test_an_order_that_exists_is_answered_also_when_its_proposal_is_gone(house: House) -> None:
    """The process died between the order and the note of its confirmation; when the customer asks again the call is over."""
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    call = await begin(house, customer, adviser)
    proposal = (await adviser.desk("propose", {"call": call["id"], "product": BOND, "amount": AMOUNT}))["proposal"]["id"]
    await house.confirm_disclosure("customer-c5", call["session"])
    version = DisclosureVersion(1)
    wish = PlaceOrder(session=call["session"], product=BOND, amount=AMOUNT, key=proposal, disclosure=version, proposal=proposal)
    placed = await house.orders.place(PEOPLE["customer-c5"], wish, channel="call")
    assert (await adviser.desk("hang_up", {"call": call["id"]}))["ok"]

    yes = {"call": call["id"], "proposal": proposal, "key": "key-00000001", "disclosure": {"version": 1}, "amount": AMOUNT}
    assert (await customer.desk("confirm", yes))["order"]["id"] == placed.order.id
    seen = [entry.kind for entry in await house.entries(call["session"])]
    assert seen.count(kinds.PROPOSAL_CONFIRMED) == 1


async def test_a_rush_into_the_line_is_told_once(house: House) -> None:
    """However many come and go, desks hear of the line once a round, and who waits only of a place that has changed."""
    adviser = await house.tab("adviser-1")
    await adviser.desk("available", {"on": True})
    await adviser.hears("queue", lambda told: told["available"] == 1, "/desk")
    await house.pause_rounds()
    first, second = await house.tab("customer-c5"), await house.tab("customer-c3")
    await first.desk("request", {"topic": "x"})
    for _ in range(5):
        call = (await second.desk("request", {"topic": "y"}))["call"]
        await second.desk("hang_up", {"call": call["id"]})
    told = len(adviser.all("queue", "/desk"))
    await house.fanout.flush()
    await adviser.hears("queue", lambda heard: len(heard["waiting"]) == 1, "/desk")
    assert len(adviser.all("queue", "/desk")) == told + 1
    call = (await second.desk("request", {"topic": "y"}))["call"]
    await house.fanout.flush()
    await second.hears("call", lambda told: told["call"]["position"] == 2, "/desk")
    await first.desk("decline", {"call": "x"})  # refused; what was told him before has come by then
    assert len(first.all("call", "/desk")) == 2  # of his request, and of his place; he is still the next


async def test_a_place_in_the_line_is_never_told_after_the_call_was_taken(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round has read the line, then somebody in it is accepted and hears so; what the round read must not follow."""
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    await house.pause_rounds()
    call = (await customer.desk("request", {"topic": "x"}))["call"]
    read = call_view.waiting

    async def read_then_taken(*args: Any) -> Any:
        found = await read(*args)
        assert [one.row.id for one in found] == [call["id"]]
        assert (await adviser.desk("accept", {"call": call["id"]}))["ok"]
        return found

    monkeypatch.setattr(call_view, "waiting", read_then_taken)
    await house.fanout.flush()
    await customer.hears("call", lambda told: told["call"]["state"] == "accepted", "/desk")
    await customer.desk("decline", {"call": "x"})  # refused; what was told before has come by then
    assert customer.all("call", "/desk")[-1]["call"]["state"] == "accepted"
