"""The operators' side of the catalogue: a product is made, its terms change, its disclosure gets another version, it is
withdrawn; by hand or many at once from a file. All of it is one thing: edits, done together or not at all.

Life of an edit:
1. Locks, in the order in which orders take them: the trails of the sessions that offer the product and are not over, then
   the products, each by their ids. A session that came to offer it in between is seen after that, and all begins anew.
2. Each edit is planned against what stands (`plan`, pure): nothing to do, a step, or what is wrong with it. One that was
   started from another revision than stands is refused, unless there is nothing to do anyway.
3. Products and disclosures are written; `left` moves by as much as the quota does, so that it stays what the quota is above
   the orders that stand, whoever orders meanwhile.
4. `product_changes` keeps who did what when, before and after.
5. Every trail of step 1 gets `shelf_changed` with the terms as they are now: it always shows what was on offer.
6. Commit; then the rooms hear of their shelves.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

import structlog
from aiohttp import web
from sqlalchemy import bindparam, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, shelf
from commerce import catalogue_errors as errors
from commerce.catalogue import Disclosure, Product
from commerce.catalogue_terms import Fault, Terms, differing
from commerce.shelf import ShelfState
from commerce.tables import disclosures, product_changes, products
from core.clock import Clock
from core.database import Database, is_away
from core.errors import NOT_FOUND, Refused, Unavailable
from core.identity import Person
from core.ids import new_id
from core.money import Money
from recording.trail import Trail, lock_heads

OnShelf = Callable[[ShelfState], Awaitable[None]]
Done = Literal["created", "changed", "withdrawn", "unchanged"]

_ATTEMPTS: Final = 5
# PostgreSQL: serialization_failure, deadlock_detected.
_TRANSIENT: Final = frozenset({"40001", "40P01"})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Edit:
    """What one product is to be; None leaves that part as it is. `revision` is the one it was started from, None for
    whatever stands. `must` says whether the product has to be new, or there already. `line` is the file's."""

    product: str
    terms: Terms | None = None
    disclosure: tuple[str, str] | None = None  # en, zh
    revision: int | None = None
    must: Literal["new", "there", "either"] = "either"
    withdraw: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What an edit comes to. `before` and `after` hold the fields that differ; `disclosure` only a new version."""

    edit: Edit
    done: Done
    revision: int
    terms: Terms
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    disclosure: Disclosure | None


class Unfit(Exception):  # noqa: N818 - findings about what was asked; the door words them
    """At least one edit can't be done, and so none was: `found` names each with what is wrong."""

    def __init__(self, found: Sequence[tuple[Edit, Fault]]) -> None:
        super().__init__(f"{len(found)} faults")
        self.found = found


class _ComesToOfferError(Exception):
    """While the products were being locked, another session put one of them on its shelf; its trail must be locked first."""


def plan(edit: Edit, current: Product | None, now: datetime) -> Step:
    """What is to be done so that the product is as `edit` says. Pure. Raises Unfit."""
    if current is None:
        return _creation(edit)
    if edit.must == "new":
        raise Unfit([(edit, Fault("id", errors.PRODUCT_EXISTS, {"product": edit.product}))])
    terms = _withdrawn(current.terms, now) if edit.withdraw else (edit.terms or current.terms).keeping(current.terms)
    before, after = differing(current.terms, terms)
    disclosure = _next_version(edit, current)
    if disclosure is not None:
        before["disclosure"] = {"version": current.disclosure.version, "sha256": current.disclosure.sha256}
        after["disclosure"] = {"version": disclosure.version, "sha256": disclosure.sha256}
    if not after:
        return Step(edit, "unchanged", current.revision, terms, {}, {}, None)
    faults = list(_faults(edit, current, terms))
    if faults:
        raise Unfit([(edit, fault) for fault in faults])
    done: Done = "withdrawn" if edit.withdraw else "changed"
    return Step(edit, done, current.revision + 1, terms, before, after, disclosure)


