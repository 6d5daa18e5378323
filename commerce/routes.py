"""HTTP of products, assessments, disclosures and orders. Handlers translate; `Shop` holds what they need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import assessments, catalogue, disclosing, errors, order_book, receipts, wire
from commerce.catalogue_routes import filter_of, number
from commerce.orders import OrderDesk
from core.clock import Clock
from core.database import Database
from core.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Problem, Refused
from core.http import Route, lang, person
from core.identity import Person
from recording.trail import Trail

log = structlog.get_logger()

# Told of the session in which a disclosure was confirmed.
Confirmed = Callable[[str], Awaitable[None]]


class Place(Protocol):
    """A session as this person may use it; `rooms.access.Access` is it."""

    @property
    def customer_id(self) -> str | None:
        """The customer of this call; None in a show."""
        ...


# Raises Refused when this person has no place in this session; rooms knows who is in a call.
Enter = Callable[[AsyncConnection, Person, str], Awaitable[Place]]


@dataclass(frozen=True, slots=True)
class Shop:
    """The collaborators of this package's handlers."""

    db: Database
    trail: Trail
    clock: Clock
    desk: OrderDesk
    enter: Enter
    on_confirmed: Confirmed | None = None


SHOP = web.AppKey("shop", Shop)

# How many products a page has when nobody asks for more or fewer, and at most.
PRODUCTS: Final = 100
MOST_PRODUCTS: Final = 200

_REPLAY: tuple[Problem, ...] = (
    errors.REPLAY_SALES_OFF,
    errors.REPLAY_NOT_SEALED,
    errors.REPLAY_NOT_RECORDED,
    errors.REPLAY_NOT_ON_SHELF,
)
_GATE: tuple[Problem, ...] = (
    errors.SESSION_NOT_LIVE,
    errors.SALE_CLOSED,
    errors.PROPOSAL_MISSING,
    errors.PROPOSAL_OUTSIDE_CALL,
    errors.IDENTITY_MISSING,
    errors.PRODUCT_NOT_ON_SHELF,
    errors.PRODUCT_SALE_CLOSED,
    errors.ASSESSMENT_MISSING,
    errors.ASSESSMENT_EXPIRED,
    errors.RISK_TOO_HIGH,
    errors.DISCLOSURE_MISSING,
    errors.DISCLOSURE_OUTDATED,
    errors.BELOW_MINIMUM,
    errors.OFF_STEP,
    errors.OUT_OF_STOCK,
    errors.CAP_EXCEEDED,
    errors.ELDER_NEEDS_CALL,
    errors.EXPLANATION_MISSING,
    errors.RISK_REVIEW,
    *_REPLAY,
    errors.REPLAY_TERMS_CHANGED,
    errors.IDEMPOTENCY_CONFLICT,
    errors.DESK_BUSY,
    NOT_FOUND,
    FORBIDDEN,
)


def routes() -> list[Route]:
    """Every way into commerce over HTTP."""
    told = (errors.SESSION_NOT_LIVE, errors.PRODUCT_NOT_ON_SHELF, NOT_FOUND, FORBIDDEN)
    cancelling = (errors.COOLING_OFF_OVER, errors.NOT_CANCELLABLE, errors.DESK_BUSY, NOT_FOUND)
    assessing = (errors.ANSWERS_INCOMPLETE, errors.ASSESSMENT_LIMIT, errors.IDENTITY_MISSING, FORBIDDEN)
    take, asked = wire.Answers, wire.Questionnaire
    return [
        Route("GET", "/api/products", list_products,
              f"Products; ?class=, risk_max= (1 to 5), term_max_days=, q=, after=, limit= (1 to {MOST_PRODUCTS}; {PRODUCTS})",
              gives=wire.Products, problems=(BAD_REQUEST,)),
        Route("GET", "/api/products/{product}", get_product, "One product", gives=wire.Product, problems=(NOT_FOUND,)),
        Route("GET", "/api/assessments", ask, "The questionnaire and the current grade", gives=asked, problems=(FORBIDDEN,)),
        Route("POST", "/api/assessments", assess, "Fill in the questionnaire", take, wire.Assessment, 201, assessing),
        Route(
            "POST",
            "/api/sessions/{session}/disclosures",
            confirm_disclosure,
            "Confirm a product's disclosure in a session, or in its replay",
            takes=wire.ConfirmDisclosure,
            status=204,
            problems=(errors.DISCLOSURE_OUTDATED, errors.DESK_BUSY, *_REPLAY, errors.REPLAY_TERMS_CHANGED, *told),
        ),
        Route(
            "POST",
            "/api/sessions/{session}/explanations",
            explain_risk,
            "The call's adviser has explained a product's risks to a customer of 65 or over",
            takes=wire.ExplainRisk,
            status=204,
            problems=told,
        ),
        Route("POST", "/api/orders", place_order, "Place an order; 200 when the key was used before", wire.PlaceOrder,
              wire.Order, 201, _GATE),
        Route("GET", "/api/orders", list_orders, "One's own orders, newest first", gives=wire.Orders),
        Route("GET", "/api/orders/{order}", get_order, "The receipt of one's own order", gives=wire.Receipt,
              problems=(NOT_FOUND,)),
        Route("POST", "/api/orders/{order}/cancel", cancel_order, "Cancel within the cooling-off time", gives=wire.Order,
              problems=cancelling),
    ]  # fmt: skip


