"""A media process's internal API, for the web side and other media processes: on a Unix socket, or on a private port with a
shared secret."""

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
from stream.carrier import Carrier
from stream.edge import Edge
from stream.feed import Feed
from stream.hub import Hub
from stream.relay_wire import read_wish
from stream.sdp import read_fragment
from stream.sink import StreamKey
from stream.wire import AckIn, ExpelIn, HealthOut, LayerIn, Name, OpenedOut, PublishIn, RestartedOut, SubscribeIn

_log = structlog.get_logger(__name__)

CARRIER: web.AppKey[Carrier] = web.AppKey("carrier", Carrier)
HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
FEED: web.AppKey[Feed] = web.AppKey("feed", Feed)
STOPPING: web.AppKey[asyncio.Event] = web.AppKey("media_stopping", asyncio.Event)

HEARTBEAT_S = 1.0
_WRITE_TIMEOUT_S = 10.0
_OPEN_PATHS = ("/healthz",)
_MAX_BODY = 256 * 1024
# An edge that does not answer for one and a half of these is gone, and so is the home for an edge.
RELAY_HEARTBEAT_S = 4.0
_WISH_BYTES = 256
_GOODBYE_S = 2.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def internal_app(hub: Hub, feed: Feed, secret: str) -> web.Application:
    """The home's API, over a started hub. An empty `secret` leaves the guarding to the Unix socket's permissions."""
    app = _carrier_app(hub, secret)
    app[HUB] = hub
    app[FEED] = feed
    app[STOPPING] = asyncio.Event()
    app.on_shutdown.append(_stop_feeds)
    app.add_routes(
        [
            web.post("/v1/publish", publish),
            web.post("/v1/sessions/{session}/close", close_session),
            web.get("/v1/feed", read_feed),
            web.post("/v1/feed/ack", ack_feed),
            web.get("/v1/relay", relay),
            web.get("/healthz", health),
        ]
    )
    return app


def edge_app(edge: Edge, secret: str) -> web.Application:
    """An edge's API, as `internal_app`: it takes no publisher, for it has nothing that would record one."""
    app = _carrier_app(edge, secret)
    app.add_routes([web.get("/healthz", edge_health)])
    return app


def _carrier_app(carrier: Carrier, secret: str) -> web.Application:
    app = web.Application(middlewares=[_explain, _guard(secret)], client_max_size=_MAX_BODY)
    app[CARRIER] = carrier
    app.add_routes(
        [
            web.post("/v1/subscribe", subscribe),
            web.patch("/v1/resources/{resource}", patch_resource),
            web.delete("/v1/resources/{resource}", delete_resource),
            web.post("/v1/resources/{resource}/layer", choose_layer),
            web.post("/v1/sessions/{session}/expel", expel),
            web.get("/metrics", metrics),
        ]
    )
    return app


async def _stop_feeds(app: web.Application) -> None:
    app[STOPPING].set()
    app[HUB].let_edges_go()


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
    opened = await request.app[CARRIER].subscribe(StreamKey(body.session, body.stream), body.sdp, body.owner)
    return _json(OpenedOut(opened.resource, opened.sdp, opened.etag), 201)


async def patch_resource(request: web.Request) -> web.Response:
    fragment = await request.text()
    read_fragment(fragment)
    restarted = await request.app[CARRIER].patch(request.match_info["resource"], request.headers.get("If-Match"), fragment)
    if restarted is None:
        return web.Response(status=204)
    return _json(RestartedOut(restarted.sdpfrag, restarted.etag))


async def choose_layer(request: web.Request) -> web.Response:
    body: LayerIn = await read_body(request, LayerIn)
    request.app[CARRIER].choose(request.match_info["resource"], body.quality, body.height)
    return _json({})


async def delete_resource(request: web.Request) -> web.Response:
    await request.app[CARRIER].delete(request.match_info["resource"])
    return _json({})


