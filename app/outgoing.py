"""What leaves this process about orders: to the bank's core, in the demo to a stand-in for it, and to partners."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import structlog
from aiohttp import web

from app.settings import Settings
from commerce.deliveries import measure
from commerce.delivery_routes import DELIVERIES, DeliveryDesk
from commerce.order_book import OnOrder
from commerce.outbox import Outbox
from commerce.outbox_courier import OutboxLimits
from commerce.sandbox_core import PATH, SandboxCore
from commerce.webhook_guard import guarded_session
from commerce.webhook_receivers import Receivers, Secrets
from commerce.webhooks import CONNECTIONS, Webhooks
from core.clock import Clock
from core.database import Database
from recording.trail import Trail

log = structlog.get_logger()
# Makes a key of its own for each purpose, from the installation's one secret.
Derive = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Lines:
    """Where orders are delivered to and by what; empty `core_url` for no core."""

    core_url: str
    core_secret: bytes
    to_core: aiohttp.ClientSession
    to_partners: aiohttp.ClientSession
    sandbox: SandboxCore | None = None


async def open_lines(stack: AsyncExitStack, settings: Settings, clock: Clock, derive: Derive) -> Lines:
    """The sessions, and in demo mode without a core of the bank's the stand-in on a port of its own."""
    connector = aiohttp.TCPConnector(limit=OutboxLimits().batch)
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
    to_core = await stack.enter_async_context(session)
    to_partners = await stack.enter_async_context(guarded_session(allow_private=settings.demo, connections=CONNECTIONS))
    if settings.core_url:
        return Lines(settings.core_url, settings.core_secret.encode(), to_core, to_partners)
    if not settings.demo:
        log.warning("TELLERCAST_CORE_URL is not set: orders are taken and kept, but told to no core system")
        return Lines("", b"", to_core, to_partners)
    secret = derive("sandbox-core")
    sandbox = SandboxCore(secret, clock)
    runner = web.AppRunner(sandbox.app(), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    stack.callback(sandbox.closing.set)  # first, so that nobody it keeps waiting holds up the end
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return Lines(f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}", secret, to_core, to_partners, sandbox)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The couriers, and the desk from which operators see them."""

    outbox: Outbox
    webhooks: Webhooks
    desk: DeliveryDesk
    db: Database
    clock: Clock

    def add_to(self, application: web.Application) -> None:
        """What the handlers look for."""
        application[DELIVERIES] = self.desk

    def works(self) -> dict[str, Callable[[], Coroutine[Any, Any, object]]]:
        """What has to run beside the requests."""
        measuring = partial(measure, self.db, self.clock)
        return {"outbox": self.outbox.run, "webhooks": self.webhooks.run, "deliveries": measuring}


def assemble(
    lines: Lines, settings: Settings, derive: Derive, *, db: Database, trail: Trail, clock: Clock, on_change: OnOrder
) -> Outgoing:
    """The couriers over their lines."""
    secrets = Secrets(derive("webhooks"))
    webhooks = Webhooks(db, clock, lines.to_partners, secrets)
    outbox = Outbox(
        db, trail, clock, lines.to_core, lines.core_url, lines.core_secret, on_change=on_change, on_partners=webhooks.wake
    )

    def wake() -> None:
        outbox.wake()
        webhooks.wake()

    receivers = Receivers(clock, allow_private=settings.demo)
    desk = DeliveryDesk(db, clock, receivers, secrets, lines.core_url, wake, webhooks.changed, lines.sandbox)
    return Outgoing(outbox, webhooks, desk, db, clock)
