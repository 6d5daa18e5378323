"""Which sessions become cases."""

from __future__ import annotations

import hashlib

from compliance.sampling import LEXICON_HIT, SAMPLED, UNCOVERED_ORDER, Screened, is_drawn, reasons


def test_every_uncovered_order_and_every_hit_is_a_case() -> None:
    high = "f" * 64
    assert reasons(Screened(high, 1, 0)) == [UNCOVERED_ORDER]
    assert reasons(Screened(high, 0, 3)) == [LEXICON_HIT]
    assert reasons(Screened(high, 0, 0)) == []
    assert reasons(Screened("0" * 64, 2, 1)) == [UNCOVERED_ORDER, LEXICON_HIT, SAMPLED]


def test_the_draw_takes_about_its_share_and_is_always_the_same() -> None:
    roots = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(10_000)]
    assert 900 < sum(is_drawn(root, 10) for root in roots) < 1100
    assert not any(is_drawn(root, 0) for root in roots)
    assert all(is_drawn(root, 100) for root in roots)
