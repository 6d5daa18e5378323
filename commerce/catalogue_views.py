"""The catalogue as operators and reviewers read it: lists, one product, its versions and its history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, catalogue_wording
from commerce import catalogue_wire as wire
from commerce.catalogue import RANK, Filter, Product
from commerce.catalogue_book import Step
from commerce.catalogue_csv import LineFault
from commerce.catalogue_terms import CLASSES, Fault
from commerce.catalogue_wording import Doubt, LineDoubt
from commerce.tables import disclosures, product_changes, products, shelf
from core.clock import to_text
from core.database import among
from recording.lifecycle import FINAL
from recording.tables import sessions

PAGE: Final = 100
MOST_VERSIONS: Final = 50
CHANGES_PAGE: Final = 50
EXPORT_PAGE: Final = 500
MOST_TOLD: Final = 200


async def listed(tx: AsyncConnection, only: Filter, offset: int, now: datetime, lang: str) -> wire.CatalogueList:
    """A page of the products that are asked for."""
    where = only.clauses()
    counted = select(products.c.product_class, func.count()).where(*where).group_by(products.c.product_class)
    counts: dict[str, int] = {name: int(count) for name, count in await tx.execute(counted)}
    page = select(products.c.id).where(*where).order_by(*RANK)
    ids = list((await tx.execute(page.limit(PAGE).offset(offset))).scalars())
    known = await catalogue.by_ids(tx, ids)
    offered = await _offered_in(tx, ids)
    rows = [wire.CatalogueRow(**_row(known[one], offered.get(one, 0), now, lang)) for one in ids]
    zones = [wire.Zone(product_class=name, count=counts[name]) for name in CLASSES if name in counts]
    return wire.CatalogueList(products=rows, zones=zones, total=sum(counts.values()), offset=offset)


async def one(tx: AsyncConnection, product_id: str, now: datetime, lang: str) -> wire.CatalogueProduct:
    """Raises Refused(NOT_FOUND)."""
    product = await catalogue.get(tx, product_id)
    offered = await _offered_in(tx, [product_id])
    versions = await disclosed(tx, product_id, limit=1)
    found = await asyncio.to_thread(catalogue_wording.of_product, product)
    return wire.CatalogueProduct(
        **_row(product, offered.get(product_id, 0), now, lang),
        name_en=product.name_en,
        name_zh=product.name_zh,
        rate_text_en=product.rate_text_en,
        rate_text_zh=product.rate_text_zh,
        issuer_risk=product.issuer_risk,
        bank_risk=product.bank_risk,
        step=product.step,
        cap=product.cap,
        disclosure=versions.disclosures[0],
        warnings=[wire.FieldWarning(field=doubt.column, **_warned(doubt, lang)) for doubt in found],
    )


async def disclosed(tx: AsyncConnection, product_id: str, *, limit: int = MOST_VERSIONS) -> wire.CatalogueDisclosures:
    """The versions of its disclosure, newest first. Raises Refused(NOT_FOUND)."""
    await catalogue.get(tx, product_id)
    query = select(disclosures).where(disclosures.c.product_id == product_id).order_by(disclosures.c.version.desc())
    return wire.CatalogueDisclosures([_version(row) for row in await tx.execute(query.limit(limit))])


async def changed(tx: AsyncConnection, product_id: str, before: int | None) -> wire.ProductChanges:
    """What was done to it, newest first, from below revision `before` on. Raises Refused(NOT_FOUND)."""
    await catalogue.get(tx, product_id)
    query = select(product_changes).where(product_changes.c.product_id == product_id)
    if before is not None:
        query = query.where(product_changes.c.revision < before)
    rows = (await tx.execute(query.order_by(product_changes.c.revision.desc()).limit(CHANGES_PAGE + 1))).all()
    page = [_change(row) for row in rows[:CHANGES_PAGE]]
    return wire.ProductChanges(changes=page, next=page[-1].revision if len(rows) > CHANGES_PAGE else None)


async def exported(tx: AsyncConnection, only: Filter) -> AsyncIterator[list[Product]]:
    """Everything that is asked for by id, in pages of bounded size."""
    last = ""
    while True:
        page = select(products.c.id).where(*only.clauses(), products.c.id > last).order_by(products.c.id).limit(EXPORT_PAGE)
        ids = list((await tx.execute(page)).scalars())
        known = await catalogue.by_ids(tx, ids)
        yield [known[one] for one in ids]
        if len(ids) < EXPORT_PAGE:
            return
        last = ids[-1]


def report(
    rows: int, steps: Sequence[Step], faults: Sequence[LineFault], found: Sequence[LineDoubt], lang: str, *, dry_run: bool
) -> wire.ImportReport:
    """What a file did, or would do; `found` is what should be looked at."""
    doing = [step for step in steps if step.done != "unchanged"]
    created = sum(step.done == "created" for step in doing)
    changes = [
        wire.LineChange(
            line=step.edit.line,
            product=step.edit.product,
            name=step.terms.name_zh if lang == "zh" else step.terms.name_en,
            currency=step.terms.currency,
            done="created" if step.done == "created" else "changed",
            before=dict(step.before),
            after=dict(step.after),
        )
        for step in doing[:MOST_TOLD]
    ]
    return wire.ImportReport(
        dry_run=dry_run,
        rows=rows,
        created=created,
        changed=len(doing) - created,
        unchanged=len(steps) - len(doing),
        changes=changes,
        error_count=len(faults),
        errors=line_errors(faults, lang),
        warning_count=len(found),
        warnings=[
            wire.LineWarning(line=one.line, column=one.doubt.column, **_warned(one.doubt, lang)) for one in found[:MOST_TOLD]
        ],
    )


def line_errors(faults: Sequence[LineFault], lang: str) -> list[wire.LineError]:
    """The first 200, in the order of lines."""
    return [
        wire.LineError(line=one.line, column=one.fault.column, code=one.fault.problem.code, **_said(one.fault, lang))
        for one in sorted(faults, key=lambda one: one.line)[:MOST_TOLD]
    ]


def field_faults(faults: Sequence[Fault], lang: str) -> list[wire.FieldFault]:
    """What is wrong with a form."""
    return [wire.FieldFault(field=one.column, code=one.problem.code, **_said(one, lang)) for one in faults]


def _warned(doubt: Doubt, lang: str) -> dict[str, str]:
    title = catalogue_wording.TITLE.text(lang).format(words=doubt.words)
    return {"words": doubt.words, "title": title, "next": catalogue_wording.NEXT.text(lang)}


def _said(fault: Fault, lang: str) -> dict[str, str]:
    problem = fault.problem
    title, step = (problem.zh, problem.next_zh) if lang == "zh" else (problem.en, problem.next_en)
    return {"title": title.format_map(fault.params), "next": step.format_map(fault.params)}


async def _offered_in(tx: AsyncConnection, ids: Sequence[str]) -> Mapping[str, int]:
    query = select(shelf.c.product_id, func.count()).join(sessions, sessions.c.id == shelf.c.session_id)
    query = query.where(among(shelf.c.product_id, "products"), sessions.c.state.not_in(sorted(FINAL)))
    rows = await tx.execute(query.group_by(shelf.c.product_id), {"products": ids})
    return {product: int(count) for product, count in rows}


def _row(product: Product, offered_in: int, now: datetime, lang: str) -> dict[str, Any]:
    seen = product.view(now, lang)
    return {
        "id": product.id,
        "revision": product.revision,
        "product_class": product.product_class,
        "name": seen.name,
        "risk": seen.risk,
        "term_days": product.term_days,
        "currency": product.currency,
        "price": seen.price,
        "minimum": product.minimum,
        "quota": product.quota,
        "sold": product.sold,
        "left": product.left,
        "sale": _sale(product, now),
        "sale_from": to_text(product.sale_from),
        "sale_until": to_text(product.sale_until),
        "disclosure_version": product.disclosure.version,
        "offered_in": offered_in,
    }


def _sale(product: Product, now: datetime) -> Literal["open", "before", "over", "sold_out"]:
    if now >= product.sale_until:
        return "over"
    if now < product.sale_from:
        return "before"
    return "open" if product.on_sale(now) else "sold_out"


def _version(row: Row[Any]) -> wire.CatalogueDisclosure:
    return wire.CatalogueDisclosure(
        version=row.version,
        text_en=row.text_en,
        text_zh=row.text_zh,
        sha256=row.sha256,
        published_at=to_text(row.published_at),
    )


def _change(row: Row[Any]) -> wire.ProductChange:
    return wire.ProductChange(
        revision=row.revision,
        at=to_text(row.at),
        actor=row.actor,
        kind=row.kind,
        import_id=row.import_id,
        before=row.before,
        after=row.after,
    )
