"""The offline verifier states from a bundle alone that all customers had one price, and names who had not."""

from __future__ import annotations

from pathlib import Path

import pytest

from compliance import verifier
from recording import kinds
from recording.chain import Draft
from tests.compliance.made import sealed_as_it_is, trail
from tests.compliance.sealed import PRICE, order, shelf

LIVE = Draft(kinds.SESSION_STARTED, "adviser-1", {"required": []}, media_ms=0)
OVER = Draft(kinds.SESSION_ENDED, "adviser-1", {}, media_ms=9000)


def unfair(folder: Path, *drafts: Draft) -> set[tuple[str, str]]:
    """What is wrong with a bundle that is sealed and signed as it is, but for its orders not being recorded."""
    bundle = sealed_as_it_is(folder, *trail(LIVE, *drafts, OVER))
    faults = bundle.verify(bundle.members).faults
    return {(finding.code, finding.where) for finding in faults if finding.code != "order_uncovered"}


@pytest.mark.parametrize("length", [1, 1024])
def test_an_order_at_a_price_of_its_own_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(verifier, "LENGTH", length)
    cheap = order("ord_2", price=PRICE | {"unit_price": "0.9900"})
    assert unfair(tmp_path, shelf("prd_a"), order("ord_1"), cheap, order("ord_3", product="prd_b")) == {
        ("order_price", "entry 4"),
        ("orders_differ", "entry 4"),
        ("order_not_offered", "entry 5"),
    }


@pytest.mark.parametrize("length", [1, 1024])
def test_a_field_for_what_the_seller_earns_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(verifier, "LENGTH", length)
    told = Draft(kinds.VIEWED, "x", {"deep": [{"sales_target": 7}]})
    assert unfair(tmp_path, shelf("prd_a"), told, order("ord_1")) == {("field_forbidden", "entry 3")}


def test_a_price_that_changed_for_all_is_no_fault(tmp_path: Path) -> None:
    dear = PRICE | {"unit_price": "1.0100"}
    assert unfair(tmp_path, shelf("prd_a"), order("ord_1"), shelf("prd_a", price=dear), order("ord_2", price=dear)) == set()
