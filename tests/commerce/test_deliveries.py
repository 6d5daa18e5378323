"""What operators see of deliveries, and what they can do, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.routing import add_routes
from commerce import deliveries, delivery_routes
from commerce.delivery_routes import DELIVERIES, DeliveryDesk
from commerce.outbox import Outbox, OutboxLimits
from commerce.sandbox_core import PATH, SandboxCore
from commerce.tables import delivery_acts
from commerce.webhook_receivers import Receivers, Secrets
from core.errors import Refused
from core.http import LANG, PERSON
from core.identity import Person, Role
from tests.commerce.conftest import YUAN, Market

SECRET = b"of the test only"
OPERATOR = Person("operator-1", Role.OPERATOR, "冯立")
# Whatever fails is a dead letter.
LIMITS = OutboxLimits(attempts=1)


@web.middleware
async def _as_operator(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    request[PERSON], request[LANG] = OPERATOR, "en"
    try:
        return await handler(request)
    except Refused as refusal:
        return web.json_response(refusal.to_json("en"), status=refusal.problem.status)


@dataclass
class Office:
    """The operator's HTTP over the market, its core and outbox."""

    market: Market
    core: SandboxCore
    outbox: Outbox
    client: TestClient[web.Request, web.Application]

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.client.get(path) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def post(self, path: str, body: Any = None, status: int = 200, method: str = "POST") -> Any:
        async with self.client.request(method, path, json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def dead(self, count: int) -> list[str]:
        """So many orders whose `order_placed` is a dead letter; the ids of the orders."""
        self.core.mood = "fail"
        ids = [(await self.market.buy(await self.market.customer(f"buyer-{n}"))).order.id for n in range(count)]
        await self.outbox.deliver_due()
        self.core.mood = "confirm"
        self.market.clock.advance(700)
        await self.market.record()
        return ids


@pytest.fixture
async def office(market: Market) -> AsyncIterator[Office]:
    core, clock = SandboxCore(SECRET, market.clock), market.clock
    app = web.Application(middlewares=[_as_operator])
    add_routes(app, delivery_routes.routes(demo=True))
    async with TestServer(core.app()) as server, aiohttp.ClientSession() as http:
        url = str(server.make_url(PATH))
        worker = Outbox(market.db, market.trail, clock, http, url, SECRET, on_change=market.on_order, limits=LIMITS)
        receivers = Receivers(clock, allow_private=False)
        wake = worker.wake
        app[DELIVERIES] = DeliveryDesk(market.db, clock, receivers, Secrets(b"root"), url, wake, wake, core)
        async with TestClient(TestServer(app)) as client:
            yield Office(market, core, worker, client)
        core.closing.set()


async def test_a_dead_letter_is_seen_with_its_reason_and_sent_again(office: Office) -> None:
    [order_id] = await office.dead(1)
    [core] = (await office.get("/api/receivers"))["receivers"]
    assert (core["id"], core["waiting"], core["dead"]) == ("core", 0, 1)
    [seen] = (await office.get("/api/deliveries?state=dead"))["deliveries"]
    assert (seen["order"], seen["kind"], seen["error"]) == (order_id, "order_placed", "status 500")
    one = f"/api/deliveries/{seen['id']}"
    detail = await office.get(one)
    assert [(attempt["status"], attempt["error"]) for attempt in detail["recent"]] == [(500, "status 500")]
    assert detail["acts"] == []
    again = await office.post(f"{one}/again")
    assert (again["state"], again["attempts"]) == ("waiting", 0)
    assert [(act["act"], act["person"]) for act in again["acts"]] == [("sent_again", "operator-1")]
    await office.outbox.deliver_due()
    detail = await office.get(one)
    assert (detail["state"], [attempt["status"] for attempt in detail["recent"]]) == ("delivered", [500, 200])
    refused = await office.post(f"{one}/again", status=409)
    assert refused["code"] == "delivery_not_dead"
    assert (await office.post("/api/deliveries/obx_nothing/again", status=404))["code"] == "not_found"
    assert [order.state for order in await office.market.orders(Person("buyer-0", Role.CUSTOMER, "某某"))] == ["confirmed"]


async def test_all_of_a_receiver_are_sent_again_a_bounded_number_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "AT_ONCE", 2)
    await office.dead(3)
    body = {"receiver": "core"}
    assert await office.post("/api/deliveries/again", body) == {"again": 2, "left": 1}
    assert await office.post("/api/deliveries/again", body) == {"again": 1, "left": 0}
    assert await office.post("/api/deliveries/again", body) == {"again": 0, "left": 0}
    await office.post("/api/deliveries/again", {"receiver": "rcv_nobody"}, 404)
    assert await office.outbox.deliver_due() == 3
    assert len((await office.get("/api/deliveries?state=delivered&receiver=core"))["deliveries"]) == 3
    async with office.market.db.read() as tx:
        assert [row.act for row in await tx.execute(select(delivery_acts))] == ["sent_again"] * 3


