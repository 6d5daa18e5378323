"""The only place that emits. Everything here is called after the commit of what it tells, and reads what it tells anew.

Rooms of `/room`: a session, the same by language (product texts), a person by language. Of `/desk`: a person by language, and
the desks of advisers and supervisors by language.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any, Final

import msgspec
import socketio
import structlog
from sqlalchemy import select

from commerce import customers, shelf, tally
from commerce.customers import Customer
from commerce.order_book import OrderChanged
from commerce.sale import SaleChanged
from commerce.shelf import ShelfState
from commerce.wire import Tally
from core.clock import Clock, to_text
from core.database import Database
from recording import sessions
from recording.trail import Trail
from rooms import call_view, moderation_view, session_view, spoken, wire
from rooms.attendance import Attendance
from rooms.batches import ROOM, Batches
from rooms.call_wire import CallEvent, ProposalEvent
from rooms.closing import announce
from rooms.comments import Shown
from rooms.lifecycle import CallState
from rooms.moderation_wire import QueueChanged
from rooms.notices import NOTICES
from rooms.relay import Batch, MediaRun, Relay
from rooms.rounds import ROUND_S, Round, Sold
from rooms.tables import call_sessions, calls

log = structlog.get_logger()

DESK = "/desk"
LANGS: Final = ("en", "zh")
# Feed records that change nothing anybody sees: a fragment comes every few seconds for every stream.
_QUIET = frozenset({"fragment", "fragment_sealed", "gap", "finding"})


def session_room(session_id: str, lang: str | None = None) -> str:
    """Everybody in a session; with `lang` those who read that language."""
    return f"session:{session_id}" if lang is None else f"session:{session_id}:{lang}"


def person_room(person_id: str, lang: str) -> str:
    """All sockets of one person that read that language."""
    return f"person:{person_id}:{lang}"


def moderators_room(session_id: str) -> str:
    """Who moderates a show: its host, and the supervisors who are in it."""
    return f"moderators:{session_id}"


def desks_room(lang: str) -> str:
    """Advisers and supervisors at the desk."""
    return f"desks:{lang}"


def masked(customer: Customer | None) -> str:
    """A buyer's name as a host sees it."""
    if customer is None or customer.real_name is None:
        return "**"
    return customer.real_name.reveal()[:1] + "**"


