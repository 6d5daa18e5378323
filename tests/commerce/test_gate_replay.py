"""The gate's rules for buying in a replay: what they ask of the past, and that all others stand as in a running show."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from commerce import gate_replay
from commerce.gate import REPLAY_RULES, RULES, GateInput, ReplayFacts, decide
from commerce.risk import History
from core.canonical import canonical
from tests.commerce.test_gate import GOOD, NOW, REFUSALS, change

MOMENT = ReplayFacts(is_on=True, media_ms=61_000, is_sealed=True, is_recorded=True, on_shelf=True)
# The watermarks are long past, the sale closed, and the product on the shelf no more: none of it matters.
PAST = replace(
    change(GOOD, session={"state": "ended", "watermarks": {}, "sale_open": False}, product={"on_shelf": False}), replay=MOMENT
)
OF_LIVE = {"session_live", "sale_open", "on_shelf"}


def wrong(given: GateInput = PAST, **facts: Any) -> GateInput:
    return replace(given, replay=replace(MOMENT, **facts))


def refused(given: GateInput) -> tuple[str | None, str | None]:
    verdict = decide(given)
    return verdict.refused_by, None if verdict.refusal is None else verdict.refusal.problem.code


def test_a_moment_that_is_shown_sells() -> None:
    verdict = decide(PAST)
    assert verdict.allowed, verdict
    assert verdict.passed == tuple(rule.name for rule in REPLAY_RULES)


@pytest.mark.parametrize(
    ("given", "rule", "code"),
    [
        (wrong(is_on=False), "replay_on", "replay_sales_off"),
        (wrong(is_sealed=False), "replay_sealed", "replay_not_sealed"),
        (change(PAST, session={"state": "live"}), "replay_sealed", "replay_not_sealed"),
        (change(PAST, session={"state": "scheduled"}), "replay_sealed", "replay_not_sealed"),
        (change(PAST, session={"state": "cancelled"}), "replay_sealed", "replay_not_sealed"),
        (change(PAST, session={"kind": "call"}), "replay_sealed", "replay_not_sealed"),
        (wrong(is_recorded=False), "replay_recorded", "replay_not_recorded"),
        (wrong(on_shelf=False), "replay_on_shelf", "replay_not_on_shelf"),
        (wrong(changed=("price",)), "replay_terms", "replay_terms_changed"),
        (change(PAST, top={"has_proposal": True}), "proposed", "proposal_outside_call"),
        (change(PAST, top={"channel": "call"}), "proposed", "proposal_missing"),
    ],
)
def test_a_rule_of_replays_refuses(given: GateInput, rule: str, code: str) -> None:
    assert refused(given) == (rule, code)
    refusal = decide(given).refusal
    assert refusal is not None
    for lang in ("en", "zh"):
        said = refusal.to_json(lang)
        assert said["next"]
        assert "{" not in said["title"] + said["next"]


def test_what_has_changed_is_said_once_and_suffices_once_it_is_confirmed() -> None:
    given = wrong(changed=("price", "rate_text_en", "rate_text_zh"))
    refusal = decide(given).refusal
    assert refusal is not None
    assert refusal.to_json("en")["title"] == "Since this show the product has changed: its price, the wording of its return."
    assert refusal.to_json("zh")["title"] == "该产品自本场直播以来已有变更：价格、收益表述。"
    assert decide(wrong(changed=("price",), confirmed_since=True)).allowed


@pytest.mark.parametrize(("wrongs", "rule", "code"), [one for one in REFUSALS if one[1] not in OF_LIVE])
def test_every_other_rule_refuses_as_in_a_running_show(wrongs: dict[str, Any], rule: str, code: str) -> None:
    if "session" in wrongs or wrongs.get("top", {}).get("channel") == "call":  # a call has no replay that sells
        wrongs = {**wrongs, "session": {"kind": "call"}}
        assert refused(change(PAST, **wrongs)) == ("replay_sealed", "replay_not_sealed")
    else:
        assert refused(change(PAST, **wrongs)) == (rule, code)


def test_the_rules_stand_in_the_order_of_the_live_ones() -> None:
    names = [rule.name for rule in REPLAY_RULES]
    assert [name for name in names if not name.startswith("replay_")] == [
        rule.name for rule in RULES if rule.name not in OF_LIVE
    ]
    assert [name for name in names if name.startswith("replay_")] == [
        "replay_on", "replay_sealed", "replay_recorded", "replay_on_shelf", "replay_terms",
    ]  # fmt: skip
    assert names.index("replay_terms") + 1 == names.index("disclosed")


def test_of_all_wrongs_the_first_rule_speaks() -> None:
    """Everything wrong at once, then mended one after the other."""
    given = wrong(
        change(PAST, customer={"real_name_on_file": False, "age": 80, "history": History(recent=99)}, product={"left": 1}),
        is_on=False, is_sealed=False, is_recorded=False, on_shelf=False, changed=("risk",),
    )  # fmt: skip
    said = []
    for mend in (
        {"is_on": True}, {"is_sealed": True}, {"is_recorded": True}, {"real_name_on_file": True}, {"on_shelf": True},
        {"confirmed_since": True}, {"left": 10**9}, {"age": 40}, {"history": History()},
    ):  # fmt: skip
        said.append(refused(given)[0])
        [name] = mend
        if name in ReplayFacts.__slots__:
            assert given.replay is not None
            given = replace(given, replay=replace(given.replay, **mend))
        else:
            given = change(given, **{"product" if name == "left" else "customer": mend})
    assert said == [
        "replay_on", "replay_sealed", "replay_recorded", "identified", "replay_on_shelf", "replay_terms", "in_stock",
        "elder_in_call", "risk_rules",
    ]  # fmt: skip
    assert decide(given).allowed


def test_the_snapshot_tells_the_moment_and_a_running_shows_has_none() -> None:
    told = PAST.to_json()
    assert json.loads(canonical(told)) == told
    assert told["replay"]["media_ms"] == 61_000
    assert "replay" not in GOOD.to_json()


def test_terms_are_compared_as_the_shelf_tells_them() -> None:
    now = {
        "class": "wealth", "price": {"kind": "nav"}, "risk": 2, "term_days": 90, "rate_text_en": "a", "rate_text_zh": "甲",
        "disclosure": {"version": 2, "sha256": "0"}, "quota": 5, "minimum": 7,
    }  # fmt: skip
    assert gate_replay.changed({**now, "quota": 9, "minimum": 1}, now) == ()
    assert gate_replay.changed({**now, "class": "fund"}, now) == ("class",)
    assert gate_replay.changed({**now, "risk": 3, "disclosure": {"version": 1, "sha256": "0"}}, now) == ("risk", "disclosure")
    assert gate_replay.changed({name: value for name, value in now.items() if name != "term_days"}, now) == ("term_days",)


def test_the_sale_window_is_that_of_today() -> None:
    assert refused(change(PAST, product={"sale_until": NOW - timedelta(1)}))[1] == "product_sale_closed"
