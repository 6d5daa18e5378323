"""What was said while a show was on, for its replay: comments by media time, and what stood on the shelf when.

Read from the trail. Left out is what a moderator took down, what only its author was shown, and what was erased. An answer is
bounded: a minute at most, and of a rush what the host said, what he was asked, and an even choice of the rest.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web
from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import BAD_REQUEST, Refused
from recording import kinds
from recording.chain import Entry, read_entry
from recording.tables import trail_entries, trail_texts
from recording.trail import Trail
from rooms import replay
from rooms.desks import ROOMS
from rooms.errors import NO_REPLAY
from rooms.replay_wire import ReplayComments, ReplayMark, ReplayMarks
from rooms.spoken import Spoken, quoted
from rooms.wire import Comment

WINDOW_MS: Final = 60_000
# Five a second: more can't be read, live or later.
COMMENTS_MAX: Final = 300
MARKS_MAX: Final = 1000
_KEPT_S = 60  # how long a browser may keep an answer: a comment may yet be taken down or erased
_MEDIA_MAX = 2**53
_DIGITS_MAX = 16
# What takes a comment away, and what brings it back; the second is written by whoever moderates.
_AWAY: Final = {kinds.COMMENT_REMOVED: True, kinds.COMMENT_RESTORED: False}
# Canonical JSON says so in exactly these characters; no text of a person's stands in it.
_ALWAYS: Final = trail_entries.c.body.contains('"host":true') | trail_entries.c.body.contains('"question":true')
_SHADOW: Final = trail_entries.c.body.contains('"shadow":true')
_SHELF: Final = (kinds.SHELF_CHANGED, kinds.PRODUCT_PINNED, kinds.PRODUCT_UNPINNED)


async def get_comments(request: web.Request) -> web.StreamResponse:
    """GET …/replay/comments?from=&to= (media time, ms)."""
    first, end = _moment(request, "from"), _moment(request, "to")
    if not first < end <= first + WINDOW_MS:
        raise Refused(BAD_REQUEST, detail=f"from and to: at most {WINDOW_MS} ms")
    await _may_see(request)
    rooms, session_id = request.app[ROOMS], request.match_info["session"]
    async with rooms.db.read() as tx:
        comments, left_out = await said(tx, rooms.trail, session_id, first, end)
    return _kept(ReplayComments(first, end, comments, left_out))


async def get_marks(request: web.Request) -> web.StreamResponse:
    """GET …/replay/marks."""
    await _may_see(request)
    rooms, session_id = request.app[ROOMS], request.match_info["session"]
    sells = rooms.orders.sells_in_replays
    async with rooms.db.read() as tx:
        return _kept(ReplayMarks(await marks(tx, rooms.trail, session_id), sells))


async def said(tx: AsyncConnection, trail: Trail, session_id: str, first: int, end: int) -> tuple[list[Comment], int]:
    """The comments from media time `first` up to `end`, in their order, and how many an even choice has left out."""
    within = (trail_entries.c.media_ms >= first) & (trail_entries.c.media_ms < end)
    # The kind stands in the statement itself: an index of comments alone is taken only where it is known beforehand.
    said_aloud = trail_entries.c.kind == literal(kinds.COMMENT, literal_execute=True)
    of_session = (trail_entries.c.session_id == session_id) & said_aloud
    query = select(trail_entries.c.seq, _ALWAYS.label("always")).where(of_session, within, ~_SHADOW)
    heard = (await tx.execute(query.order_by(trail_entries.c.seq))).all()
    always = _evenly([row.seq for row in heard if row.always], COMMENTS_MAX)
    rest = _evenly([row.seq for row in heard if not row.always], COMMENTS_MAX - len(always))
    chosen = sorted((*always, *rest))
    rows = select(trail_entries.c.body, trail_entries.c.hash).where(of_session, trail_entries.c.seq.in_(chosen))
    entries = [read_entry(row.body, row.hash) for row in await tx.execute(rows.order_by(trail_entries.c.seq))]
    texts = await _texts(tx, session_id, chosen)
    away = await _away(tx, trail, session_id)
    answered = await quoted(tx, session_id, entries)
    shown = [
        Spoken(entry, texts).comment(answered)
        for entry in entries
        if entry.data["id"] not in away and (entry.seq, "text") in texts
    ]
    return shown, len(heard) - len(chosen)


async def marks(tx: AsyncConnection, trail: Trail, session_id: str) -> list[ReplayMark]:
    """The shelf and what was being explained, from each change on; what was there before the start stands at 0."""
    found: list[ReplayMark] = []
    products: list[str] = []
    pinned: str | None = None
    for entry in await _of_kinds(tx, trail, session_id, _SHELF, MARKS_MAX):
        if entry.kind == kinds.SHELF_CHANGED:
            products = [str(product["id"]) for product in entry.data["products"]]
            pinned = entry.data["pinned"]
        else:
            pinned = str(entry.data["product"]) if entry.kind == kinds.PRODUCT_PINNED else None
        found.append(ReplayMark(entry.media_ms or 0, products, pinned))
    return found


async def _of_kinds(tx: AsyncConnection, trail: Trail, session_id: str, wanted: Collection[str], most: int) -> list[Entry]:
    """The first `most` of these kinds in their order, one by one: for several at once SQLite reads all of the trail."""
    found = [entry for kind in wanted for entry in await trail.entries(tx, session_id, limit=most, kinds=(kind,))]
    return sorted(found, key=_seq)[:most]


def _seq(entry: Entry) -> int:
    return entry.seq


def _evenly(seqs: list[int], most: int) -> list[int]:
    """At most so many of them, the same distance apart: whoever spoke has the same chance, and every second its share."""
    if len(seqs) <= most:
        return seqs
    return [seqs[place * len(seqs) // most] for place in range(most)]


async def _texts(tx: AsyncConnection, session_id: str, seqs: list[int]) -> dict[tuple[int, str], str]:
    query = select(trail_texts.c.seq, trail_texts.c.field, trail_texts.c.text).where(
        trail_texts.c.session_id == session_id,
        trail_texts.c.seq.in_(seqs),
        trail_texts.c.field.in_(("text", "author")),
        trail_texts.c.text.is_not(None),
    )
    return {(row.seq, row.field): row.text for row in await tx.execute(query)}


async def _away(tx: AsyncConnection, trail: Trail, session_id: str) -> set[str]:
    """The comments that are taken down now; some were brought back. Kind by kind, as in `_of_kinds`."""
    acts = [entry for kind in _AWAY async for entry in trail.stream(tx, session_id, kinds=(kind,))]
    away = {str(entry.data.get("id")): _AWAY[entry.kind] for entry in sorted(acts, key=_seq)}
    return {comment for comment, gone in away.items() if gone}


async def _may_see(request: web.Request) -> None:
    if (await replay.may_see(request)).film is None:
        raise Refused(NO_REPLAY)


def _moment(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and int(text) <= _MEDIA_MAX):
        raise Refused(BAD_REQUEST, detail=f"{name}: media time in ms")
    return int(text)


def _kept(answer: Any) -> web.Response:
    headers = {hdrs.CACHE_CONTROL: f"private, max-age={_KEPT_S}"}
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json", headers=headers)
