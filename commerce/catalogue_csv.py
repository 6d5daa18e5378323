"""The catalogue as a file for spreadsheets: RFC 4180, UTF-8, one product a line, the same columns out and in. Pure.

What is written out and read in again without a change is no change. Amounts stand in whole units of the currency with its
digits after the point ("10000.00"), times in RFC 3339, everything else as the API has it. `revision` is the one the row was
written from: a product that somebody has changed since is refused; an empty one means whatever stands. Errors name the line
on which the row begins, as an editor counts lines.

A cell that a spreadsheet would take for a formula (OWASP, "CSV Injection") gets an apostrophe before it on the way out, which
the way in takes off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from commerce import catalogue_errors as errors
from commerce.catalogue import Product
from commerce.catalogue_book import Edit
from commerce.catalogue_terms import CHECKS, Fault, Wrong, check, disclosure_text, product_id
from core.clock import to_text
from core.errors import Refused
from core.money import EXPONENTS

COLUMNS: Final = ("id", "revision", *CHECKS, "disclosure_en", "disclosure_zh")
OPTIONAL: Final = frozenset({"revision"})
MOST_BYTES: Final = 5 * 1024 * 1024
MOST_ROWS: Final = 5000

_FORMULA: Final = re.compile(r"[\s']*[=+\-@\t\r＝＋－＠]")
_AMOUNT: Final = re.compile(r"([0-9]{1,16})(?:\.([0-9]+))?")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_RISK: Final = re.compile(r"[Rr]?([0-9]{1,2})")
_SLASHED: Final = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})")  # what spreadsheets make of 2026-11-20


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong with one cell, or with column "" of a whole row, that begins on `line`."""

    line: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file as it was understood: what each right row asks for, and what is wrong with the others, in the order of lines."""

    rows: int
    edits: Sequence[Edit]
    faults: Sequence[LineFault]


def read(data: bytes, now: datetime) -> Parsed:
    """Raises Refused when the file as a whole can't be read: CSV_TOO_LARGE, CSV_ENCODING, CSV_COLUMNS, CSV_UNREADABLE,
    ROW_LIMIT."""
    if len(data) > MOST_BYTES:
        raise Refused(errors.CSV_TOO_LARGE, most=f"{MOST_BYTES // 1024 // 1024} MB")
    rows = _rows(_decoded(data))
    _line, header = next(rows, (1, []))
    names = _names(header)
    edits: list[Edit] = []
    faults: list[LineFault] = []
    first: dict[str, int] = {}
    count = 0
    for line, cells in rows:
        count += 1
        if count > MOST_ROWS:
            raise Refused(errors.ROW_LIMIT, most=f"{MOST_ROWS:,}")
        edit, wrong = _edit(line, names, cells, now)
        faults += [LineFault(line, fault) for fault in wrong]
        if edit is None:
            continue
        if edit.product in first:
            fault = Fault("id", errors.ROW_DOUBLED, {"product": edit.product, "first": first[edit.product]})
            faults.append(LineFault(line, fault))
            continue
        first[edit.product] = line
        edits.append(edit)
    return Parsed(count, edits, faults)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused(errors.CSV_ENCODING, line=line, looks_like=_looks_like(data)) from error


def _looks_like(data: bytes) -> str:
    # Never read as what it looks like: a name that was guessed wrong would stand on the record.
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return "Windows-1252"
    return "GB18030"


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Refused(errors.CSV_UNREADABLE, line=line, detail=str(error)) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _names(cells: Sequence[str]) -> list[str]:
    """The columns' names. Of more cells than there are columns the first ones suffice: one is unknown or there twice."""
    too_many = len(cells) > len(COLUMNS)
    names = [cell.strip().lower() for cell in cells[: len(COLUMNS) + 1]]
    missing = [] if too_many else [name for name in COLUMNS if name not in names and name not in OPTIONAL]
    unknown = [name[:40] for name in names if name not in COLUMNS]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if missing or unknown or doubled:
        raise Refused(errors.CSV_COLUMNS, missing=", ".join(missing) or "–", unknown=", ".join(unknown + doubled)[:400] or "–")
    return names


