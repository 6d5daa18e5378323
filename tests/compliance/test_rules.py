"""Suitability at its boundaries."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from compliance import rules
from compliance.rules import Allowance

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("customer", range(1, 6))
@pytest.mark.parametrize("product", range(1, 6))
def test_a_product_suits_up_to_the_customers_grade(product: int, customer: int) -> None:
    assert rules.suitable(product, customer) is (product <= customer)


def test_the_higher_of_two_ratings_holds() -> None:
    assert rules.product_risk(issuer=2, bank=4) == rules.product_risk(issuer=4, bank=2) == 4


@pytest.mark.parametrize("grade", [0, 6, -1])
def test_there_is_no_grade_outside_1_to_5(grade: int) -> None:
    with pytest.raises(ValueError, match="1 to 5"):
        rules.suitable(grade, 3)


def test_an_assessment_holds_twelve_months_to_the_microsecond() -> None:
    at = datetime(2025, 11, 22, 8, 0, tzinfo=UTC)
    assert rules.assessment_valid(at, NOW)
    assert not rules.assessment_valid(at, NOW + timedelta(microseconds=1))


def test_an_assessment_of_a_leap_day_ends_on_28_february() -> None:
    assert rules.assessment_valid_until(datetime(2028, 2, 29, tzinfo=UTC)) == datetime(2029, 2, 28, tzinfo=UTC)


def test_two_assessments_a_day_where_the_bank_is() -> None:
    # 15:59 UTC is still the 22nd in Shanghai, 16:00 is the 23rd.
    times = [datetime(2026, 11, 22, 1, 0, tzinfo=UTC), datetime(2026, 11, 22, 9, 0, tzinfo=UTC)]
    evening = datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)
    refused = rules.assessment_allowed(times, evening)
    assert (refused.answer, refused.left_today) == (Allowance.DAY_USED_UP, 0)
    assert refused.again_at == datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
    assert rules.assessment_allowed(times, evening + timedelta(seconds=1)).left_today == 2


def test_eight_assessments_in_twelve_rolling_months() -> None:
    oldest = datetime(2025, 11, 22, 8, 0, tzinfo=UTC)
    times = [oldest + timedelta(days=30 * n) for n in range(8)]
    just_before = NOW - timedelta(microseconds=1)
    refused = rules.assessment_allowed(times, just_before)
    assert (refused.answer, refused.left_year, refused.again_at) == (Allowance.YEAR_USED_UP, 0, NOW)
    assert rules.assessment_allowed(times, NOW).allowed


def test_when_both_limits_are_used_up_the_later_one_counts() -> None:
    times = [NOW - timedelta(minutes=n) for n in range(8)]
    refused = rules.assessment_allowed(times, NOW)
    assert refused.again_at is not None
    assert refused.again_at.year == 2027


@pytest.mark.parametrize(
    ("age", "risk", "channel", "needed"),
    [(64, 5, "show", False), (65, 2, "show", False), (65, 3, "show", True), (65, 3, "call", False), (90, 5, "show", True)],
)
def test_from_65_on_r3_is_for_calls(age: int, risk: int, channel: str, needed: bool) -> None:
    assert rules.needs_call(age, risk, channel) is needed


def test_age_is_full_years() -> None:
    born = date(1961, 11, 22)
    assert rules.age_on(born, date(2026, 11, 21)) == 64
    assert rules.age_on(born, date(2026, 11, 22)) == 65


@pytest.mark.parametrize(("score", "grade"), [(0, 1), (19, 1), (20, 2), (39, 2), (40, 3), (60, 4), (79, 4), (80, 5), (100, 5)])
def test_scores_become_grades(score: int, grade: int) -> None:
    assert rules.score_to_grade(score) == grade


def test_every_grade_has_its_meaning_in_both_languages() -> None:
    for meanings in (rules.RISK_MEANING, rules.GRADE_MEANING):
        assert sorted(meanings) == [1, 2, 3, 4, 5]
        assert all(meaning.text("en") and meaning.text("zh") for meaning in meanings.values())


def test_names_of_grades_read_back() -> None:
    assert [rules.parse_grade(rules.risk_name(n)) for n in range(1, 6)] == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="not a grade"):
        rules.parse_grade("R6")
