"""What is bought in a replay is proved offline; what was changed, made up or sold unfairly is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from compliance.desk import COMPLIANCE
from compliance.findings import Report
from compliance.verifier import verify_bundle
from core.canonical import canonical
from core.clock import ManualClock
from core.database import Database
from recording import kinds
from recording.chain import Draft
from recording.trail import Trail, after_trail
from tests.commerce.bank import BOND, Ask, Bank, open_bank
from tests.commerce.operators import EDITABLE, OPERATOR
from tests.commerce.replayed import GAP, KEYS, SHOWN_MS, again, confirming, past
from tests.compliance.sealed import REVIEWER, build, export, make_session, order, pack, unpack

AFTER = "after.jsonl"


@pytest.fixture
async def bank(database: Database, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Bank]:
    async with open_bank(database, clock, tmp_path, TELLERCAST_REPLAY_SALES="1") as bank:
        yield bank


async def bundle(bank: Bank, session: str) -> Path:
    """As a reviewer exports it from this bank."""
    return await export(bank.built.application[COMPLIANCE], session)


def report(bank: Bank, path: Path) -> Report:
    keys = sorted((bank.folder / KEYS).glob("*.pub"))
    return verify_bundle(path, b"".join(key.read_bytes() for key in keys))


async def test_a_bundle_proves_what_was_bought_in_a_replay(bank: Bank) -> None:
    session = await past(bank)
    who = await bank.customer()
    await bank.get(confirming(who, session))
    placed = await bank.get(again(bank, who, session))
    bank.clock.advance(60)
    before = await bank.get(Ask(OPERATOR, "GET", f"/api/catalogue/{BOND}"))
    terms = {name: before[name] for name in EDITABLE} | {"price": before["price"] | {"value": "1.0200"}, "step": 500_00}
    change = {"revision": before["revision"], "terms": terms}
    await bank.get(Ask(OPERATOR, "PUT", f"/api/catalogue/{BOND}", change))
    bank.clock.advance(60)
    await bank.get(confirming(who, session, revision=before["revision"] + 1))
    await bank.get(again(bank, who, session))
    path = await bundle(bank, session)
    found = report(bank, path)
    assert found.is_verified, found.to_text()
    assert found.orders == 2
    members = unpack(path)
    assert placed["id"] in members["index.html"].decode()
    assert f'"product":"{BOND}"' in members["disclosures.jsonl"].decode()
    _status, said = await bank.ask(Ask(REVIEWER, "POST", f"/api/recordings/{session}/verify", {}))
    assert (said["ok"], said["findings"]) == (True, [item for item in said["findings"] if not item["fault"]])


async def test_one_that_was_tampered_with_is_found(bank: Bank) -> None:
    session = await past(bank)
    who = await bank.customer()
    await bank.get(confirming(who, session))
    await bank.get(again(bank, who, session))
    members = unpack(await bundle(bank, session))
    assert members[AFTER].count(b'"kind":"order_placed"') == 1
    amount = members[AFTER].replace(b'"amount":1000000', b'"amount":9000000')
    lines = [line for line in members[AFTER].splitlines(keepends=True) if b'"kind":"order_placed"' not in line]
    for changed in (amount, b"".join(lines)):
        found = report(bank, pack(bank.folder / "changed.zip", {**members, AFTER: changed}))
        assert {"member_changed", "after_chain"} <= {item.code for item in found.faults}


@pytest.mark.parametrize(
    ("at_ms", "changes", "codes"),
    [
        (SHOWN_MS, {}, set()),
        (2_500, {}, {"order_uncovered"}),
        (60_000, {}, {"order_uncovered"}),
        (SHOWN_MS, {"product": "prd_c"}, {"order_not_offered"}),
        (SHOWN_MS, {"price": {"unit_price": "0.9000", "fee_bps": 0}}, {"order_price"}),
        (SHOWN_MS, {"price": {"unit_price": "0.9000", "fee_bps": 0}, "replay": ["price"]}, set()),
        (SHOWN_MS, {"disclosure": {"version": 4, "sha256": "0" * 64}}, {"order_disclosure"}),
        (SHOWN_MS, {"disclosure": {"version": 4, "sha256": "0" * 64}, "replay": ["disclosure"]}, set()),
        (SHOWN_MS, {"product_class": "fund", "replay": ["price"]}, {"order_class"}),
        (SHOWN_MS, {"commission": 1}, {"field_forbidden"}),
        (SHOWN_MS, {"replay": None}, {"entry_unreadable", "fairness_unreadable"}),
        (SHOWN_MS, {"streams": {"other": {}}}, set()),
        (2_500, {"streams": {"other": {}}}, {"order_uncovered"}),
    ],
)
async def test_what_an_insider_wrote_after_the_seal_is_held_against_what_is_sealed(
    database: Database, clock: ManualClock, tmp_path: Path, at_ms: int, changes: dict[str, Any], codes: set[str]
) -> None:
    """The chain holds and the signature is good: only what the order says is not true."""
    session = await make_session(database, clock, tmp_path, pieces=3, gap=(2_000, 2_900))
    said = {name: value for name, value in changes.items() if name != "replay"}
    told = changes.get("replay", [])
    if told is not None:
        said["replay"] = {"media_ms": at_ms, "changed": told}
    plain = order("ord_9", **said)
    draft = Draft(plain.kind, plain.actor, plain.data, plain.private, media_ms=at_ms)
    async with database.write() as tx:
        await Trail(clock).append(tx, after_trail(session), draft)
    path = await export(build(database, clock, tmp_path), session)
    [key] = (tmp_path / "keys").glob("*.pub")
    found = verify_bundle(path, key.read_bytes())
    assert {item.code for item in found.faults} == codes, found.to_text()
    assert all("after the seal" in item.where for item in found.faults)
    assert found.orders == (2 if told is None else 3)
    in_place = await build(database, clock, tmp_path).verification.verify_session(session)
    assert {item.code for item in in_place.faults} == codes


async def test_the_console_draws_it_at_its_moment_and_says_that_it_was_a_replay(bank: Bank) -> None:
    session = await past(bank)
    who = await bank.customer()
    await bank.get(confirming(who, session))
    placed = await bank.get(again(bank, who, session))
    drawn = await bank.get(Ask(REVIEWER, "GET", f"/api/recordings/{session}/timeline"))
    [line] = [one for one in drawn["entries"] if one["kind"] == kinds.ORDER_PLACED]
    assert (line["media_ms"], line["lane"], line["after_seal"]) == (SHOWN_MS, "orders", True)
    assert line["data"]["order"] == placed["id"]
    assert "replay" in line["text"]
    [told] = [one for one in drawn["entries"] if one["kind"] == kinds.DISCLOSURE_CONFIRMED]
    assert (told["after_seal"], "replay" in told["text"]) == (True, True)
    assert not any(one["after_seal"] for one in drawn["entries"] if one["kind"] == kinds.FRAGMENT)
    assert GAP[0] in {one["media_ms"] for one in drawn["entries"] if one["kind"] == kinds.GAP}
    assert canonical(line["data"]["replay"]) == canonical({"media_ms": SHOWN_MS, "changed": []})
