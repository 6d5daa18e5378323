"""HTTP of the operators' catalogue. Handlers translate; `CatalogueBook` acts, `catalogue_views` reads."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from aiohttp import web

from commerce import catalogue_csv, catalogue_views, catalogue_wording
from commerce import catalogue_errors as errors
from commerce import catalogue_wire as wire
from commerce.catalogue import Filter
from commerce.catalogue_book import BOOK, Edit, Step, Unfit
from commerce.catalogue_csv import LineFault
from commerce.catalogue_terms import CLASSES, Fault, Terms, Wrong, check, disclosure_text, product_id
from core.errors import BAD_REQUEST, NOT_FOUND, Problem, Refused
from core.http import Route, lang, person
from core.ids import new_id

READ_TIMEOUT_S: Final = 30.0
WRITE_TIMEOUT_S: Final = 120.0
MOST_OFFSET: Final = 1_000_000
MOST_WORDS: Final = 100
_CSV: Final = "text/csv"
_FILE_NAME: Final = "catalogue.csv"

_ITEM: Final = "/api/catalogue/{product}"
_EDITING: tuple[Problem, ...] = (errors.PRODUCT_INVALID, errors.PRODUCT_CHANGED, errors.CATALOGUE_BUSY, NOT_FOUND)
_FILE: tuple[Problem, ...] = (
    errors.IMPORT_REFUSED,
    errors.CSV_ENCODING,
    errors.CSV_TOO_LARGE,
    errors.CSV_COLUMNS,
    errors.CSV_UNREADABLE,
    errors.ROW_LIMIT,
    errors.CATALOGUE_BUSY,
    BAD_REQUEST,
)


def routes() -> list[Route]:
    """Every way into the operators' catalogue."""
    item = wire.CatalogueProduct
    making = (errors.PRODUCT_INVALID, errors.PRODUCT_EXISTS, errors.CATALOGUE_BUSY)
    return [
        Route("GET", "/api/catalogue", list_catalogue, "The catalogue; ?class=, risk_max=, term_max_days=, q=, offset=",
              gives=wire.CatalogueList, problems=(BAD_REQUEST,)),
        Route("POST", "/api/catalogue", create, "A new product", wire.NewProduct, item, 201, making),
        Route("GET", "/api/catalogue.csv", export, "The catalogue as a file; ?class=, risk_max=, term_max_days=, q=",
              problems=(BAD_REQUEST,)),
        Route("POST", "/api/catalogue/import", take_in, "Take in a file (text/csv); ?dry_run=1 only tells what it would do",
              gives=wire.ImportReport, problems=_FILE),
        Route("GET", _ITEM, get_product, "One product, as operators see it", gives=item, problems=(NOT_FOUND,)),
        Route("PUT", _ITEM, change, "Change a product's terms", wire.ChangeProduct, item, 200, _EDITING),
        Route("POST", f"{_ITEM}/withdraw", withdraw, "End its sale now", wire.Withdraw, item, 200, _EDITING),
        Route("GET", f"{_ITEM}/disclosures", list_disclosures, "The versions of its disclosure",
              gives=wire.CatalogueDisclosures, problems=(NOT_FOUND,)),
        Route("POST", f"{_ITEM}/disclosures", publish, "Publish the next version of its disclosure", wire.PublishDisclosure,
              item, 200, _EDITING),
        Route("GET", f"{_ITEM}/changes", list_changes, "Who changed what of it when; ?before= a revision",
              gives=wire.ProductChanges, problems=(NOT_FOUND, BAD_REQUEST)),
    ]  # fmt: skip


async def list_catalogue(request: web.Request) -> wire.CatalogueList:
    book, only, offset = request.app[BOOK], filter_of(request), number(request, "offset", MOST_OFFSET) or 0
    async with book.db.read() as tx:
        return await catalogue_views.listed(tx, only, offset, book.clock.now(), lang(request))


async def get_product(request: web.Request) -> wire.CatalogueProduct:
    return await _shown(request, request.match_info["product"])


