"""HTTP of shows, sessions and calls. Handlers translate; the desks act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from commerce import shelf
from commerce.errors import PRODUCT_NOT_ON_SHELF
from core.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND
from core.http import Route, lang, person
from recording.errors import RECORDING_NOT_READY, WRONG_STATE
from recording.lifecycle import Event
from rooms import access, call_view, customer_picture, replay, replay_comments, session_view
from rooms import shows as show_desk
from rooms.call_wire import Call, Calls, CustomerPicture, GiveConsent, RequestCall
from rooms.closing import announce
from rooms.desks import ROOMS
from rooms.errors import BANNED, CALL_NOT_YOURS, CALL_OPEN, CONSENT_OUTDATED, NO_REPLAY, STARTS_IN_PAST
from rooms.replay_wire import ReplayComments, ReplayMarks
from rooms.wire import (
    Lobby,
    NewShow,
    PinBody,
    SessionView,
    ShelfBody,
    ShelfView,
    Show,
    ShowSummary,
)


async def lobby(request: web.Request) -> Lobby:
    return await request.app[ROOMS].shows.lobby(person(request))


async def create_show(request: web.Request, body: NewShow) -> Show:
    return await request.app[ROOMS].shows.create(person(request), body)


async def get_show(request: web.Request) -> Show:
    return await request.app[ROOMS].shows.get(person(request), request.match_info["show"])


def _moving(event: Event) -> Callable[[web.Request], Awaitable[Show]]:
    async def move(request: web.Request) -> Show:
        return await request.app[ROOMS].shows.move(person(request), request.match_info["show"], event)

    move.__name__ = f"{event.value}_show"
    return move


async def get_shelf(request: web.Request) -> ShelfView:
    rooms = request.app[ROOMS]
    async with rooms.db.read() as tx:
        show = await show_desk.one(tx, request.match_info["show"])
        state = await shelf.read(tx, rooms.trail, show.session_id)
    return _shelf_view(request, state)


async def put_shelf(request: web.Request, body: ShelfBody) -> ShelfView:
    rooms, someone = request.app[ROOMS], person(request)
    async with rooms.db.write() as tx:
        show = await show_desk.hosted(tx, someone, request.match_info["show"])
        await show_desk.still_open(tx, show.session_id)
        state = await shelf.put(tx, rooms.trail, show.session_id, someone, body.products)
    await announce(rooms.fanout.shelf(state))
    return _shelf_view(request, state)


async def pin(request: web.Request, body: PinBody) -> ShelfView:
    rooms, someone = request.app[ROOMS], person(request)
    async with rooms.db.write() as tx:
        show = await show_desk.hosted(tx, someone, request.match_info["show"])
        await show_desk.still_open(tx, show.session_id)
        state = await shelf.pin(tx, rooms.trail, show.session_id, someone, body.product)
    await announce(rooms.fanout.pinned(state))
    return _shelf_view(request, state)


async def get_session(request: web.Request) -> SessionView:
    rooms = request.app[ROOMS]
    async with rooms.db.read() as tx:
        place = await access.enter(tx, person(request), request.match_info["session"])
        return await session_view.view(tx, rooms.trail, rooms.clock, place, lang(request), rooms.fanout.media_boot)


async def get_summary(request: web.Request) -> ShowSummary:
    rooms = request.app[ROOMS]
    async with rooms.db.read() as tx:
        return await session_view.summary(tx, rooms.trail, rooms.clock, person(request), request.match_info["session"])


async def request_call(request: web.Request, body: RequestCall) -> Call:
    return await _call(request, await request.app[ROOMS].calls.request(person(request), body.topic))


async def list_calls(request: web.Request) -> Calls:
    rooms = request.app[ROOMS]
    async with rooms.db.read() as tx:
        found = await call_view.listed(tx, rooms.clock, rooms.attendance, person(request))
    return Calls([one.view(lang(request)) for one in found])


async def get_call(request: web.Request) -> Call:
    return await _call(request, request.match_info["call"])


async def give_consent(request: web.Request, body: GiveConsent) -> Call:
    call_id = request.match_info["call"]
    return await _call(request, await request.app[ROOMS].calls.consent(person(request), call_id, body.version))


async def get_customer(request: web.Request) -> CustomerPicture:
    rooms = request.app[ROOMS]
    async with rooms.db.read() as tx:
        return await customer_picture.of_call(tx, rooms.clock, person(request), request.match_info["call"], lang(request))


async def _call(request: web.Request, call_id: str) -> Call:
    rooms = request.app[ROOMS]
    async with rooms.db.read() as tx:
        found = await call_view.for_person(tx, rooms.clock, rooms.attendance, person(request), call_id)
    return found.view(lang(request))


def _shelf_view(request: web.Request, state: shelf.ShelfState) -> ShelfView:
    view = state.view(request.app[ROOMS].clock, lang(request))
    return ShelfView(view.products, view.pinned)


def routes() -> list[Route]:
    """All HTTP of this package; media (WHIP and WHEP) is `stream/whip.py`'s."""
    hosts = (NOT_FOUND, FORBIDDEN, WRONG_STATE)
    seen_again = (NOT_FOUND, CALL_NOT_YOURS, BANNED, NO_REPLAY, RECORDING_NOT_READY)
    moves = [
        Route(
            "POST", f"/api/shows/{{show}}/{event.value}", _moving(event), f"The host's: {event.value}", None, Show, 200, hosts
        )
        for event in Event
    ]
    return [
        Route("GET", "/api/shows", lobby, "What is live, upcoming, and to be seen again", gives=Lobby),
        Route(
            "POST", "/api/shows", create_show, "Plan a show", NewShow, Show, 201, (BAD_REQUEST, FORBIDDEN, STARTS_IN_PAST)
        ),
        Route("GET", "/api/shows/{show}", get_show, "One show", None, Show, 200, (NOT_FOUND,)),
        *moves,
        Route("GET", "/api/shows/{show}/shelf", get_shelf, "The products on offer", None, ShelfView, 200, (NOT_FOUND,)),
        Route("PUT", "/api/shows/{show}/shelf", put_shelf, "Change what is on offer", ShelfBody, ShelfView, 200, hosts),
        Route(
            "POST", "/api/shows/{show}/pin", pin, "What is explained now", PinBody, ShelfView, 200,
            (*hosts, PRODUCT_NOT_ON_SHELF),
        ),
        Route(
            "GET", "/api/sessions/{session}", get_session, "A session as its pages need it", None, SessionView, 200,
            (NOT_FOUND, CALL_NOT_YOURS, BANNED),
        ),
        Route(
            "GET", "/api/sessions/{session}/summary", get_summary, "The numbers of a show", None, ShowSummary, 200,
            (NOT_FOUND, FORBIDDEN),
        ),
        Route("GET", "/api/sessions/{session}/replay.mp4", replay.play, "See a show again; takes Range", problems=seen_again),
        Route("GET", "/api/sessions/{session}/poster.jpg", replay.poster, "A still of an ended show", problems=seen_again),
        Route(
            "GET", "/api/sessions/{session}/replay/comments", replay_comments.get_comments,
            "What was said, `from` and `to` media time in ms, a minute at most", None, ReplayComments, 200,
            (NOT_FOUND, CALL_NOT_YOURS, BANNED, NO_REPLAY, BAD_REQUEST),
        ),
        Route(
            "GET", "/api/sessions/{session}/replay/marks", replay_comments.get_marks, "How the shelf changed during a show",
            None, ReplayMarks, 200, (NOT_FOUND, CALL_NOT_YOURS, BANNED, NO_REPLAY),
        ),
        Route("POST", "/api/calls", request_call, "Ask for an adviser", RequestCall, Call, 201, (CALL_OPEN,)),
        Route("GET", "/api/calls", list_calls, "The waiting line and the own calls", gives=Calls),
        Route("GET", "/api/calls/{call}", get_call, "One call", None, Call, 200, (NOT_FOUND, CALL_NOT_YOURS)),
        Route(
            "POST", "/api/calls/{call}/consent", give_consent, "Agree to be recorded", GiveConsent, Call, 200,
            (NOT_FOUND, CALL_NOT_YOURS, CONSENT_OUTDATED, WRONG_STATE),
        ),
        Route(
            "GET", "/api/calls/{call}/customer", get_customer, "The customer's picture", None, CustomerPicture, 200,
            (NOT_FOUND, CALL_NOT_YOURS),
        ),
    ]  # fmt: skip
