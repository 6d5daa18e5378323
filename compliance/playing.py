"""Playing a stream's copy: no film without an entry that says who saw it."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs, web

from compliance import recordings
from compliance.desk import Compliance
from compliance.recordings import Copy
from core.errors import Refused
from core.identity import Person
from recording.errors import RECORDING_NOT_READY


async def film(desk: Compliance, who: Person, session_id: str, copy: Copy, what: str) -> web.FileResponse:
    """The copy's file (takes Range). `what` the entry calls it: "played" by a reviewer, "replayed" by who watches a show again.

    Raises Refused(RECORDING_NOT_READY).
    """
    path = await asyncio.to_thread(recordings.file_of, copy, desk.copies_root)
    if path is None:
        raise Refused(RECORDING_NOT_READY)
    if desk.access.fresh_play(who, session_id, copy.stream):
        async with desk.db.write() as tx:
            await desk.access.looked(tx, session_id, who, what, stream=copy.stream)
        desk.access.began_play(who, session_id, copy.stream)
    return web.FileResponse(path, headers={hdrs.CONTENT_TYPE: "video/mp4", hdrs.CACHE_CONTROL: "private, no-store"})
