"""Buying while a finished show is seen again, by the real application's door: what its record shows sells, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from commerce import order_book
from commerce.lifecycle import Event
from commerce.routes import SHOP
from commerce.tables import disclosure_confirmations, outbox, products
from compliance.desk import COMPLIANCE
from compliance.tables import cases
from compliance.verifier import verify_bundle
from core.canonical import sha256_hex
from core.clock import ManualClock
from core.database import Database
from core.identity import Person, Role
from recording import kinds
from recording.chain import check_chain
from recording.journal import Journal
from recording.reports import FragmentSealed
from recording.tables import derived
from recording.trail import after_trail
from rooms.tables import sanctions
from tests.commerce.bank import BOND, MIXED, YUAN, Ask, Bank, open_bank
from tests.commerce.operators import EDITABLE, OPERATOR
from tests.commerce.replayed import GAP, HOLE_MS, KEYS, LATE_MS, SHOWN_MS, again, confirming, past, seal
from tests.compliance.sealed import export

ON = {"TELLERCAST_REPLAY_SALES": "1"}


@pytest.fixture
async def bank(database: Database, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Bank]:
    async with open_bank(database, clock, tmp_path, **ON) as bank:
        yield bank


async def code(bank: Bank, asked: Ask) -> str | None:
    status, said = await bank.ask(asked)
    return None if status < 300 else said["code"]


async def after(bank: Bank, session: str, *names: str) -> list[Any]:
    async with bank.db.read() as tx:
        return await bank.trail.entries(tx, after_trail(session), kinds=names)


async def buyer(bank: Bank, session: str, product: str = BOND, media_ms: int = SHOWN_MS) -> Person:
    who = await bank.customer()
    await bank.get(confirming(who, session, media_ms, product))
    return who


async def changed(bank: Bank, *, price: str | None = None, product_class: str | None = None) -> tuple[int, int]:
    """The bank changes the bond's terms; its revision before and after."""
    before = await bank.get(Ask(OPERATOR, "GET", f"/api/catalogue/{BOND}"))
    terms = {name: before[name] for name in EDITABLE}
    if price is not None:
        terms["price"] = before["price"] | {"value": price}
    if product_class is not None:
        assert terms["class"] != product_class
        terms["class"] = product_class
    await bank.get(Ask(OPERATOR, "PUT", f"/api/catalogue/{BOND}", {"revision": before["revision"], "terms": terms}))
    now = await bank.get(Ask(await bank.customer(), "GET", f"/api/products/{BOND}"))
    return before["revision"], now["revision"]


async def faults(bank: Bank, session: str) -> list[str]:
    """What the offline verifier finds in the session's bundle."""
    path = await export(bank.built.application[COMPLIANCE], session)
    keys = b"".join(key.read_bytes() for key in sorted((bank.folder / KEYS).glob("*.pub")))
    return [fault.code for fault in verify_bundle(path, keys).faults]


async def left(bank: Bank, product: str = BOND) -> int:
    async with bank.db.read() as tx:
        return int((await tx.execute(select(products.c.left).where(products.c.id == product))).scalar_one())


async def test_an_order_is_bound_to_the_films_moment_and_stands_after_the_seal(bank: Bank) -> None:
    session = await past(bank)
    async with bank.db.read() as tx:
        sealed_at = await bank.trail.last(tx, session)
    before = await left(bank)
    who = await buyer(bank, session)
    wish = again(bank, who, session)
    status, order = await bank.ask(wish)
    assert (status, order["replay"], order["media_ms"], order["session"]) == (201, True, SHOWN_MS, session)
    assert await left(bank) == before - 10_000 * YUAN
    [entry] = await after(bank, session, kinds.ORDER_PLACED)
    assert (entry.seq, entry.media_ms, entry.data["order"]) == (order["trail_seq"], SHOWN_MS, order["id"])
    assert entry.data["replay"] == {"media_ms": SHOWN_MS, "changed": []}
    assert list(entry.data["streams"]) == ["host"]
    assert entry.data["gate"]["inputs"]["replay"]["recorded"] is True
    assert who.id not in entry.body.decode()
    async with bank.db.read() as tx:
        assert await bank.trail.last(tx, session) == sealed_at
        stored = [(row.body, row.hash) for row in await bank.trail.stored(tx, after_trail(session))]
        assert check_chain(after_trail(session), stored) == []
        [row] = (await tx.execute(select(outbox))).all()
    assert (row.payload["replay"], row.payload["media_ms"], row.payload["trail_seq"]) == (True, SHOWN_MS, entry.seq)
    status, same = await bank.ask(wish)
    assert (status, same["id"]) == (200, order["id"])
    replays = bank.built.application[SHOP].desk.replays
    assert replays is not None
    replays.is_on = False  # an order there is stays the answer to its key
    status, same = await bank.ask(wish)
    assert (status, same["id"]) == (200, order["id"])
    replays.is_on = True
    wish.body["replay"] = {"media_ms": SHOWN_MS + 1}
    assert await code(bank, wish) == "idempotency_conflict"


