"""A product's fields stand in a dozen places. Each has all of them, but for the differences that are meant: those are here.

Whoever adds a column to `products` sees red at every place that does not have it yet, and adds it there or says here why not.
"""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from commerce import wire
from commerce.catalogue import Product
from commerce.catalogue_terms import CHECKS, Terms
from commerce.catalogue_wire import CatalogueProduct, TermsGiven
from commerce.tables import orders, products
from recording import kinds
from tests.commerce.conftest import BOND, C5, Market
from tests.commerce.operators import NEW, Door, at_the_door

PAGE = Path(__file__).parents[2] / "web" / "scripts" / "catalogue" / "model.js"


@dataclass(frozen=True)
class Meant:
    """What a place leaves out of the row's fields, and what it has under another name or besides; each with the reason."""

    without: Mapping[str, str]
    besides: Mapping[str, str]


def _without(*names: str, why: str) -> dict[str, str]:
    return dict.fromkeys(names, why)


# Nobody enters these.
RECKONED = _without("left", why="reckoned from the quota and the orders") | _without("revision", why="counted, not decided")
NAMED = _without("id", why="a product's name for good, not one of its terms")
PUBLISHED = _without("disclosure_version", why="the disclosure is published by itself, in versions")
TEXTS = _without("disclosure", why="the version with its text or its hash, in place of the number alone")
FLAT = _without("price_kind", "price_value", "price_date", "fee_bps", why="the price, a cell or an input for each of its parts")
ONE_LANGUAGE = _without("name_en", "name_zh", "rate_text_en", "rate_text_zh", why="in the reader's language alone")
SHOWN = _without("name", "rate_text", why="in the reader's language")
HIGHER = _without("issuer_risk", "bank_risk", why="customers see the higher of the two, which holds")
IN_ONE_PRICE = _without("price", why="in parts")

TABLE: dict[str, Meant] = {
    "product": Meant(PUBLISHED, TEXTS),
    "terms": Meant({**RECKONED, **NAMED, **PUBLISHED}, {}),
    "history": Meant({**RECKONED, **NAMED, **PUBLISHED}, TEXTS),
    "checks": Meant({**RECKONED, **NAMED, **PUBLISHED, **IN_ONE_PRICE}, FLAT),
    "given": Meant({**RECKONED, **NAMED, **PUBLISHED}, {}),
    "form": Meant({**RECKONED, **NAMED, **PUBLISHED, **IN_ONE_PRICE}, FLAT),
    "file": Meant(
        {**_without("left", why="orders move it"), **PUBLISHED, **IN_ONE_PRICE},
        {**FLAT, **_without("disclosure_en", "disclosure_zh", why="the text itself makes the version")},
    ),
    "operator": Meant(
        {},
        {
            **TEXTS,
            **_without("name", why="in the reader's language, as in the list"),
            **_without("risk", "sold", "sale", "offered_in", "warnings", why="reckoned for the operator's eye"),
        },
    ),
    "trail": Meant(
        {**_without("left", why="every order moves it, and has its own entry"), **PUBLISHED}
        | _without("revision", why="the entry is the revision: it has the terms themselves"),
        {**TEXTS, **_without("risk", why="the higher of the two, so that nobody has to know the rule to read it")},
    ),
    "shelf": Meant(
        {**ONE_LANGUAGE, **HIGHER, **PUBLISHED}
        | _without("quota", why="of what is sold in all customers see what is left")
        | _without("sale_from", "sale_until", why="customers see whether the sale is open now"),
        {
            **TEXTS,
            **SHOWN,
            **_without("risk", "risk_meaning", "sale_open", why="what follows from the terms, in words"),
            **_without("pinned", why="the session's, not the product's"),
        },
    ),
    "order": Meant(
        NAMED
        | _without("currency", why="the order's own column")
        | _without("price", why="in the order's trail entry, and in what the bank's core is told")
        | _without("quota", why="the gate looks at what is left")
        | _without("name_en", "name_zh", "rate_text_en", "rate_text_zh", "class", "term_days", why="no rule of the gate asks")
        | _without("revision", why="the gate keeps the terms that it judged"),
        _without("on_shelf", why="of this session"),
    ),
}


