"""The whole web side of a bank over one of the two databases, its media process away: for refusals through its real doors."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import socketio
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, update

from app.middleware import IDENTITY
from app.settings import load
from app.web import Web, open_web
from commerce import assessments, customers, disclosing, questionnaire
from commerce.sale import SaleChanged, SaleMonitor
from commerce.tables import products
from core.clock import ManualClock, media_ms, to_text
from core.database import Database
from core.identity import Person, Role
from recording import sessions
from recording.tables import streams
from recording.trail import Trail

YUAN = 100
BOND, MIXED, EQUITY = "prd-r2-bond", "prd-r3-mixed", "prd-r4-equity"


@dataclass(frozen=True)
class Ask:
    """One request through one of the doors; over Socket.IO when `path` is an event of /desk or /room, as "/desk confirm"."""

    who: Person | None
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    first: tuple[tuple[str, Any], ...] = ()
    """Events that are sent before, over the same connection."""


@dataclass
class Bank:
    """The served application and ways to bring about what a refusal needs. Every helper makes people and shows of its own."""

    server: TestServer
    built: Web
    db: Database
    clock: ManualClock
    http: aiohttp.ClientSession
    folder: Path
    hosts: dict[str, tuple[Person, str]] = field(default_factory=dict)
    numbers: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.trail = Trail(self.clock)
        self.sale = SaleMonitor(self.db, self.trail, self.clock, _nobody)

    def token(self, who: Person) -> str:
        return self.built.application[IDENTITY].token(who)

    async def ask(self, asked: Ask, lang: str = "en") -> tuple[int, dict[str, Any]]:
        """Status (0 over Socket.IO) and the answer; of a refused event its `error`."""
        if " " in asked.path:
            assert asked.who is not None
            namespace, event = asked.path.split()
            told = await self.emit(asked.who, namespace, *asked.first, (event, asked.body), lang=lang)
            return 0, told[-1]
        headers = {"Accept-Language": lang, **asked.headers}
        if asked.who is not None:
            headers["Authorization"] = f"Bearer {self.token(asked.who)}"
        content = {"data": asked.body} if isinstance(asked.body, str) else {"json": asked.body}
        async with self.http.request(asked.method, self.server.make_url(asked.path), headers=headers, **content) as answer:
            return answer.status, (await answer.json(content_type=None)) or {}

    async def emit(self, who: Person, namespace: str, *events: tuple[str, Any], lang: str = "en") -> list[dict[str, Any]]:
        """Send these events over one connection; each one's answer, or its error."""
        client = socketio.AsyncClient(reconnection=False)
        auth = {"token": self.token(who), "lang": lang}
        await client.connect(
            str(self.server.make_url("/")), namespaces=[namespace], auth=auth, transports=["websocket"], wait_timeout=10
        )
        try:
            answers = [dict(await client.call(event, body, namespace=namespace, timeout=20)) for event, body in events]
        finally:
            await client.disconnect()
        return [answer if answer["ok"] else answer["error"] for answer in answers]

    async def get(self, asked: Ask) -> dict[str, Any]:
        """The answer to something that must not be refused."""
        status, answer = await self.ask(asked)
        assert status < 300, answer
        return answer

    async def customer(self, *, age: int = 40, answers: str | None = "dddddddd", days: int = 0, known: bool = True) -> Person:
        """A new customer, assessed `days` ago with these answers, or never with None; `known` with a real name on file."""
        name, now = f"someone-{next(self.numbers)}", self.clock.now()
        born = (now - timedelta(days=(age + 0.5) * 365.2425)).date()
        async with self.db.write() as tx:
            await customers.create(tx, self.clock, name, born, "某某" if known else None)
            if answers is not None:
                given = dict(zip((question.id for question in questionnaire.QUESTIONS), answers, strict=True))
                await assessments.record(tx, name, now - timedelta(days=days), given, questionnaire.evaluate(given))
        return Person(name, Role.CUSTOMER, "某某")

    async def show(self, *offered: str, live: bool = True, age_s: float = 0.0) -> str:
        """The session of a new show with these on its shelf, live and recorded up to `age_s` ago unless told otherwise.

        `hosts` has who hosts it, and the show's id.
        """
        host = Person(f"host-{next(self.numbers)}", Role.ADVISER, "周岚")
        plan = {"title": "晨间理财", "starts_at": to_text(self.clock.now() + timedelta(minutes=5))}
        show = await self.get(Ask(host, "POST", "/api/shows", plan))
        self.hosts[show["session"]] = host, show["id"]
        await self.get(Ask(host, "PUT", f"/api/shows/{show['id']}/shelf", {"products": list(offered)}))
        if live:
            await self.get(Ask(host, "POST", f"/api/shows/{show['id']}/start"))
            await self.record(show["session"], "host", age_s=age_s)
        return str(show["session"])

    async def call(self, customer: Person) -> tuple[dict[str, Any], Person]:
        """A live, recorded call of this customer, and its adviser."""
        adviser = Person(f"adviser-{next(self.numbers)}", Role.ADVISER, "吴哲")
        call = await self.get(Ask(customer, "POST", "/api/calls", {"topic": "定期到期怎么办"}))
        [accepted] = await self.emit(adviser, "/desk", ("accept", {"call": call["id"]}))
        version = accepted["call"]["consent"]["version"]
        live = await self.get(Ask(customer, "POST", f"/api/calls/{call['id']}/consent", {"version": version}))
        await self.record(live["session"], "adviser", "customer")
        return live, adviser

    async def record(self, session: str, *names: str, age_s: float = 0.0) -> None:
        """These streams are recorded up to `age_s` ago, as the intake would write it, and the sale is looked at."""
        at = self.clock.now() - timedelta(seconds=age_s)
        async with self.db.write() as tx:
            started = (await sessions.get(tx, session)).started_at
            assert started is not None
            values = {"status": "publishing", "watermark_ms": media_ms(started, at), "watermark_at": at}
            for name in names:
                row = {"session_id": session, "name": name, "epoch": 1, "first_ms": 0}
                await tx.execute(insert(streams).values(**row, **values))
        await self.sale.check(session)

    async def confirm(self, who: Person, session: str, product: str = BOND) -> None:
        async with self.db.write() as tx:
            await disclosing.confirm(tx, self.trail, self.clock, who, session, product, 1)

    async def product(self, product: str, **values: Any) -> None:
        async with self.db.write() as tx:
            await tx.execute(update(products).where(products.c.id == product).values(**values))

    def order(self, who: Person, session: str, product: str = BOND, **changes: Any) -> Ask:
        """An order of 10,000 yuan over HTTP; 20 s later than asked for it can't be told from a new one but by its key."""
        body = {"session": session, "product": product, "amount": 10_000 * YUAN, "key": f"key-{next(self.numbers):08d}"}
        return Ask(who, "POST", "/api/orders", body | {"disclosure": {"version": 1}} | changes)

    async def wish(self, *, product: str = BOND, who: Person | None = None, **changes: Any) -> Ask:
        """An order that nothing stands against: a customer of C5, a live show, the disclosure confirmed. Then `changes`."""
        customer, session = who or await self.customer(), await self.show(product)
        await self.confirm(customer, session, product)
        return self.order(customer, session, product, **changes)


async def _nobody(_change: SaleChanged) -> None:
    """Nobody listens to the sale here."""


@asynccontextmanager
async def open_bank(database: Database, clock: ManualClock, folder: Path, **more: str) -> AsyncIterator[Bank]:
    """The real application in demo mode over this database, which has all tables; `more` are settings."""
    url = database.url.render_as_string(hide_password=False)
    settings = load({"TELLERCAST_DATA_DIR": str(folder), "TELLERCAST_DEMO": "1", "TELLERCAST_DATABASE_URL": url, **more})
    async with open_web(settings, clock) as built, aiohttp.ClientSession() as http:
        server = TestServer(built.application)
        await server.start_server()
        try:
            yield Bank(server, built, database, clock, http, folder)
        finally:
            await server.close()