async def test_its_receipt_says_where_it_stands_and_its_life_goes_on(bank: Bank) -> None:
    session = await past(bank)
    who = await buyer(bank, session)
    before = await left(bank)
    order = await bank.get(again(bank, who, session))
    async with bank.db.write() as tx:
        await order_book.move(tx, bank.trail, bank.clock, order["id"], Event.SEND, actor="core")
    receipt = await bank.get(Ask(who, "GET", f"/api/orders/{order['id']}"))
    [entry] = await after(bank, session, kinds.ORDER_PLACED)
    assert (receipt["replay"], receipt["channel"], receipt["entry_hash"]) == (True, "show", entry.hash)
    assert [(step["state"], step["seq"], step["after_seal"]) for step in receipt["history"]] == [
        ("placed", entry.seq, True), ("sent", entry.seq + 1, True),
    ]  # fmt: skip
    assert receipt["seal"]["entries"] > 0
    await bank.get(Ask(who, "POST", f"/api/orders/{order['id']}/cancel"))
    assert await left(bank) == before
    [listed] = (await bank.get(Ask(who, "GET", "/api/orders")))["orders"]
    assert (listed["state"], listed["replay"]) == ("cancelled", True)


async def test_the_socket_takes_the_same_order(bank: Bank) -> None:
    session = await past(bank)
    who = await buyer(bank, session)
    [answer] = await bank.emit(who, "/room", ("order", again(bank, who, session).body))
    async with bank.db.read() as tx:
        last = await bank.trail.last(tx, session)
    assert (answer["order"]["replay"], answer["seq"]) == (True, last)


