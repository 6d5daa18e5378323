"""A whole web side around rooms: a real HTTP server, real sockets, a real database; only the media process is played."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Self

import aiohttp
import socketio
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select, update

from app.identity import Identity
from app.middleware import IDENTITY, outermost
from app.permissions import may_emit
from app.routing import add_routes
from commerce import demo_data as commerce_demo
from commerce import disclosing
from commerce.orders import OrderDesk
from commerce.sale import SaleMonitor
from compliance.desk import COMPLIANCE, Compliance
from core.clock import ManualClock, media_ms, to_text
from core.database import Database
from core.identity import Person, Role
from recording import sessions
from recording.tables import streams
from recording.trail import Entry, Trail
from rooms import moderation_routes, routes
from rooms.addresses import Addresses
from rooms.attendance import Attendance
from rooms.desks import ROOMS, Rooms, open_rooms
from rooms.fanout import Fanout
from rooms.line import Line
from rooms.relay import Relay
from rooms.sockets import SharedManager, socket_server
from rooms.tables import calls

SECRET = b"a secret of tests, long enough"
BOND, RISKY = "prd-r2-bond", "prd-r5-strategy"
AMOUNT = 10_000 * 100

PEOPLE = {
    one.id: one
    for one in (
        Person("customer-c1", Role.CUSTOMER, "陈晓"),
        Person("customer-c3", Role.CUSTOMER, "李文"),
        Person("customer-c5", Role.CUSTOMER, "赵敏"),
        Person("adviser-1", Role.ADVISER, "周岚"),
        Person("adviser-2", Role.ADVISER, "吴哲"),
        Person("supervisor-1", Role.SUPERVISOR, "郑宁"),
        Person("reviewer-1", Role.REVIEWER, "孙恒"),
    )
}


class _Served(TestServer):
    """As in service (`app/web.py`): who hangs up does not cancel what he began."""

    async def _make_runner(self, **options: Any) -> web.BaseRunner:
        return await super()._make_runner(**{**options, "handler_cancellation": False})


class PlayedMedia:
    """The media process as rooms knows it; `failing` is raised instead of an answer."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.dark: list[tuple[str, list[str]]] = []  # sessions and people whose pictures were ended
        self.failing: Exception | None = None

    async def close_session(self, session: str) -> None:
        if self.failing is not None:
            raise self.failing
        self.closed.append(session)

    async def end_pictures(self, session: str, people: Sequence[str]) -> None:
        if self.failing is not None:
            raise self.failing
        self.dark.append((session, sorted(people)))


class Tab:
    """One browser tab: a person's connection to both namespaces, remembering all it heard."""

    def __init__(self, url: str, token: str, lang: str) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.heard: list[tuple[str, str, Any]] = []
        self._url, self._auth = url, {"token": token, "lang": lang}
        self._news = asyncio.Condition()
        for namespace in ("/room", "/desk"):
            self.client.on("*", self._listener(namespace), namespace=namespace)

    def _listener(self, namespace: str) -> Callable[[str, Any], Any]:
        async def hear(event: str, payload: Any) -> None:
            async with self._news:
                self.heard.append((namespace, event, payload))
                self._news.notify_all()

        return hear

    async def open(self) -> Self:
        options = {"transports": ["websocket"], "auth": self._auth, "wait_timeout": 10}
        await self.client.connect(self._url, namespaces=["/room", "/desk"], **options)
        return self

    async def close(self) -> None:
        await self.client.disconnect()
        await self.client.shutdown()

    async def room(self, event: str, payload: Any = None) -> dict[str, Any]:
        """Emit to /room and answer the acknowledgement."""
        return dict(await self.client.call(event, payload, namespace="/room", timeout=10))

    async def desk(self, event: str, payload: Any = None) -> dict[str, Any]:
        """Emit to /desk and answer the acknowledgement."""
        return dict(await self.client.call(event, payload, namespace="/desk", timeout=10))

    def all(self, event: str, namespace: str = "/room") -> list[Any]:
        """The payloads of that event so far."""
        return [payload for space, name, payload in self.heard if space == namespace and name == event]

    async def hears(self, event: str, fits: Callable[[Any], bool] = bool, namespace: str = "/room") -> Any:
        """The first payload of that event that fits, waiting for it if need be."""
        async with asyncio.timeout(10), self._news:
            while True:
                for payload in self.all(event, namespace):
                    if fits(payload):
                        return payload
                await self._news.wait()


