"""Promises in a product's texts: the operator is warned where they are saved and where a file brings them, never refused."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from commerce import catalogue
from commerce.catalogue_wording import doubts, of_product
from tests.commerce.conftest import BOND, MIXED, Market
from tests.commerce.operators import NEW, Door, at_the_door, terms_of

Said = list[tuple[str, str]]


@pytest.fixture
async def door(market: Market) -> AsyncIterator[Door]:
    async with at_the_door(market) as made:
        yield made


def said(item: dict[str, Any], where: str = "field") -> Said:
    return [(one[where], one["words"]) for one in item["warnings"]]


async def test_what_is_saved_is_saved_with_a_warning(door: Door) -> None:
    new = copy.deepcopy(NEW)
    new["terms"] |= {"name_zh": "稳赚不赔指数基金", "rate_text_en": "A guaranteed  return, a guaranteed  return"}
    new["disclosure"] = {"text_en": "You may lose money.", "text_zh": "本产品保本、保 息。"}
    status, made = await door.ask("POST", "/api/catalogue", new)
    assert (status, made["revision"], made["name_zh"]) == (201, 1, "稳赚不赔指数基金")
    assert said(made) == [
        ("name_zh", "稳赚不赔"), ("rate_text_en", "guaranteed  return"), ("disclosure_zh", "保本"), ("disclosure_zh", "保 息"),
    ]  # fmt: skip
    assert made["warnings"][0]["title"].startswith("“稳赚不赔” is among the promises")
    path = f"/api/catalogue/{made['id']}"
    assert (await door.ask("GET", f"{path}?lang=zh"))[1]["warnings"][0]["title"].startswith("“稳赚不赔”属于营销宣传")
    terms = terms_of(made, name_zh="指数基金", rate_text_en="Follows an index")
    _status, changed = await door.ask("PUT", path, {"revision": 1, "terms": terms})
    assert said(changed) == [("disclosure_zh", "保本"), ("disclosure_zh", "保 息")]
    better = {"revision": 2, "text_en": "You may lose money.", "text_zh": "本产品不保本，不保证收益。"}
    _status, published = await door.ask("POST", f"{path}/disclosures", better)
    assert (published["disclosure"]["version"], published["warnings"]) == (2, [])


async def test_a_file_is_taken_in_and_its_lines_are_named(door: Door) -> None:
    text = (await door.fetch_file()).decode("utf-8-sig")
    names = next(csv.reader([text.splitlines()[0]]))
    rows = list(csv.DictReader(text.splitlines()))
    by_id = {row["id"]: (line, row) for line, row in enumerate(rows, start=2)}
    bond, mixed = by_id[BOND], by_id[MIXED]
    bond[1]["name_zh"] = "保本理财"
    mixed[1]["disclosure_en"] = "Zero risk.\nHigh returns."
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    data = out.getvalue().encode()
    told = sorted(
        [(bond[0], "name_zh", "保本"), (mixed[0], "disclosure_en", "High returns"), (mixed[0], "disclosure_en", "Zero risk")]
    )
    for query, dry in (("?dry_run=1", True), ("", False)):
        status, report = await door.send_file(data, query)
        assert (status, report["dry_run"], report["changed"], report["warning_count"]) == (200, dry, 2, 3)
        assert sorted((one["line"], one["column"], one["words"]) for one in report["warnings"]) == told
    _status, again = await door.send_file(data)
    assert (again["unchanged"], again["warnings"]) == (7, [])  # what stands already is not told once more


async def test_the_demo_promises_nothing(market: Market) -> None:
    async with market.db.read() as tx:
        found = {product.id: of_product(product) for product in await catalogue.all_products(tx)}
    assert {product: doubt for product, doubt in found.items() if doubt} == {}


def test_a_long_text_that_says_nothing_else_is_looked_through() -> None:
    """As long as a disclosure may be; each phrase is told once."""
    assert [doubt.words for doubt in doubts({"disclosure_zh": "保本" * 5_000 + "非保本" * 3_000})] == ["保本"]
    assert doubts({"disclosure_zh": "非保本" * 6_000}) == []
