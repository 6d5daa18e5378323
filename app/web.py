"""The web process's composition root: everything is made here, by hand, and handed down."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import msgspec
import socketio
import structlog
from aiohttp import web
from prometheus_client import REGISTRY

from app import accounts, openapi, outgoing, pages
from app.assertions import ASSERTIONS, Assertions, Issuer, issuer_from
from app.demo import seed
from app.identity import Identity
from app.keys import signing_keys
from app.lexicon import LexiconWatch, open_lexicon
from app.middleware import IDENTITY, add_headers, outermost
from app.migrate import check
from app.origin import OWN_SITE, OwnSite
from app.permissions import may_emit
from app.problems import PROBLEMS
from app.process import BACKLOG, Works, attend, collect_rarely, taking
from app.reactions import Reactions
from app.review import copies_folder, open_review
from app.routing import add_routes
from app.settings import Settings, secret_file
from app.telemetry import metrics_response, watch_lag
from commerce import catalogue_routes, delivery_routes
from commerce import routes as commerce_routes
from commerce.catalogue_book import BOOK, CatalogueBook
from commerce.customers import CUSTOMERS, Customers
from commerce.orders import ORDERS, OrderDesk
from commerce.replaying import Replays
from commerce.risk import RiskLimits
from commerce.routes import SHOP, Shop
from commerce.sale import SaleMonitor
from commerce.webhooks import tell_sealed
from compliance import routes as compliance_routes
from compliance.desk import COMPLIANCE
from compliance.lexicon import put_in_force
from core.clock import Clock, SystemClock
from core.database import Database
from core.http import Route
from recording.closing import Closer
from recording.derived import Copies
from recording.intake import Intake
from recording.playable import make_playable
from recording.poster import make_poster
from recording.trail import Trail
from rooms import access, moderation_routes, replay
from rooms import routes as rooms_routes
from rooms.addresses import Addresses
from rooms.attendance import Attendance
from rooms.desks import ROOMS, open_rooms
from rooms.door import RoomDoor
from rooms.fanout import Fanout
from rooms.line import Line
from rooms.relay import Relay
from rooms.sockets import SharedManager, socket_server
from stream import whip
from stream.client import MEDIA_CLIENT, MediaClient
from stream.ice_servers import IceServer, TurnServers
from stream.pool import MediaPool

log = structlog.get_logger()

# A connection that has sent no request for so long, not a first one either, is closed. Proxies give theirs up after 60 s, and
# would lose a request if we were quicker.
IDLE_S = 75.0


@dataclass(frozen=True, slots=True)
class Web:
    """The application, and the works that have to run beside it."""

    application: web.Application
    works: Works
    fanout: Fanout


def all_routes(*, demo: bool) -> list[Route]:
    """Every documented route there is."""
    return [
        *accounts.routes(demo=demo),
        *rooms_routes.routes(),
        *moderation_routes.routes(),
        *whip.routes(),
        *commerce_routes.routes(),
        *catalogue_routes.routes(),
        *delivery_routes.routes(demo=demo),
        *compliance_routes.routes(),
    ]


async def run_web(settings: Settings, stopping: asyncio.Event, listening: int | None = None) -> int:
    """Serves until `stopping`, on a socket that was handed down if there is one; answers the exit code."""
    await asyncio.to_thread(issuer_from, settings)
    await check(settings)
    async with open_web(settings) as built:
        runner = web.AppRunner(built.application, access_log=None, shutdown_timeout=5, keepalive_timeout=IDLE_S)
        await runner.setup()
        try:
            with taking(f"port {settings.http_port}", "TELLERCAST_HTTP_PORT"):
                await _site(runner, settings, listening).start()
            collect_rarely()
            log.info("web process ready", url=settings.base_url)
            return await attend(stopping, built.works)
        finally:
            await runner.cleanup()


def _site(runner: web.AppRunner, settings: Settings, listening: int | None) -> web.BaseSite:
    if listening is None:
        return web.TCPSite(runner, settings.http_host, settings.http_port, backlog=BACKLOG)
    return web.SockSite(runner, socket.socket(fileno=listening), backlog=BACKLOG)


@asynccontextmanager
async def open_web(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Web]:
    """The whole web side over its database and its media process, both given by the settings."""
    clock = clock or SystemClock()
    issuer = await asyncio.to_thread(issuer_from, settings)
    lexicon = await asyncio.to_thread(open_lexicon, settings)
    async with AsyncExitStack() as stack:
        stack.callback(put_in_force, None)
        db = Database(settings.resolved_database_url)
        stack.push_async_callback(db.close)
        media = MediaPool([MediaClient(address, settings.media_secret) for address in settings.media_addresses])
        stack.push_async_callback(media.close)
        lines = await outgoing.open_lines(stack, settings, clock, partial(_derived, settings))
        if settings.demo:
            await seed(db, clock)
        yield _assemble(settings, clock, db, media, lines, issuer, lexicon)


def _sockets(settings: Settings, own_site: OwnSite, line: Line | None) -> socketio.AsyncServer:
    """The Socket.IO server; `line` joins it with those of other web processes."""
    return socket_server(
        own_site=own_site.owns_socket,
        client_manager=SharedManager(line) if line is not None else None,
        addresses=Addresses(settings.connections_per_address, settings.proxies),
        polling=settings.webs == 1,
    )


def _assemble(
    settings: Settings,
    clock: Clock,
    db: Database,
    media: MediaPool,
    lines: outgoing.Lines,
    issuer: Issuer | None,
    lexicon: LexiconWatch,
) -> Web:
    trail = Trail(clock)
    identity = Identity(_derived(settings, "identity"), secure_cookie=settings.base_url.startswith("https:"))
    own_site = OwnSite.at(settings.public_url)
    whip_settings = _whip_settings(settings, clock)
    line = Line(settings.redis_url, clock) if settings.redis_url else None
    relay = Relay(line) if line is not None else None
    sio = _sockets(settings, own_site, line)
    attendance = Attendance(clock, relay)
    fanout = Fanout(sio, db, trail, clock, attendance, relay=relay)
    reactions = Reactions(fanout)
    reactions.sale = sale = SaleMonitor(db, trail, clock, reactions.sale_changed)
    out = outgoing.assemble(
        lines, settings, partial(_derived, settings), db=db, trail=trail, clock=clock, on_change=fanout.order_changed
    )
    orders = OrderDesk(
        db, trail, clock, sale, on_change=fanout.order_to_customer, noted=fanout.order_noted, wake=out.outbox.wake,
        limits=_risk_limits(settings), replays=Replays(db, is_on=settings.replay_sales, watchable=replay.is_shown),
    )  # fmt: skip
    rooms = open_rooms(
        sio, fanout, db=db, trail=trail, clock=clock, attendance=attendance, media=media, sale=sale, orders=orders,
        end_pictures=lambda session, people: media.expel(session, [whip_settings.opaque(one) for one in people]),
        identify=identity.from_socket, may=may_emit, secret=_derived(settings, "author-tags"),
        abandoned_after_s=settings.abandoned_after_s,
        joined=(line, relay) if line is not None and relay is not None else None,
    )  # fmt: skip
    review = open_review(settings, db, trail, clock)
    closer = Closer(
        db, trail, clock, signing_keys(settings), on_finding=review.screening.on_finding,
        on_change=reactions.session_settled, on_sealed=tell_sealed, end_media=media.close_session,
        silence_s=settings.seal_wait_s,
    )  # fmt: skip
    copies = Copies(
        db, clock, archive=settings.archive_root, folder=copies_folder(settings), make_playable=make_playable,
        make_poster=make_poster, on_change=reactions.session_settled,
    )  # fmt: skip
    intake = Intake(db, trail, clock, media, reactions.recording_changed)
    reactions.wake_closer, reactions.wake_copies = closer.wake, copies.wake
    reactions.wake_screening, reactions.wake_partners = review.screening.wake, out.webhooks.wake

    application = web.Application(middlewares=[outermost], client_max_size=1024 * 1024)
    application.on_response_prepare.append(add_headers)
    application[IDENTITY] = identity
    application[OWN_SITE] = own_site
    application[ASSERTIONS] = Assertions(db, clock, issuer)
    application[CUSTOMERS] = Customers(db, clock)
    application[ORDERS] = orders
    application[SHOP] = Shop(db, trail, clock, orders, access.enter, fanout.disclosure_confirmed)
    application[BOOK] = CatalogueBook(db, trail, clock, on_shelf=fanout.shelf)
    out.add_to(application)
    application[ROOMS] = rooms
    application[MEDIA_CLIENT] = media
    application[whip.MEDIA_DOOR] = RoomDoor(db, trail)
    application[whip.WHIP_SETTINGS] = whip_settings
    application[COMPLIANCE] = review
    sio.attach(application)

    async def hang_up(_application: web.Application) -> None:
        """An open socket would hold up the end until its time is over; the client comes back by itself."""
        for sid in list(sio.eio.sockets):
            await sio.eio.throw_out(sid)

    async def close_desk(_application: web.Application) -> None:
        """Orders under way are answered before their connections end."""
        await orders.close()

    application.on_shutdown.extend((close_desk, hang_up))
    add_routes(application, all_routes(demo=settings.demo))
    _add_operations(application, settings, db, intake, line, lexicon)
    pages.add_pages(application, PROBLEMS)
    works: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "rooms": rooms.run,
        "sale": sale.run,
        "intake": intake.run,
        "closer": closer.run,
        "copies": copies.run,
        "media": media.run,
        "lag": watch_lag,
        "lexicon": lexicon.run,
        "screening": review.screening.run,
        "evidence": review.evidence.run,
    }
    works |= out.works()
    if line is not None:
        works["line"] = line.run
    return Web(application, works, fanout)


def _risk_limits(settings: Settings) -> RiskLimits:
    return RiskLimits(
        settings.risk_velocity_orders, settings.risk_velocity_minutes, settings.risk_amount_factor, settings.risk_amount_floor
    )


def _whip_settings(settings: Settings, clock: Clock) -> whip.WhipSettings:
    urls = settings.turn_servers
    turn = TurnServers(urls, settings.turn_secret.encode(), settings.turn_lifetime_s, clock) if urls else None
    return whip.WhipSettings(_derived(settings, "whip"), tuple(IceServer(url) for url in settings.stun_urls), turn)


def _add_operations(
    application: web.Application, settings: Settings, db: Database, intake: Intake, line: Line | None, lexicon: LexiconWatch
) -> None:
    """Health, readiness, metrics, and the document of all routes."""
    described = msgspec.json.encode(openapi.document(all_routes(demo=settings.demo), version("tellercast")))

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        parts = {"database": await _answers(db), "media": intake.connected}
        ready = all(parts.values())
        # Without Redis a process serves its own viewers: to be taken out for that would end it for them too.
        joined = {"redis": "joined" if line.up else "away"} if line is not None else {}
        # The last good rules hold when the file can't be used: no reason to send everybody away.
        rules = {"lexicon": "refused" if lexicon.refused else "in force"}
        return web.json_response({"ready": ready, **parts, **joined, **rules}, status=200 if ready else 503)

    async def metrics(request: web.Request) -> web.Response:
        return metrics_response(request, REGISTRY, settings.metrics_token)

    async def openapi_json(_request: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/api/openapi.json", openapi_json)


async def _answers(db: Database) -> bool:
    try:
        async with asyncio.timeout(2), db.read() as tx:
            await tx.exec_driver_sql("SELECT 1")
    except Exception:
        log.exception("the database does not answer")
        return False
    return True


def _derived(settings: Settings, purpose: str) -> bytes:
    """A key of its own for each purpose, from the installation's one secret."""
    return hmac.digest(secret_file(settings.data_dir / "secret"), f"tellercast/{purpose}".encode(), hashlib.sha256)