class Fanout:
    """Tells rooms and people what has changed."""

    def __init__(
        self,
        sio: socketio.AsyncServer,
        db: Database,
        trail: Trail,
        clock: Clock,
        attendance: Attendance,
        *,
        relay: Relay | None = None,
        round_s: float = ROUND_S,
    ) -> None:
        self._sio, self._db, self._trail, self._clock, self._attendance = sio, db, trail, clock, attendance
        self._alone = relay is None  # else people may be connected to another web process
        self._options: dict[str, bool] = {}  # of every emit
        self._batches, self._relay = Batches(sio), relay
        if relay is not None:
            relay.on(Batch, lambda batch: self._write(batch.session, batch.text, batch.own))
            relay.on(MediaRun, self._media_run)
        self._round_s = round_s
        self._boot: str | None = None
        self._booted_at = ""
        self._lost: set[tuple[str, str]] = set()  # streams whose loss was told, of sessions under way
        self._stale = Round()
        self._places: dict[str, tuple[int | None, int | None]] = {}  # what those who wait were told last

    def here(self) -> Fanout:
        """The same for the clients of this web process alone: what they have missed the others' may have heard."""
        if self._alone:
            return self
        here = copy(self)
        here._alone, here._options = True, {"ignore_queue": True}
        return here

    # --- sessions ----------------------------------------------------------------------------------------------------------

    async def comments(self, session_id: str, shown: Shown) -> None:
        """A tick's comments: one batch to the room, and to their authors those that were left out of it.

        Written to those who are here; the other web processes get the same texts, and nobody waits for that.
        """
        text, own = "", []
        if shown.comments or shown.skipped:
            text = Batches.text(wire.Comments(session_id, shown.comments, shown.skipped))
        for person_id, left_out in shown.own.items():
            own.append((person_id, Batches.text(wire.Comments(session_id, left_out))))
        self._write(session_id, text, own)
        if self._relay is not None and (text or own):
            self._relay.publish(session_id, text, own)
        if shown.held:
            await self.queue_changed(session_id)

    async def moderated(self, session_id: str, removed: list[str], restored: list[wire.Comment]) -> None:
        """What moderators have changed: comments, the pinned one, the rules. What one has done another may have undone by now,
        which is told as well. What can't be told is told with the next round."""
        try:
            async with self._db.read() as tx:
                gone = await spoken.gone_since(tx, session_id, 0)
                rules = await moderation_view.rules(tx, session_id)
                pinned = await moderation_view.pinned(tx, session_id, rules)
                seq = await self._trail.last(tx, session_id)
        except Exception:
            self._stale.moderators(session_id, removed, restored)
            raise
        removed, restored = [one for one in removed if one in gone], [one for one in restored if one.id not in gone]
        told = wire.Moderated(session_id, seq, removed, restored, pinned, rules.shown)
        await self._emit(ROOM, "moderated", session_room(session_id), told)

    async def queue_changed(self, session_id: str) -> None:
        """There is something new for those who moderate; told with the next round when it can't be told now."""
        try:
            async with self._db.read() as tx:
                seq = await self._trail.last(tx, session_id)
        except Exception:
            self._stale.queues.add(session_id)
            raise
        await self._emit(ROOM, "moderation", moderators_room(session_id), QueueChanged(session_id, seq))

    def _write(self, session_id: str, text: str, own: Sequence[tuple[str, str]]) -> None:
        if text:
            self._batches.send(session_room(session_id), text)
        for person_id, left_out in own:
            for lang in LANGS:
                self._batches.send(person_room(person_id, lang), left_out)

    async def reactions(self, session_id: str, counts: dict[wire.ReactionKind, int]) -> None:
        """A second's taps, to whoever is here and not behind."""
        self._batches.send(session_room(session_id), Batches.reactions(wire.ReactionSums(session_id, counts)))

    async def presence(self, session_id: str, viewers: int) -> None:
        """The number of viewers, to those here: each process counts all of them."""
        await self.here()._emit(ROOM, "presence", session_room(session_id), wire.Presence(session_id, viewers))

    async def shelf(self, state: ShelfState) -> None:
        """The shelf, in each language."""
        await self._by_language(
            ROOM,
            "shelf",
            lambda lang: session_room(state.session_id, lang),
            lambda lang: wire.Shelf(state.session_id, state.seq, state.view(self._clock, lang).products),
        )

    async def pinned(self, state: ShelfState) -> None:
        """What is being explained, in each language."""

        def payload(lang: str) -> wire.Pinned:
            shown = state.view(self._clock, lang).products
            return wire.Pinned(state.session_id, state.seq, next((one for one in shown if one.pinned), None))

        await self._by_language(ROOM, "pinned", lambda lang: session_room(state.session_id, lang), payload)

    async def session_changed(self, session_id: str, kind: str, data: dict[str, Any] | None = None) -> None:
        """A session's state, sale, streams or recording changed; `kind` is the feed's or the trail's word for why."""
        if kind == "media_started":
            await self.media_started(str((data or {}).get("boot", "")))
        if kind in _QUIET or not session_id:
            return
        async with self._db.read() as tx:
            found = (await tx.execute(select(call_sessions).where(call_sessions.c.session_id == session_id))).one_or_none()
            call_id = found.call_id if found is not None else None
            state = await session_view.state(tx, self._trail, self._clock, session_id, call=call_id, boot=self._boot)
        await self._emit(ROOM, "state", session_room(session_id), state)
        if found is not None:
            for person_id in (found.customer_id, found.adviser_id):
                for lang in LANGS:
                    await self._emit(DESK, "state", person_room(person_id, lang), state)
        notice = self._notice_for(session_id, kind, str((data or {}).get("stream", "")))
        if notice is not None:
            await self.notice(session_id, notice, seq=state.seq)

    @property
    def media_boot(self) -> str | None:
        """Which run of the media process this is; None until it has said so."""
        return self._boot

    async def media_started(self, boot: str) -> None:
        """The media process (re)started: publishers and subscribers of running sessions have to connect again."""
        self._boot, self._booted_at = boot, to_text(self._clock.now())
        async with self._db.read() as tx:
            running = [session.id for session in await sessions.by_state(tx, "live", "paused")]
        for session_id in running:
            await self.session_changed(session_id, "media_restarted")

    def _media_run(self, said: MediaRun) -> None:
        """One process alone takes the feed's record of a start; an older run told by another would look like one more start."""
        if said.at > self._booted_at:
            self._boot, self._booted_at = said.boot, said.at

    async def sale_changed(self, change: SaleChanged) -> None:
        """A session's sale opened or closed."""
        await self.session_changed(change.session_id, "sale_changed")

    async def run(self) -> None:
        """Tells the rounds until cancelled."""
        while True:
            await self.flush()
            await asyncio.sleep(self._round_s)

    async def flush(self) -> None:
        """Tell what has changed since the last round. What can't be told now is told with the next one."""
        stale, self._stale = self._stale, Round()
        if self._relay is not None and self._boot is not None:
            self._relay.say(MediaRun(self._relay.me, self._boot, self._booted_at))
        for session_id, sold in stale.sold.items():
            try:
                await self._sold(session_id, sold)
            except Exception:
                log.exception("what was sold could not be told", session=session_id)
                self._stale.again(session_id, sold)
        acts = [self.moderated(name, untold.removed, untold.restored) for name, untold in stale.moderated.items()]
        await announce(*acts, *(self.queue_changed(name) for name in stale.queues))
        if stale.line:
            try:
                await self._line()
            except Exception:
                log.exception("the waiting line could not be told")
                self.line_changed()

    async def _sold(self, session_id: str, sold: Sold) -> None:
        """To the room what is left, to its host the sum and who bought last."""
        placed = list(sold.placed)
        async with self._db.read() as tx:
            session = await sessions.get(tx, session_id)
            offered = await shelf.read(tx, self._trail, session_id)
            sums = {one.currency: one for one in await tally.of_session(tx, session_id)}
            buyers = await customers.of(tx, {changed.order.customer_id for changed in placed})
        await self.shelf(offered)
        for changed in placed or [sold.last]:
            currency = changed.order.currency
            tally_now = sums.get(currency, Tally(count=0, amount=0, currency=currency))
            name = masked(buyers.get(changed.order.customer_id)) if placed else None
            told = partial(_for_host, changed, tally_now, name)
            await self._by_language(ROOM, "order", lambda lang: person_room(session.host_id, lang), told)

    async def notice(self, session_id: str, kind: str, *, seq: int | None = None) -> None:
        """One of NOTICES to everybody in the session."""
        if seq is None:
            async with self._db.read() as tx:
                seq = await self._trail.last(tx, session_id)
        en, zh = NOTICES[kind]
        await self._emit(ROOM, "notice", session_room(session_id), wire.Notice(session_id, seq, kind, en, zh))

    async def disclosure_confirmed(self, session_id: str) -> None:
        """The adviser in a call hears that the customer has confirmed a disclosure; in a show nobody does."""
        async with self._db.read() as tx:
            session = await sessions.get(tx, session_id)
            seq = await self._trail.last(tx, session_id)
        if session.kind != "call":
            return
        en, zh = NOTICES["disclosure_confirmed"]
        notice = wire.Notice(session_id, seq, "disclosure_confirmed", en, zh)
        await self._by_language(ROOM, "notice", lambda lang: person_room(session.host_id, lang), lambda _: notice)

    def _notice_for(self, session_id: str, kind: str, stream: str) -> str | None:
        place = (session_id, stream)
        if kind == "publisher_lost":
            self._lost.add(place)
        elif kind == "publisher_joined":
            if place not in self._lost:
                return None
            self._lost.discard(place)
            return "publisher_back"
        elif kind in ("session_ended", "session_closed"):
            self._lost = {one for one in self._lost if one[0] != session_id}
        return kind if kind in NOTICES else None

    # --- orders ------------------------------------------------------------------------------------------------------------

    async def order_changed(self, changed: OrderChanged) -> None:
        """An order was placed or moved on: its customer sees it at once, host and room with the next round."""
        self.order_noted(changed)
        await self.order_to_customer(changed)

    def order_noted(self, changed: OrderChanged) -> None:
        """Host and room hear of it with the next round, whatever becomes of telling its customer."""
        self._stale.order(changed)

    async def order_to_customer(self, changed: OrderChanged) -> None:
        """An order as it is now, to its customer."""
        order = changed.order
        await self._by_language(
            ROOM,
            "order",
            lambda lang: person_room(order.customer_id, lang),
            lambda lang: wire.OrderChanged(order.session_id, changed.seq, order.view(lang)),
        )

    # --- calls -------------------------------------------------------------------------------------------------------------

    async def call_changed(self, call_id: str, *also: str) -> None:
        """The parties hear of the call at once, desks and those who wait with the next round."""
        async with self._db.read() as tx:
            call = await call_view.one(tx, self._clock, self._attendance, call_id)
        people = {call.row.customer_id, call.row.adviser_id, *also} - {None}
        await self._tell_call(call, people)
        self.line_changed()

    def line_changed(self) -> None:
        """The waiting line, or who may take it, is another."""
        self._stale.line = True

    async def _line(self) -> None:
        """The waiting line to the desks; their place to those who wait and have another one now."""
        async with self._db.read() as tx:
            waiting = await call_view.waiting(tx, self._clock, self._attendance)
        await self._by_language(DESK, "queue", desks_room, lambda lang: call_view.queue_view(waiting, self._attendance, lang))
        before, self._places = self._places, {call.row.id: (call.position, call.eta_s) for call in waiting}
        for call in waiting:
            if before.get(call.row.id) != self._places[call.row.id] and await self._still_waits(call.row.id):
                await self._tell_call(call, {call.row.customer_id})

    async def _still_waits(self, call_id: str) -> bool:
        """Asked right before it is told: who was accepted meanwhile has heard so, and must not hear of his place after that."""
        async with self._db.read() as tx:
            state = (await tx.execute(select(calls.c.state).where(calls.c.id == call_id))).scalar_one()
        return bool(state == CallState.WAITING)

    async def proposal_changed(self, call_id: str) -> None:
        """The latest proposal to both parties."""
        async with self._db.read() as tx:
            call = await call_view.one(tx, self._clock, self._attendance, call_id)
        for person_id in sorted({call.row.customer_id, call.row.adviser_id} - {None}):
            for lang in LANGS:
                proposal = call.proposal_view(lang)
                if proposal is not None:
                    await self._emit(DESK, "proposal", person_room(person_id, lang), ProposalEvent(call_id, proposal))

    async def _tell_call(self, call: call_view.CallFacts, people: set[Any]) -> None:
        for lang in LANGS:
            event = CallEvent(call.view(lang))
            for person_id in sorted(people):
                await self._emit(DESK, "call", person_room(person_id, lang), event)

    # --- the one way out ---------------------------------------------------------------------------------------------------

    async def _by_language(
        self, namespace: str, event: str, room: Callable[[str], str], payload: Callable[[str], msgspec.Struct]
    ) -> None:
        for lang in LANGS:
            if not self._nobody_there(namespace, room(lang)):
                await self._emit(namespace, event, room(lang), payload(lang))

    def _nobody_there(self, namespace: str, room: str) -> bool:
        """Known only where this process alone matters: others may be connected elsewhere."""
        return self._alone and room not in self._sio.manager.rooms.get(namespace, ())

    async def _emit(self, namespace: str, event: str, room: str, payload: msgspec.Struct) -> None:
        """Written before it returns, to those who are here; the others' processes are told without waiting for Redis."""
        await self._sio.emit(event, payload, room=room, namespace=namespace, **self._options)


def _for_host(changed: OrderChanged, sold: Tally, name: str | None, lang: str) -> wire.HostOrder:
    """`name` is the buyer's, masked; None for an order that was placed before and has only moved on."""
    order = changed.order
    product = order.product_zh if lang == "zh" else order.product_en
    latest = wire.LatestOrder(name, product, order.amount) if name is not None else None
    return wire.HostOrder(order.session_id, changed.seq, sold, latest)
