"""Operators at the catalogue's doors: its HTTP over a real socket, with a stand-in for the identity middleware."""

from __future__ import annotations

import copy
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from app.routing import add_routes
from commerce import catalogue_routes
from commerce.catalogue_book import BOOK, CatalogueBook
from commerce.shelf import ShelfState
from core.errors import Refused
from core.http import LANG, PERSON
from core.identity import Person, Role
from tests.commerce.conftest import Market

OPERATOR = Person("operator-1", Role.OPERATOR, "冯立")
OTHER = Person("operator-2", Role.OPERATOR, "吴桐")
PEOPLE = {person.id: person for person in (OPERATOR, OTHER)}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NEW: dict[str, Any] = {
    "id": "prd-new",
    "terms": {
        "class": "fund",
        "name_en": "Index fund",
        "name_zh": "指数基金",
        "rate_text_en": "Follows an index",
        "rate_text_zh": "跟踪指数",
        "issuer_risk": 3,
        "bank_risk": 4,
        "term_days": None,
        "currency": "CNY",
        "minimum": 1_000_00,
        "step": 100_00,
        "cap": 50_000_00,
        "quota": 1_000_000_00,
        "price": {"kind": "nav", "value": "1.0500", "date": "2026-11-20", "fee_bps": 15},
        "sale_from": "2026-11-01T09:00:00+08:00",
        "sale_until": "2027-11-01T09:00:00+08:00",
    },
    "disclosure": {"text_en": "You may lose money.", "text_zh": "您可能损失本金。"},
}
EDITABLE = tuple(NEW["terms"])


@dataclass(frozen=True)
class Door:
    """What an operator's page sends, and what comes back; `shelves` is what the rooms were told."""

    http: TestClient[web.Request, web.Application]
    shelves: list[ShelfState]

    async def ask(self, method: str, path: str, body: Any = None, *, who: Person = OPERATOR) -> tuple[int, Any]:
        async with self.http.request(method, path, json=body, headers={"X-As": who.id}) as response:
            return response.status, await response.json(content_type=None)

    async def send_file(self, data: bytes, query: str = "") -> tuple[int, Any]:
        headers = {"X-As": OPERATOR.id, "Content-Type": "text/csv"}
        async with self.http.post(f"/api/catalogue/import{query}", data=io.BytesIO(data), headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def fetch_file(self, query: str = "") -> bytes:
        async with self.http.get(f"/api/catalogue.csv{query}", headers={"X-As": OPERATOR.id}) as response:
            assert response.status == 200
            return await response.read()

    async def item(self, product: str) -> dict[str, Any]:
        status, found = await self.ask("GET", f"/api/catalogue/{product}")
        assert status == 200, found
        return dict(found)


def terms_of(item: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The form's terms of a product as it was read, with some of them changed."""
    return copy.deepcopy({name: item[name] for name in EDITABLE} | changes)


@web.middleware
async def _identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[PERSON] = PEOPLE.get(request.headers.get("X-As", ""))
    request[LANG] = request.query.get("lang", "en")
    try:
        return await handler(request)
    except Refused as refusal:
        body = refusal.to_json(request[LANG])
        return web.json_response(body, status=refusal.problem.status, content_type="application/problem+json")


@asynccontextmanager
async def at_the_door(market: Market) -> AsyncIterator[Door]:
    """The catalogue of this market, served."""
    shelves: list[ShelfState] = []

    async def on_shelf(state: ShelfState) -> None:
        shelves.append(state)

    app = web.Application(middlewares=[_identify])
    app[BOOK] = CatalogueBook(market.db, market.trail, market.clock, on_shelf=on_shelf)
    add_routes(app, catalogue_routes.routes())
    async with TestClient(TestServer(app)) as client:
        yield Door(client, shelves)