async def test_off_as_it_is_by_default_nothing_sells(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    async with open_bank(database, clock, tmp_path) as bank:
        session = await past(bank)
        who = await bank.customer()
        assert await code(bank, again(bank, who, session)) == "replay_sales_off"
        assert await code(bank, confirming(who, session)) == "replay_sales_off"
        assert await after(bank, session, kinds.ORDER_REFUSED, kinds.DISCLOSURE_CONFIRMED) == []
        marks = await bank.get(Ask(who, "GET", f"/api/sessions/{session}/replay/marks"))
        assert marks["sells"] is False


@pytest.mark.parametrize(
    ("media_ms", "product", "said"),
    [
        (-1, BOND, "bad_request"),
        (2**53, BOND, "bad_request"),
        ("3000", BOND, "bad_request"),
        (None, BOND, "bad_request"),
        (2**53 - 1, BOND, "replay_not_recorded"),
        (10_251, BOND, "replay_not_recorded"),
        (HOLE_MS, BOND, "replay_not_recorded"),
        (9_500, BOND, "replay_not_recorded"),  # one track is missing there
        (SHOWN_MS, MIXED, "replay_not_on_shelf"),
        (LATE_MS - 1, MIXED, "replay_not_on_shelf"),
        (SHOWN_MS, "prd-none", "replay_not_on_shelf"),
        (LATE_MS, MIXED, None),
        (0, BOND, None),
    ],
)
async def test_only_what_was_shown_and_offered_at_that_moment_sells(
    bank: Bank, media_ms: Any, product: str, said: str | None
) -> None:
    session = await past(bank, later=MIXED)
    who = await bank.customer()
    confirmed = await code(bank, confirming(who, session, media_ms, product))
    assert confirmed == ("not_found" if product == "prd-none" else said)
    await bank.ask(confirming(who, session, LATE_MS, MIXED))
    await bank.ask(confirming(who, session, SHOWN_MS, BOND))
    assert await code(bank, again(bank, who, session, media_ms, product)) == said
    refused = await after(bank, session, kinds.ORDER_REFUSED)
    assert [entry.data["code"] for entry in refused] == ([] if said in (None, "bad_request") else [said])
    assert all(entry.data["replay"] == {"media_ms": media_ms} for entry in refused)


async def test_a_show_sells_again_once_it_is_sealed_and_its_film_is_there(bank: Bank) -> None:
    who, running = await bank.customer(), await bank.show(BOND)
    assert await code(bank, again(bank, who, running)) == "replay_not_sealed"
    session = await past(bank, sealed=False)
    assert await code(bank, again(bank, who, session)) == "replay_not_sealed"
    await seal(bank, session)
    await bank.get(confirming(who, session))
    assert await code(bank, again(bank, who, session)) is None
    assert await code(bank, bank.order(who, session)) == "session_not_live"
    async with bank.db.write() as tx:
        await tx.execute(derived.update().values(state="failed"))
    assert await code(bank, again(bank, who, session)) == "replay_not_sealed"
    assert await code(bank, again(bank, who, "ses_nowhere")) == "not_found"


async def test_who_may_not_watch_may_not_buy(bank: Bank) -> None:
    session = await past(bank)
    who, banned = await buyer(bank, session), await buyer(bank, session)
    async with bank.db.write() as tx:
        act = {"session_id": session, "act": 1, "kind": "ban", "person_id": banned.id, "author_tag": "t"}
        await tx.execute(insert(sanctions).values(**act, by_id="adviser-1", at=bank.clock.now()))
    assert await code(bank, again(bank, banned, session)) == "banned"
    async with bank.db.write() as tx:
        now = bank.clock.now()
        row = {"id": "cse_1", "session_id": session, "state": "open", "reasons": [], "opened_at": now, "changed_at": now}
        await tx.execute(insert(cases).values(**row, found_serious=1))
    assert await code(bank, again(bank, who, session)) == "replay_not_sealed"
    assert await code(bank, confirming(who, session)) == "replay_not_sealed"
    caller = await bank.customer()
    call, _adviser = await bank.call(caller)
    assert await code(bank, again(bank, who, call["session"])) == "call_not_yours"
    assert await code(bank, again(bank, caller, call["session"])) == "replay_not_sealed"
    host = Person("adviser-9", Role.ADVISER, "周岚")
    assert await code(bank, again(bank, host, session)) == "forbidden"


async def test_terms_that_changed_are_confirmed_again(bank: Bank) -> None:
    session = await past(bank)
    bank.clock.advance(60)
    early = await buyer(bank, session)  # under the terms of the show, in its replay
    bank.clock.advance(60)
    shown, revision = await changed(bank, price="1.0200")
    bank.clock.advance(60)
    late = await bank.customer()
    for who in (early, late):
        status, said = await bank.ask(again(bank, who, session))
        assert (status, said["code"], said["params"]["changed"]) == (409, "replay_terms_changed", ["price"])
    for who in (early, late):
        assert await code(bank, confirming(who, session, revision=shown)) == "replay_terms_changed"  # beside the old price
        await bank.get(confirming(who, session, revision=revision))
        await bank.get(confirming(who, session, revision=revision))  # once more: it is on record already
        order = await bank.get(again(bank, who, session))
        assert order["replay"] is True
    placed = await after(bank, session, kinds.ORDER_PLACED)
    assert [(entry.data["price"]["value"], entry.data["replay"]["changed"]) for entry in placed] == [("1.0200", ["price"])] * 2
    confirmed = await after(bank, session, kinds.DISCLOSURE_CONFIRMED)
    assert [(entry.media_ms, entry.data["replay"]) for entry in confirmed] == [(SHOWN_MS, {"media_ms": SHOWN_MS})] * 3


async def test_a_product_of_another_class_is_confirmed_again_and_proved(bank: Bank) -> None:
    session = await past(bank)
    who = await buyer(bank, session)
    bank.clock.advance(60)
    _, revision = await changed(bank, product_class="fund")
    bank.clock.advance(60)
    assert await code(bank, again(bank, who, session)) == "replay_terms_changed"
    await bank.get(confirming(who, session, revision=revision))
    await bank.get(again(bank, who, session))
    assert await faults(bank, session) == []


async def test_what_is_announced_after_the_seal_is_no_recording_to_sell_by(bank: Bank) -> None:
    session = await past(bank)
    who, middle = await bank.customer(), sum(GAP) // 2
    content, path = b"x" * 256, f"{session}/host/{1:013d}-{99:06d}.mp4"
    report = FragmentSealed(session, "host", 1, 99, *GAP, len(content), sha256_hex(content), path)
    async with bank.db.write() as tx:
        await Journal(bank.trail).fragment_sealed(tx, report, "fragment_sealed")
    assert await code(bank, confirming(who, session, middle)) == "replay_not_recorded"
    assert await code(bank, again(bank, who, session, middle)) == "replay_not_recorded"


async def test_a_disclosure_confirmed_while_it_was_on_holds_as_long_as_nothing_changed(bank: Bank) -> None:
    who, other = await bank.customer(), await past(bank)
    assert await code(bank, again(bank, who, other)) == "disclosure_missing"
    async with bank.db.write() as tx:
        row = {"session_id": other, "customer_id": who.id, "product_id": BOND, "version": 1, "trail_seq": 1}
        await tx.execute(insert(disclosure_confirmations).values(**row, at=bank.clock.now() - timedelta(days=1)))
    assert await code(bank, again(bank, who, other)) is None
    await bank.product(BOND, issuer_risk=3, bank_risk=3)  # behind the catalogue's back: nobody wrote down when
    assert await code(bank, again(bank, who, other)) == "replay_terms_changed"
    assert await code(bank, again(bank, who, other, disclosure={"version": 2})) == "replay_terms_changed"


async def test_the_other_rules_are_those_of_a_running_show(bank: Bank) -> None:
    session = await past(bank, MIXED)
    elder = await bank.customer(age=71)
    await bank.get(confirming(elder, session, SHOWN_MS, MIXED))
    assert await code(bank, again(bank, elder, session, SHOWN_MS, MIXED)) == "elder_needs_call"
    careful = await bank.customer(answers="aaaaaaaa")
    assert await code(bank, again(bank, careful, session, SHOWN_MS, MIXED)) == "risk_too_high"
    who = await buyer(bank, session, MIXED)
    assert await code(bank, again(bank, who, session, SHOWN_MS, MIXED, amount=1)) == "amount_below_minimum"
    assert await code(bank, again(bank, who, session, SHOWN_MS, MIXED, proposal="prp_1")) == "proposal_outside_call"
    await bank.product(MIXED, sale_until=bank.clock.now())
    assert await code(bank, again(bank, who, session, SHOWN_MS, MIXED)) == "product_sale_closed"


async def test_the_last_pieces_are_sold_once_whoever_asks_where(bank: Bank) -> None:
    seen = await past(bank)
    on = await bank.show(BOND)
    amount = 10_000 * YUAN
    await bank.product(BOND, left=5 * amount)
    asked: list[Ask] = []
    for number in range(16):
        who = await bank.customer()
        if number % 2:
            await bank.get(confirming(who, seen))
            asked.append(again(bank, who, seen))
        else:
            await bank.confirm(who, on)
            asked.append(bank.order(who, on))
    answers = await asyncio.gather(*(bank.ask(one) for one in asked))
    sold = [said for status, said in answers if status == 201]
    assert len(sold) == 5
    assert {said["code"] for status, said in answers if status != 201} == {"out_of_stock"}
    assert await left(bank) == 0
    async with bank.db.read() as tx:
        live = await bank.trail.entries(tx, on, kinds={kinds.ORDER_PLACED})
        assert await bank.trail.entries(tx, seen, kinds={kinds.ORDER_PLACED}) == []
    assert len(live) + len(await after(bank, seen, kinds.ORDER_PLACED)) == 5
