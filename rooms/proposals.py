"""What an adviser proposes in a call and a customer confirms. One proposal becomes one order, however often it is confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Column, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, shelf
from commerce.order_book import OrderRecord
from commerce.orders import OrderDesk, Placed
from commerce.trailing import append_or_after
from commerce.wire import PlaceOrder
from core.clock import Clock
from core.database import Database
from core.errors import NOT_FOUND, Refused
from core.identity import Person, Role
from core.ids import new_id
from recording import kinds
from recording.errors import WRONG_STATE
from recording.trail import Draft, Trail
from rooms.call_wire import Confirm, Propose
from rooms.closing import announce
from rooms.errors import CALL_NOT_YOURS, PROPOSAL_DIFFERS, PROPOSAL_GONE
from rooms.fanout import Fanout
from rooms.lifecycle import CallState
from rooms.tables import calls, proposals


class ProposalDesk:
    """Proposals of calls under way; both parties have heard of a change when a method answers."""

    def __init__(self, db: Database, trail: Trail, clock: Clock, orders: OrderDesk, fanout: Fanout) -> None:
        self._db, self._trail, self._clock, self._orders, self._fanout = db, trail, clock, orders, fanout

    async def propose(self, person: Person, body: Propose) -> str:
        """Propose a product of the catalogue and put it on the call's shelf; an open proposal is replaced. Answers the id.

        Raises Refused: NOT_FOUND, CALL_NOT_YOURS, WRONG_STATE.
        """
        proposal_id = new_id("prp")
        async with self._db.write() as tx:
            call = await _live(tx, body.call, "propose")
            if person.id != call.adviser_id:
                raise Refused(CALL_NOT_YOURS)
            product = await catalogue.get(tx, body.product)
            still_open = (proposals.c.call_id == call.id) & (proposals.c.state == "open")
            await tx.execute(update(proposals).where(still_open).values(state="replaced"))
            values = {"session_id": call.session_id, "product_id": product.id, "amount": body.amount, "at": self._clock.now()}
            await tx.execute(insert(proposals).values(id=proposal_id, call_id=call.id, state="open", **values))
            offered = await shelf.add(tx, self._trail, call.session_id, person, product.id)
            said = {"proposal": proposal_id, "product": product.id, "amount": body.amount, "currency": product.currency}
            await self._trail.append(tx, call.session_id, Draft(kinds.PROPOSAL_MADE, person.id, said))
        await announce(self._fanout.shelf(offered), self._fanout.proposal_changed(body.call))
        return proposal_id

    async def confirm(self, person: Person, body: Confirm, lang: str) -> Placed:
        """The customer's yes becomes an order, through the gate like any other.

        The proposal's own id is the order's key, so that one proposal can't become two orders, whatever keys the client sends.
        Raises Refused: NOT_FOUND, CALL_NOT_YOURS, PROPOSAL_GONE, PROPOSAL_DIFFERS, and whatever the gate refuses (the proposal
        then stands).
        """
        async with self._db.read() as tx:
            call, proposal = await _proposed(tx, body)
        if person.id != call.customer_id:
            raise Refused(CALL_NOT_YOURS)
        wish = PlaceOrder(
            session=proposal.session_id,
            product=proposal.product_id,
            amount=body.amount,
            key=proposal.id,
            disclosure=body.disclosure,
            proposal=proposal.id,
        )
        told = partial(self._fanout.proposal_changed, call.id)
        basis = _Proposed(proposal.id, call.id, body.amount, person.id, told)
        placed = await self._orders.place(person, wish, channel="call", lang=lang, basis=basis)
        if not placed.created:  # whether those who should have heard of it did, nobody knows
            if proposal.order_id is None:
                await self._confirmed(proposal, placed, person)
            await announce(self._fanout.proposal_changed(call.id))
        return placed

    async def _confirmed(self, proposal: Row[Any], placed: Placed, person: Person) -> None:
        """Note it where it is missing: beside an order that was taken before both were one transaction."""
        mine = (proposals.c.id == proposal.id) & (proposals.c.order_id.is_(None))
        async with self._db.write() as tx:
            # First the call, as everybody does who locks more than one of call, proposal and trail: hanging up takes the two
            # others in the opposite order.
            await tx.execute(select(calls.c.id).where(calls.c.id == proposal.call_id).with_for_update())
            done = await tx.execute(update(proposals).where(mine).values(state="confirmed", order_id=placed.order.id))
            if done.rowcount == 1:
                draft = _confirmation(proposal.id, placed.order.id, person.id)
                await append_or_after(tx, self._trail, proposal.session_id, draft)


async def _live(tx: AsyncConnection, call_id: str, event: str) -> Row[Any]:
    """The call, held still, while its conversation is under way."""
    call = (await tx.execute(select(calls).where(calls.c.id == call_id).with_for_update())).one_or_none()
    if call is None:
        raise Refused(NOT_FOUND)
    if call.state != CallState.LIVE:
        raise Refused(WRONG_STATE, state=call.state, event=event)
    return call


@dataclass(frozen=True, slots=True)
class _Proposed:
    """A proposal as what an order rests on (`commerce.order_request.Basis`): its call is held, so that nobody replaces or
    withdraws it before the order is there, and it is confirmed in the order's own transaction."""

    proposal: str
    key: str
    amount: int
    customer: str
    told: Callable[[], Awaitable[None]]
    held: Column[Any] = field(default=calls.c.id)

    async def stands(self, tx: AsyncConnection) -> None:
        """Raises Refused: PROPOSAL_GONE, PROPOSAL_DIFFERS."""
        now = (await tx.execute(select(proposals.c.state, proposals.c.amount).where(proposals.c.id == self.proposal))).one()
        if now.state != "open":
            raise Refused(PROPOSAL_GONE)
        if now.amount != self.amount:
            raise Refused(PROPOSAL_DIFFERS)

    def entry(self, order_id: str) -> Draft:
        """That it was confirmed."""
        return _confirmation(self.proposal, order_id, self.customer)

    async def taken(self, tx: AsyncConnection, order: OrderRecord) -> None:
        """It was open, and has this order now."""
        confirmed = update(proposals).where(proposals.c.id == self.proposal).values(state="confirmed", order_id=order.id)
        await tx.execute(confirmed)


def _confirmation(proposal_id: str, order_id: str, customer_id: str) -> Draft:
    said = {"proposal": proposal_id, "order": order_id}
    return Draft(kinds.PROPOSAL_CONFIRMED, Role.CUSTOMER.value, said, {"customer": customer_id})


async def _proposed(tx: AsyncConnection, body: Confirm) -> tuple[Row[Any], Row[Any]]:
    call = (await tx.execute(select(calls).where(calls.c.id == body.call))).one_or_none()
    mine = (proposals.c.id == body.proposal) & (proposals.c.call_id == body.call)
    proposal = (await tx.execute(select(proposals).where(mine))).one_or_none()
    if call is None or proposal is None:
        raise Refused(NOT_FOUND)
    return call, proposal
