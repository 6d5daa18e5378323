"""A stand-in for the bank's core, for the demo and for tests: verifies signatures, dedupes by event id, and decides.

What it does with an `order_placed` hangs on its mood. In the mood `amounts`, on the last two digits of the whole yuan, so that
every case can be called up:
- ends in 13 (as CNY 10,013.00): rejected ("insufficient funds");
- ends in 21: asked twice, it answers 202 (not decided) the first time and confirms the second;
- ends in 50: 500 the first time, confirmed the second;
- ends in 77: answers only after `slow_s` seconds, so that the first attempt runs into its timeout; the repetition is answered
  at once with what was decided;
- anything else: confirmed.
The other moods are for all orders, until the next: `confirm`, `reject`, `delay` (confirmed after `delay_s` seconds), `pending`
(202, not decided), `fail` (500), `reset` (the connection ends without an answer). What was decided once stays decided, whatever
the mood. An `order_cancelled` is answered with `cancelled`, unless the mood is `fail` or `reset`. A wrong or old signature is
401, a body that can't be read 400.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec
import structlog
from aiohttp import web

from commerce import signing
from core.clock import Clock

PATH: Final = "/core/events"
_REMEMBERED: Final = 10_000
_MAX_BODY: Final = 64 * 1024

_log = structlog.get_logger(__name__)


Mood = Literal["amounts", "confirm", "reject", "delay", "pending", "fail", "reset"]


class CoreEvent(msgspec.Struct, frozen=True):
    """The part of an event the stand-in looks at."""

    event: str
    kind: str
    order: str
    amount: Annotated[int, msgspec.Meta(gt=0)]


@dataclass
class SandboxCore:
    """Remembers the last 10,000 events: `seen` counts arrivals by event id, `decided` is what was said of them."""

    secret: bytes
    clock: Clock
    slow_s: float = 30.0
    delay_s: float = 3.0
    mood: Mood = "amounts"
    seen: dict[str, int] = field(default_factory=dict)
    decided: dict[str, dict[str, str]] = field(default_factory=dict)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        """POST /core/events, to be served on a loopback port."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post(PATH, self.take)
        return app

    async def take(self, request: web.Request) -> web.Response:
        """One event."""
        raw = await request.read()
        event_id = signing.verify(self.secret, request.headers, raw, self.clock.now().timestamp())
        if event_id is None:
            return web.json_response({"error": "signature"}, status=401)
        try:
            event = msgspec.json.decode(raw, type=CoreEvent)
        except msgspec.MsgspecError as error:
            return web.json_response({"error": str(error)}, status=400)
        if event.event != event_id:
            return web.json_response({"error": "event id"}, status=400)
        times = self._count(event_id)
        _log.info("core_event", event_id=event_id, kind=event.kind, order=event.order, times=times, mood=self.mood)
        if self.mood == "reset" and request.transport is not None:
            request.transport.abort()
        if self.mood in {"fail", "reset"}:
            return web.json_response({"error": "on demand"}, status=500)
        if event_id not in self.decided:
            undecided = await self._consider(event, first=times == 1)
            if undecided is not None:
                return undecided
        return web.json_response(self.decided[event_id])

    async def _consider(self, event: CoreEvent, *, first: bool) -> web.Response | None:
        """Decide; or an answer that puts it off."""
        if event.kind == "order_cancelled":
            self._decide(event, "cancelled")
            return None
        ending = event.amount // 100 % 100 if self.mood == "amounts" else None
        if self.mood == "pending" or (ending == 21 and first):  # noqa: PLR2004 - the table in the docstring
            return web.json_response({"state": "pending"}, status=202)
        if ending == 50 and first:  # noqa: PLR2004
            return web.json_response({"error": "on demand"}, status=500)
        if self.mood == "delay":
            await self._dawdle(self.delay_s)
        self._decide(event, "rejected" if self.mood == "reject" or ending == 13 else "confirmed")  # noqa: PLR2004
        if ending == 77 and first:  # noqa: PLR2004
            await self._dawdle(self.slow_s)
        return None

    def _decide(self, event: CoreEvent, word: str) -> None:
        self.decided[event.event] = {"state": word} | ({"reason": "insufficient funds"} if word == "rejected" else {})
        while len(self.decided) > _REMEMBERED:
            del self.decided[next(iter(self.decided))]

    async def _dawdle(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return

    def _count(self, event_id: str) -> int:
        times = self.seen.pop(event_id, 0) + 1
        self.seen[event_id] = times
        while len(self.seen) > _REMEMBERED:
            del self.seen[next(iter(self.seen))]
        return times
