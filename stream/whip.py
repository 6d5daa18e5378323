"""The public side of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): any client that speaks them works.

Who may do what is injected (`MEDIA_DOOR`). A resource's address carries a MAC over the resource, its session and its owner, so
that only whom it was made for can change or end it; nothing of that is kept here, so a restart of the web side changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from aiohttp import hdrs, web

from core.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Refused
from core.http import Route, person
from stream.client import MEDIA_CLIENT
from stream.errors import (
    BAD_OFFER,
    MEDIA_FULL,
    MEDIA_UNAVAILABLE,
    NOT_ACCEPTABLE,
    SESSION_CLOSED,
    STREAM_NOT_FOUND,
    TAG_MISSING,
    TAG_STALE,
    UNSUPPORTED_MEDIA,
    WRONG_CONTENT_TYPE,
)
from stream.ice_servers import IceServer, TurnServers
from stream.offer import MAX_OFFER_BYTES, bad
from stream.wire import LayerIn, OpenedOut

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
_READ_TIMEOUT_S = 10.0
_MAC_HEX = 32
_EXPOSED = "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After"
# The relation that the WHEP draft's extension for layers had; the body is ours.
_LAYER_REL = "urn:ietf:params:whep:ext:core:layer"
_DOOR = re.compile(r"/api/sessions/[^/]+/(whip|whep)(/|$)")

Way = Literal["whip", "whep"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person may publish to or subscribe to. `started_at` is the session's start, media time 0."""

    stream: str
    started_at: datetime


class MediaDoor(Protocol):
    """Decides who may send and see what; raises Refused. Implemented by the rooms."""

    async def publish_grant(self, request: web.Request, session_id: str) -> Grant: ...

    async def subscribe_grant(self, request: web.Request, session_id: str, stream: str | None) -> Grant: ...


@dataclass(frozen=True, slots=True)
class WhipSettings:
    """`secret` signs resource addresses: the same in every web process, at least 16 bytes.

    `ice_servers` are told to everybody, `turn` with credentials made for each.
    """

    secret: bytes = field(repr=False)
    ice_servers: tuple[IceServer, ...] = ()
    turn: TurnServers | None = None

    def opaque(self, person_id: str) -> str:
        """Tells media processes, and TURN servers, which peers are one person's, and not whose."""
        return hmac.new(self.secret, f"owner\0{person_id}".encode(), hashlib.sha256).hexdigest()[:_MAC_HEX]


MEDIA_DOOR: web.AppKey[MediaDoor] = web.AppKey("media_door", MediaDoor)
WHIP_SETTINGS: web.AppKey[WhipSettings] = web.AppKey("whip_settings", WhipSettings)


def routes() -> list[Route]:
    """WHIP and WHEP. Other methods on these paths get 405 from the router, as the RFC asks."""
    opening = (BAD_OFFER, UNSUPPORTED_MEDIA, WRONG_CONTENT_TYPE, NOT_ACCEPTABLE, SESSION_CLOSED, MEDIA_UNAVAILABLE, MEDIA_FULL)
    changing = (BAD_OFFER, WRONG_CONTENT_TYPE, TAG_MISSING, TAG_STALE, NOT_FOUND, FORBIDDEN, MEDIA_UNAVAILABLE)
    ending = (NOT_FOUND, FORBIDDEN, MEDIA_UNAVAILABLE)
    base = "/api/sessions/{session}"
    return [
        Route("POST", base + "/whip", post_whip, "Publish by WHIP (RFC 9725)", status=201, problems=opening),
        Route("OPTIONS", base + "/whip", options, "What WHIP takes; CORS preflight", status=204),
        Route("PATCH", base + "/whip/{resource}", patch_whip, "Trickle or restart ICE of a publisher", problems=changing),
        Route("DELETE", base + "/whip/{resource}", delete_whip, "Stop publishing", problems=ending),
        Route("OPTIONS", base + "/whip/{resource}", options, "What a WHIP resource takes; CORS preflight", status=204),
        Route("POST", base + "/whep", post_whep, "Subscribe by WHEP", status=201, problems=(*opening, STREAM_NOT_FOUND)),
        Route("OPTIONS", base + "/whep", options, "What WHEP takes; CORS preflight", status=204),
        Route("PATCH", base + "/whep/{resource}", patch_whep, "Trickle or restart ICE of a subscriber", problems=changing),
        Route("DELETE", base + "/whep/{resource}", delete_whep, "Stop watching", problems=ending),
        Route("OPTIONS", base + "/whep/{resource}", options, "What a WHEP resource takes; CORS preflight", status=204),
        Route(
            "POST",
            base + "/whep/{resource}/layer",
            post_layer,
            "Choose the quality of the picture",
            status=204,
            takes=LayerIn,
            problems=(BAD_REQUEST, NOT_FOUND, FORBIDDEN, MEDIA_UNAVAILABLE),
        ),
        Route("OPTIONS", base + "/whep/{resource}/layer", options_layer, "CORS preflight", status=204),
    ]


async def post_whip(request: web.Request) -> web.Response:
    session = request.match_info["session"]
    owner = person(request).id
    grant = await request.app[MEDIA_DOOR].publish_grant(request, session)
    offer = await _read(request, SDP)
    opaque = request.app[WHIP_SETTINGS].opaque(owner)
    opened = await request.app[MEDIA_CLIENT].publish(session, grant.stream, grant.started_at, offer, opaque)
    return _created(request, "whip", session, owner, opened)