class House:
    """The web side. Use it as a context manager."""

    def __init__(self, db: Database, clock: ManualClock, redis_url: str = "") -> None:
        self.line = Line(redis_url, clock) if redis_url else None
        self.db, self.clock, self.trail, self.media = db, clock, Trail(clock), PlayedMedia()
        self.identity = Identity(SECRET, secure_cookie=False)
        self.tabs: list[Tab] = []
        self.rooms: Rooms
        self.fanout: Fanout
        self.compliance: Compliance | None = None  # what of it a test needs, set before the house is opened
        self.addresses: Addresses | None = None  # the same
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        async with self.db.write() as tx:
            await commerce_demo.seed(tx, self.clock)
        relay = self.relay = Relay(self.line) if self.line is not None else None
        manager = SharedManager(self.line) if self.line is not None else None
        sio = self.sio = socket_server(client_manager=manager, addresses=self.addresses)
        attendance = Attendance(self.clock, relay)
        self.fanout = fanout = Fanout(sio, self.db, self.trail, self.clock, attendance, relay=relay, round_s=0.02)
        self.sale = SaleMonitor(self.db, self.trail, self.clock, fanout.sale_changed)
        tell = {"on_change": fanout.order_to_customer, "noted": fanout.order_noted}
        self.orders = OrderDesk(self.db, self.trail, self.clock, self.sale, **tell)
        self.rooms = open_rooms(
            sio,
            fanout,
            db=self.db,
            trail=self.trail,
            clock=self.clock,
            attendance=attendance,
            media=self.media,
            end_pictures=self.media.end_pictures,
            sale=self.sale,
            orders=self.orders,
            identify=self.identity.from_socket,
            may=may_emit,
            secret=SECRET,
            joined=(self.line, relay) if self.line is not None and relay is not None else None,
        )
        app = web.Application(middlewares=[outermost])
        app[IDENTITY], app[ROOMS] = self.identity, self.rooms
        if self.compliance is not None:
            app[COMPLIANCE] = self.compliance
        add_routes(app, [*routes.routes(), *moderation_routes.routes()])
        sio.attach(app)
        self.server = _Served(app)
        await self.server.start_server()
        self.url = str(self.server.make_url("/")).rstrip("/")
        self.http = aiohttp.ClientSession()
        self._rounds = asyncio.create_task(fanout.run())
        self._loops = [asyncio.create_task(self.rooms.comments.run()), self._rounds]
        if self.line is not None and self.rooms.rejoining is not None:
            lasting = (self.line.run, self.rooms.presence.run, self.rooms.attendance.run, self.rooms.rejoining.run)
            self._loops += [asyncio.create_task(work()) for work in lasting]
        return self

    async def __aexit__(self, *_: object) -> None:
        for tab in self.tabs:
            await tab.close()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.http.close()
        await self.sio.shutdown()
        await self.server.close()

    async def pause_rounds(self) -> None:
        """From now on a test tells the rounds itself, by `fanout.flush()`."""
        self._rounds.cancel()
        await asyncio.gather(self._rounds, return_exceptions=True)
        await self.fanout.flush()

    async def flush(self) -> None:
        """A round, with all that is committed by now: others are told of it by tasks beside the acknowledgements."""
        await asyncio.gather(*self.orders._telling._under_way)
        await self.fanout.flush()

    def token(self, name: str) -> str:
        return self.identity.token(PEOPLE[name])

    async def tab(self, name: str, lang: str = "en") -> Tab:
        tab = Tab(self.url, self.token(name), lang)
        self.tabs.append(tab)
        return await tab.open()

    async def api(self, name: str, method: str, path: str, body: Any = None, lang: str = "en") -> tuple[int, Any]:
        """Status and JSON of one HTTP request as that person."""
        headers = {"Authorization": f"Bearer {self.token(name)}", "Accept-Language": lang}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def show(self, *products: str, live: bool = True, host: str = "adviser-1") -> dict[str, Any]:
        """A show with these products on its shelf, live and recorded unless told otherwise."""
        starts_at = to_text(self.clock.now() + timedelta(minutes=5))
        status, show = await self.api(host, "POST", "/api/shows", {"title": "晨间理财", "starts_at": starts_at})
        assert status == 201, show
        if products:
            status, _ = await self.api(host, "PUT", f"/api/shows/{show['id']}/shelf", {"products": products})
            assert status == 200
        if live:
            status, show = await self.api(host, "POST", f"/api/shows/{show['id']}/start")
            assert status == 200, show
            await self.record(show["session"], "host")
        return dict(show)

    async def record(self, session_id: str, *names: str, status: str = "publishing") -> None:
        """These streams are recorded up to this moment, as the intake would write it, and the sale is looked at."""
        now = self.clock.now()
        async with self.db.write() as tx:
            session = await sessions.get(tx, session_id)
            assert session.started_at is not None
            values = {"status": status, "watermark_ms": media_ms(session.started_at, now), "watermark_at": now}
            for name in names:
                row = (streams.c.session_id == session_id) & (streams.c.name == name)
                if (await tx.execute(update(streams).where(row).values(values))).rowcount == 0:
                    await tx.execute(insert(streams).values(session_id=session_id, name=name, epoch=1, first_ms=0, **values))
        await self.sale.check(session_id)

    async def confirm_disclosure(self, name: str, session_id: str, product: str = BOND) -> None:
        async with self.db.write() as tx:
            await disclosing.confirm(tx, self.trail, self.clock, PEOPLE[name], session_id, product, 1)

    async def entries(self, session_id: str, *kinds: str) -> list[Entry]:
        async with self.db.read() as tx:
            return await self.trail.entries(tx, session_id, kinds=kinds or None)

    async def gone(self, name: str) -> None:
        """Waits until the desk has noted that this waiting customer's last tab was closed at this moment."""
        noted = select(calls.c.seen_at).where(calls.c.customer_id == name, calls.c.state == "waiting")
        async with asyncio.timeout(10):
            while await self.scalar(noted) != self.clock.now():
                await asyncio.sleep(0)

    async def scalar(self, query: Any) -> Any:
        async with self.db.read() as tx:
            return (await tx.execute(query)).scalar_one_or_none()

    def wish(self, session_id: str, key: str = "key-00000001", **changes: Any) -> dict[str, Any]:
        wish = {"session": session_id, "product": BOND, "amount": AMOUNT, "key": key, "disclosure": {"version": 1}}
        return wish | changes


__all__ = ["AMOUNT", "BOND", "PEOPLE", "RISKY", "House", "PlayedMedia", "Tab"]
