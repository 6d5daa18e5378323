"""What a product's texts say that marketing may not: an operator is warned, nothing is refused. Pure.

The lexicon is the one of the comments (`compliance/lexicon.py`). It can't tell a promise from the sentence that denies one in
words it does not know, and a disclosure has to name what it warns of: so a person judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commerce.catalogue import Product
from commerce.catalogue_book import Step
from compliance import lexicon
from compliance.rules import Meaning

# As a form and a file name them.
TERMS: Final = ("name_en", "name_zh", "rate_text_en", "rate_text_zh")
DISCLOSURE: Final = ("disclosure_en", "disclosure_zh")

TITLE: Final = Meaning(
    "“{words}” is among the promises and enticements that marketing may not use.",
    "“{words}”属于营销宣传不得使用的承诺性或诱导性用语。",
)
NEXT: Final = Meaning(
    "Word it otherwise, unless the law wants it said so. Nothing is held back.",
    "请改用其他表述；法规要求的表述可以保留。此提示不影响保存。",
)
_LONGEST: Final = 40


@dataclass(frozen=True, slots=True)
class Doubt:
    """`words`, as they stand in the text of `column`, should be looked at."""

    column: str
    words: str


@dataclass(frozen=True, slots=True)
class LineDoubt:
    """The same in the row of a file that begins on `line`."""

    line: int
    doubt: Doubt


def doubts(texts: Mapping[str, str]) -> list[Doubt]:
    """What should be looked at in `texts` by column; each phrase once for each column."""
    found: dict[Doubt, None] = {}
    for column, text in texts.items():
        for hit in lexicon.hits(text):
            found[Doubt(column, text[hit.start : hit.end][:_LONGEST])] = None
    return list(found)


def of_steps(steps: Sequence[Step]) -> list[LineDoubt]:
    """What should be looked at in what a file changes; what it leaves as it is was looked at before."""
    return [LineDoubt(step.edit.line, doubt) for step in steps for doubt in doubts(dict(_changed(step)))]


def of_product(product: Product) -> list[Doubt]:
    """What should be looked at in what is on sale now."""
    named = {name: str(getattr(product, name)) for name in TERMS}
    texts = (product.disclosure.text_en, product.disclosure.text_zh)
    return doubts(named | dict(zip(DISCLOSURE, texts, strict=True)))


def _changed(step: Step) -> Iterator[tuple[str, str]]:
    for name in TERMS:
        if name in step.after:
            yield name, getattr(step.terms, name)
    if step.disclosure is not None:
        yield from zip(DISCLOSURE, (step.disclosure.text_en, step.disclosure.text_zh), strict=True)
