"""Telling the customer before selling: the disclosure confirmed in a session, and the extra explanation for those over 65."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, errors, gate_replay, replaying
from commerce.replaying import Past
from commerce.tables import disclosure_confirmations, explanations, shelf
from commerce.trailing import insert_new
from commerce.wire import ConfirmDisclosure
from core.clock import Clock
from core.errors import FORBIDDEN, Refused
from core.identity import Person, Role
from recording import kinds, sessions
from recording.lifecycle import FINAL
from recording.trail import Draft, Trail, after_trail, lock_head


async def confirm(
    tx: AsyncConnection, trail: Trail, clock: Clock, person: Person, session_id: str, product_id: str, version: int
) -> int | None:
    """The customer has read and confirmed this version; answers its entry's number, None when it was confirmed before.

    Raises Refused: FORBIDDEN, NOT_FOUND, SESSION_NOT_LIVE, PRODUCT_NOT_ON_SHELF, DISCLOSURE_OUTDATED.
    """
    if person.role is not Role.CUSTOMER:
        raise Refused(FORBIDDEN)
    await _open_session(tx, session_id)
    product = await _on_shelf(tx, session_id, product_id)
    current = product.disclosure
    if version != current.version:
        raise Refused(errors.DISCLOSURE_OUTDATED, product=product_id, current=current.version, confirmed=version)
    row = {"session_id": session_id, "customer_id": person.id, "product_id": product_id, "version": version}
    if not await insert_new(tx, disclosure_confirmations, **row, at=clock.now(), trail_seq=0):
        return None
    data = {"product": product_id, "version": version, "disclosure_sha256": current.sha256}
    draft = Draft(kinds.DISCLOSURE_CONFIRMED, Role.CUSTOMER.value, data, {"customer": person.id})
    [entry] = await trail.append(tx, session_id, draft)
    table = disclosure_confirmations
    mine = (table.c.session_id == session_id) & (table.c.customer_id == person.id) & (table.c.product_id == product_id)
    await tx.execute(update(table).where(mine, table.c.version == version).values(trail_seq=entry.seq))
    return entry.seq


async def confirm_again(
    tx: AsyncConnection, trail: Trail, clock: Clock, person: Person, wish: ConfirmDisclosure, session_id: str, past: Past
) -> int | None:
    """The same while the finished session is seen again: on record after its seal, at the film's moment.

    What was confirmed before the seal, or before the product's last change, is confirmed anew; else it is None as above. No
    page is told of changes once the show is over, so it says which revision of the product it showed beside the disclosure.
    Raises Refused: FORBIDDEN, NOT_FOUND, DISCLOSURE_OUTDATED, REPLAY_TERMS_CHANGED (others than in the film, and not those the
    page showed), and why nothing is sold at that moment.
    """
    if person.role is not Role.CUSTOMER:
        raise Refused(FORBIDDEN)
    session = await sessions.get(tx, session_id)
    await catalogue.get(tx, wish.product)  # before the lock, for what does not exist
    await lock_head(tx, after_trail(session_id), briefly=True)
    product = await catalogue.get(tx, wish.product, lock=True)
    changed_at = (await replaying.changed_at(tx, [product.id])).get(product.id)
    moment = past.facts(product, changed_at, None)
    closed = gate_replay.moment_closed(session.kind, session.state, moment, product.id)
    if closed is not None:
        raise closed
    current = product.disclosure
    if wish.version != current.version:
        raise Refused(errors.DISCLOSURE_OUTDATED, product=product.id, current=current.version, confirmed=wish.version)
    if moment.changed and wish.revision != product.revision:
        raise gate_replay.terms_changed(product.id, moment.changed)
    table, now = disclosure_confirmations, clock.now()
    row = {"session_id": session_id, "customer_id": person.id, "product_id": product.id, "version": wish.version}
    mine = [table.c[name] == value for name, value in row.items()]
    if not await insert_new(tx, table, **row, at=now, trail_seq=0):
        known = [moment for moment in (session.sealed_at, changed_at) if moment is not None]
        if not known or (await tx.execute(select(table.c.at).where(*mine))).scalar_one() > max(known):
            return None
    data = {"product": product.id, "version": wish.version, "disclosure_sha256": current.sha256}
    data |= {"replay": {"media_ms": past.media_ms}}
    draft = Draft(kinds.DISCLOSURE_CONFIRMED, Role.CUSTOMER.value, data, {"customer": person.id}, media_ms=past.media_ms)
    [entry] = await trail.append(tx, after_trail(session_id), draft)
    await tx.execute(update(table).where(*mine).values(at=now, trail_seq=entry.seq))
    return entry.seq


async def explain(
    tx: AsyncConnection, trail: Trail, clock: Clock, adviser: Person, session_id: str, customer_id: str, product_id: str
) -> int | None:
    """The call's adviser has explained this product's risks once more; answers the entry's number, None when done before.

    Raises Refused: FORBIDDEN (not this call's adviser), NOT_FOUND, SESSION_NOT_LIVE, PRODUCT_NOT_ON_SHELF.
    """
    session = await _open_session(tx, session_id)
    if session.kind != "call" or session.host_id != adviser.id:
        raise Refused(FORBIDDEN)
    product = await _on_shelf(tx, session_id, product_id)
    row = {"session_id": session_id, "customer_id": customer_id, "product_id": product_id, "adviser_id": adviser.id}
    if not await insert_new(tx, explanations, **row, at=clock.now(), trail_seq=0):
        return None
    draft = Draft(kinds.RISK_EXPLAINED, adviser.id, {"product": product_id, "risk": product.risk}, {"customer": customer_id})
    [entry] = await trail.append(tx, session_id, draft)
    table = explanations
    mine = (table.c.session_id == session_id) & (table.c.customer_id == customer_id) & (table.c.product_id == product_id)
    await tx.execute(update(table).where(mine).values(trail_seq=entry.seq))
    return entry.seq


async def _open_session(tx: AsyncConnection, session_id: str) -> sessions.Session:
    """The session, its trail held, not over. Raises Refused(NOT_FOUND), Refused(SESSION_NOT_LIVE)."""
    session = await sessions.get(tx, session_id)  # before the lock, which would make a head for a session that isn't there
    await lock_head(tx, session_id, briefly=True)  # in a rush all wait for it, each with a connection
    session = await sessions.get(tx, session.id)
    if session.state in FINAL:
        raise Refused(errors.SESSION_NOT_LIVE)
    return session


async def _on_shelf(tx: AsyncConnection, session_id: str, product_id: str) -> catalogue.Product:
    """The product, if this session offers it. Raises Refused(NOT_FOUND), Refused(PRODUCT_NOT_ON_SHELF)."""
    product = await catalogue.get(tx, product_id)
    query = select(shelf.c.position).where(shelf.c.session_id == session_id, shelf.c.product_id == product_id)
    if (await tx.execute(query)).one_or_none() is None:
        raise Refused(errors.PRODUCT_NOT_ON_SHELF, product=product_id)
    return product