@pytest.fixture
async def door(market: Market) -> AsyncIterator[Door]:
    async with at_the_door(market) as made:
        yield made


async def test_every_place_has_every_field_of_a_product(market: Market, door: Door) -> None:
    _status, made = await door.ask("POST", "/api/catalogue", NEW)
    _status, told = await door.ask("GET", f"/api/catalogue/{made['id']}/changes")
    header = next(csv.reader((await door.fetch_file()).decode("utf-8-sig").splitlines()))
    await market.confirm(C5)
    await market.buy(C5)
    async with market.db.read() as tx:
        snapshot = (await tx.execute(select(orders.c.snapshot))).scalar_one()
    shelf = (await market.entries(kinds.SHELF_CHANGED))[0]
    places = {
        "product": {_column(one.name) for one in fields(Product)},
        "terms": {_column(one.name) for one in fields(Terms)},
        "history": set(told["changes"][0]["after"]),
        "checks": set(CHECKS),
        "given": _shape(TermsGiven),
        "form": _form(),
        "file": set(header),
        "operator": _shape(CatalogueProduct),
        "trail": {name for product in shelf.data["products"] for name in product},
        "shelf": _shape(wire.ShelfProduct),
        "order": set(snapshot["inputs"]["product"]),
    }
    assert set(places) == set(TABLE)
    row = {column.name for column in products.c}
    for place, found in places.items():
        meant = TABLE[place]
        expected = (row - set(meant.without)) | set(meant.besides)
        assert found == expected, f"{place}: missing {expected - found}, not expected {found - expected}"
        assert set(meant.without) <= row, f"{place}: leaves out what is no column"
        assert not set(meant.besides) & row, f"{place}: what is a column is not besides"
    assert _shape(wire.Product) == places["shelf"] - {"pinned"}


async def test_what_an_operator_gives_is_what_each_place_has(market: Market, door: Door) -> None:
    """The same names are not enough: a field that is written into another's place would pass above."""
    _status, made = await door.ask("POST", "/api/catalogue", NEW)
    given: dict[str, Any] = NEW["terms"]
    times = {name: made[name] for name in ("sale_from", "sale_until")}
    _status, told = await door.ask("GET", f"/api/catalogue/{made['id']}/changes")
    kept = {name: value for name, value in told["changes"][0]["after"].items() if name != "disclosure"}
    assert kept == given | times
    assert {name: made[name] for name in given} == given | times
    assert (made["left"], made["sold"]) == (given["quota"], 0)
    lines = list(csv.DictReader((await door.fetch_file()).decode("utf-8-sig").splitlines()))
    [line] = [one for one in lines if one["id"] == made["id"]]
    assert {name: line[name] for name in ("minimum", "step", "cap", "quota", "issuer_risk", "bank_risk")} == {
        **{"minimum": "1000.00", "step": "100.00", "cap": "50000.00", "quota": "1000000.00"},
        **{"issuer_risk": "3", "bank_risk": "4"},
    }
    item = await door.item(BOND)
    offered = (await market.entries(kinds.SHELF_CHANGED))[0].data["products"]
    [trailed] = [product for product in offered if product["id"] == BOND]
    same = set(trailed) & set(item) - {"disclosure", "risk"}
    assert same >= set(given)
    assert {name: trailed[name] for name in same} == {name: item[name] for name in same}


def _column(name: str) -> str:
    return "class" if name == "product_class" else name


def _shape(struct: type[msgspec.Struct]) -> set[str]:
    """The names on the wire."""
    return {one.encode_name for one in msgspec.structs.fields(struct)}


def _form() -> set[str]:
    [groups] = re.findall(r"export const GROUPS = .*?\(\[(.*?)\n\]\);", PAGE.read_text(), re.DOTALL)
    return {name for names in re.findall(r"\[\"\w+\", \[(.*?)\]\]", groups) for name in re.findall(r"\"(\w+)\"", names)}