async def create(request: web.Request, body: wire.NewProduct) -> wire.CatalogueProduct:
    found: list[Fault] = []
    terms = _terms(request, body.terms, found)
    texts = _texts(body.disclosure.text_en, body.disclosure.text_zh, found, "disclosure_")
    chosen = body.id if body.id is not None else new_id("prd")
    try:
        product_id(chosen)
    except Wrong as wrong:
        found.insert(0, Fault("id", wrong.problem, wrong.params))
    _refuse(found, lang(request))
    return await _done(request, Edit(chosen, terms, texts, must="new"))


async def change(request: web.Request, body: wire.ChangeProduct) -> wire.CatalogueProduct:
    found: list[Fault] = []
    terms = _terms(request, body.terms, found)
    _refuse(found, lang(request))
    return await _done(request, Edit(request.match_info["product"], terms, revision=body.revision, must="there"))


async def publish(request: web.Request, body: wire.PublishDisclosure) -> wire.CatalogueProduct:
    found: list[Fault] = []
    texts = _texts(body.text_en, body.text_zh, found, "text_")
    _refuse(found, lang(request))
    edit = Edit(request.match_info["product"], disclosure=texts, revision=body.revision, must="there")
    return await _done(request, edit)


async def withdraw(request: web.Request, body: wire.Withdraw) -> wire.CatalogueProduct:
    return await _done(request, Edit(request.match_info["product"], revision=body.revision, must="there", withdraw=True))


async def list_disclosures(request: web.Request) -> wire.CatalogueDisclosures:
    async with request.app[BOOK].db.read() as tx:
        return await catalogue_views.disclosed(tx, request.match_info["product"])


async def list_changes(request: web.Request) -> wire.ProductChanges:
    before = number(request, "before", 10**9)
    async with request.app[BOOK].db.read() as tx:
        return await catalogue_views.changed(tx, request.match_info["product"], before)


async def export(request: web.Request) -> web.StreamResponse:
    """Page by page: however many products there are, only one page of them is held."""
    book, only = request.app[BOOK], filter_of(request)
    response = web.StreamResponse(headers={"Content-Disposition": f'attachment; filename="{_FILE_NAME}"'})
    response.content_type, response.charset = _CSV, "utf-8"
    await response.prepare(request)
    try:
        async with (
            asyncio.timeout(WRITE_TIMEOUT_S),
            book.db.read() as tx,
        ):  # or it is held for ever
            await response.write(catalogue_csv.header())
            async for page in catalogue_views.exported(tx, only):
                await response.write(await asyncio.to_thread(catalogue_csv.write, page))
    except TimeoutError as error:  # nothing but the end of the connection can be said any more
        raise ConnectionResetError("the file was not taken in time") from error
    await response.write_eof()
    return response


async def take_in(request: web.Request) -> wire.ImportReport:
    """All of a file or nothing. A dry run tells all that is wrong and all that would change."""
    book, language = request.app[BOOK], lang(request)
    dry_run = _flag(request, "dry_run")
    data = await _file(request)
    parsed = await asyncio.to_thread(catalogue_csv.read, data, book.clock.now())
    faults, steps = list(parsed.faults), list[Step]()
    try:
        if dry_run or faults:
            steps = await book.preview(parsed.edits)
        else:
            steps = await book.take_in(person(request), parsed.edits)
    except Unfit as unfit:
        faults += [LineFault(edit.line, fault) for edit, fault in unfit.found]
    if faults and not dry_run:
        told = msgspec.to_builtins(catalogue_views.line_errors(faults, language))
        raise Refused(errors.IMPORT_REFUSED, count=len(faults), errors=told)
    found = await asyncio.to_thread(catalogue_wording.of_steps, steps)
    return catalogue_views.report(parsed.rows, steps, faults, found, language, dry_run=dry_run)