def _creation(edit: Edit) -> Step:
    if edit.revision is not None or edit.must == "there" or edit.terms is None or edit.disclosure is None:
        missing = {"product": edit.product, "expected": edit.revision}
        raise Unfit([(edit, Fault("revision", errors.PRODUCT_MISSING, missing))])
    first = Disclosure(1, *edit.disclosure, catalogue.disclosure_hash(*edit.disclosure))
    after = edit.terms.to_json() | {"disclosure": {"version": 1, "sha256": first.sha256}}
    return Step(edit, "created", 1, edit.terms, {}, after, first)


def _faults(edit: Edit, current: Product, terms: Terms) -> list[Fault]:
    """What stands against changing this product to that."""
    if edit.revision is not None and edit.revision != current.revision:
        return [Fault("revision", errors.PRODUCT_CHANGED, {"revision": current.revision, "expected": edit.revision})]
    found = []
    if terms.currency != current.currency:
        found.append(Fault("currency", errors.CURRENCY_FIXED, {"currency": current.currency}))
    elif terms.quota < current.sold:
        sold = {"sold": current.sold, "sold_text": str(Money(current.sold, current.currency))}
        found.append(Fault("quota", errors.QUOTA_BELOW_SOLD, sold))
    return found


def _withdrawn(terms: Terms, now: datetime) -> Terms:
    """The sale ends now; one that has not begun never will."""
    return replace(terms, sale_until=min(terms.sale_until, max(terms.sale_from, now)))


def _next_version(edit: Edit, current: Product) -> Disclosure | None:
    if edit.disclosure is None:
        return None
    sha256 = catalogue.disclosure_hash(*edit.disclosure)
    if sha256 == current.disclosure.sha256:
        return None
    return Disclosure(current.disclosure.version + 1, *edit.disclosure, sha256)