async def test_what_people_did_takes_no_change(office: Office) -> None:
    await office.dead(1)
    await office.post("/api/deliveries/again", {"receiver": "core"})
    for change in ("UPDATE delivery_acts SET person_id = 'nobody'", "DELETE FROM delivery_acts"):
        with pytest.raises(DBAPIError):
            async with office.market.db.write() as tx:
                await tx.execute(text(change))


async def test_the_list_goes_by_pages_and_filters(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "PAGE", 2)
    ids = await office.dead(3)
    waiting = (await office.market.buy()).order.id
    first = await office.get("/api/deliveries")
    assert [one["order"] for one in first["deliveries"]] == [waiting, ids[2]]
    assert [one["state"] for one in first["deliveries"]] == ["waiting", "dead"]
    second = await office.get(f"/api/deliveries?after={first['next']}")
    assert [one["order"] for one in second["deliveries"]] == [ids[1], ids[0]]
    assert (await office.get(f"/api/deliveries?after={second['next']}")) == {"deliveries": [], "next": None}
    assert [one["order"] for one in (await office.get(f"/api/deliveries?order={ids[0]}"))["deliveries"]] == [ids[0]]
    assert [one["order"] for one in (await office.get("/api/deliveries?state=waiting"))["deliveries"]] == [waiting]
    assert (await office.get("/api/deliveries?state=lost", 400))["code"] == "bad_request"


async def test_a_cancellation_says_what_it_waits_for(office: Office) -> None:
    [order_id] = await office.dead(1)
    await office.market.desk.cancel(Person("buyer-0", Role.CUSTOMER, "某某"), order_id)
    await office.outbox.deliver_due()
    cancelled, placed = (await office.get(f"/api/deliveries?order={order_id}"))["deliveries"]
    assert (cancelled["kind"], cancelled["state"]) == ("order_cancelled", "waiting")
    assert (await office.get(f"/api/deliveries/{cancelled['id']}"))["behind"] == placed["id"]
    assert (await office.get(f"/api/deliveries/{placed['id']}"))["behind"] is None


async def test_a_receiver_is_added_changed_and_given_a_new_secret(office: Office) -> None:
    new = {"name": "基金公司", "url": "https://partner.example/hook", "kinds": ["order_cancelled", "order_placed"]}
    added = await office.post("/api/receivers", new, 201)
    one = f"/api/receivers/{added['receiver']['id']}"
    assert added["secret"].startswith("whs_")
    assert added["receiver"]["kinds"] == ["order_placed", "order_cancelled"]
    changed = await office.post(one, {"active": False}, method="PATCH")
    assert (changed["active"], changed["name"]) == (False, "基金公司")
    rotated = await office.post(f"{one}/rotate")
    assert rotated["secret"] != added["secret"]
    assert rotated["receiver"]["overlap_until"] is not None
    listed = await office.get("/api/receivers")
    assert added["secret"] not in str(listed)
    assert [receiver["name"] for receiver in listed["receivers"]] == ["", "基金公司"]
    for unfit in ("http://partner.example/", "https://10.0.0.1/hook"):
        assert (await office.post("/api/receivers", new | {"url": unfit}, 422))["code"] == "receiver_url_unfit"
        assert (await office.post(one, {"url": unfit}, 422, method="PATCH"))["code"] == "receiver_url_unfit"
    assert (await office.post("/api/receivers", new | {"kinds": []}, 400))["code"] == "bad_request"
    assert (await office.post("/api/receivers/core/rotate", status=404))["code"] == "not_found"


MOODS = {
    "confirm": ("confirmed", None),
    "reject": ("rejected", None),
    "delay": ("confirmed", None),
    "pending": ("sent", "not decided yet"),
    "fail": ("sent", "status 500"),
    "reset": ("sent", "ServerDisconnectedError: Server disconnected"),
}


async def test_the_demos_core_does_as_it_is_told(office: Office) -> None:
    office.core.delay_s = 0.01
    for mood, (state, error) in MOODS.items():
        assert await office.post("/api/demo/core", {"mood": mood}) == {"mood": mood}
        assert await office.get("/api/demo/core") == {"mood": mood}
        person = await office.market.customer(f"buyer-{mood}")
        order_id = (await office.market.buy(person, amount=10_013 * YUAN)).order.id
        await office.outbox.deliver_due()
        assert [order.state for order in await office.market.orders(person)] == [state]
        [seen] = (await office.get(f"/api/deliveries?order={order_id}"))["deliveries"]
        assert seen["error"] == error
    assert (await office.post("/api/demo/core", {"mood": "odd"}, 400))["code"] == "bad_request"


async def test_the_gauges_say_how_it_stands(office: Office) -> None:
    await office.dead(2)
    await office.market.buy()
    office.market.clock.advance(30)
    async with office.market.db.read() as tx:
        now = await deliveries.standing(tx, "core")
    assert (now.waiting, now.dead, now.delivered) == (1, 2, 0)
    assert now.oldest_at is not None
    assert (office.market.clock.now() - now.oldest_at).total_seconds() == 30
