"""One transaction for a group of orders: what one order needs is done for all of them together, statement by statement.

Every order is judged by itself, by the same pure gate, in the order in which they came; nothing that is refused spoils what
is taken. A group never holds two orders of one customer (`orders.py`), so that what they share is a product's stock alone,
and that goes down in memory as they are let through, and once in the database by what all took together.

`place_all` neither commits nor retries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, customers, errors, gate, gate_facts, order_book, outbox_rows, refusing
from commerce.catalogue import Product
from commerce.gate_facts import Facts
from commerce.history import Historian
from commerce.lifecycle import State
from commerce.order_book import OrderRecord
from commerce.order_request import Outcomes, Request, Taken
from commerce.risk import RiskLimits
from commerce.tables import orders, products
from core.clock import Clock
from core.database import among
from core.errors import Refused
from core.identity import Role
from recording import kinds, sessions
from recording.trail import Draft, Entry, Head, Trail, after_trail, lock_heads


class StockMovedError(Exception):
    """The stock is not what was read under its lock: somebody changed it without. Nothing was taken; it may be tried again."""


@dataclass(slots=True)
class _Accepted:
    """Let through by the gate; its entry and its record come with the trail."""

    request: Request
    product: Product
    given: gate.GateInput
    snapshot: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OrderGroup:
    """What it takes to judge and write down orders."""

    trail: Trail
    clock: Clock
    historian: Historian
    limits: RiskLimits
    cooling_off: timedelta

    async def place_all(self, tx: AsyncConnection, requests: Sequence[Request], *, note: bool = True) -> Outcomes:
        """Take or refuse each, in the transaction `tx`; the steps are told in `orders.py`. Raises StockMovedError.

        With `note` off refusals leave no entry.
        """
        await customers.hold(tx, {request.customer_id for request in requests})
        found: dict[str, Taken | Refused] = await _earlier(tx, requests)
        fresh = [request for request in requests if request.order_id not in found]
        found |= await _fallen(tx, fresh)
        heads = await _hold_trails(tx, fresh, note=note)
        await catalogue.hold(tx, {request.wish.product for request in fresh})
        facts = await gate_facts.load(tx, self.clock.now(), self.historian, self.limits, fresh)
        accepted: dict[str, _Accepted] = {}
        for request in fresh:
            if request.order_id in found:
                continue
            judged = _judge(request, facts)
            if isinstance(judged, Refused):
                found[request.order_id] = judged
            else:
                accepted[request.order_id] = judged
        refused = [(r, found[r.order_id]) for r in fresh if r.order_id in found] if note else []
        sealed = {name for name, head in heads.items() if head.sealed}
        noted = await refusing.to_note(tx, facts, [(r, why) for r, why in refused if isinstance(why, Refused)], sealed)
        work = _drafts(heads, fresh, accepted, noted)
        entries = await self.trail.append_all(tx, [(part.head, part.drafts) for part in work])
        placed = {
            order_id: entry
            for part, made in zip(work, entries, strict=True)
            for order_id, entry in zip(part.order_ids, made, strict=True)
            if order_id is not None and order_id in accepted
        }
        records = await self._write_down(tx, heads, accepted, placed)
        taken = {record.id: Taken(record, created=True) for record in records}
        return [taken.get(request.order_id) or found[request.order_id] for request in requests]

    async def _write_down(
        self, tx: AsyncConnection, heads: dict[str, Head], accepted: dict[str, _Accepted], placed: dict[str, Entry]
    ) -> list[OrderRecord]:
        last = {order_id: heads[one.request.wish.session].seq for order_id, one in accepted.items()}
        records = [self._record(one, placed[order_id], last[order_id]) for order_id, one in accepted.items()]
        if not records:
            return []
        rows = [_row(record, accepted[record.id]) for record in records]
        await tx.execute(insert(orders), rows)
        taken: defaultdict[str, int] = defaultdict(int)
        for record in records:
            taken[record.product_id] += record.amount
        for product_id in sorted(taken):
            done = await tx.execute(_TAKE, {"product": product_id, "amount": taken[product_id]})
            if done.rowcount != 1:
                raise StockMovedError(product_id)
        told = [(record, dict(accepted[record.id].product.price)) for record in records]
        await outbox_rows.add_all(tx, self.clock.now(), outbox_rows.PLACED, told)
        for record in records:
            if (basis := accepted[record.id].request.basis) is not None:
                await basis.taken(tx, record)
        return records

    def _record(self, one: _Accepted, entry: Entry, last: int) -> OrderRecord:
        request, product = one.request, one.product
        return OrderRecord(
            id=request.order_id,
            customer_id=request.customer_id,
            session_id=request.wish.session,
            product_id=product.id,
            product_en=product.name_en,
            product_zh=product.name_zh,
            risk=product.risk,
            amount=request.wish.amount,
            currency=product.currency,
            channel=request.channel,
            proposal_id=request.wish.proposal,
            state=State.PLACED,
            reason=None,
            placed_at=entry.at,
            cancellable_until=entry.at + self.cooling_off,
            changed_at=entry.at,
            media_ms=entry.media_ms or 0,
            trail_seq=entry.seq,
            session_seq=entry.seq if request.past is None else last,
            replay=request.past is not None,
        )


@dataclass(slots=True)
class _Part:
    """What one trail gets: drafts, and the order that each is the entry of (None: of what the order rests on)."""

    head: Head
    order_ids: list[str | None] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)

    def add(self, order_id: str | None, draft: Draft | None) -> None:
        if draft is not None:
            self.order_ids.append(order_id)
            self.drafts.append(draft)


async def _hold_trails(tx: AsyncConnection, requests: Sequence[Request], *, note: bool) -> dict[str, Head]:
    """The heads of these sessions' trails, and of the trails after the seal of those that are sealed: there the refusals go
    (with `note`), and what is bought in a replay. Made where they are missing, for sessions that exist; all before the
    products, as `outbox_moves.py` does.
    """
    session_ids = {request.wish.session for request in requests}
    heads = await lock_heads(tx, session_ids, make=False)
    if missing := session_ids - heads.keys():  # nothing is on record of it yet, or there is no such session
        heads |= await lock_heads(tx, (await sessions.several(tx, missing)).keys())
    replayed = {request.wish.session for request in requests if request.past is not None}
    late = {after_trail(name) for name, head in heads.items() if head.sealed and (note or name in replayed)}
    return heads | await lock_heads(tx, late)


def _drafts(
    heads: dict[str, Head],
    requests: Sequence[Request],
    accepted: dict[str, _Accepted],
    noted: dict[str, tuple[Request, Refused]],
) -> list[_Part]:
    """What each trail gets, in the order in which the orders came: those taken, and those refused that are to be noted."""
    parts: dict[str, _Part] = {}
    for request in requests:
        name = request.wish.session
        if request.order_id in accepted:
            draft, name = _placed(accepted[request.order_id]), request.trail
        elif request.order_id in noted:
            draft = refusing.draft(*noted[request.order_id])
            name = after_trail(name) if heads[name].sealed else name
        else:
            continue
        part = parts.setdefault(name, _Part(heads[name]))
        part.add(request.order_id, draft)
        if request.order_id in accepted and request.basis is not None:
            part.add(None, request.basis.entry(request.order_id))
    return list(parts.values())


_TAKE = (
    update(products)
    .where(products.c.id == bindparam("product"), products.c.left >= bindparam("amount"))
    .values({"left": products.c.left - bindparam("amount")})
)
_EARLIER = select(orders.c.id, orders.c.customer_id, orders.c.key, orders.c.request_hash).where(
    among(orders.c.customer_id, "customers"), among(orders.c.key, "keys")
)


async def _earlier(tx: AsyncConnection, requests: Sequence[Request]) -> dict[str, Taken | Refused]:
    """For each request whose key has been used: the order it was used for, or a conflict when the body differs.

    The customers are held, so nobody uses one of these keys meanwhile (the unique index would stop him).
    """
    keys = {"customers": {r.customer_id for r in requests}, "keys": {r.wish.key for r in requests}}
    used = {(row.customer_id, row.key): row for row in await tx.execute(_EARLIER, keys)}
    again = {row.id for row in used.values()}
    records = await order_book.several(tx, again) if again else {}
    found: dict[str, Taken | Refused] = {}
    for request in requests:
        row = used.get((request.customer_id, request.wish.key))
        if row is None:
            continue
        if row.request_hash == request.hash:
            found[request.order_id] = Taken(records[row.id], created=False)
        else:
            found[request.order_id] = Refused(errors.IDEMPOTENCY_CONFLICT)
    return found


async def _fallen(tx: AsyncConnection, requests: Sequence[Request]) -> dict[str, Refused]:
    """Those whose basis no longer stands. All they rest on is held first, in the order of ids."""
    resting = [(request, request.basis) for request in requests if request.basis is not None]
    if not resting:
        return {}
    held = resting[0][1].held
    lock = select(held).where(among(held, "keys")).order_by(held).with_for_update()
    await tx.execute(lock, {"keys": {basis.key for _request, basis in resting}})
    fallen: dict[str, Refused] = {}
    for request, basis in resting:
        try:
            await basis.stands(tx)
        except Refused as refusal:
            fallen[request.order_id] = refusal
    return fallen


def _judge(request: Request, facts: Facts) -> _Accepted | Refused:
    try:
        given = facts.given(request)
    except Refused as nowhere:
        return nowhere
    verdict = gate.decide(given)
    if verdict.refusal is not None:
        return verdict.refusal
    product = facts.products.get(request.wish.product)
    if product is None:  # the gate refuses what is on no shelf
        return Refused(errors.PRODUCT_NOT_ON_SHELF, product=request.wish.product)
    facts.left[product.id] -= request.wish.amount
    return _Accepted(request, product, given, {"inputs": given.to_json(), "verdict": verdict.to_json()})


def _placed(one: _Accepted) -> Draft:
    request, product, past = one.request, one.product, one.given.replay
    marks = one.given.session.watermarks
    data = {
        "order": request.order_id,
        "product": product.id,
        "product_class": product.product_class,
        "amount": request.wish.amount,
        "currency": product.currency,
        "price": dict(product.price),
        "channel": request.channel,
        "proposal": request.wish.proposal,
        "disclosure": {"version": product.disclosure.version, "sha256": product.disclosure.sha256},
        "streams": gate.streams_to_json(marks),
        "gate": one.snapshot,
    }
    if past is not None:  # of the film only what was required is asked to show it
        required = {name: marks[name] for name in one.given.session.required if name in marks}
        data |= {
            "streams": gate.streams_to_json(required),
            "replay": {"media_ms": past.media_ms, "changed": list(past.changed)},
        }
    media_ms = past.media_ms if past is not None else None
    return Draft(kinds.ORDER_PLACED, Role.CUSTOMER.value, data, {"customer": request.customer_id}, media_ms=media_ms)


def _row(record: OrderRecord, one: _Accepted) -> dict[str, Any]:
    return {
        "id": record.id,
        "customer_id": record.customer_id,
        "key": one.request.wish.key,
        "request_hash": one.request.hash,
        "session_id": record.session_id,
        "product_id": record.product_id,
        "amount": record.amount,
        "currency": record.currency,
        "channel": record.channel,
        "proposal_id": record.proposal_id,
        "state": record.state.value,
        "reason": None,
        "placed_at": record.placed_at,
        "cancellable_until": record.cancellable_until,
        "changed_at": record.changed_at,
        "media_ms": record.media_ms,
        "trail_seq": record.trail_seq,
        "changed_seq": record.session_seq,
        "snapshot": one.snapshot,
    }
