"""The asking side of a media process's internal API: web's, and an edge's towards the home.

Raises what the media process refused with, and Unavailable(MEDIA_UNAVAILABLE) when it does not answer in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
import structlog
from aiohttp import web

from core import errors as core_errors
from core.clock import to_text
from core.errors import Refused, Unavailable
from stream.errors import MEDIA_UNAVAILABLE, PROBLEMS
from stream.wire import (
    EXPELLED_AT_ONCE,
    AckIn,
    ExpelIn,
    HealthOut,
    LayerIn,
    OpenedOut,
    ProblemIn,
    PublishIn,
    RestartedOut,
    SubscribeIn,
)

_log = structlog.get_logger(__name__)

_BY_CODE = MappingProxyType({p.code: p for p in (*core_errors.PROBLEMS, *PROBLEMS)})
# The feed sends an empty line every second; this long without one and the media process is gone.
_SILENCE_S = 5.0
_CLOSE_TIMEOUT_S = 60.0
_EXPEL_TIMEOUT_S = 2.0
_MAX_LINE = 1024 * 1024
_REFUSED_FROM = 400
_CONNECTIONS = 100
_WS_CLOSE_S = 1.0

T = TypeVar("T")


class MediaClient:
    """`address` is a Unix socket's path or a URL such as http://10.0.0.5:8090. Use it as a context manager, or `close()` it.

    Safe to make before the event loop runs and while the media process is down; each call stands for itself. `connections`
    bounds those at a time; 0 for one that bounds them itself.
    """

    def __init__(self, address: str, secret: str, *, timeout_s: float = 10.0, connections: int = _CONNECTIONS) -> None:
        self._unix = None if "://" in address else str(address)
        self._base = "http://media" if self._unix else address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._timeout_s = timeout_s
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def publish(self, session: str, stream: str, started_at: datetime, sdp: str, owner: str = "") -> OpenedOut:
        """Opens a publisher. Refused: bad_offer, unsupported_media, session_closed; Unavailable: media_full."""
        body = PublishIn(session=session, stream=stream, started_at=to_text(started_at), sdp=sdp, owner=owner)
        return _decode(await self._call("POST", "/v1/publish", body), OpenedOut)

    async def subscribe(self, session: str, stream: str, sdp: str, owner: str = "") -> OpenedOut:
        """Opens a subscriber. As publish; Unavailable(STREAM_NOT_FOUND) when nobody publishes."""
        body = SubscribeIn(session=session, stream=stream, sdp=sdp, owner=owner)
        return _decode(await self._call("POST", "/v1/subscribe", body), OpenedOut)

    async def patch(self, resource: str, if_match: str | None, fragment: str) -> RestartedOut | None:
        """Trickles (None) or restarts ICE. Refused: not_found, tag_missing, tag_stale, bad_offer."""
        headers = {"If-Match": if_match} if if_match else {}
        raw = await self._call("PATCH", f"/v1/resources/{quote(resource, safe='')}", fragment, headers=headers)
        return _decode(raw, RestartedOut) if raw else None

    async def choose(self, resource: str, layer: LayerIn) -> None:
        """Which video a subscriber gets. Refused: not_found, which a publisher's resource is too."""
        await self._call("POST", f"/v1/resources/{quote(resource, safe='')}/layer", layer)

    async def delete(self, resource: str) -> None:
        """Ends a publisher or subscriber. Refused: not_found."""
        await self._call("DELETE", f"/v1/resources/{quote(resource, safe='')}")

    async def expel(self, session: str, owners: Sequence[str]) -> None:
        """Ends these owners' subscribers in the session. May be repeated."""
        path = f"/v1/sessions/{quote(session, safe='')}/expel"
        for begin in range(0, len(owners), EXPELLED_AT_ONCE):
            body = ExpelIn(list(owners[begin : begin + EXPELLED_AT_ONCE]))
            await self._call("POST", path, body, timeout_s=_EXPEL_TIMEOUT_S)

    async def close_session(self, session: str) -> None:
        """Stops a session's media; `session_closed` is on the feed when this returns. May be repeated."""
        await self._call("POST", f"/v1/sessions/{quote(session, safe='')}/close", timeout_s=_CLOSE_TIMEOUT_S)

    async def feed_id(self) -> str:
        """Which feed the media process keeps now: the numbers of one say nothing about another's."""
        return (await self.health()).feed_id

    async def ack(self, upto: int, feed: str = "") -> None:
        """Tells that every record up to `upto` is safe. Refused: feed_ahead, and feed_anew when it is not `feed` any more."""
        await self._call("POST", "/v1/feed/ack", AckIn(upto=upto, feed=feed))

    async def health(self) -> HealthOut:
        """What the media process says of itself."""
        return _decode(await self._call("GET", "/healthz"), HealthOut)

    async def healthy(self) -> bool:
        """Whether the media process answers."""
        try:
            await self.health()
        except Refused:
            return False
        return True

    async def feed(self, after: int, feed: str = "") -> AsyncIterator[dict[str, Any]]:
        """Records beyond `after` of the feed with the id `feed` (of any, when empty) as they come, without end.

        Raises Unavailable when the connection is lost or silent for 5 s (call again with the last number), Refused(FEED_AHEAD)
        when the cursor is beyond the end, Refused(FEED_ANEW) when that feed is gone.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s, sock_read=_SILENCE_S)
        async with self._request("GET", f"/v1/feed?after={after}&feed={quote(feed, safe='')}", timeout=timeout) as response:
            rest = b""
            try:
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line:
                            yield msgspec.json.decode(line)
                    if len(rest) > _MAX_LINE:
                        raise Unavailable(MEDIA_UNAVAILABLE)
            except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
                _log.warning("feed_interrupted", error=repr(error))
                raise Unavailable(MEDIA_UNAVAILABLE) from error
        raise Unavailable(MEDIA_UNAVAILABLE)

    @asynccontextmanager
    async def relay(
        self, session: str, stream: str, *, group: bool, heartbeat_s: float, max_message: int
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A stream's packets, as of `stream/relay_wire.py`. Raises Unavailable when it can't be opened."""
        path = f"/v1/relay?session={quote(session, safe='')}&stream={quote(stream, safe='')}&group={int(group)}"
        try:
            async with asyncio.timeout(self._timeout_s):
                socket = await self._http().ws_connect(
                    self._base + path,
                    heartbeat=heartbeat_s,
                    compress=0,
                    max_msg_size=max_message,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_WS_CLOSE_S),
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(MEDIA_UNAVAILABLE) from error
        try:
            yield socket
        finally:
            await socket.close()

    async def _call(
        self,
        method: str,
        path: str,
        body: msgspec.Struct | str | None = None,
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float = 0,
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=timeout_s or self._timeout_s)
        data = body.encode() if isinstance(body, str) else msgspec.json.encode(body) if body is not None else None
        async with self._request(method, path, data=data, headers=headers, timeout=timeout) as response:
            try:
                return await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise Unavailable(MEDIA_UNAVAILABLE) from error

    @asynccontextmanager
    async def _request(self, method: str, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            response = await self._http().request(method, self._base + path, **options)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.warning("media_unavailable", path=path, error=repr(error))
            raise Unavailable(MEDIA_UNAVAILABLE) from error
        try:
            if response.status >= _REFUSED_FROM:
                raise await _refusal(response)
            yield response
        finally:
            response.close() if response.content_type == "application/x-ndjson" else response.release()

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            limit = self._connections
            connector = aiohttp.UnixConnector(self._unix, limit=limit) if self._unix else aiohttp.TCPConnector(limit=limit)
            self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self._session


async def _refusal(response: aiohttp.ClientResponse) -> Refused:
    try:
        async with asyncio.timeout(_SILENCE_S):
            told = msgspec.json.decode(await response.read(), type=ProblemIn)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError):
        return Unavailable(MEDIA_UNAVAILABLE)
    problem = _BY_CODE.get(told.code)
    if problem is None or problem is core_errors.NOT_SIGNED_IN or problem is core_errors.INTERNAL:
        _log.error("media_refused_strangely", status=response.status, code=told.code)
        return Unavailable(MEDIA_UNAVAILABLE)
    if told.retry_after:
        return Unavailable(problem, retry_after=told.retry_after, **told.params)
    return Refused(problem, **told.params)


def _decode(raw: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.MsgspecError as error:
        raise Unavailable(MEDIA_UNAVAILABLE) from error


class MediaDesk(Protocol):
    """What WHIP and WHEP need of the media side: of one process (`MediaClient`) or of all (`stream.pool.MediaPool`)."""

    async def publish(self, session: str, stream: str, started_at: datetime, sdp: str, owner: str = "") -> OpenedOut: ...

    async def subscribe(self, session: str, stream: str, sdp: str, owner: str = "") -> OpenedOut: ...

    async def patch(self, resource: str, if_match: str | None, fragment: str) -> RestartedOut | None: ...

    async def choose(self, resource: str, layer: LayerIn) -> None: ...

    async def delete(self, resource: str) -> None: ...


MEDIA_CLIENT: web.AppKey[MediaDesk] = web.AppKey("media_client", MediaDesk)
