"""The HTTP of commerce, over a real socket, with a stand-in for the identity middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, errors, reasons
from commerce import routes as commerce_routes
from commerce.lifecycle import TRANSITIONS, Event, IllegalEvent, State, advance
from commerce.routes import SHOP, Shop
from commerce.tables import disclosures, products
from core.errors import FORBIDDEN, Refused
from core.http import LANG, PERSON, Route, read_body
from core.identity import Person
from recording import kinds
from tests.commerce.conftest import BOND, C3, C5, ELDER, HOST, MIXED, YUAN, Market

PEOPLE = {person.id: person for person in (C3, C5, ELDER, HOST)}
Client = TestClient[web.Request, web.Application]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[PERSON] = PEOPLE.get(request.headers.get("X-As", ""))
    request[LANG] = request.query.get("lang", "en")
    try:
        return await handler(request)
    except Refused as refusal:
        body = refusal.to_json(request[LANG])
        return web.json_response(body, status=refusal.problem.status, content_type="application/problem+json")


def _adapt(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        given = [] if route.takes is None else [await read_body(request, route.takes)]
        answer = await route.handler(request, *given)
        if isinstance(answer, web.StreamResponse):
            return answer
        if answer is None:
            return web.Response(status=204)
        return web.Response(body=msgspec.json.encode(answer), status=route.status, content_type="application/json")

    return handle


@dataclass(frozen=True)
class Place:
    """As if the elder were the customer of every call."""

    customer_id: str | None = ELDER.id


async def _enter(_tx: AsyncConnection, person: Person, session: str) -> Place:
    if session == "ses_private":
        raise Refused(FORBIDDEN, person=person.id)
    return Place()


@pytest.fixture
async def client(market: Market) -> AsyncIterator[Client]:
    app = web.Application(middlewares=[_identify])
    app[SHOP] = Shop(market.db, market.trail, market.clock, market.desk, _enter)
    for route in commerce_routes.routes():
        app.router.add_route(route.method, route.path, _adapt(route))
    async with TestClient(TestServer(app)) as made:
        yield made


async def call(client: Client, method: str, path: str, who: Person | None, body: Any = None) -> tuple[int, Any]:
    headers = {} if who is None else {"X-As": who.id}
    async with client.request(method, path, json=body, headers=headers) as response:
        return response.status, await response.json(content_type=None) if response.status != 204 else None


def order_body(market: Market, **changes: Any) -> dict[str, Any]:
    body = {
        "session": market.session,
        "product": BOND,
        "amount": 10_000 * YUAN,
        "key": "a-good-key",
        "disclosure": {"version": 1},
    }
    return body | changes


async def test_from_the_product_to_the_receipt(market: Market, client: Client) -> None:
    status, answer = await call(client, "GET", "/api/products?lang=zh", C5)
    product = next(one for one in answer["products"] if one["id"] == BOND)
    assert (status, product["class"], product["risk"], product["sale_open"]) == (200, "wealth", "R2", True)
    assert product["risk_meaning"].startswith("R2（中低风险）")
    assert "不代表收益承诺" in product["rate_text"]
    assert await call(client, "GET", f"/api/products/{BOND}?lang=zh", C5) == (200, product)

    status, refusal = await call(client, "POST", "/api/orders", C5, order_body(market))
    assert (status, refusal["code"], refusal["door"]) == (409, "disclosure_missing", "disclosure")
    confirmation = {"product": BOND, "version": product["disclosure"]["version"]}
    assert await call(client, "POST", f"/api/sessions/{market.session}/disclosures", C5, confirmation) == (204, None)
    status, order = await call(client, "POST", "/api/orders", C5, order_body(market))
    assert (status, order["state"], order["product"]["risk"]) == (201, "placed", "R2")
    assert await call(client, "POST", "/api/orders", C5, order_body(market)) == (200, order)
    status, refusal = await call(client, "POST", "/api/orders?lang=zh", C5, order_body(market, amount=20_000 * YUAN))
    assert (status, refusal["code"], refusal["title"]) == (409, "idempotency_conflict", "该订单编号已用于另一笔订单。")

    assert await call(client, "GET", "/api/orders", C5) == (200, {"orders": [order]})
    status, receipt = await call(client, "GET", f"/api/orders/{order['id']}", C5)
    assert (status, receipt) == (200, receipt | order)
    assert (await call(client, "GET", f"/api/orders/{order['id']}", C3))[0] == 404
    status, cancelled = await call(client, "POST", f"/api/orders/{order['id']}/cancel", C5)
    assert (status, cancelled["state"]) == (200, "cancelled")


async def test_products_come_in_pages_each_once_in_one_order(market: Market, client: Client) -> None:
    async with market.db.write() as tx:
        row = (await tx.execute(select(products).where(products.c.id == BOND))).one()._mapping
        alike = {column.key: row[column] for column in products.c}
        text = (await tx.execute(select(disclosures).where(disclosures.c.product_id == BOND))).one()._mapping
        twins = [f"prd-twin-{number:03}" for number in range(200)]  # in nothing but their ids different
        await tx.execute(insert(products), [{**alike, "id": one, "disclosure_version": 1} for one in twins])
        await tx.execute(insert(disclosures), [{**text, "product_id": one, "version": 1} for one in twins])
        ranked = [product.id for product in await catalogue.all_products(tx)]
    _status, first = await call(client, "GET", "/api/products", C5)
    assert (len(first["products"]), first["next"]) == (100, first["products"][-1]["id"])
    seen: list[str] = []
    after = ""
    while after is not None:
        _status, page = await call(client, "GET", f"/api/products?limit=69&after={after}", C5)
        assert len(page["products"]) <= 69
        seen += [one["id"] for one in page["products"]]
        after = page["next"]
    assert seen[:100] == [one["id"] for one in first["products"]]
    assert len(seen) == len(set(seen)) == 207  # three full pages: the third says that it is the last
    assert set(seen) == set(ranked)
    _status, rest = await call(client, "GET", "/api/products?limit=200&class=wealth&q=纯债+twin&after=prd-twin-197", C5)
    assert ([one["id"] for one in rest["products"]], rest["next"]) == (twins[198:], None)
    for query in ("limit=0", "limit=201", "limit=x", "after=prd-nothing", f"q={'x' * 101}"):
        assert (await call(client, "GET", f"/api/products?{query}", C5))[0] == 400, query


async def test_a_confirmation_stands_though_nobody_could_be_told(market: Market) -> None:
    async def fail(_session: str) -> None:
        raise RuntimeError("nobody listens")

    app = web.Application(middlewares=[_identify])
    app[SHOP] = Shop(market.db, market.trail, market.clock, market.desk, _enter, fail)
    for route in commerce_routes.routes():
        app.router.add_route(route.method, route.path, _adapt(route))
    async with TestClient(TestServer(app)) as client:
        body = {"product": BOND, "version": 1}
        assert await call(client, "POST", f"/api/sessions/{market.session}/disclosures", C5, body) == (204, None)
    assert len(await market.entries(kinds.DISCLOSURE_CONFIRMED)) == 1


async def test_the_questionnaire(client: Client) -> None:
    status, asked = await call(client, "GET", "/api/assessments?lang=zh", C3)
    assert (status, asked["current"]["grade"], asked["left_today"], asked["left_year"]) == (200, "C3", 2, 7)
    answers = {question["id"]: question["options"][-1]["id"] for question in asked["questions"]}
    status, made = await call(client, "POST", "/api/assessments", C3, {"answers": answers})
    assert (status, made["grade"], made["score"]) == (201, "C5", 100)
    status, refusal = await call(client, "POST", "/api/assessments", C3, {"answers": {}})
    assert (status, refusal["code"]) == (422, "answers_incomplete")
    assert (await call(client, "GET", "/api/assessments", HOST))[0] == 403


async def test_the_extra_explanation_is_the_calls_advisers_alone(market: Market, client: Client) -> None:
    session = await market.open_session(kind="call")
    path, body = f"/api/sessions/{session}/explanations", {"customer": ELDER.id, "product": MIXED}
    assert (await call(client, "POST", path, ELDER, body))[0] == 403
    assert (await call(client, "POST", f"/api/sessions/{market.session}/explanations", HOST, body))[0] == 403
    assert (await call(client, "POST", path, HOST, body | {"customer": C3.id}))[0] == 403  # who is not in this call
    assert (await call(client, "POST", path, HOST, body))[0] == 204
    assert len(await market.entries(kinds.RISK_EXPLAINED, session=session)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 0},
        {"amount": 1.5},
        {"amount": "1"},
        {"key": "short"},
        {"key": "no spaces!"},
        {"surprise": 1},
        {"disclosure": {}},
    ],
)
async def test_what_can_not_be_read_is_refused(market: Market, client: Client, changes: dict[str, Any]) -> None:
    status, refusal = await call(client, "POST", "/api/orders", C5, order_body(market, **changes))
    assert (status, refusal["code"]) == (400, "bad_request")


async def test_the_doors_of_sessions_are_asked(market: Market, client: Client) -> None:
    body = {"product": BOND, "version": 1}
    assert (await call(client, "POST", "/api/sessions/ses_private/disclosures", C5, body))[0] == 403
    assert (await call(client, "POST", "/api/sessions/ses_nowhere/disclosures", C5, body))[0] == 404
    assert (await call(client, "POST", "/api/orders", C5, order_body(market, session="ses_private")))[0] == 403
    assert (await call(client, "GET", "/api/orders", None))[0] == 401


def test_every_refusal_speaks_both_languages_and_codes_are_its_own() -> None:
    codes = [problem.code for problem in errors.PROBLEMS]
    assert len(set(codes)) == len(codes)
    for problem in errors.PROBLEMS:
        assert problem.en
        assert problem.zh != problem.en or "{" in problem.en
        assert problem.next_en
        assert problem.next_zh
    declared = {name for name, value in vars(errors).items() if isinstance(value, type(errors.SALE_CLOSED))}
    assert len(declared) == len(errors.PROBLEMS)


def test_every_reason_is_worded() -> None:
    for reason in (
        "recording_not_started",
        "recording_stale",
        "recording_failed",
        "publisher_lost",
        "session_ended",
        "session_not_started",
    ):
        assert reasons.sale_view(reason).sentence_en not in ("", reasons.sale_view("other").sentence_en)
    assert reasons.sale_view(None).open


def test_what_is_not_in_the_orders_table_is_refused() -> None:
    for state in State:
        for event in Event:
            if (state, event) in TRANSITIONS:
                assert advance(state, event) is TRANSITIONS[state, event]
            else:
                with pytest.raises(IllegalEvent):
                    advance(state, event)
