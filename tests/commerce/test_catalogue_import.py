"""Files of products: what goes out comes in unchanged, each wrong cell is named by its line, a file is taken whole or not."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce import catalogue, catalogue_csv, catalogue_errors
from commerce.catalogue import Disclosure, Product, disclosure_hash
from commerce.catalogue_book import plan
from commerce.catalogue_csv import COLUMNS, harmless, plain
from commerce.catalogue_terms import CLASSES, Price, Terms
from core.errors import Refused
from core.money import EXPONENTS
from recording import kinds
from tests.commerce.conftest import BOND, C5, MIXED, YUAN, Market
from tests.commerce.operators import Door, at_the_door, terms_of

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
Rows = list[dict[str, str]]


@pytest.fixture
async def door(market: Market) -> AsyncIterator[Door]:
    async with at_the_door(market) as made:
        yield made


def rows_of(data: bytes) -> Rows:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def file_of(rows: Rows, *, columns: tuple[str, ...] = COLUMNS, mark: str = "") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(rows)
    return (mark + out.getvalue()).encode()


def row(rows: Rows, product: str) -> dict[str, str]:
    return next(one for one in rows if one["id"] == product)


async def test_export_edit_import(market: Market, door: Door) -> None:
    data = await door.fetch_file()
    assert data.startswith(b"\xef\xbb\xbfid,revision,class,")
    rows = rows_of(data)
    assert len(rows) == 7
    assert (row(rows, BOND)["minimum"], row(rows, BOND)["price_value"]) == ("1000.00", "1.0126")
    status, report = await door.send_file(data)
    assert (status, report["rows"], report["unchanged"], report["changes"]) == (200, 7, 7, [])
    entries = len(await market.entries(kinds.SHELF_CHANGED))
    row(rows, BOND).update(minimum="500", price_value="1.01300", price_date="2026/11/22", issuer_risk="R2")
    row(rows, MIXED).update(disclosure_en="Another text.", revision="")
    rows.append(row(rows, BOND) | {"id": "prd-new", "revision": "", "name_en": "New", "cap": "", "term_days": ""})
    changed = file_of(rows, mark="\ufeff")
    status, report = await door.send_file(changed, "?dry_run=1&lang=zh")
    assert (status, report["dry_run"], report["created"], report["changed"], report["unchanged"]) == (200, True, 1, 2, 5)
    told = {change["product"]: change for change in report["changes"]}
    assert told[BOND]["before"]["minimum"] == 1000 * YUAN
    assert told[BOND]["after"] == {
        "minimum": 500 * YUAN, "price": {"kind": "nav", "value": "1.01300", "date": "2026-11-22", "fee_bps": 0},
    }  # fmt: skip
    assert (told["prd-new"]["done"], told["prd-new"]["line"]) == ("created", 9)
    assert told[MIXED]["after"]["disclosure"]["version"] == 2
    assert (await door.item(BOND))["revision"] == 1  # a dry run changes nothing
    assert len(await market.entries(kinds.SHELF_CHANGED)) == entries
    status, report = await door.send_file(changed)
    assert (status, report["dry_run"], report["created"], report["changed"]) == (200, False, 1, 2)
    item = await door.item(BOND)
    assert (item["revision"], item["minimum"], item["price"]["value"]) == (2, 500 * YUAN, "1.01300")
    assert (await door.item("prd-new"))["cap"] is None
    assert len(await market.entries(kinds.SHELF_CHANGED)) == entries + 1  # one for the file, however many it changed
    assert (await market.entries(kinds.SHELF_CHANGED))[-1].data["changed"] == [BOND, MIXED]
    changes = [(await door.ask("GET", f"/api/catalogue/{one}/changes"))[1]["changes"][0] for one in (BOND, "prd-new")]
    assert len({change["import_id"] for change in changes}) == 1
    assert changes[0]["import_id"].startswith("imp_")
    # Only what was still to do is done; the old revision does not matter where nothing differs.
    assert (await door.send_file(changed))[1]["unchanged"] == 8


async def test_every_wrong_cell_is_named_and_nothing_is_taken(market: Market, door: Door) -> None:
    await market.buy(C5, amount=30_000 * YUAN)
    item = await door.item(MIXED)
    assert (await door.ask("PUT", f"/api/catalogue/{MIXED}", {"revision": 1, "terms": terms_of(item, step=200)}))[0] == 200
    rows = rows_of(await door.fetch_file("?class=wealth"))
    bond = row(rows, BOND)
    wrong = [
        bond | {"quota": "29999.99"},
        row(rows, MIXED) | {"revision": "1", "step": "5.00"},
        bond | {"id": "prd-a", "minimum": "100.005", "class": "Fonds", "revision": ""},
        bond | {"id": "prd-b", "cap": "1,000", "price_date": "", "disclosure_zh": "", "revision": "x"},
        bond | {"id": "prd-c", "revision": "4"},
        bond,
        bond | {"id": ""},
    ]
    data = file_of(wrong) + b"prd-d,1,fund\r\n"
    expected = [
        (2, "quota", "quota_below_sold"),
        (3, "revision", "product_changed"),
        (4, "class", "class_unknown"),
        (4, "minimum", "amount_not_minor"),
        (5, "revision", "number_unreadable"),
        (5, "cap", "amount_unreadable"),
        (5, "price_date", "nav_date_missing"),
        (5, "disclosure_zh", "field_missing"),
        (6, "revision", "product_missing"),
        (7, "id", "row_doubled"),
        (8, "id", "field_missing"),
        (9, "", "row_shape"),
    ]
    status, report = await door.send_file(data, "?dry_run=1")
    assert [(one["line"], one["column"], one["code"]) for one in report["errors"]] == expected
    assert (status, report["error_count"], report["rows"]) == (200, len(expected), 8)
    status, refusal = await door.send_file(data, "?lang=zh")
    assert (status, refusal["code"], refusal["params"]["count"]) == (422, "import_refused", len(expected))
    assert [(one["line"], one["column"], one["code"]) for one in refusal["params"]["errors"]] == expected
    assert refusal["params"]["errors"][3]["title"] == "100.005 不是 CNY 最小单位的整数倍。"
    assert (await door.item(BOND))["revision"] == 1


async def test_lines_are_counted_as_an_editor_counts_them(door: Door) -> None:
    rows = rows_of(await door.fetch_file("?class=wealth"))
    row(rows, BOND)["disclosure_en"] = "one\ntwo\nthree"
    row(rows, MIXED)["step"] = "nothing"
    rows.sort(key=lambda one: one["id"])
    data = file_of(rows).replace(b"prd-r3", b"\r\nprd-r3")  # and an empty line
    _status, report = await door.send_file(data, "?dry_run=1")
    assert [one["line"] for one in report["errors"]] == [6]
    assert data.splitlines()[5].startswith(b"prd-r3")


HEADER = ",".join(COLUMNS).encode()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (HEADER + "\r\n产品".encode("gb18030"), 415, "csv_encoding"),
        (HEADER.decode().encode("utf-16"), 415, "csv_encoding"),
        (b"", 422, "csv_columns"),
        (HEADER.replace(b"price_kind,", b""), 422, "csv_columns"),
        (HEADER + b",commission", 422, "csv_columns"),
        (HEADER + b",id", 422, "csv_columns"),
        (HEADER + b'\r\n"never ended', 422, "csv_unreadable"),
        (HEADER + b"\r\nx" * 5001, 422, "row_limit"),
        (b"x" * (5 * 1024 * 1024 + 1), 413, "csv_too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_file_that_can_not_be_read_says_why(data: bytes, status: int, code: str) -> None:
    with pytest.raises(Refused) as caught:
        catalogue_csv.read(data, NOW)
    assert (caught.value.problem.status, caught.value.problem.code) == (status, code)
    for lang in ("en", "zh"):
        assert "{" not in caught.value.to_json(lang)["title"]


def test_of_a_header_that_is_too_long_no_more_is_looked_at_than_it_may_have() -> None:
    with pytest.raises(Refused) as caught:
        catalogue_csv.read(HEADER + b",one" + b",another" * 20_000, NOW)
    assert caught.value.problem.code == "csv_columns"
    assert caught.value.params == {"missing": "–", "unknown": "one"}


async def test_what_is_no_file_is_refused_at_the_door(door: Door) -> None:
    assert (await door.ask("POST", "/api/catalogue/import", {}))[1]["code"] == "bad_request"
    assert (await door.send_file(b"", "?dry_run=yes"))[0] == 400
    status, refusal = await door.send_file(b"x" * (5 * 1024 * 1024 + 1))
    assert (status, refusal["code"]) == (413, "csv_too_large")
    status, refusal = await door.send_file(HEADER + "\r\n产品".encode("gb18030"))
    assert (status, refusal["params"]) == (415, {"line": 2, "looks_like": "GB18030"})
    assert (await door.send_file(HEADER))[1]["rows"] == 0


@pytest.mark.parametrize("cell", ["=HYPERLINK(1)", "+1", "-1", "@x", "＝1", "'=1", "''@", "\u00a0=1", "\u3000=1", "' =1"])
def test_no_cell_is_taken_for_a_formula(cell: str) -> None:
    assert harmless(cell) == "'" + cell
    assert plain(harmless(cell)) == cell


@pytest.mark.parametrize("cell", ["", "'tis", "R2", "a=b", "'"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert harmless(cell) == plain(cell) == cell


def _shown(lines: bool) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return catalogue_csv.CHECKS["name_en"](text) == text if not lines else catalogue_csv.disclosure_text(text) == text
        except catalogue_csv.Wrong:
            return False

    return check


_CHARS = st.one_of(st.sampled_from("=+-@'\"；,;＝ \t\n产品Rr1.0"), st.characters(exclude_categories=("C",)))
_NAME = st.text(_CHARS, min_size=1, max_size=30).filter(_shown(False))
_TEXT = st.text(_CHARS, min_size=1, max_size=60).filter(_shown(True))
_AMOUNT = st.integers(1, 10**15)
_WHEN = st.timedeltas(timedelta(days=-9000), timedelta(days=300_000)).map(lambda away: NOW + away)
_VALUE = st.decimals("0.000001", "999999999", places=6).map(lambda value: f"{value:f}")


@st.composite
def products(draw: st.DrawFn) -> Product:
    """A product as operators may have made it."""
    kind = draw(st.sampled_from(["price", "nav", "rate"]))
    day = draw(st.dates(date(2000, 1, 1), date(2026, 11, 22))) if kind == "nav" else None
    minimum, quota, sale_from = draw(_AMOUNT), draw(st.integers(0, 10**15)), draw(_WHEN)
    terms = Terms(
        product_class=draw(st.sampled_from(CLASSES)),
        name_en=draw(_NAME),
        name_zh=draw(_NAME),
        rate_text_en=draw(_NAME),
        rate_text_zh=draw(_NAME),
        issuer_risk=draw(st.integers(1, 5)),
        bank_risk=draw(st.integers(1, 5)),
        term_days=draw(st.none() | st.integers(1, 36_500)),
        currency=draw(st.sampled_from(sorted(EXPONENTS))),
        minimum=minimum,
        step=draw(_AMOUNT),
        cap=draw(st.none() | st.integers(minimum, 10**15)),
        quota=quota,
        price=Price(kind, draw(_VALUE), day, draw(st.integers(0, 10_000))),
        sale_from=sale_from,
        sale_until=sale_from + draw(st.timedeltas(timedelta(0), timedelta(days=9000))),
    )
    en, zh = draw(_TEXT), draw(_TEXT)
    columns = terms.columns() | {"left": draw(st.integers(0, quota))}
    return Product(
        id=draw(st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)),
        disclosure=Disclosure(draw(st.integers(1, 9)), en, zh, disclosure_hash(en, zh)),
        revision=draw(st.integers(1, 99)),
        **columns,
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(products(), max_size=4, unique_by=lambda product: product.id))
def test_what_is_written_out_and_read_in_is_no_change(found: list[Product]) -> None:
    data = catalogue_csv.header() + catalogue_csv.write(found)
    parsed = catalogue_csv.read(data, NOW)
    assert parsed.faults == []
    assert parsed.rows == len(found)
    for product, edit in zip(found, parsed.edits, strict=True):
        assert (edit.product, edit.terms, edit.revision) == (product.id, product.terms, product.revision)
        assert plan(edit, product, NOW).done == "unchanged"
        assert plan(replace(edit, disclosure=("another", "另一份")), product, NOW).done == "changed"


def test_every_column_is_a_term_or_has_its_reason() -> None:
    known = {one.name for one in fields(Terms)} - {"price", "product_class"} | {"class"}
    price = {"price_kind", "price_value", "price_date", "fee_bps"}
    assert set(COLUMNS) == known | price | {"id", "revision", "disclosure_en", "disclosure_zh"}


def test_every_problem_speaks_both_languages() -> None:
    declared = [value for value in vars(catalogue_errors).values() if isinstance(value, type(catalogue_errors.ROW_SHAPE))]
    assert {one.code for one in declared} == {one.code for one in catalogue_errors.PROBLEMS}
    assert len({one.code for one in declared}) == len(catalogue_errors.PROBLEMS)
    for one in declared:
        assert all((one.en, one.zh, one.next_en, one.next_zh))
        assert one.en != one.zh


async def test_a_large_file_is_taken_in_one_go(market: Market, door: Door) -> None:
    rows = rows_of(await door.fetch_file())
    bond = row(rows, BOND)
    many: list[dict[str, Any]] = [bond | {"id": f"prd-{number:05}", "revision": ""} for number in range(600)]
    status, report = await door.send_file(file_of(many))
    assert (status, report["created"], len(report["changes"])) == (200, 600, 200)
    async with market.db.read() as tx:
        assert len(await catalogue.all_products(tx)) == 607
    assert len(rows_of(await door.fetch_file())) == 607  # more than one page of the export
