"""What the record says of a moment of a finished show, for whoever wants to buy while it is seen again.

A sealed record changes no more. So this is read before the orders' transaction, which would otherwise hold its locks for it;
what may yet change (the product, its stock, the customer) is read inside, as for every order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import gate_replay, shelf
from commerce.catalogue import Product
from commerce.gate_input import ReplayFacts
from commerce.tables import product_changes
from core.database import Database, among
from recording import kinds
from recording.chain import read_entry
from recording.coverage import HOLE_MS, shown, uncovered
from recording.tables import fragments, sessions, trail_entries

# Whether the replay of a session may be watched at this moment: the floor above knows what reviewers withhold.
Watchable = Callable[[AsyncConnection, str], Awaitable[bool]]

_CHANGED: Final = (
    select(product_changes.c.product_id, func.max(product_changes.c.at).label("at"))
    .where(among(product_changes.c.product_id, "products"))
    .group_by(product_changes.c.product_id)
)


@dataclass(frozen=True, slots=True)
class Past:
    """A moment of a show. `sealed_at` is None for what is no sealed show whose replay may be watched; `offered` has the terms
    at which the product was on the shelf then, None when it was not."""

    is_on: bool
    media_ms: int
    sealed_at: datetime | None = None
    is_recorded: bool = False
    offered: Mapping[str, Any] | None = None

    def facts(self, product: Product | None, changed_at: datetime | None, confirmed_at: datetime | None) -> ReplayFacts:
        """What the gate sees of it beside the product of today, which was last changed at `changed_at` (None: nobody wrote it
        down; then what was confirmed before the seal is not believed)."""
        others: tuple[str, ...] = ()
        if product is not None and self.offered is not None:
            others = gate_replay.changed(self.offered, shelf.terms_of(product))
        since = changed_at or self.sealed_at
        return ReplayFacts(
            is_on=self.is_on,
            media_ms=self.media_ms,
            is_sealed=self.sealed_at is not None,
            is_recorded=self.is_recorded,
            on_shelf=self.offered is not None,
            changed=others,
            confirmed_since=confirmed_at is not None and since is not None and confirmed_at > since,
        )


class Replays:
    """Whether replays sell, and what was on at their moments."""

    def __init__(self, db: Database, *, is_on: bool, watchable: Watchable) -> None:
        self.is_on = is_on
        self._db = db
        self._watchable = watchable

    async def past(self, session_id: str, product_id: str, media_ms: int) -> Past:
        """That moment, as far as it matters: once something stands against it, no more is read."""
        if not self.is_on:
            return Past(False, media_ms)
        async with self._db.read() as tx:
            query = select(sessions.c.sealed_at, sessions.c.required, sessions.c.kind, sessions.c.state)
            row = (await tx.execute(query.where(sessions.c.id == session_id))).one_or_none()
            if row is None or row.sealed_at is None or not await self._watchable(tx, session_id):
                return Past(True, media_ms)
            is_recorded = await _recorded(tx, session_id, row.required, media_ms)
            offered = await _offered(tx, session_id, product_id, media_ms) if is_recorded else None
            return Past(True, media_ms, row.sealed_at, is_recorded, offered)


async def changed_at(tx: AsyncConnection, product_ids: Collection[str]) -> dict[str, datetime]:
    """When these products were last changed by anybody; one that never was is missing."""
    return {row.product_id: row.at for row in await tx.execute(_CHANGED, {"products": product_ids})}


async def _recorded(tx: AsyncConnection, session_id: str, required: Collection[str], media_ms: int) -> bool:
    """Whether every required stream shows that moment with all its tracks, by the measure at which sessions are closed."""
    if not required:
        return False
    table = fragments
    near = (table.c.start_ms <= media_ms + HOLE_MS) & (table.c.end_ms >= media_ms - HOLE_MS)
    columns = (table.c.stream, table.c.start_ms, table.c.end_ms, table.c.sha256)
    found = (await tx.execute(select(*columns).where(table.c.session_id == session_id, near))).all()
    sealed = await _sealed_pieces(tx, session_id, {row.start_ms for row in found})
    pieces: dict[str, list[tuple[int, int]]] = {name: [] for name in required}
    for row in found:
        if row.stream in pieces and (row.stream, row.sha256) in sealed:
            pieces[row.stream].append((row.start_ms, row.end_ms))
    missing: dict[str, list[tuple[int, int]]] = {}
    gaps = (trail_entries.c.session_id == session_id) & (trail_entries.c.kind == kinds.GAP)
    for row in await tx.execute(select(trail_entries.c.body, trail_entries.c.hash).where(gaps, _begun(media_ms))):
        data = read_entry(row.body, row.hash).data
        if "track" in data and data["to_ms"] >= media_ms:
            missing.setdefault(data["stream"], []).append((data["from_ms"], data["to_ms"]))
    return not any(uncovered([media_ms], shown(runs, missing.get(name, ()))) for name, runs in pieces.items())


async def _sealed_pieces(tx: AsyncConnection, session_id: str, starts_ms: Collection[int]) -> set[tuple[str, str]]:
    """(stream, SHA-256) of the fragments that begin at these times and stand under the seal: what a media process announced
    later is kept, but its entry stands after the seal and proves no sale."""
    mine = (trail_entries.c.session_id == session_id) & (trail_entries.c.kind == kinds.FRAGMENT)
    query = select(trail_entries.c.body, trail_entries.c.hash).where(mine, trail_entries.c.media_ms.in_(starts_ms))
    told = [read_entry(row.body, row.hash).data for row in await tx.execute(query)]
    return {(data["stream"], data["sha256"]) for data in told}


async def _offered(tx: AsyncConnection, session_id: str, product_id: str, media_ms: int) -> Mapping[str, Any] | None:
    """The product's terms in the shelf's last entry up to that moment; None when it is not in it."""
    mine = (trail_entries.c.session_id == session_id) & (trail_entries.c.kind == kinds.SHELF_CHANGED)
    query = select(trail_entries.c.body, trail_entries.c.hash).where(mine, _begun(media_ms))
    row = (await tx.execute(query.order_by(trail_entries.c.seq.desc()).limit(1))).one_or_none()
    if row is None:
        return None
    products = read_entry(row.body, row.hash).data["products"]
    return next((said for said in products if said["id"] == product_id), None)


def _begun(media_ms: int) -> Any:
    """Entries of up to that moment; those from before the session's start have none."""
    return or_(trail_entries.c.media_ms.is_(None), trail_entries.c.media_ms <= media_ms)
