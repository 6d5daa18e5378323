"""A show that is over, to be seen again by whoever may watch shows: its playable copy, and a poster for the lobby.

Both are derived; the fragments stay the record. What a reviewer finds serious is withheld before the second has confirmed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web
from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance import recordings
from compliance.desk import COMPLIANCE
from compliance.lifecycle import State
from compliance.playing import film
from compliance.recordings import Copy
from compliance.tables import cases
from core.errors import Refused
from core.http import person
from recording.tables import derived, sessions
from rooms import access
from rooms.errors import NO_REPLAY
from rooms.wire import Replay

STREAM = "host"
_KEPT_S = 3600  # how long a browser may keep a poster: it does not change, but it may be withheld


@dataclass(frozen=True, slots=True)
class Copies:
    """The derived copies of one ended show that may be shown; None for what is not ready."""

    film: Copy | None = None
    poster: Copy | None = None


async def of_shows(tx: AsyncConnection, session_ids: Sequence[str]) -> dict[str, Copies]:
    """What there is to be seen of these sessions, by session; one of which nothing may be shown is missing."""
    verdict = func.coalesce(cases.c.verdict, "")
    overturned = and_(verdict == "clear", cases.c.state == State.CLOSED.value)
    withheld = or_(verdict == "serious", and_(cases.c.found_serious == 1, not_(overturned)))
    query = (
        select(derived)
        .join(sessions, sessions.c.id == derived.c.session_id)
        .outerjoin(cases, cases.c.session_id == derived.c.session_id)
        .where(
            derived.c.session_id.in_(session_ids),
            derived.c.stream == STREAM,
            derived.c.state == "ready",
            sessions.c.kind == "show",
            sessions.c.state == "ended",
            or_(cases.c.id.is_(None), not_(withheld)),
        )
    )
    found: dict[str, dict[str, Copy]] = {}
    for row in await tx.execute(query):
        copy = Copy(row.stream, row.state, row.offset_ms, row.duration_ms, row.path)
        found.setdefault(row.session_id, {})[row.kind] = copy
    return {session_id: Copies(kinds.get("playable"), kinds.get("poster")) for session_id, kinds in found.items()}


async def of_session(tx: AsyncConnection, session_id: str) -> Replay | None:
    """How one session is seen again, None while (or as long as) it can't be."""
    return view(session_id, (await of_shows(tx, [session_id])).get(session_id, Copies()))


async def is_shown(tx: AsyncConnection, session_id: str) -> bool:
    """Whether it can be seen again now: it is a show, it is over, and its film is made and not withheld."""
    return (await of_session(tx, session_id)) is not None


def view(session_id: str, copies: Copies) -> Replay | None:
    """The addresses for the pages."""
    if copies.film is None:
        return None
    address = f"/api/sessions/{session_id}/replay.mp4"
    return Replay(address, poster_of(session_id, copies), copies.film.offset_ms or 0, copies.film.duration_ms or 0)


def poster_of(session_id: str, copies: Copies) -> str | None:
    """The address of the poster, None when there is none."""
    return f"/api/sessions/{session_id}/poster.jpg" if copies.poster is not None else None


async def play(request: web.Request) -> web.StreamResponse:
    """GET …/replay.mp4."""
    desk, who, session_id = request.app[COMPLIANCE], person(request), request.match_info["session"]
    copy = (await may_see(request)).film
    if copy is None:
        raise Refused(NO_REPLAY)
    return await film(desk, who, session_id, copy, "replayed")


async def poster(request: web.Request) -> web.StreamResponse:
    """GET …/poster.jpg."""
    copy = (await may_see(request)).poster
    path = await asyncio.to_thread(recordings.file_of, copy, request.app[COMPLIANCE].copies_root) if copy is not None else None
    if path is None:
        raise Refused(NO_REPLAY)
    return web.FileResponse(path, headers={hdrs.CONTENT_TYPE: "image/jpeg", hdrs.CACHE_CONTROL: f"private, max-age={_KEPT_S}"})


async def may_see(request: web.Request) -> Copies:
    """What the person who asks may see again of the session; raises what `access.enter` raises."""
    session_id = request.match_info["session"]
    async with request.app[COMPLIANCE].db.read() as tx:
        await access.enter(tx, person(request), session_id)
        return (await of_shows(tx, [session_id])).get(session_id, Copies())
