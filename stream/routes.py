"""The media process's internal API, for the web side alone: on a Unix socket, or on a private port with a shared secret."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from core.clock import from_text
from core.errors import BAD_REQUEST, INTERNAL, NOT_FOUND, NOT_SIGNED_IN, Refused, Unavailable
from core.http import read_body
from stream.feed import Feed
from stream.hub import Hub
from stream.sdp import read_fragment
from stream.sink import StreamKey
from stream.wire import AckIn, HealthOut, OpenedOut, PublishIn, RestartedOut, SubscribeIn

_log = structlog.get_logger(__name__)

HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
FEED: web.AppKey[Feed] = web.AppKey("feed", Feed)
STOPPING: web.AppKey[asyncio.Event] = web.AppKey("media_stopping", asyncio.Event)

HEARTBEAT_S = 1.0
_WRITE_TIMEOUT_S = 10.0
_OPEN_PATHS = ("/healthz", "/metrics")
_MAX_BODY = 256 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def internal_app(hub: Hub, feed: Feed, secret: str) -> web.Application:
    """The API over a started hub. An empty `secret` leaves the guarding to the Unix socket's permissions."""
    app = web.Application(middlewares=[_explain, _guard(secret)], client_max_size=_MAX_BODY)
    app[HUB] = hub
    app[FEED] = feed
    app[STOPPING] = asyncio.Event()
    app.on_shutdown.append(_stop_feeds)
    app.add_routes(
        [
            web.post("/v1/publish", publish),
            web.post("/v1/subscribe", subscribe),
            web.patch("/v1/resources/{resource}", patch_resource),
            web.delete("/v1/resources/{resource}", delete_resource),
            web.post("/v1/sessions/{session}/close", close_session),
            web.get("/v1/feed", read_feed),
            web.post("/v1/feed/ack", ack_feed),
            web.get("/healthz", health),
            web.get("/metrics", metrics),
        ]
    )
    return app


async def _stop_feeds(app: web.Application) -> None:
    app[STOPPING].set()


def _guard(secret: str) -> Any:
    wanted = f"Bearer {secret}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if secret and request.path not in _OPEN_PATHS and not hmac.compare_digest(given, wanted):
            raise Refused(NOT_SIGNED_IN)
        return await handler(request)

    return guard


@web.middleware
async def _explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return _problem(refused)
    except web.HTTPException as error:
        if error.status == NOT_FOUND.status:
            return _problem(Refused(NOT_FOUND))
        raise
    except Exception:
        _log.exception("internal_api_failed", path=request.path)
        return _problem(Refused(INTERNAL, reference=request.path))


def _problem(refused: Refused) -> web.Response:
    body = refused.to_json()
    headers = {}
    if isinstance(refused, Unavailable):
        body["retry_after"] = refused.retry_after
        headers["Retry-After"] = str(refused.retry_after)
    return web.json_response(body, status=refused.problem.status, headers=headers, content_type="application/problem+json")


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


async def publish(request: web.Request) -> web.Response:
    body: PublishIn = await read_body(request, PublishIn)
    try:
        started_at = from_text(body.started_at)
    except ValueError as error:
        raise Refused(BAD_REQUEST, detail=f"started_at: {error}") from error
    opened = await request.app[HUB].publish(StreamKey(body.session, body.stream), started_at, body.sdp, body.owner)
    return _json(OpenedOut(opened.resource, opened.sdp, opened.etag), 201)


async def subscribe(request: web.Request) -> web.Response:
    body: SubscribeIn = await read_body(request, SubscribeIn)
    opened = await request.app[HUB].subscribe(StreamKey(body.session, body.stream), body.sdp, body.owner)
    return _json(OpenedOut(opened.resource, opened.sdp, opened.etag), 201)


async def patch_resource(request: web.Request) -> web.Response:
    fragment = await request.text()
    read_fragment(fragment)
    restarted = await request.app[HUB].patch(request.match_info["resource"], request.headers.get("If-Match"), fragment)
    if restarted is None:
        return web.Response(status=204)
    return _json(RestartedOut(restarted.sdpfrag, restarted.etag))


async def delete_resource(request: web.Request) -> web.Response:
    await request.app[HUB].delete(request.match_info["resource"])
    return _json({})


async def close_session(request: web.Request) -> web.Response:
    await request.app[HUB].close_session(request.match_info["session"])
    return _json({})


async def read_feed(request: web.Request) -> web.StreamResponse:
    """NDJSON without end; an empty line every second says that we are here. A reader that takes nothing for 10 s is let go."""
    feed, stopping = request.app[FEED], request.app[STOPPING]
    text = request.query.get("after", "0")
    if not text.isdigit() or len(text) > 16:  # noqa: PLR2004 - 2**53
        raise Refused(BAD_REQUEST, detail="after is no record number")
    after = int(text)
    feed.require(request.query.get("feed", ""))
    feed.lines(after, limit=1)  # refuses a cursor beyond the end before the answer begins
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
    await response.prepare(request)
    try:
        while not feed.closed and not stopping.is_set():
            batch = feed.lines(after)
            after = batch[-1][0] if batch else after
            async with asyncio.timeout(_WRITE_TIMEOUT_S):
                await response.write(b"".join(line for _, line in batch) or b"\n")
            await feed.wait_beyond(after, HEARTBEAT_S)
    except (TimeoutError, ConnectionError) as error:
        _log.info("feed_reader_gone", after=after, error=repr(error))
    return response


async def ack_feed(request: web.Request) -> web.Response:
    body: AckIn = await read_body(request, AckIn)
    request.app[FEED].require(body.feed)
    request.app[FEED].ack(body.upto)
    return _json({})


async def health(request: web.Request) -> web.Response:
    hub, feed = request.app[HUB], request.app[FEED]
    streams = hub.streams()
    publishers = sum(1 for s in streams if s.epoch is not None)
    return _json(HealthOut(hub.boot, publishers, sum(s.subscribers for s in streams), feed.last, feed.backlog, feed.id))


async def metrics(request: web.Request) -> web.Response:
    body = await asyncio.to_thread(generate_latest, request.app[HUB].metrics.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
