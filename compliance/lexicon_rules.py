"""The rules of the lexicon: what they are made of, and those that are built in. Pure.

Excepted are the official grade labels ("R1(低风险)", "风险等级:低风险") and the statements the law asks for ("非保本").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal


class Action(IntEnum):
    """What to do about a hit, from mild to strict: tell the reviewers, hide the words as well, let a moderator see the text
    first, or refuse it."""

    FLAG = 1
    MASK = 2
    HOLD = 3
    BLOCK = 4


# As it is written; however it is disguised; or a regular expression over the squeezed text.
Kind = Literal["exact", "variant", "pattern"]


@dataclass(frozen=True, slots=True)
class Term:
    """One forbidden phrase. Of a variant, Chinese or English is told by its first character.

    `pinyin`: also what sounds the same, in letters or in other characters. Only for phrases that sound like nothing else.
    """

    text: str
    action: Action
    source: str
    kind: Kind = "variant"
    pinyin: bool = False


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Hits that lie wholly inside a match of one of these are none: over the squeezed text, and over the spaced one."""

    squeezed: tuple[re.Pattern[str], ...] = ()
    spaced: tuple[re.Pattern[str], ...] = ()


_MARKETING = "〔2026〕9号"
_PROMISE = "〔2026〕9号: no promised principal or return"
_HOUSE = "house rule"


def _terms(source: str, action: Action, *texts: str) -> tuple[Term, ...]:
    return tuple(Term(text, action, source) for text in texts)


TERMS: Final[tuple[Term, ...]] = (
    *_terms(_MARKETING, Action.FLAG, "低风险", "低门槛", "秒到账", "高收益", "低利率", "无成本", "零成本", "零风险", "无风险"),
    *_terms(_PROMISE, Action.FLAG, "保本", "保息", "保收益", "保证收益", "承诺收益", "刚性兑付", "无损失"),
    *_terms(_PROMISE, Action.BLOCK, "稳赚不赔", "包赚", "只赚不亏"),
    *_terms(_HOUSE, Action.MASK, "加微信", "加我微信", "加vx", "私下转账"),
    *_terms(_MARKETING, Action.FLAG, "low risk", "no risk", "zero risk", "risk free", "low threshold", "instant payout"),
    *_terms(_MARKETING, Action.FLAG, "high return", "high returns", "high yield", "low interest", "no cost", "zero cost"),
    *_terms(_PROMISE, Action.FLAG, "guaranteed return", "guaranteed returns", "guaranteed profit", "principal guaranteed"),
    *_terms(_PROMISE, Action.FLAG, "guaranteed principal", "capital guaranteed", "guaranteed capital"),
    *_terms(_PROMISE, Action.BLOCK, "cannot lose", "can't lose"),
    *_terms(_HOUSE, Action.MASK, "add my wechat", "add me on wechat"),
)

_LABEL = "(?:低风险|中低风险|中风险|中高风险|高风险)"
EXCEPTIONS: Final = Exceptions(
    squeezed=(
        re.compile(r"p?r1(?:级)?低风险|低风险p?r1(?![0-9])|p?r2(?:级)?中低风险|中低风险p?r2(?![0-9])"),
        re.compile(rf"风险(?:等级|评级|级别)(?:为|是|属于)?{_LABEL}"),
        re.compile(
            r"(?:非|不|不能|不会|不可能|并不|并非|没有|不得|不承诺|不保证|无法)(?:保证|承诺)?(?:保本|保息|保收益|保证收益|承诺收益)"
        ),
        re.compile(r"(?:不|不是|并非|并不是|没有|不存在|非)(?:零风险|无风险|稳赚不赔|包赚|只赚不亏|刚性兑付)"),
    ),
    spaced=(
        re.compile(r"\bp?r[12] (?:low|lower) risk\b|\blow risk p?r1\b|\brisk (?:grade|rating|level)(?: is)? low risk\b"),
        re.compile(r"\b(?:not|no|never|non)(?: a| an)? (?:principal guaranteed|capital guaranteed|guaranteed \w+|risk free)\b"),
    ),
)