def _edit(line: int, names: Sequence[str], cells: Sequence[str], now: datetime) -> tuple[Edit | None, list[Fault]]:
    if len(cells) != len(names):
        return None, [Fault("", errors.ROW_SHAPE, {"given": len(cells), "expected": len(names)})]
    row = {name: plain(cell.strip()) for name, cell in zip(names, cells, strict=True)}
    currency = row["currency"]
    faults: list[Fault] = []

    def taken(name: str, read_cell: Callable[[str], Any]) -> Any:
        try:
            return read_cell(row[name])
        except Wrong as wrong:
            faults.append(Fault(name, wrong.problem, wrong.params))
            return None

    given: dict[str, Any] = {}
    product = taken("id", _needed(product_id))
    revision = taken("revision", _whole_or_none) if "revision" in row else None
    for name in CHECKS:
        before = len(faults)
        value = taken(name, _cell_reader(name, currency))
        if len(faults) == before:
            given[name] = value
    terms, wrong = check(given, now)
    faults += wrong
    texts = taken("disclosure_en", disclosure_text), taken("disclosure_zh", disclosure_text)
    if faults or terms is None:
        return None, sorted(faults, key=lambda fault: COLUMNS.index(fault.column))
    return Edit(product, terms, texts, revision, line=line), []


def _cell_reader(name: str, currency: str) -> Callable[[str], Any]:
    """From a cell to what `catalogue_terms.check` takes."""

    def amount(text: str) -> int:
        return minor(text, currency)

    readers: dict[str, Callable[[str], Any]] = {
        "issuer_risk": _needed(_grade),
        "bank_risk": _needed(_grade),
        "term_days": _whole_or_none,
        "minimum": _needed(amount),
        "step": _needed(amount),
        "cap": lambda text: amount(text) if text else None,
        "quota": _needed(amount),
        "price_date": lambda text: _dashed(text) if text else None,
        "fee_bps": lambda text: _whole(text) if text else 0,
    }
    return readers.get(name, _needed(str))


def _needed(read_cell: Callable[[str], Any]) -> Callable[[str], Any]:
    def check_cell(text: str) -> Any:
        if not text:
            raise Wrong(errors.FIELD_MISSING)
        return read_cell(text)

    return check_cell


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise Wrong(errors.NUMBER_UNREADABLE, given=text[:20])
    return int(text)


def _whole_or_none(text: str) -> int | None:
    return _whole(text) if text else None


def _grade(text: str) -> int:
    found = _RISK.fullmatch(text)
    if found is None:
        raise Wrong(errors.RISK_OUT_OF_RANGE)
    return int(found[1])


def _dashed(text: str) -> str:
    found = _SLASHED.fullmatch(text)
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}" if found else text


def minor(text: str, currency: str) -> int:
    """Whole units as they are written ("10000.00") in minor units. Raises Wrong(AMOUNT_UNREADABLE), Wrong(AMOUNT_NOT_MINOR)."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise Wrong(errors.AMOUNT_UNREADABLE, given=text[:20])
    places = EXPONENTS.get(currency, 2)  # an unknown currency is told by itself
    digits = (found[2] or "").rstrip("0")
    if len(digits) > places:
        raise Wrong(errors.AMOUNT_NOT_MINOR, given=text[:20], currency=currency, places=places)
    return int(found[1] + digits.ljust(places, "0"))


def major(amount: int | None, currency: str) -> str:
    """The inverse of `minor`; "" for None."""
    if amount is None:
        return ""
    places = EXPONENTS[currency]
    whole, rest = divmod(amount, 10**places)
    return f"{whole}.{rest:0{places}d}" if places else str(whole)


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain(cell: str) -> str:
    """The inverse of `harmless`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def header() -> bytes:
    """The first line, behind the mark by which spreadsheets know UTF-8."""
    return b"\xef\xbb\xbf" + _written([COLUMNS])


def write(products: Iterable[Product]) -> bytes:
    """These products' lines."""
    return _written([cells[name] for name in COLUMNS] for cells in map(_cells, products))


def _written(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _cells(product: Product) -> Mapping[str, str]:
    terms = product.terms
    known = {name: str(value) for name, value in terms.to_json().items() if isinstance(value, str | int)}
    price = terms.price
    return known | {
        "id": product.id,
        "revision": str(product.revision),
        "term_days": "" if terms.term_days is None else str(terms.term_days),
        "minimum": major(terms.minimum, terms.currency),
        "step": major(terms.step, terms.currency),
        "cap": major(terms.cap, terms.currency),
        "quota": major(terms.quota, terms.currency),
        "price_kind": price.kind,
        "price_value": price.value,
        "price_date": price.date.isoformat() if price.date is not None else "",
        "fee_bps": str(price.fee_bps),
        "sale_from": to_text(terms.sale_from),
        "sale_until": to_text(terms.sale_until),
        "disclosure_en": product.disclosure.text_en,
        "disclosure_zh": product.disclosure.text_zh,
    }