async def list_products(request: web.Request) -> wire.Products:
    shop, only, limit = request.app[SHOP], filter_of(request), number(request, "limit", MOST_PRODUCTS)
    if limit == 0:
        raise Refused(BAD_REQUEST, detail=f"limit: a number from 1 to {MOST_PRODUCTS}")
    async with shop.db.read() as tx:
        found, following = await catalogue.page(tx, only, request.query.get("after") or None, limit or PRODUCTS)
    now = shop.clock.now()
    return wire.Products(products=[product.view(now, lang(request)) for product in found], next=following)


async def get_product(request: web.Request) -> wire.Product:
    shop = request.app[SHOP]
    async with shop.db.read() as tx:
        product = await catalogue.get(tx, request.match_info["product"])
    return product.view(shop.clock.now(), lang(request))


async def ask(request: web.Request) -> wire.Questionnaire:
    shop = request.app[SHOP]
    async with shop.db.read() as tx:
        return await assessments.overview(tx, shop.clock, person(request), lang(request))


async def assess(request: web.Request, body: wire.Answers) -> wire.Assessment:
    shop = request.app[SHOP]
    async with shop.db.write() as tx:
        return await assessments.take(tx, shop.clock, person(request), body, lang(request))


async def confirm_disclosure(request: web.Request, body: wire.ConfirmDisclosure) -> None:
    shop, customer, session = request.app[SHOP], person(request), request.match_info["session"]
    past = await shop.desk.past(session, body.product, body.replay) if body.replay is not None else None
    async with shop.db.write() as tx:
        await shop.enter(tx, customer, session)
        if past is not None:
            await disclosing.confirm_again(tx, shop.trail, shop.clock, customer, body, session, past)
            return
        seq = await disclosing.confirm(tx, shop.trail, shop.clock, customer, session, body.product, body.version)
    if shop.on_confirmed is not None and seq is not None:
        try:
            await shop.on_confirmed(session)
        except Exception:  # it is confirmed: a host who isn't told doesn't make it otherwise
            log.exception("disclosure_not_announced", session=session)


async def explain_risk(request: web.Request, body: wire.ExplainRisk) -> None:
    shop, adviser, session = request.app[SHOP], person(request), request.match_info["session"]
    async with shop.db.write() as tx:
        place = await shop.enter(tx, adviser, session)
        if place.customer_id != body.customer:  # nobody is explained a risk in a call he is not in
            raise Refused(FORBIDDEN)
        await disclosing.explain(tx, shop.trail, shop.clock, adviser, session, body.customer, body.product)


async def place_order(request: web.Request, body: wire.PlaceOrder) -> web.Response:
    """Orders over HTTP are a show's; a call's come through the desk, which knows the proposal."""
    shop, customer = request.app[SHOP], person(request)
    async with shop.db.read() as tx:
        await shop.enter(tx, customer, body.session)  # or refusals of strangers would stand in the trail of somebody's call
    placed = await shop.desk.place(customer, body, lang=lang(request))
    answer = msgspec.json.encode(placed.order)
    return web.Response(body=answer, status=201 if placed.created else 200, content_type="application/json")


async def list_orders(request: web.Request) -> wire.Orders:
    async with request.app[SHOP].db.read() as tx:
        found = await order_book.of_customer(tx, person(request).id)
    return wire.Orders([order.view(lang(request)) for order in found])


async def get_order(request: web.Request) -> wire.Receipt:
    async with request.app[SHOP].db.read() as tx:
        order = await order_book.get(tx, request.match_info["order"], customer_id=person(request).id)
        return await receipts.of_order(tx, order, lang(request))


async def cancel_order(request: web.Request) -> wire.Order:
    change = await request.app[SHOP].desk.cancel(person(request), request.match_info["order"])
    return change.order.view(lang(request))
