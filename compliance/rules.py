"""The rules of suitability as pure functions; every figure stands beside its source, time is an argument.

Grades are plain integers here: a product's risk R1 to R5 and a customer's grade C1 to C5 are both 1 to 5.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Final

# The periods of keeping recordings stand in compliance/retention.py.
# 国家金融监督管理总局令2025第7号 (in force 2026-02-01): at least five product grades, an assessment holds 12 months, at most
# two a day and eight in 12 months at one institution. The daily and yearly limits could not be read in the original.
LOWEST: Final = 1
HIGHEST: Final = 5
ASSESSMENT_MONTHS: Final = 12
ASSESSMENTS_A_DAY: Final = 2
ASSESSMENTS_IN_12_MONTHS: Final = 8
# Same source: from 65 years on, a product of R3 or above needs special care: only in a call, after the extra explanation.
ELDER_AGE: Final = 65
ELDER_RISK: Final = 3
# "A day" is a calendar day where the bank is. China has one zone and no summer time.
CHINA: Final = timezone(timedelta(hours=8), "Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Meaning:
    """A grade's official meaning in both languages of the pages."""

    en: str
    zh: str

    def text(self, lang: str) -> str:
        """In `lang`, "zh" or "en"."""
        return self.zh if lang == "zh" else self.en


RISK_MEANING: Final[dict[int, Meaning]] = {
    1: Meaning(
        "R1, the lowest grade: the principal is very unlikely to be lost and the return hardly varies.",
        "R1（低风险）：本金损失的可能性很小，收益波动很小。",
    ),
    2: Meaning(
        "R2, below the middle: a loss of principal is unlikely and the return varies a little.",
        "R2（中低风险）：本金损失的可能性较小，收益有一定波动。",
    ),
    3: Meaning(
        "R3, the middle: part of the principal may be lost and the return varies.",
        "R3（中风险）：本金可能出现部分损失，收益存在波动。",
    ),
    4: Meaning(
        "R4, above the middle: a large part of the principal may be lost and the return varies a lot.",
        "R4（中高风险）：本金可能出现较大损失，收益波动较大。",
    ),
    5: Meaning(
        "R5, the highest grade: the whole principal may be lost and the return varies very much.",
        "R5（高风险）：本金可能全部损失，收益波动很大。",
    ),
}

GRADE_MEANING: Final[dict[int, Meaning]] = {
    1: Meaning(
        "C1, cautious: you want to keep your principal. Products of R1 suit you.",
        "C1（谨慎型）：您希望保住本金，适合购买 R1 级产品。",
    ),
    2: Meaning(
        "C2, steady: you accept small swings. Products of R1 and R2 suit you.",
        "C2（稳健型）：您可以接受较小的波动，适合购买 R1、R2 级产品。",
    ),
    3: Meaning(
        "C3, balanced: you accept swings and a limited loss. Products of R1 to R3 suit you.",
        "C3（平衡型）：您可以接受一定的波动和有限的损失，适合购买 R1 至 R3 级产品。",
    ),
    4: Meaning(
        "C4, growth: you accept larger losses for a higher expected return. Products of R1 to R4 suit you.",
        "C4（成长型）：您愿意为更高的预期收益承担较大的损失，适合购买 R1 至 R4 级产品。",
    ),
    5: Meaning(
        "C5, enterprising: you can bear the loss of the whole principal. Products of R1 to R5 suit you.",
        "C5（进取型）：您能够承受本金全部损失，适合购买 R1 至 R5 级产品。",
    ),
}

# The lowest score, out of 100, of each grade above C1.
_GRADE_FROM: Final = ((80, 5), (60, 4), (40, 3), (20, 2))


class Allowance(StrEnum):
    """Whether another assessment may be taken now."""

    ALLOWED = "allowed"
    DAY_USED_UP = "day_used_up"
    YEAR_USED_UP = "year_used_up"


@dataclass(frozen=True, slots=True)
class AssessmentAllowance:
    """How many assessments are left; `again_at` is when the next one is possible, None when it is possible now."""

    answer: Allowance
    left_today: int
    left_year: int
    again_at: datetime | None

    @property
    def allowed(self) -> bool:
        return self.answer is Allowance.ALLOWED


