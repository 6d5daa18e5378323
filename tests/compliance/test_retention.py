"""How long a recording is kept, by jurisdiction and what was sold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from compliance.retention import RETENTION_RULES, Disputes, Sold, keep_until

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 9, 0, tzinfo=UTC)


def test_five_years_in_china_even_when_nothing_was_sold() -> None:
    assert keep_until(END).until == at(2031, 11, 22)


def test_six_months_after_a_long_product() -> None:
    keep = keep_until(END, sold=[Sold("wealth", at(2036, 8, 31))])
    assert keep.until == at(2037, 2, 28)
    assert "110号" in keep.reasons[0]


def test_a_product_that_still_runs_keeps_everything() -> None:
    assert keep_until(END, sold=[Sold("fund", None)]).until is None


def test_insurance_ten_years_when_the_term_is_over_one_year_or_unknown() -> None:
    ends = at(2030, 1, 1)
    assert keep_until(END, sold=[Sold("insurance", ends, term_days=365)]).until == at(2035, 1, 1)
    assert keep_until(END, sold=[Sold("insurance", ends, term_days=3650)]).until == at(2040, 1, 1)
    assert keep_until(END, sold=[Sold("insurance", ends)]).until == at(2040, 1, 1)


def test_a_dispute_holds_and_then_adds_two_years() -> None:
    assert keep_until(END, disputes=Disputes(open=True)).until is None
    assert keep_until(END, disputes=Disputes(ended_at=at(2031, 6, 1))).until == at(2033, 6, 1)


@pytest.mark.parametrize(
    ("jurisdiction", "requested", "year"),
    [("eu", False, 2031), ("eu", True, 2033), ("uk", True, 2033), ("us", False, 2032), ("cn-securities", False, 2046)],
)
def test_other_jurisdictions(jurisdiction: str, requested: bool, year: int) -> None:
    assert keep_until(END, jurisdiction=jurisdiction, requested=requested).until == at(year, 11, 22)


def test_an_unknown_jurisdiction_is_no_licence_to_delete() -> None:
    with pytest.raises(ValueError, match="no retention rule"):
        keep_until(END, jurisdiction="atlantis")


def test_every_rule_names_its_source() -> None:
    assert all(rule.source and rule.months > 0 for rule in RETENTION_RULES)