async def expel(request: web.Request) -> web.Response:
    body: ExpelIn = await read_body(request, ExpelIn)
    request.app[CARRIER].expel(request.match_info["session"], body.owners)
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
        while (batch := feed.lines(after)) or not (feed.closed or stopping.is_set()):
            after = batch[-1][0] if batch else after
            async with asyncio.timeout(_WRITE_TIMEOUT_S):
                await response.write(b"".join(line for _, line in batch) or b"\n")
            await _more_or_end(feed, after, stopping)
    except (TimeoutError, ConnectionError) as error:
        _log.info("feed_reader_gone", after=after, error=repr(error))
    return response


async def _more_or_end(feed: Feed, after: int, stopping: asyncio.Event) -> None:
    """Until there is a record beyond `after`, a heartbeat is due, or readers are to end: a stop waits for no heartbeat."""
    waits = {asyncio.ensure_future(feed.wait_beyond(after, HEARTBEAT_S)), asyncio.ensure_future(stopping.wait())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def ack_feed(request: web.Request) -> web.Response:
    body: AckIn = await read_body(request, AckIn)
    request.app[FEED].require(body.feed)
    request.app[FEED].ack(body.upto)
    return _json({})


async def relay(request: web.Request) -> web.StreamResponse:
    """A stream for an edge (`stream/relay_wire.py`): what is so, then all that comes, until the session or the edge ends.

    `group=1` begins with the picture so far, so that who joins there sees it at once.
    """
    key = StreamKey(_name(request, "session"), _name(request, "stream"))
    response = web.WebSocketResponse(heartbeat=RELAY_HEARTBEAT_S, timeout=_GOODBYE_S, compress=False, max_msg_size=_WISH_BYTES)
    await response.prepare(request)
    transport, hub = request.transport, request.app[HUB]
    line = hub.relay(key, group=request.query.get("group") == "1")
    line.on_cut = transport.abort if transport is not None else None
    tasks = {
        asyncio.create_task(line.run(lambda message: _send(response, message))),
        asyncio.create_task(_take_wishes(response, hub, key)),
    }
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not line.cut:
            async with asyncio.timeout(_GOODBYE_S):
                await response.close()
    except TimeoutError:
        _log.info("relay_goodbye_unsent", session=key.session, stream=key.stream)
    finally:
        for task in tasks:
            task.cancel()
        _tell_ends(key, await asyncio.gather(*tasks, return_exceptions=True))
        hub.unrelay(key, line)
        if transport is not None:
            transport.abort()  # closing it would wait for an edge that takes nothing
    return response


def _name(request: web.Request, field: str) -> str:
    try:
        return msgspec.convert(request.query.get(field, ""), Name)
    except msgspec.ValidationError as error:
        raise Refused(BAD_REQUEST, detail=f"{field}: {error}") from error


async def _send(response: web.WebSocketResponse, message: str | bytes) -> None:
    if isinstance(message, str):
        await response.send_str(message)
    else:
        await response.send_bytes(message)


async def _take_wishes(response: web.WebSocketResponse, hub: Hub, key: StreamKey) -> None:
    async for message in response:
        if message.type is not web.WSMsgType.TEXT:
            raise ValueError("a relay takes texts")
        hub.wish_keyframe(key, low=read_wish(message.data).low)


def _tell_ends(key: StreamKey, ends: list[BaseException | None]) -> None:
    for end in ends:
        if isinstance(end, TimeoutError | ConnectionError | ValueError):
            _log.info("relay_ended", session=key.session, stream=key.stream, error=repr(end))
        elif isinstance(end, Exception):
            _log.error("relay_failed", session=key.session, stream=key.stream, exc_info=end)


async def health(request: web.Request) -> web.Response:
    hub, feed = request.app[HUB], request.app[FEED]
    streams = hub.streams()
    publishers = sum(1 for s in streams if s.epoch is not None)
    return _json(HealthOut(hub.boot, publishers, sum(s.subscribers for s in streams), feed.last, feed.backlog, feed.id))


async def edge_health(request: web.Request) -> web.Response:
    """It has no publishers of its own, and no feed."""
    edge = request.app[CARRIER]
    return _json(HealthOut(edge.boot, 0, sum(s.subscribers for s in edge.streams()), 0, 0))


async def metrics(request: web.Request) -> web.Response:
    body = await asyncio.to_thread(generate_latest, request.app[CARRIER].metrics.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
