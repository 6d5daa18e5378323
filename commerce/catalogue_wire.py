"""The shapes of the operators' catalogue. Amounts are integers of the currency's minor unit; times RFC 3339; a form's values
are taken as they come and judged together (`catalogue_terms.py`), so that everything that is wrong is told at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from commerce.wire import Id, Price, ProductClass

Revision = Annotated[int, msgspec.Meta(ge=1, le=10**9)]


class PriceGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A price as a form has it."""

    kind: str
    value: str
    date: str | None = None
    fee_bps: int = 0


class TermsGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"product_class": "class"}):
    """What an operator decides of a product, but for its disclosure."""

    product_class: str
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
    price: PriceGiven
    sale_from: str
    sale_until: str


class DisclosureGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Both languages of a disclosure."""

    text_en: str
    text_zh: str


class NewProduct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A product that isn't there yet."""

    terms: TermsGiven
    disclosure: DisclosureGiven
    id: str | None = None
    """Chosen by the operator; one is made when it is left out."""


class ChangeProduct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A product's terms as they are to be. Refused when somebody else has changed it since `revision`."""

    revision: Revision
    terms: TermsGiven


class PublishDisclosure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The next version of a product's disclosure. The text that stands already makes none."""

    revision: Revision
    text_en: str
    text_zh: str


class Withdraw(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """End a product's sale now."""

    revision: Revision


class CatalogueRow(msgspec.Struct, frozen=True, kw_only=True, rename={"product_class": "class"}):
    """A product in the list."""

    id: str
    revision: int
    product_class: ProductClass
    name: str
    risk: str
    """The higher of the two ratings, R1 to R5."""
    term_days: int | None
    currency: str
    price: Price
    minimum: int
    quota: int
    """What may be sold in all."""
    sold: int
    """What stands on order."""
    left: int
    sale: Literal["open", "before", "over", "sold_out"]
    sale_from: str
    sale_until: str
    disclosure_version: int
    offered_in: int
    """In how many sessions that are not over it stands on the shelf."""


class Zone(msgspec.Struct, frozen=True, kw_only=True, rename={"product_class": "class"}):
    """How many of the products that were asked for are of one class."""

    product_class: ProductClass
    count: int


class CatalogueList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the catalogue by class, then risk, then name, and how many there are of each class."""

    products: list[CatalogueRow]
    zones: list[Zone]
    total: int
    offset: int


class CatalogueDisclosure(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a disclosure."""

    version: int
    text_en: str
    text_zh: str
    sha256: str
    published_at: str


class CatalogueDisclosures(msgspec.Struct, frozen=True):
    """The versions of a product's disclosure, newest first, at most 50."""

    disclosures: list[CatalogueDisclosure]


class FieldWarning(msgspec.Struct, frozen=True, kw_only=True):
    """Words in a product's texts that marketing may not use, in the asked language; nobody is kept from using them."""

    field: str
    """name_en, name_zh, rate_text_en, rate_text_zh, disclosure_en or disclosure_zh."""
    words: str
    title: str
    next: str


class CatalogueProduct(CatalogueRow, frozen=True, kw_only=True, rename={"product_class": "class"}):
    """A product with everything an operator decides."""

    name_en: str
    name_zh: str
    rate_text_en: str
    rate_text_zh: str
    issuer_risk: int
    bank_risk: int
    step: int
    cap: int | None
    disclosure: CatalogueDisclosure
    warnings: list[FieldWarning]


class ProductChange(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did to a product: the fields that differ, as they were and as they have been since."""

    revision: int
    at: str
    actor: str
    kind: Literal["created", "changed", "withdrawn"]
    import_id: str | None
    """The file it came with; None when it was done by hand."""
    before: dict[str, Any]
    after: dict[str, Any]


class ProductChanges(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a product's history, newest first; `next` is the `before` of the page after it, None at the end."""

    changes: list[ProductChange]
    next: int | None


class FieldFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one field, in the asked language. A refusal carries them in `params.faults`."""

    field: str
    code: str
    title: str
    next: str


class LineError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one cell of a file; column "" is the whole row. A refusal carries them in `params.errors`."""

    line: int
    column: str
    code: str
    title: str
    next: str


class LineWarning(msgspec.Struct, frozen=True, kw_only=True):
    """The same as a product's warnings, for one cell of a file."""

    line: int
    column: str
    words: str
    title: str
    next: str


class LineChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of the file does to its product: the fields that differ, as they are and as they will be."""

    line: int
    product: Id
    name: str
    currency: str
    done: Literal["created", "changed"]
    before: dict[str, Any]
    after: dict[str, Any]


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a file did, or with `dry_run` would do. All or nothing: with one error nothing is imported."""

    dry_run: bool
    rows: int
    created: int
    changed: int
    unchanged: int
    changes: list[LineChange]
    """The first 200."""
    error_count: int
    errors: list[LineError]
    """The first 200; only a dry run has any, since otherwise the file is refused with them."""
    warning_count: int
    warnings: list[LineWarning]
    """The first 200, of rows that change something."""
