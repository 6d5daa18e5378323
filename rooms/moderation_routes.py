"""HTTP of moderation. Handlers translate; the desk acts."""

from __future__ import annotations

from aiohttp import web

from core.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Refused
from core.http import Route, person
from recording.errors import TRAIL_SEALED
from rooms.desks import ROOMS
from rooms.errors import ACT_OVERTAKEN, CALL_NOT_YOURS, HOST_STAYS
from rooms.moderation_wire import Act, Moderation

_PATH = "/api/sessions/{session}/moderation"
_NUMBER_MAX = 15  # digits; far beyond any trail, and what a column can be asked for


async def look(request: web.Request) -> Moderation:
    return await request.app[ROOMS].moderation.view(person(request), request.match_info["session"])


async def act(request: web.Request, body: Act) -> Moderation:
    return await request.app[ROOMS].moderation.act(person(request), request.match_info["session"], body)


async def undo(request: web.Request) -> Moderation:
    number = request.match_info["act"]
    if not (number.isascii() and number.isdigit() and len(number) <= _NUMBER_MAX):
        raise Refused(NOT_FOUND)
    return await request.app[ROOMS].moderation.undo(person(request), request.match_info["session"], int(number))


def routes() -> list[Route]:
    """What moderators use."""
    seen = (NOT_FOUND, FORBIDDEN, CALL_NOT_YOURS)
    changed = (*seen, ACT_OVERTAKEN, TRAIL_SEALED)
    return [
        Route("GET", _PATH, look, "What waits for moderators, and what they did", None, Moderation, 200, seen),
        Route("POST", _PATH, act, "A moderator's act", Act, Moderation, 200, (*changed, BAD_REQUEST, HOST_STAYS)),
        Route("DELETE", f"{_PATH}/{{act}}", undo, "Undo a moderator's act", None, Moderation, 200, changed),
    ]