class CatalogueBook:
    """The only door to a change of what is sold. `on_shelf` is told of every shelf that changed, after the commit."""

    def __init__(self, db: Database, trail: Trail, clock: Clock, *, on_shelf: OnShelf | None = None) -> None:
        self.db, self.trail, self.clock = db, trail, clock
        self._on_shelf = on_shelf

    async def change(self, person: Person, edit: Edit) -> Step:
        """One edit by hand. Raises Unfit, Refused(NOT_FOUND), Unavailable(CATALOGUE_BUSY)."""
        [step] = await self._again(person, [edit], None)
        return step

    async def take_in(self, person: Person, edits: Sequence[Edit]) -> list[Step]:
        """A file's edits, all or none, each product once. Raises Unfit, Unavailable(CATALOGUE_BUSY)."""
        return await self._again(person, edits, new_id("imp"))

    async def preview(self, edits: Sequence[Edit]) -> list[Step]:
        """What `take_in` would come to now; nothing is changed. Raises Unfit."""
        async with self.db.read() as tx:
            known = await catalogue.by_ids(tx, {edit.product for edit in edits})
        return self._planned(edits, known)

    def _planned(self, edits: Sequence[Edit], known: Mapping[str, Product]) -> list[Step]:
        now = self.clock.now()
        steps: list[Step] = []
        found: list[tuple[Edit, Fault]] = []
        for edit in edits:
            try:
                steps.append(plan(edit, known.get(edit.product), now))
            except Unfit as unfit:
                found += unfit.found
        if found:
            raise Unfit(found)
        return steps

    async def _again(self, person: Person, edits: Sequence[Edit], import_id: str | None) -> list[Step]:
        """Do the transaction, again if another was in its way. Then tell the rooms."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self.db.write() as tx:
                    steps, states = await self._apply(tx, person, edits, import_id)
            except _ComesToOfferError:
                log.info("catalogue_retried", attempt=attempt, why="another session offers it now")
            except (SQLAlchemyError, OSError) as error:
                if is_away(error):
                    raise Unavailable(errors.CATALOGUE_BUSY) from error
                # Somebody else made a product of this id at the same moment: now it is there, and planned against.
                state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
                if not isinstance(error, IntegrityError) and state not in _TRANSIENT:
                    raise
                log.warning("catalogue_retried", attempt=attempt, error=repr(error))
            else:
                await self._tell(states)
                return steps
            await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads rivals, hides nothing
        raise Unavailable(errors.CATALOGUE_BUSY)

    async def _apply(
        self, tx: AsyncConnection, person: Person, edits: Sequence[Edit], import_id: str | None
    ) -> tuple[list[Step], list[ShelfState]]:
        ids = sorted({edit.product for edit in edits})
        heads = await lock_heads(tx, await shelf.offering(tx, ids), briefly=True)
        await catalogue.hold(tx, ids)
        offering = await shelf.offering(tx, ids)
        if not offering <= heads.keys():
            raise _ComesToOfferError
        known = await catalogue.by_ids(tx, ids)
        if any(edit.must == "there" and edit.product not in known for edit in edits):
            raise Refused(NOT_FOUND)
        steps = self._planned(edits, known)
        doing = [step for step in steps if step.done != "unchanged"]
        if not doing:
            return steps, []
        await self._write(tx, person, doing, known, import_id)
        changed = {step.edit.product for step in doing}
        open_heads = [heads[name] for name in sorted(await shelf.offering(tx, sorted(changed))) if not heads[name].sealed]
        return steps, await shelf.terms_changed(tx, self.trail, open_heads, person, changed) if open_heads else []

    async def _write(
        self, tx: AsyncConnection, person: Person, doing: Sequence[Step], known: Mapping[str, Product], import_id: str | None
    ) -> None:
        now = self.clock.now()
        created = [_new_row(step) for step in doing if step.done == "created"]
        if created:
            await tx.execute(insert(products), created)
        texts = [_disclosure_row(step.edit.product, step.disclosure, now) for step in doing if step.disclosure is not None]
        if texts:
            await tx.execute(insert(disclosures), texts)
        changed = [_changed_row(step, known[step.edit.product]) for step in doing if step.done != "created"]
        if changed:
            await tx.execute(_UPDATE, changed)
        done = {"at": now, "actor": person.id, "import_id": import_id}
        await tx.execute(
            insert(product_changes),
            [
                {"product_id": one.edit.product, "revision": one.revision, "kind": one.done, **done}
                | {"before": dict(one.before), "after": dict(one.after)}
                for one in doing
            ],
        )

    async def _tell(self, states: Sequence[ShelfState]) -> None:
        """After the commit: what goes wrong here can't undo the change; pages have the new shelf with their next join."""
        if self._on_shelf is None:
            return
        for state in states:
            try:
                await self._on_shelf(state)
            except Exception:
                log.exception("shelf_not_announced", session=state.session_id)


# Values are bound under names of their own: a column's name is its value in an UPDATE.
_COLUMNS: Final = (*Terms.__dataclass_fields__, "revision", "disclosure_version")
_UPDATE: Final = (
    update(products)
    .where(products.c.id == bindparam("the_id"))
    .values({name: bindparam(f"the_{name}") for name in _COLUMNS} | {"left": products.c.left + bindparam("more")})
)


def _new_row(step: Step) -> dict[str, Any]:
    kept = {"id": step.edit.product, "left": step.terms.quota, "revision": step.revision, "disclosure_version": 1}
    return step.terms.columns() | kept


def _changed_row(step: Step, current: Product) -> dict[str, Any]:
    version = current.disclosure.version if step.disclosure is None else step.disclosure.version
    columns = step.terms.columns() | {"revision": step.revision, "disclosure_version": version}
    more = {"the_id": step.edit.product, "more": step.terms.quota - current.quota}
    return {f"the_{name}": value for name, value in columns.items()} | more


def _disclosure_row(product_id: str, disclosure: Disclosure, now: datetime) -> dict[str, Any]:
    return {
        "product_id": product_id,
        "version": disclosure.version,
        "text_en": disclosure.text_en,
        "text_zh": disclosure.text_zh,
        "sha256": disclosure.sha256,
        "published_at": now,
    }


BOOK = web.AppKey("catalogue", CatalogueBook)
