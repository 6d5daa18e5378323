"""A partner hears of a session's seal: what the register says of it, signed, once, and never of one that was not entered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from commerce import outbox_queue, signing
from commerce.outbox_courier import OutboxLimits
from commerce.tables import outbox
from commerce.webhook_guard import guarded_session
from commerce.webhook_receivers import Receivers, Secrets
from commerce.webhooks import Webhooks, tell_sealed
from core.clock import ManualClock, to_text
from core.database import Database
from core.identity import Person, Role
from recording import register, sessions
from recording.claim import read_claim
from recording.closing import Closer
from recording.keys import SigningKeys
from recording.note import open_note
from recording.register import Seal
from recording.trail import Trail
from tests.commerce.bank import Ask, open_bank

OPERATOR = Person("operator-1", Role.OPERATOR, "冯立")
SEALED = "session_sealed"


@dataclass
class Partner:
    """Keeps what it is sent; answers each with the next of `answers`, or 204."""

    answers: list[int] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.heard.append((dict(request.headers), await request.read()))
        self.news.set()
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _headers, body in self.heard]


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Partner, str]]:
    partner, app = Partner(), web.Application()
    app.router.add_post("/hook", partner.take)
    async with TestServer(app) as server:
        yield partner, str(server.make_url("/hook"))


async def test_who_asked_for_it_is_told_what_the_register_says(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    async with open_bank(database, clock, tmp_path) as bank, listening() as (partner, url), listening() as (other, elsewhere):
        wanted = {"name": "Archive", "url": url, "kinds": [SEALED]}
        made = await bank.get(Ask(OPERATOR, "POST", "/api/receivers", wanted))
        await bank.get(Ask(OPERATOR, "POST", "/api/receivers", wanted | {"url": elsewhere, "kinds": ["order_placed"]}))
        session = await bank.show("prd-r2-bond", live=False)
        host, show = bank.hosts[session]
        await bank.get(Ask(host, "POST", f"/api/shows/{show}/cancel"))
        works = [asyncio.create_task(bank.built.works[name]()) for name in ("closer", "webhooks")]
        try:
            async with asyncio.timeout(20):
                await partner.news.wait()
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
        [(headers, body)] = partner.heard
        assert other.heard == []
        told = json.loads(body)
        async with database.read() as tx:
            seal = await register.seal_of(tx, session)
            keys = SigningKeys(tmp_path / "keys").public()
        assert seal is not None
        assert told == {
            "event": headers[signing.EVENT],
            "kind": SEALED,
            "at": to_text(seal.at),
            "session": session,
            "number": 1,
            "sealed_at": to_text(seal.at),
            "entries": seal.entries,
            "fragments": 0,
            "root": seal.root,
            "key": seal.key_id,
            "prev": seal.prev,
            "hash": seal.hash,
            "checkpoint": seal.checkpoint,
        }
        assert read_claim(open_note(told["checkpoint"], keys)[0]).root.hex() == told["root"]
        assert signing.verify(made["secret"].encode(), headers, body, clock.now().timestamp()) == told["event"]
        [shown] = (await bank.get(Ask(OPERATOR, "GET", "/api/deliveries")))["deliveries"]
        assert (shown["kind"], shown["order"], shown["session"]) == (SEALED, None, session)


@dataclass
class House:
    """Sessions that are over, whoever seals them, and one partner who wants to hear of it."""

    db: Database
    clock: ManualClock
    folder: Path
    webhooks: Webhooks
    fails: bool = False

    async def over(self) -> str:
        async with self.db.write() as tx:
            made = await sessions.create(tx, self.clock, kind="show", title="x", host_id="a", required=("host",))
            await sessions.move(tx, self.clock, Trail(self.clock), made.id, "cancel", "a")
        return made.id

    async def seal(self) -> list[str]:
        keys = SigningKeys(self.folder / "keys")
        closer = Closer(
            *(self.db, Trail(self.clock), self.clock, keys), on_finding=_nobody, on_change=_nobody, on_sealed=self._tell
        )
        with capture_logs():
            return [seal.session_id for seal in await closer.sweep()]

    async def _tell(self, tx: AsyncConnection, seal: Seal) -> None:
        await tell_sealed(tx, seal)
        if self.fails:
            raise OSError("no room left")

    async def rows(self) -> int:
        async with self.db.read() as tx:
            return int((await tx.execute(select(func.count()).select_from(outbox))).scalar_one())


async def _nobody(*_: object) -> None:
    """Neither finding nor change is what this is about."""


@pytest.fixture
async def told(database: Database, clock: ManualClock, tmp_path: Path) -> AsyncIterator[tuple[House, Partner]]:
    async with listening() as (partner, url), guarded_session(allow_private=True, connections=4) as http:
        webhooks = Webhooks(database, clock, http, Secrets(b"root"), limits=OutboxLimits(timeout_s=5, attempts=3))
        async with database.write() as tx:
            await Receivers(clock, allow_private=True).add(tx, OPERATOR, name="Archive", url=url, kinds=(SEALED,))
        yield House(database, clock, tmp_path, webhooks), partner


async def test_a_seal_and_its_event_are_kept_together_or_not_at_all(told: tuple[House, Partner]) -> None:
    house, partner = told
    session = await house.over()
    house.fails = True
    assert await house.seal() == []
    async with house.db.read() as tx:
        assert await register.seal_of(tx, session) is None
    assert await house.rows() == 0
    house.fails = False
    assert await house.seal() == [session]
    assert await house.seal() == []  # and not once more
    assert await house.rows() == 1
    await house.webhooks.deliver_due()
    assert [event["session"] for event in partner.events] == [session]


async def test_a_repetition_has_the_same_event_and_seals_wait_for_no_other(told: tuple[House, Partner]) -> None:
    house, partner = told
    first, second = await house.over(), await house.over()
    assert await house.seal() == [first, second]
    partner.answers = [500, 204]
    await house.webhooks.deliver_due()
    assert sorted(event["session"] for event in partner.events) == sorted((first, second))
    house.clock.advance(700)
    await house.webhooks.deliver_due()
    again = partner.events[-1]
    assert [event["event"] for event in partner.events].count(again["event"]) == 2
    async with house.db.read() as tx:
        assert (await outbox_queue.counts(tx))["delivered"] == 2