def add_months(moment: datetime, months: int) -> datetime:
    """The same day `months` calendar months later; the last day of the month where there is no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def risk_name(risk: int) -> str:
    """1 is "R1"; raises ValueError outside 1 to 5."""
    return f"R{_grade(risk)}"


def grade_name(grade: int) -> str:
    """1 is "C1"; raises ValueError outside 1 to 5."""
    return f"C{_grade(grade)}"


def parse_grade(text: str) -> int:
    """ "R3" or "C3" as 3; raises ValueError for anything else."""
    if len(text) == 2 and text[0] in "RC" and text[1] in "12345":  # noqa: PLR2004 - a letter and a digit
        return int(text[1])
    raise ValueError(f"not a grade: {text!r}")


def product_risk(issuer: int, bank: int) -> int:
    """The risk that holds when issuer and bank rate a product differently: the higher one."""
    return max(_grade(issuer), _grade(bank))


def suitable(product_r: int, customer_c: int) -> bool:
    """Whether a product of risk R suits a customer of grade C: R at most C."""
    return _grade(product_r) <= _grade(customer_c)


def assessment_valid_until(at: datetime) -> datetime:
    """The last moment at which an assessment taken at `at` holds."""
    return add_months(at, ASSESSMENT_MONTHS)


def assessment_valid(at: datetime, now: datetime) -> bool:
    """Whether an assessment taken at `at` still holds: at most 12 months old, to the microsecond."""
    return now <= assessment_valid_until(at)


def assessment_allowed(times: Sequence[datetime], now: datetime, *, zone: timezone = CHINA) -> AssessmentAllowance:
    """Whether another assessment may be taken, given when the earlier ones were: two a calendar day, eight in 12 months.

    The 12 months roll: one taken exactly 12 months ago no longer counts.
    """
    today = now.astimezone(zone).date()
    in_day = [at for at in times if at.astimezone(zone).date() == today]
    in_year = sorted(at for at in times if add_months(at, ASSESSMENT_MONTHS) > now)
    left_year = max(0, ASSESSMENTS_IN_12_MONTHS - len(in_year))
    left_today = min(left_year, max(0, ASSESSMENTS_A_DAY - len(in_day)))
    waits: list[datetime] = []
    if left_year == 0:
        waits.append(add_months(in_year[len(in_year) - ASSESSMENTS_IN_12_MONTHS], ASSESSMENT_MONTHS))
    if len(in_day) >= ASSESSMENTS_A_DAY:
        midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), tzinfo=zone)
        waits.append(midnight.astimezone(UTC))
    if not waits:
        return AssessmentAllowance(Allowance.ALLOWED, left_today, left_year, None)
    answer = Allowance.YEAR_USED_UP if left_year == 0 else Allowance.DAY_USED_UP
    return AssessmentAllowance(answer, left_today, left_year, max(waits))


def needs_call(age: int, product_r: int, channel: str) -> bool:
    """Whether this order is possible only in a call: 65 or over and R3 or above. `channel` is "call" or anything else."""
    return channel != "call" and needs_extra_explanation(age, product_r)


def needs_extra_explanation(age: int, product_r: int) -> bool:
    """Whether the extra risk explanation must come before the order, in whatever channel."""
    return age >= ELDER_AGE and _grade(product_r) >= ELDER_RISK


def age_on(born: date, now: date) -> int:
    """Full years of age at `now`; born on 29 February, one turns a year older on 1 March of a common year."""
    had_birthday = (now.month, now.day) >= (born.month, born.day)
    return now.year - born.year - (0 if had_birthday else 1)


def score_to_grade(score: int) -> int:
    """A questionnaire's score, 0 to 100, as the customer's grade 1 to 5; raises ValueError outside that range."""
    if not 0 <= score <= 100:  # noqa: PLR2004 - per cent
        raise ValueError(f"a score is 0 to 100, not {score}")
    return next((grade for least, grade in _GRADE_FROM if score >= least), LOWEST)


def _grade(value: int) -> int:
    if not LOWEST <= value <= HIGHEST:
        raise ValueError(f"a grade is 1 to 5, not {value}")
    return value
