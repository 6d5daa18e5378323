"""What one floor's change means to the others. Everything here is called after the commit it speaks of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from commerce.sale import SaleChanged, SaleMonitor
from core.errors import Refused
from recording import kinds
from rooms.fanout import Fanout

log = structlog.get_logger()

MEDIA_STARTED = "media_started"
SESSION_CLOSED = "session_closed"
SEALED = "sealed"
FINDING = "finding"


class Reactions:
    """The wiring between intake, closing, copies, sale and the rooms. Set `wake_…` once the workers exist."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self.sale: SaleMonitor | None = None
        self.wake_closer: Callable[[], None] = _nobody
        self.wake_copies: Callable[[], None] = _nobody
        self.wake_screening: Callable[[], None] = _nobody
        self.wake_partners: Callable[[], None] = _nobody

    async def recording_changed(self, session_id: str, kind: str, data: dict[str, Any]) -> None:
        """A record of the media feed was written down."""
        if kind == MEDIA_STARTED:
            await self._fanout.media_started(str(data["boot"]))
            return
        if kind == FINDING:
            log.error("recording finding", session=session_id, **data)
            return
        if kind == SESSION_CLOSED:
            self.wake_closer()
        if self.sale is not None:
            try:
                await self.sale.check(session_id)
            except Refused as refusal:
                log.warning("sale could not be checked", session=session_id, code=refusal.problem.code)
        await self._fanout.session_changed(session_id, kind, data)

    async def session_settled(self, session_id: str, kind: str, data: dict[str, Any]) -> None:
        """A session was sealed, or a copy of it is ready."""
        if kind == SEALED:
            self.wake_copies()
            self.wake_screening()
            self.wake_partners()
        await self._fanout.session_changed(session_id, kind, data)

    async def sale_changed(self, change: SaleChanged) -> None:
        """A session's sale opened or closed."""
        kind = kinds.SALE_OPENED if change.reason is None else kinds.SALE_CLOSED
        await self._fanout.session_changed(change.session_id, kind, {"reason": change.reason})


def _nobody() -> None:
    """Nobody to wake yet."""
