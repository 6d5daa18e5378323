"""Several web processes on one PostgreSQL: nobody waits for somebody who waits for him."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from sqlalchemy import select, text, update

from commerce.orders import Placed
from commerce.wire import DisclosureVersion, PlaceOrder
from core.errors import Refused, Unavailable
from core.identity import Person, Role
from recording import kinds, sessions
from recording.trail import lock_head
from rooms.call_wire import Confirm
from rooms.tables import calls, proposals
from tests.rooms.house import AMOUNT, BOND, PEOPLE, House
from tests.rooms.moderated import open_stage
from tests.rooms.test_calls import begin


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    return postgresql_url


async def waiting(house: House, count: int) -> None:
    """Until so many transactions wait for a lock."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    async with asyncio.timeout(10), house.db.engine.connect() as tx:
        while (await tx.execute(query)).scalar_one() < count:
            await tx.rollback()
            await asyncio.sleep(0)


async def test_confirming_and_hanging_up_at_once_end_well(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    call = await begin(house, customer, adviser)
    proposal = (await adviser.desk("propose", {"call": call["id"], "product": BOND, "amount": AMOUNT}))["proposal"]["id"]
    await house.confirm_disclosure("customer-c5", call["session"])
    person, version = Person("customer-c5", Role.CUSTOMER, "赵敏"), DisclosureVersion(1)
    wish = PlaceOrder(session=call["session"], product=BOND, amount=AMOUNT, key=proposal, disclosure=version, proposal=proposal)
    # The order is there and its confirmation not yet noted, as after a crash in between.
    await house.orders.place(person, wish, channel="call")
    yes = Confirm(call["id"], proposal, "key-00000001", version, AMOUNT)
    async with house.db.write() as tx:
        await lock_head(tx, call["session"])
        ending = asyncio.create_task(house.rooms.calls.hang_up(person, call["id"]))
        await waiting(house, 1)
        confirming = asyncio.create_task(house.rooms.proposals.confirm(person, yes, "en"))
        await waiting(house, 2)
    assert await ending == call["id"]
    assert not (await confirming).created


async def test_a_proposal_replaced_while_it_is_confirmed_becomes_no_order(house: House) -> None:
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    call = await begin(house, customer, adviser)
    proposal = (await adviser.desk("propose", {"call": call["id"], "product": BOND, "amount": AMOUNT}))["proposal"]["id"]
    await house.confirm_disclosure("customer-c5", call["session"])
    yes = Confirm(call["id"], proposal, "key-00000001", DisclosureVersion(1), AMOUNT)

    async def confirm() -> Placed:
        while True:
            with contextlib.suppress(Unavailable):  # on a slow machine: the call was held for longer than an order waits
                return await house.rooms.proposals.confirm(PEOPLE["customer-c5"], yes, "en")

    async with house.db.write() as tx:
        await tx.execute(select(calls.c.id).where(calls.c.id == call["id"]).with_for_update())
        confirming = asyncio.create_task(confirm())
        await waiting(house, 1)
        await tx.execute(update(proposals).where(proposals.c.id == proposal).values(state="replaced"))
    with pytest.raises(Refused) as caught:
        await confirming
    assert caught.value.problem.code == "proposal_gone"
    assert await house.entries(call["session"], kinds.ORDER_PLACED) == []


async def free(house: House, call_id: str) -> bool:
    """Whether nobody holds this call."""
    query = select(calls.c.id).where(calls.c.id == call_id).with_for_update(skip_locked=True)
    async with house.db.write() as tx:
        return (await tx.execute(query)).scalar_one_or_none() is not None


async def two_in_line(house: House) -> tuple[str, str]:
    """Two waiting calls, the one with the lower id behind the other in the table and in the line."""
    made = [await house.rooms.calls.request(PEOPLE[name], "x") for name in ("customer-c3", "customer-c5")]
    low, high = sorted(made)
    house.clock.advance(1)
    async with house.db.write() as tx:
        await tx.execute(update(calls).where(calls.c.id == low).values(waiting_since=house.clock.now()))
    return low, high


async def test_the_line_is_swept_in_the_order_of_ids(house: House) -> None:
    low, high = await two_in_line(house)
    async with house.db.write() as tx:
        await tx.execute(select(calls.c.id).where(calls.c.id == low).with_for_update())
        sweeping = asyncio.create_task(house.rooms.calls.sweep())
        await waiting(house, 1)
        assert await free(house, high)
    await sweeping


async def test_orders_of_several_calls_hold_them_in_the_order_of_ids(house: House) -> None:
    low, high = await two_in_line(house)
    who = {low: PEOPLE["customer-c3"], high: PEOPLE["customer-c5"]}
    session = (await house.show(BOND))["session"]

    async def order(call_id: str) -> None:
        wish = PlaceOrder(session=session, product=BOND, amount=AMOUNT, key=call_id, disclosure=DisclosureVersion(1))
        await house.orders.place(who[call_id], wish, basis=Resting(call_id))

    async with house.db.write() as tx:
        await tx.execute(select(calls.c.id).where(calls.c.id == low).with_for_update())
        ordering = [asyncio.create_task(order(call_id)) for call_id in (high, low)]
        await waiting(house, 1)
        assert await free(house, high)
    with pytest.raises(Refused):
        await asyncio.gather(*ordering)
    await asyncio.gather(*ordering, return_exceptions=True)


class Resting:
    """An order that rests on a call and nothing else."""

    def __init__(self, call_id: str) -> None:
        self.held, self.key = calls.c.id, call_id

    async def stands(self, _tx: object) -> None:
        """It always does."""

    def entry(self, _order_id: str) -> None:
        """Nothing is said of it."""

    async def taken(self, _tx: object, _order: object) -> None:
        """Nothing changes."""

    async def told(self) -> None:
        """It concerns nobody."""


async def test_a_comment_that_waits_while_its_show_ends_is_not_said_after_the_end(house: House) -> None:
    show = await house.show()
    async with house.db.write() as tx:
        await sessions.move(tx, house.clock, house.trail, show["session"], "end", "adviser-1")
        saying = asyncio.create_task(house.rooms.comments.say(PEOPLE["customer-c3"], show["session"], "等等", host=False))
        await waiting(house, 1)
    with pytest.raises(Refused) as caught:
        await saying
    assert caught.value.problem.code == "session_not_live"
    assert (await house.entries(show["session"]))[-1].kind == kinds.SESSION_ENDED


async def test_what_moderators_do_and_what_is_held_for_them_does_not_wait_for_who_ends_the_show(house: House) -> None:
    stage = await open_stage(house)
    said = await stage.say(stage.viewer, "吵")
    await stage.do("rules", premoderated=True)
    async with house.db.write() as tx:
        await sessions.lock(tx, stage.session)  # who ends it has come so far, and wants the trail next
        assert (await stage.say(stage.other, "等"))["held"]
        await stage.do("ban", said["id"])
        await sessions.move(tx, house.clock, house.trail, stage.session, "end", "adviser-1")
    assert await stage.kinds() == ["room_rules_changed", "comment_held", "person_banned"]