async def _done(request: web.Request, edit: Edit) -> wire.CatalogueProduct:
    try:
        await request.app[BOOK].change(person(request), edit)
    except Unfit as unfit:
        faults = [fault for _edit, fault in unfit.found]
        for fault in faults:
            if fault.problem in (errors.PRODUCT_CHANGED, errors.PRODUCT_EXISTS):
                raise Refused(fault.problem, **fault.params) from unfit
        _refuse(faults, lang(request))
    return await _shown(request, edit.product)


async def _shown(request: web.Request, product: str) -> wire.CatalogueProduct:
    book = request.app[BOOK]
    async with book.db.read() as tx:
        return await catalogue_views.one(tx, product, book.clock.now(), lang(request))


def _terms(request: web.Request, given: wire.TermsGiven, found: list[Fault]) -> Terms | None:
    price = given.price
    flat: dict[str, Any] = {name: value for name, value in msgspec.to_builtins(given).items() if name != "price"}
    flat |= {"price_kind": price.kind, "price_value": price.value, "price_date": price.date, "fee_bps": price.fee_bps}
    terms, faults = check(flat, request.app[BOOK].clock.now())
    found += faults
    return terms


def _texts(en: str, zh: str, found: list[Fault], prefix: str) -> tuple[str, str]:
    kept = {"en": en, "zh": zh}
    for name, text in kept.items():
        try:
            kept[name] = disclosure_text(text)
        except Wrong as wrong:
            found.append(Fault(f"{prefix}{name}", wrong.problem, wrong.params))
    return kept["en"], kept["zh"]


def _refuse(faults: list[Fault], language: str) -> None:
    if faults:
        told = msgspec.to_builtins(catalogue_views.field_faults(faults, language))
        raise Refused(errors.PRODUCT_INVALID, count=len(faults), faults=told)


def filter_of(request: web.Request) -> Filter:
    """?class=, ?risk_max= (1 to 5, or R1 to R5), ?term_max_days= and ?q=. Raises Refused(BAD_REQUEST)."""
    product_class = request.query.get("class") or None
    if product_class is not None and product_class not in CLASSES:
        raise Refused(BAD_REQUEST, detail=f"class: one of {', '.join(CLASSES)}")
    words = request.query.get("q", "")
    if len(words) > MOST_WORDS:
        raise Refused(BAD_REQUEST, detail=f"q: at most {MOST_WORDS} characters")
    return Filter(product_class, number(request, "risk_max", 5), number(request, "term_max_days", 100_000), words)


def number(request: web.Request, name: str, most: int) -> int | None:
    """A whole number of the query, None where it is not given. Raises Refused(BAD_REQUEST) beyond 0 to `most`."""
    text = request.query.get(name, "")
    if not text:
        return None
    digits = text.removeprefix("R") if name == "risk_max" else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(most)) and int(digits) <= most):
        raise Refused(BAD_REQUEST, detail=f"{name}: a number up to {most}")
    return int(digits)


def _flag(request: web.Request, name: str) -> bool:
    text = request.query.get(name, "0")
    if text not in ("0", "1"):
        raise Refused(BAD_REQUEST, detail=f"{name}: 0 or 1")
    return text == "1"


async def _file(request: web.Request) -> bytes:
    """The body, if it is a file of bearable size. Raises Refused: BAD_REQUEST, CSV_TOO_LARGE."""
    if request.content_type != _CSV:
        raise Refused(BAD_REQUEST, detail=f"Content-Type: {_CSV}")
    most = catalogue_csv.MOST_BYTES
    if request.content_length is not None and request.content_length > most:
        raise Refused(errors.CSV_TOO_LARGE, most=f"{most // 1024 // 1024} MB")
    data = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            while not request.content.at_eof() and len(data) <= most:
                data += await request.content.read(most + 1 - len(data))
    except TimeoutError as error:
        raise Refused(BAD_REQUEST, detail=f"it did not arrive within {READ_TIMEOUT_S:.0f} s") from error
    return bytes(data)  # one byte too many is refused by who reads it
