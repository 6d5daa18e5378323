"""Ending a session's media after the commit that ended the session, and the collaborators that shows and calls share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Protocol

import structlog

from core.errors import Refused

log = structlog.get_logger()

CLOSE_TIMEOUT_S = 5.0


class Media(Protocol):
    """What rooms needs of the media process; `stream.client.MediaClient` is it."""

    async def close_session(self, session: str) -> None:
        """Stop all publishers and subscribers of a session and write its last fragments."""
        ...


class SaleChecks(Protocol):
    """Looks at once whether a session's sale is open; `commerce.sale.SaleMonitor` is it."""

    async def check(self, session_id: str) -> object:
        """Look, and put a change on the record."""
        ...


async def announce(*steps: Awaitable[object]) -> None:
    """Do what follows a commit, one after the other. What fails is logged: it can't undo what was committed, nor hide it."""
    left = list(steps)
    try:
        while left:
            try:
                await left.pop(0)
            except Exception:
                log.exception("not announced")
    finally:
        for step in left:  # cancelled in between: what was not begun is not left hanging
            if isinstance(step, Coroutine):
                step.close()


async def close_media(media: Media, session_id: str) -> None:
    """Bounded, and never in the way: while the media process is away, the recording's closing sweep does it later."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await media.close_session(session_id)
    except (Refused, TimeoutError) as error:
        log.warning("media not closed; the sweep will", session=session_id, error=str(error) or type(error).__name__)
