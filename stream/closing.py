"""The end of a session's media, once and for good: its peers end, the recorder writes what it holds, the feed says so."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from core.errors import Unavailable
from stream.errors import MEDIA_UNAVAILABLE
from stream.events import SessionClosed
from stream.feed import Feed

_log = structlog.get_logger(__name__)

# Closed sessions remembered, so that a late offer can't reopen one.
_CLOSED_KEPT = 10_000
_DURABLE_S = 10.0


class SessionClosing:
    """Knows which sessions are closed. `end_peers(session)` returns when nobody of the session sends or receives any more."""

    def __init__(
        self,
        feed: Feed,
        end_peers: Callable[[str], Awaitable[None]],
        flush: Callable[[str], Awaitable[None]] | None,
        flush_timeout_s: float,
    ) -> None:
        self._feed = feed
        self._end_peers = end_peers
        self._flush = flush
        self._flush_timeout_s = flush_timeout_s
        self._closed: OrderedDict[str, int] = OrderedDict()  # the number of its `session_closed`, 0 before there is one
        self._closing: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, session: str) -> bool:
        """Whether it is closed, or being closed: no peer may come any more."""
        return session in self._closed

    async def close(self, session: str) -> None:
        """Returns when `session_closed` is durable; who asks meanwhile waits for the same. Raises Unavailable: ask again."""
        if session not in self._closing:
            task = asyncio.create_task(self._close(session))
            self._closing[session] = task
            task.add_done_callback(lambda done: self._over(session, done))
        await asyncio.shield(self._closing[session])

    async def stop(self) -> None:
        """Lets go of what is still under way; the web side asks the next process."""
        under_way = list(self._closing.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _over(self, session: str, task: asyncio.Task[None]) -> None:
        self._closing.pop(session, None)
        if not task.cancelled():
            task.exception()  # who asked has been told, if still there

    async def _close(self, session: str) -> None:
        self._closed.setdefault(session, 0)
        while len(self._closed) > _CLOSED_KEPT:
            self._closed.popitem(last=False)
        await self._end_peers(session)
        try:
            if not self._closed.get(session):
                if self._flush is not None:
                    async with asyncio.timeout(self._flush_timeout_s):
                        await self._flush(session)
                event = SessionClosed(session)
                # Queued once, however often the disk refuses and the web side asks again.
                self._closed[session] = self._feed.append_soon(event.kind, event.data())
            await self._durable(self._closed[session])
        except Exception as error:
            _log.exception("session_not_closed", session=session)
            raise Unavailable(MEDIA_UNAVAILABLE, retry_after=2) from error

    async def _durable(self, number: int) -> None:
        await self._feed.wait_beyond(number - 1, _DURABLE_S)
        if self._feed.last < number:
            raise TimeoutError("the feed can't be written")
