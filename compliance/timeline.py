"""A session's trail as the console draws it: each entry with its lane, one line of text, and personal texts while they last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.record import committed
from compliance.sentences import sentence
from compliance.tables import hits
from core.clock import Clock, media_ms, to_text
from core.database import Database
from recording import kinds, sessions
from recording.chain import Entry
from recording.sessions import Session
from recording.trail import PAGE, Trail, after_trail

HITS_LANE: Final = "hits"
LANES: Final = (*kinds.LANES, HITS_LANE)
MOST_ENTRIES: Final = 100_000
MOST_LOOKS: Final = 50
MOST_REPLAYED: Final = 2_000
_REPLAYED: Final = (kinds.DISCLOSURE_CONFIRMED, kinds.ORDER_PLACED)


@dataclass(frozen=True, slots=True)
class Line:
    """One entry to be drawn. `erased` names the personal texts that are gone; times RFC 3339, media times ms.

    One of `after_seal` has its number in the trail after the seal.
    """

    seq: int
    media_ms: int | None
    at: str
    kind: str
    lane: str
    actor: str
    text: str
    data: Mapping[str, Any]
    hash: str
    erased: tuple[str, ...]
    after_seal: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """`more` is the number after which entries were left out, None when all are here."""

    duration_ms: int
    lines: list[Line]
    more: int | None


def duration_ms(session: Session, clock: Clock) -> int:
    """How long a session lasted, or has lasted so far; 0 before its start."""
    if session.started_at is None:
        return 0
    return max(0, media_ms(session.started_at, session.ended_at or clock.now()))


async def read(db: Database, trail: Trail, clock: Clock, session_id: str, lang: str, after: int = 0) -> Timeline:
    """The timeline of a session, live or over. Raises Refused(NOT_FOUND)."""
    lines: list[Line] = []
    async with db.read() as tx:
        session = await sessions.get(tx, session_id)
        names = await _names(tx, trail, session_id, lang)
    while True:
        async with db.read() as tx:
            page = await trail.entries(tx, session_id, after, PAGE)
            texts = await trail.texts(tx, session_id, page[0].seq, page[-1].seq) if page else {}
        lines += await asyncio.to_thread(_lines, page, texts, lang, names)
        if page:
            after = page[-1].seq
        if len(page) < PAGE or len(lines) >= MOST_ENTRIES:
            break
    more = after if len(page) == PAGE else None
    if more is None:
        async with db.read() as tx:
            lines += await _replayed(tx, trail, session_id, lang, names)
            lines += await _hits(tx, session_id)
    return Timeline(duration_ms(session, clock), lines, more)


async def _replayed(tx: AsyncConnection, trail: Trail, session_id: str, lang: str, names: Mapping[str, str]) -> list[Line]:
    """What was confirmed and bought while the session was seen again, the first `MOST_REPLAYED`: at the film's moment."""
    trail_after = after_trail(session_id)
    page = await trail.entries(tx, trail_after, limit=MOST_REPLAYED, kinds=_REPLAYED)
    texts = await trail.texts(tx, trail_after, page[0].seq, page[-1].seq) if page else {}
    return [replace(line(entry, texts, lang, names), after_seal=True) for entry in page if "replay" in entry.data]


async def looks(tx: AsyncConnection, trail: Trail, session_id: str, lang: str) -> list[Line]:
    """The latest entries of the after-trail, newest first: who did what to this recording since."""
    name = after_trail(session_id)
    last = await trail.last(tx, name)
    page = await trail.entries(tx, name, max(0, last - MOST_LOOKS), MOST_LOOKS)
    texts = await trail.texts(tx, name, page[0].seq, page[-1].seq) if page else {}
    return list(reversed(_lines(page, texts, lang)))


async def _names(tx: AsyncConnection, trail: Trail, session_id: str, lang: str) -> dict[str, str]:
    """What the products were called when they came onto the shelf, by their ids."""
    found: dict[str, str] = {}
    async for entry in trail.stream(tx, session_id, kinds={kinds.SHELF_CHANGED}):
        for product in entry.data.get("products", ()):
            if isinstance(product, Mapping) and (name := product.get(f"name_{lang}") or product.get("name_zh")):
                found[str(product.get("id"))] = str(name)
    return found


def _lines(
    page: Sequence[Entry], texts: Mapping[tuple[int, str], str], lang: str, names: Mapping[str, str] | None = None
) -> list[Line]:
    return [line(entry, texts, lang, names or {}) for entry in page]


def line(entry: Entry, texts: Mapping[tuple[int, str], str], lang: str, names: Mapping[str, str]) -> Line:
    """One entry, its commitments replaced by their texts, or by None where they are erased; its sentence names the product."""
    data = dict(entry.data)
    erased: list[str] = []
    for name, value in entry.data.items():
        if committed(value) is not None:
            data[name] = texts.get((entry.seq, name))
            if data[name] is None:
                erased.append(name)
    kind = kinds.KINDS.get(entry.kind)
    return Line(
        seq=entry.seq,
        media_ms=entry.media_ms,
        at=to_text(entry.at),
        kind=entry.kind,
        lane=kind.lane if kind is not None else "session",
        actor=entry.actor,
        text=sentence(entry.kind, entry.actor, _named(data, names), frozenset(erased), lang),
        data=data,
        hash=entry.hash,
        erased=tuple(erased),
    )


def _named(data: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    product = data.get("product")
    return {**data, "product": names[product]} if isinstance(product, str) and product in names else data


async def _hits(tx: AsyncConnection, session_id: str) -> list[Line]:
    query = select(hits).where(hits.c.session_id == session_id).order_by(hits.c.seq, hits.c.start)
    return [
        Line(
            seq=row.seq,
            media_ms=row.media_ms,
            at="",
            kind="lexicon_hit",
            lane=HITS_LANE,
            actor="lexicon",
            text=f"“{row.term}”",
            data={"term": row.term, "field": row.field, "start": row.start, "end": row.end, "action": row.action},
            hash="",
            erased=(),
        )
        for row in await tx.execute(query)
    ]
