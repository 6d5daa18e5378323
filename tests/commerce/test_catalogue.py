"""Operators keep the catalogue: what they change is judged, kept, on the record of every session that offers it, and told."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from commerce import catalogue, errors, shelf
from commerce.catalogue_terms import check
from commerce.lifecycle import STANDING
from commerce.tables import product_changes
from core.clock import ManualClock, to_text
from core.errors import Refused
from recording import kinds
from tests.commerce.conftest import BOND, C3, C5, HOST, MIXED, YUAN, Market
from tests.commerce.operators import NEW, OPERATOR, OTHER, Door, at_the_door, terms_of


@pytest.fixture
async def door(market: Market) -> AsyncIterator[Door]:
    async with at_the_door(market) as made:
        yield made


async def test_a_product_is_made_and_changed_and_its_history_says_by_whom(market: Market, door: Door) -> None:
    status, made = await door.ask("POST", "/api/catalogue?lang=zh", NEW)
    assert (status, made["revision"], made["name"], made["risk"], made["sale"]) == (201, 1, "指数基金", "R4", "open")
    assert (made["quota"], made["sold"], made["left"], made["offered_in"]) == (1_000_000_00, 0, 1_000_000_00, 0)
    assert made["sale_from"] == "2026-11-01T01:00:00.000000Z"
    path = f"/api/catalogue/{made['id']}"
    body = {"revision": 1, "terms": terms_of(made, minimum=500_00)}
    status, changed = await door.ask("PUT", path, body, who=OTHER)
    assert (status, changed["revision"], changed["minimum"]) == (200, 2, 500_00)
    assert (await door.ask("PUT", path, {"revision": 2, "terms": terms_of(changed)}))[1]["revision"] == 2  # no change is none
    status, told = await door.ask("GET", f"{path}/changes")
    latest, first = told["changes"]
    assert (latest["actor"], latest["kind"], latest["before"], latest["after"]) == (
        OTHER.id, "changed", {"minimum": 1_000_00}, {"minimum": 500_00},
    )  # fmt: skip
    assert (first["actor"], first["kind"], first["revision"], first["before"]) == (OPERATOR.id, "created", 1, {})
    assert first["after"]["price"] == {"kind": "nav", "value": "1.0500", "date": "2026-11-20", "fee_bps": 15}
    assert (await door.ask("GET", f"{path}/changes?before=2"))[1] == {"changes": [first], "next": None}
    assert (await door.ask("POST", "/api/catalogue", NEW))[1]["code"] == "product_exists"
    without_id = {name: value for name, value in NEW.items() if name != "id"}
    assert (await door.ask("POST", "/api/catalogue", without_id))[1]["id"].startswith("prd_")


async def test_the_history_can_not_be_changed(market: Market, door: Door) -> None:
    await door.ask("POST", "/api/catalogue", NEW)
    for statement in (update(product_changes).values(actor="nobody"), product_changes.delete()):
        with pytest.raises(DBAPIError, match="append-only"):
            async with market.db.write() as tx:
                await tx.execute(statement)


async def test_new_terms_stand_in_the_trail_of_every_session_that_offers_them_and_are_told(market: Market, door: Door) -> None:
    other, over = await market.open_session(), await market.open_session()
    await market.set_state("ended", session=over)
    async with market.db.write() as tx:
        await shelf.put(tx, market.trail, other, HOST, [MIXED])
        await shelf.pin(tx, market.trail, market.session, HOST, BOND)
    before = {name: len(await market.entries(kinds.SHELF_CHANGED, session=name)) for name in (other, over)}
    item = await door.item(BOND)
    assert item["offered_in"] == 1
    price = item["price"] | {"value": "1.0200", "date": "2026-11-22"}
    body = {"revision": 1, "terms": terms_of(item, price=price, rate_text_en="New wording")}
    assert (await door.ask("PUT", f"/api/catalogue/{BOND}", body))[0] == 200
    entry = (await market.entries(kinds.SHELF_CHANGED))[-1]
    assert (entry.actor, entry.data["changed"], entry.data["pinned"]) == (OPERATOR.id, [BOND], BOND)
    [offered] = [product for product in entry.data["products"] if product["id"] == BOND]
    assert (offered["price"], offered["rate_text_en"], offered["minimum"], offered["disclosure"]["version"]) == (
        price, "New wording", 1_000_00, 1,
    )  # fmt: skip
    assert len(entry.data["products"]) == 7  # the whole shelf, as always
    assert {name: len(await market.entries(kinds.SHELF_CHANGED, session=name)) for name in (other, over)} == before
    [told] = door.shelves
    assert (told.session_id, told.seq, told.pinned) == (market.session, entry.seq, BOND)
    view = next(one for one in told.view(market.clock, "en").products if one.id == BOND)
    assert (view.price.value, view.pinned) == ("1.0200", True)
    placed = await market.buy(C5)
    order = (await market.entries(kinds.ORDER_PLACED))[-1]
    assert (order.data["price"], order.seq) == (price, placed.seq)


@pytest.mark.parametrize(
    ("field", "changes", "code"),
    [
        ("name_en", {"name_en": "  "}, "field_missing"),
        ("name_zh", {"name_zh": "长" * 121}, "field_too_long"),
        ("rate_text_en", {"rate_text_en": "a\u202eb"}, "field_unprintable"),
        ("rate_text_zh", {"rate_text_zh": "a\tb"}, "field_unprintable"),
        ("class", {"class": "bond"}, "class_unknown"),
        ("currency", {"currency": "XXX"}, "currency_unknown"),
        ("issuer_risk", {"issuer_risk": 6}, "risk_out_of_range"),
        ("term_days", {"term_days": 0}, "term_out_of_range"),
        ("minimum", {"minimum": 0}, "amount_out_of_range"),
        ("cap", {"cap": 1}, "cap_below_minimum"),
        ("quota", {"quota": 10**15 + 1}, "amount_out_of_range"),
        ("price_kind", {"price": {"kind": "tip", "value": "1"}}, "price_kind_unknown"),
        ("price_value", {"price": {"kind": "price", "value": "1,05"}}, "price_unreadable"),
        ("price_value", {"price": {"kind": "price", "value": "0.00"}}, "price_unreadable"),
        ("price_date", {"price": {"kind": "nav", "value": "1"}}, "nav_date_missing"),
        ("price_date", {"price": {"kind": "rate", "value": "1", "date": "2026-11-20"}}, "price_date_unwanted"),
        ("price_date", {"price": {"kind": "nav", "value": "1", "date": "2026-11-24"}}, "nav_date_ahead"),
        ("price_date", {"price": {"kind": "nav", "value": "1", "date": "20.11.2026"}}, "date_unreadable"),
        ("fee_bps", {"price": {"kind": "price", "value": "1", "fee_bps": -1}}, "fee_out_of_range"),
        ("sale_from", {"sale_from": "2026-11-01 09:00"}, "time_unreadable"),
        ("sale_until", {"sale_until": "2026-10-01T09:00:00Z"}, "window_upside_down"),
    ],
)
def test_every_field_is_judged(field: str, changes: dict[str, Any], code: str) -> None:
    terms = copy.deepcopy(NEW["terms"]) | changes
    price = {"date": None, "fee_bps": 0} | terms.pop("price")
    flat = terms | {
        "price_kind": price["kind"],
        "price_value": price["value"],
        "price_date": price["date"],
        "fee_bps": price["fee_bps"],
    }
    made, faults = check(flat, ManualClock().now())
    assert made is None
    assert [(fault.column, fault.problem.code) for fault in faults] == [(field, code)]


async def test_all_that_is_wrong_is_told_at_once_in_the_readers_language(door: Door) -> None:
    wrong = copy.deepcopy(NEW) | {"id": "no spaces!"}
    wrong["terms"] |= {"name_en": "", "minimum": -5, "cap": 10}
    wrong["disclosure"]["text_zh"] = " "
    for lang, words in (("en", "This is needed."), ("zh", "此项必填。")):
        status, refusal = await door.ask("POST", f"/api/catalogue?lang={lang}", wrong)
        assert (status, refusal["code"], refusal["params"]["count"]) == (422, "product_invalid", 4)
        told = {fault["field"]: fault for fault in refusal["params"]["faults"]}
        assert list(told) == ["id", "name_en", "minimum", "disclosure_zh"]
        assert told["name_en"]["title"] == words
        assert all(fault["next"] and fault["code"] for fault in told.values())
    assert (await door.ask("GET", "/api/catalogue/prd-new"))[0] == 404


async def test_who_comes_second_is_told_and_nothing_is_overwritten(door: Door) -> None:
    item = await door.item(BOND)
    path = f"/api/catalogue/{BOND}"
    assert (await door.ask("PUT", path, {"revision": 1, "terms": terms_of(item, step=200)}, who=OTHER))[0] == 200
    for method, way, body in (
        ("PUT", path, {"revision": 1, "terms": terms_of(item, step=300)}),
        ("POST", f"{path}/disclosures", {"revision": 1, "text_en": "a", "text_zh": "b"}),
        ("POST", f"{path}/withdraw", {"revision": 1}),
    ):
        status, refusal = await door.ask(method, way, body)
        assert (status, refusal["code"], refusal["params"]) == (409, "product_changed", {"revision": 2, "expected": 1})
    assert (await door.item(BOND))["step"] == 200
    bodies = [{"revision": 2, "terms": terms_of(item, step=step)} for step in range(400, 900, 100)]
    answers = await asyncio.gather(*(door.ask("PUT", path, body) for body in bodies))
    assert sorted(status for status, _answer in answers) == [200, 409, 409, 409, 409]


async def test_the_quota_never_falls_below_what_is_sold_and_what_is_left_follows_it(market: Market, door: Door) -> None:
    await market.buy(C5, amount=30_000 * YUAN)
    placed = await market.buy(C3, amount=20_000 * YUAN)
    path, item = f"/api/catalogue/{BOND}", await door.item(BOND)
    assert (item["sold"], item["left"]) == (50_000 * YUAN, item["quota"] - 50_000 * YUAN)
    status, refusal = await door.ask("PUT", path, {"revision": 1, "terms": terms_of(item, quota=50_000 * YUAN - 1)})
    assert (status, refusal["params"]["faults"][0]["code"]) == (422, "quota_below_sold")
    assert "CNY 50,000.00" in refusal["params"]["faults"][0]["title"]
    status, item = await door.ask("PUT", path, {"revision": 1, "terms": terms_of(item, quota=50_000 * YUAN)})
    assert (status, item["left"], item["sale"]) == (200, 0, "sold_out")
    await market.desk.cancel(C3, placed.order.id)
    item = await door.item(BOND)
    assert (item["sold"], item["left"]) == (30_000 * YUAN, 20_000 * YUAN)


async def test_the_quota_may_change_while_it_is_being_sold(market: Market, door: Door) -> None:
    """What is left stays what the quota is above the orders that stand, whoever comes between."""
    buyers = [await market.customer(f"buyer-{number}") for number in range(12)]
    for buyer in buyers:
        await market.confirm(buyer)

    async def move(quota: int) -> None:
        item = await door.item(BOND)
        body = {"revision": item["revision"], "terms": terms_of(item, quota=quota)}
        assert (await door.ask("PUT", f"/api/catalogue/{BOND}", body))[0] in (200, 409)

    orders = [market.desk.place(buyer, market.wish(amount=10_000 * YUAN)) for buyer in buyers]
    quotas = [move((200_000 + 1_000 * number) * YUAN) for number in range(6)]
    work: list[Any] = [*orders, *quotas]
    random.Random(7).shuffle(work)  # noqa: S311 - an order, no secret
    await asyncio.gather(*work)
    sold = 0
    for buyer in buyers:
        sold += sum(order.amount for order in await market.orders(buyer) if order.state.value in STANDING)
    item = await door.item(BOND)
    assert sold == len(buyers) * 10_000 * YUAN
    assert (item["sold"], item["left"]) == (sold, item["quota"] - sold)


async def test_a_shelf_and_a_change_of_terms_at_once_leave_the_terms_on_the_record(market: Market, door: Door) -> None:
    """However the two meet, the last entry of the trail shows what is on offer."""
    for round_ in range(6):
        session = await market.open_session()
        async with market.db.write() as tx:
            await shelf.put(tx, market.trail, session, HOST, [MIXED])

        async def offer(session: str = session) -> None:
            async with market.db.write() as tx:
                await shelf.put(tx, market.trail, session, HOST, [BOND, MIXED])

        item = await door.item(BOND)
        body = {"revision": item["revision"], "terms": terms_of(item, step=1000 + round_)}
        (status, _answer), _ = await asyncio.gather(door.ask("PUT", f"/api/catalogue/{BOND}", body), offer())
        assert status == 200
        entry = (await market.entries(kinds.SHELF_CHANGED, session=session))[-1]
        assert {one["id"]: one["step"] for one in entry.data["products"]}[BOND] == 1000 + round_


async def test_a_new_disclosure_must_be_confirmed_from_now_on(market: Market, door: Door) -> None:
    await market.confirm(C5)
    path = f"/api/catalogue/{BOND}"
    new = {"revision": 1, "text_en": "Line one\r\n\r\nLine two", "text_zh": "新的揭示书"}
    status, item = await door.ask("POST", f"{path}/disclosures", new)
    assert (status, item["revision"], item["disclosure"]["version"]) == (200, 2, 2)
    assert item["disclosure"]["text_en"] == "Line one\n\nLine two"
    assert (await door.ask("POST", f"{path}/disclosures", new | {"revision": 2}))[1]["revision"] == 2  # the same makes none
    _status, versions = await door.ask("GET", f"{path}/disclosures")
    assert [one["version"] for one in versions["disclosures"]] == [2, 1]
    entry = (await market.entries(kinds.SHELF_CHANGED))[-1]
    assert next(one for one in entry.data["products"] if one["id"] == BOND)["disclosure"] == {
        "version": 2, "sha256": item["disclosure"]["sha256"],
    }  # fmt: skip
    with pytest.raises(Refused) as caught:
        await market.desk.place(C5, market.wish())
    assert caught.value.problem is errors.DISCLOSURE_OUTDATED
    status, refusal = await door.ask("POST", f"{path}/disclosures", {"revision": 2, "text_en": "", "text_zh": "x" * 20_001})
    told = {fault["field"]: fault["code"] for fault in refusal["params"]["faults"]}
    assert (status, told) == (422, {"text_en": "field_missing", "text_zh": "field_too_long"})


async def test_what_is_withdrawn_is_sold_no_more(market: Market, door: Door) -> None:
    path = f"/api/catalogue/{BOND}"
    status, item = await door.ask("POST", f"{path}/withdraw", {"revision": 1})
    assert (status, item["sale"], item["revision"]) == (200, "over", 2)
    assert item["sale_until"] == to_text(market.clock.now())
    await market.confirm(C5)
    with pytest.raises(Refused) as caught:
        await market.desk.place(C5, market.wish())
    assert caught.value.problem is errors.PRODUCT_SALE_CLOSED
    assert (await door.ask("POST", f"{path}/withdraw", {"revision": 2}))[1]["revision"] == 2
    assert (await door.ask("GET", f"{path}/changes"))[1]["changes"][0]["kind"] == "withdrawn"
    later = copy.deepcopy(NEW)
    later["terms"]["sale_from"] = to_text(market.clock.now() + timedelta(days=1))
    await door.ask("POST", "/api/catalogue", later)
    status, item = await door.ask("POST", "/api/catalogue/prd-new/withdraw", {"revision": 1})
    assert (status, item["sale_until"]) == (200, item["sale_from"])  # it never opens


async def test_the_currency_of_a_product_is_its_own_for_good(door: Door) -> None:
    item = await door.item(BOND)
    _status, refusal = await door.ask("PUT", f"/api/catalogue/{BOND}", {"revision": 1, "terms": terms_of(item, currency="USD")})
    assert [(fault["field"], fault["code"]) for fault in refusal["params"]["faults"]] == [("currency", "currency_fixed")]


async def test_the_list_has_its_zones_and_is_filtered(market: Market, door: Door) -> None:
    _status, everything = await door.ask("GET", "/api/catalogue?lang=zh")
    assert [(zone["class"], zone["count"]) for zone in everything["zones"]] == [
        ("deposit", 2), ("wealth", 2), ("fund", 2), ("insurance", 1),
    ]  # fmt: skip
    async with market.db.read() as tx:
        ranked = [product.id for product in await catalogue.all_products(tx)]
    assert [one["id"] for one in everything["products"]] == ranked
    for query, expected in (
        ("risk_max=2", {"prd-r1-structured", "prd-r1-certificate", BOND, "prd-r2-annuity"}),
        ("term_max_days=180", {"prd-r1-structured", BOND, "prd-r4-equity", "prd-r5-strategy"}),
        ("class=wealth&risk_max=R2", {BOND}),
        ("q=MIXED+wealth", {MIXED}),
        ("q=纯债", {BOND}),
        ("q=100%25", set()),
        ("q=nothing", set()),
        ("offset=7", set()),
    ):
        status, found = await door.ask("GET", f"/api/catalogue?{query}")
        assert (status, {one["id"] for one in found["products"]}) == (200, expected), query
    for query in ("class=bond", "risk_max=6", "term_max_days=-1", "offset=x", f"q={'x' * 101}"):
        assert (await door.ask("GET", f"/api/catalogue?{query}"))[0] == 400, query