async def post_whep(request: web.Request) -> web.Response:
    session = request.match_info["session"]
    owner = person(request).id
    grant = await request.app[MEDIA_DOOR].subscribe_grant(request, session, request.query.get("stream"))
    offer = await _read(request, SDP)
    opened = await request.app[MEDIA_CLIENT].subscribe(session, grant.stream, offer, request.app[WHIP_SETTINGS].opaque(owner))
    return _created(request, "whep", session, owner, opened)


async def patch_whip(request: web.Request) -> web.Response:
    return await _patch(request, "whip")


async def patch_whep(request: web.Request) -> web.Response:
    return await _patch(request, "whep")


async def delete_whip(request: web.Request) -> web.Response:
    return await _delete(request, "whip")


async def delete_whep(request: web.Request) -> web.Response:
    return await _delete(request, "whep")


async def post_layer(request: web.Request, body: LayerIn) -> web.Response:
    await request.app[MEDIA_CLIENT].choose(_own(request, "whep"), body)
    return web.Response(status=204, headers=cors())


async def options(request: web.Request) -> web.Response:
    """Open to all: a preflight carries no identity and tells nothing but what the RFC says anyway, no TURN server either."""
    on_resource = "resource" in request.match_info
    headers = {
        "Access-Control-Allow-Methods": "PATCH, DELETE, OPTIONS" if on_resource else "POST, OPTIONS",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
        **cors(),
    }
    headers["Accept-Patch" if on_resource else "Accept-Post"] = FRAGMENT if on_resource else SDP
    return web.Response(status=204, headers=headers)


async def options_layer(_request: web.Request) -> web.Response:
    headers = {
        "Access-Control-Allow-Methods": "POST, OPTIONS",
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Accept-Post": "application/json",
        **cors(),
    }
    return web.Response(status=204, headers=headers)


async def _patch(request: web.Request, way: Way) -> web.Response:
    resource = _own(request, way)
    fragment = await _read(request, FRAGMENT)
    restarted = await request.app[MEDIA_CLIENT].patch(resource, request.headers.get(hdrs.IF_MATCH), fragment)
    if restarted is None:
        return web.Response(status=204, headers=cors())
    return web.Response(text=restarted.sdpfrag, content_type=FRAGMENT, headers={"ETag": restarted.etag, **cors()})


async def _delete(request: web.Request, way: Way) -> web.Response:
    await request.app[MEDIA_CLIENT].delete(_own(request, way))
    return web.Response(status=200, headers=cors())


def _created(request: web.Request, way: Way, session: str, owner: str, opened: OpenedOut) -> web.Response:
    settings = request.app[WHIP_SETTINGS]
    mac = _mac(settings.secret, way, session, owner, opened.resource)
    response = web.Response(status=201, text=opened.sdp, content_type=SDP, headers=cors())
    response.headers["Location"] = f"/api/sessions/{session}/{way}/{opened.resource}.{mac}"
    response.headers["ETag"] = opened.etag
    if way == "whep":
        response.headers.add("Link", f'<{response.headers["Location"]}/layer>; rel="{_LAYER_REL}"')
    turn = settings.turn.for_owner(settings.opaque(owner)) if settings.turn is not None else ()
    for server in (*settings.ice_servers, *turn):
        response.headers.add("Link", server.link())
    return response


def _own(request: web.Request, way: Way) -> str:
    """The media resource behind this address, if it was made for who asks."""
    resource, _, mac = request.match_info["resource"].rpartition(".")
    if not resource:
        raise Refused(NOT_FOUND)
    wanted = _mac(request.app[WHIP_SETTINGS].secret, way, request.match_info["session"], person(request).id, resource)
    if not hmac.compare_digest(wanted.encode(), mac.encode("utf-8", "surrogateescape")):
        raise Refused(FORBIDDEN)
    return resource


def _mac(secret: bytes, way: Way, session: str, owner: str, resource: str) -> str:
    message = "\0".join(("tellercast-media-resource", way, session, owner, resource)).encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()[:_MAC_HEX]


def is_media(path: str) -> bool:
    """Whether an address is one of these doors, which clients of other sites may use too."""
    return _DOOR.match(path) is not None


def cors() -> dict[str, str]:
    """What every answer of these doors carries, a refusal included."""
    # Any origin: who publishes from elsewhere uses a bearer token, and cookies are not sent to a wildcard.
    return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}


async def _read(request: web.Request, expected: str) -> str:
    if request.content_type != expected:
        raise Refused(WRONG_CONTENT_TYPE, expected=expected)
    accepts = request.headers.get("Accept", "*/*")
    if expected == SDP and not any(a in accepts for a in ("*/*", "application/*", SDP)):
        raise Refused(NOT_ACCEPTABLE, offered=SDP)
    raw = bytearray()
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            async for chunk in request.content.iter_chunked(8192):
                raw += chunk
                if len(raw) > MAX_OFFER_BYTES:
                    raise bad("too long")
        return raw.decode()
    except TimeoutError as error:
        raise bad("it did not come in time") from error
    except UnicodeDecodeError as error:
        raise bad("it is no UTF-8") from error
