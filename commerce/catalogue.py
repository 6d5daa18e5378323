"""Products and their disclosures: what is for sale and which text must be confirmed first.

Here they are read, and put down for the first time; operators change them through `catalogue_book.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from datetime import date, datetime
from typing import Any, Final, Literal, cast

import msgspec
from sqlalchemy import ColumnElement, Row, bindparam, case, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce.catalogue_terms import CLASSES, Price, Terms
from commerce.tables import disclosures, products
from commerce.wire import DisclosureText, ProductClass
from commerce.wire import Price as PriceView
from commerce.wire import Product as ProductView
from compliance.rules import RISK_MEANING, product_risk, risk_name, suitable
from core.canonical import canonical, sha256_hex
from core.clock import Clock
from core.database import among
from core.errors import BAD_REQUEST, NOT_FOUND, Refused

Lang = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One version of a product's disclosure; `sha256` of the canonical JSON {"en": …, "zh": …}."""

    version: int
    text_en: str
    text_zh: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Product:
    """A product with its current disclosure. Amounts in minor units; the price has no person in it."""

    id: str
    product_class: ProductClass
    name_en: str
    name_zh: str
    rate_text_en: str
    rate_text_zh: str
    issuer_risk: int
    bank_risk: int
    term_days: int | None
    currency: str
    minimum: int
    step: int
    cap: int | None
    quota: int
    left: int
    price: Mapping[str, Any]
    sale_from: datetime
    sale_until: datetime
    disclosure: Disclosure
    revision: int

    @property
    def sold(self) -> int:
        """What stands on order, over all customers."""
        return self.quota - self.left

    @property
    def terms(self) -> Terms:
        """What operators decide of it."""
        known = {name: getattr(self, name) for name in _TERMS}
        day = self.price.get("date")
        price = Price(
            self.price["kind"], self.price["value"], date.fromisoformat(day) if day else None, int(self.price["fee_bps"])
        )
        return Terms(**known, price=price)

    @property
    def risk(self) -> int:
        """1 to 5, the higher of the two ratings."""
        return product_risk(self.issuer_risk, self.bank_risk)

    def name(self, lang: str) -> str:
        return self.name_zh if lang == "zh" else self.name_en

    def on_sale(self, now: datetime) -> bool:
        """In its sale window and not sold out."""
        return self.sale_from <= now < self.sale_until and self.left >= self.minimum

    def fields(self, now: datetime, lang: str) -> dict[str, Any]:
        """The fields of the public shape, in `lang`."""
        text = self.disclosure.text_zh if lang == "zh" else self.disclosure.text_en
        return {
            "id": self.id,
            "revision": self.revision,
            "name": self.name(lang),
            "product_class": self.product_class,
            "risk": risk_name(self.risk),
            "risk_meaning": RISK_MEANING[self.risk].text(lang),
            "term_days": self.term_days,
            "rate_text": self.rate_text_zh if lang == "zh" else self.rate_text_en,
            "price": msgspec.convert(self.price, PriceView),
            "currency": self.currency,
            "minimum": self.minimum,
            "step": self.step,
            "cap": self.cap,
            "left": self.left,
            "sale_open": self.on_sale(now),
            "disclosure": DisclosureText(version=self.disclosure.version, text=text, sha256=self.disclosure.sha256),
        }

    def view(self, now: datetime, lang: str) -> ProductView:
        """As everybody sees it."""
        return ProductView(**self.fields(now, lang))


_TERMS = tuple(one.name for one in fields_of(Terms) if one.name != "price")

# Products of one class stand together (〔2026〕9号: separate zones), then by risk: nothing else can rank them (invariant 7).
_CLASSES: dict[str, int] = {name: place for place, name in enumerate(CLASSES)}

# The higher of the two ratings holds, as `compliance.rules.product_risk` has it.
RISK = case((products.c.issuer_risk > products.c.bank_risk, products.c.issuer_risk), else_=products.c.bank_risk)
ZONE = case(_CLASSES, value=products.c.product_class)
# The order of every list of them.
RANK: Final = (ZONE, RISK, products.c.name_en, products.c.id)

_MOST_WORDS: Final = 8


@dataclass(frozen=True, slots=True)
class Filter:
    """Which products are asked for; None asks for all. What has no fixed term is within every `term_max_days`: nothing binds
    the money longer than that."""

    product_class: str | None = None
    risk_max: int | None = None
    term_max_days: int | None = None
    words: str = ""
    """Each stands somewhere in a name or the id, whatever its case."""

    def clauses(self) -> list[ColumnElement[bool]]:
        """For a `where` over `products`."""
        found: list[ColumnElement[bool]] = []
        if self.product_class is not None:
            found.append(products.c.product_class == self.product_class)
        if self.risk_max is not None:
            found.append(self.risk_max >= RISK)
        if self.term_max_days is not None:
            found.append((products.c.term_days <= self.term_max_days) | products.c.term_days.is_(None))
        for word in self.words.lower().split()[:_MOST_WORDS]:
            columns = (products.c.name_en, products.c.name_zh, products.c.id)
            found.append(or_(*(func.lower(column).contains(word, autoescape=True) for column in columns)))
        return found


_WITH_DISCLOSURE = select(
    products, disclosures.c.version, disclosures.c.text_en, disclosures.c.text_zh, disclosures.c.sha256
).join(
    disclosures,
    (disclosures.c.product_id == products.c.id) & (disclosures.c.version == products.c.disclosure_version),
)

_ONE = _WITH_DISCLOSURE.where(products.c.id == bindparam("product"))


_LOCK = select(products.c.id).where(among(products.c.id, "products")).order_by(products.c.id).with_for_update(key_share=True)


async def hold(tx: AsyncConnection, product_ids: Collection[str]) -> None:
    """Hold these products still until the transaction ends, always in the order of their ids.

    By itself: PostgreSQL rechecks a locked join with the disclosure as it was before the wait, and so may lose the row.
    """
    if tx.dialect.name != "sqlite":  # whose writing transactions come one at a time as it is
        await tx.execute(_LOCK, {"products": product_ids})


async def get(tx: AsyncConnection, product_id: str, *, lock: bool = False) -> Product:
    """One product; with `lock` held still until the transaction ends. Raises Refused(NOT_FOUND)."""
    if lock:
        await hold(tx, (product_id,))
    row = (await tx.execute(_ONE, {"product": product_id})).one_or_none()
    if row is None:
        raise Refused(NOT_FOUND)
    return _product(row)


async def all_products(tx: AsyncConnection) -> list[Product]:
    """Every product, by class, risk, name."""
    return ranked(_product(row) for row in await tx.execute(_WITH_DISCLOSURE))


async def page(tx: AsyncConnection, only: Filter, after: str | None, limit: int) -> tuple[list[Product], str | None]:
    """At most `limit` of the products `only` lets through, by class, risk, name, those behind the product `after`; and the
    `after` of the page that follows, None at the end. Raises Refused(BAD_REQUEST) when nothing is called `after`."""
    query = _WITH_DISCLOSURE.where(*only.clauses())
    if after is not None:
        last = (await tx.execute(select(*RANK).where(products.c.id == after))).one_or_none()
        if last is None:
            raise Refused(BAD_REQUEST, detail="after: the id of a product")
        query = query.where(tuple_(*RANK) > tuple_(*last))
    found = [_product(row) for row in await tx.execute(query.order_by(*RANK).limit(limit + 1))]
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def by_ids(tx: AsyncConnection, ids: Iterable[str]) -> dict[str, Product]:
    """These products by id; unknown ones are missing."""
    query = _WITH_DISCLOSURE.where(products.c.id.in_(sorted(set(ids))))
    return {row.id: _product(row) for row in await tx.execute(query)}


async def suitable_for(tx: AsyncConnection, grade: int | None, now: datetime) -> list[Product]:
    """What an adviser may propose to a customer of this C grade: suitable and on sale. None suits nobody not yet assessed."""
    if grade is None:
        return []
    return [product for product in await all_products(tx) if suitable(product.risk, grade) and product.on_sale(now)]


def ranked(found: Iterable[Product]) -> list[Product]:
    """By class, then risk, then name; the inputs hold nothing of what the bank earns (invariant 7)."""
    return sorted(found, key=lambda product: (_CLASSES[product.product_class], product.risk, product.name_en))


async def put(tx: AsyncConnection, clock: Clock, values: Mapping[str, Any], text_en: str, text_zh: str) -> str:
    """A new product with version 1 of its disclosure; `values` are the columns of `products`, `quota` being what is `left`
    unless it is given. Answers its id."""
    await tx.execute(insert(products).values(**{"quota": values["left"], **values}, disclosure_version=1))
    await _publish(tx, clock, values["id"], 1, text_en, text_zh)
    return str(values["id"])


async def publish_disclosure(tx: AsyncConnection, clock: Clock, product_id: str, text_en: str, text_zh: str) -> Disclosure:
    """The next version of a product's disclosure; from now on only this one counts. Raises Refused(NOT_FOUND)."""
    product = await get(tx, product_id, lock=True)
    version = product.disclosure.version + 1
    disclosure = await _publish(tx, clock, product_id, version, text_en, text_zh)
    await tx.execute(update(products).where(products.c.id == product_id).values(disclosure_version=version))
    return disclosure


def disclosure_hash(text_en: str, text_zh: str) -> str:
    """What stands for a disclosure in the trail."""
    return sha256_hex(canonical({"en": text_en, "zh": text_zh}))


async def _publish(tx: AsyncConnection, clock: Clock, product_id: str, version: int, text_en: str, text_zh: str) -> Disclosure:
    sha256 = disclosure_hash(text_en, text_zh)
    row = {"product_id": product_id, "version": version, "text_en": text_en, "text_zh": text_zh, "sha256": sha256}
    await tx.execute(insert(disclosures).values(**row, published_at=clock.now()))
    return Disclosure(version, text_en, text_zh, sha256)


def _product(row: Row[Any]) -> Product:
    return Product(
        id=row.id,
        product_class=cast("ProductClass", row._mapping[products.c.product_class]),
        name_en=row.name_en,
        name_zh=row.name_zh,
        rate_text_en=row.rate_text_en,
        rate_text_zh=row.rate_text_zh,
        issuer_risk=row.issuer_risk,
        bank_risk=row.bank_risk,
        term_days=row.term_days,
        currency=row.currency,
        minimum=row.minimum,
        step=row.step,
        cap=row.cap,
        quota=row.quota,
        left=row.left,
        price=row.price,
        sale_from=row.sale_from,
        sale_until=row.sale_until,
        disclosure=Disclosure(row.version, row.text_en, row.text_zh, row.sha256),
        revision=row.revision,
    )
