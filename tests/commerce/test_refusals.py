"""Every way a customer can be refused, provoked through the real application's doors, and worded in both languages.

A scenario brings about what the refusal needs and returns the request that meets it. It is asked twice, in either language:
what is refused is refused again, for nothing was changed by it.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from commerce import catalogue, errors, order_book
from commerce.lifecycle import Event
from commerce.questionnaire import QUESTIONS
from commerce.routes import SHOP
from core.clock import ManualClock
from core.database import Database
from tests.commerce.bank import BOND, EQUITY, MIXED, YUAN, Ask, Bank, open_bank
from tests.commerce.replayed import HOLE_MS, LATE_MS, again, past

Scenario = Callable[[Bank], Awaitable[Ask]]
ANNUITY, CERTIFICATE, DEPOSIT, STRATEGY = "prd-r2-annuity", "prd-r1-certificate", "prd-r1-structured", "prd-r5-strategy"


async def not_live(bank: Bank) -> Ask:
    return bank.order(await bank.customer(), await bank.show(BOND, live=False))


async def not_recorded(bank: Bank) -> Ask:
    return bank.order(await bank.customer(), await bank.show(BOND, age_s=6))


async def past_the_adviser(bank: Bank) -> Ask:
    customer = await bank.customer()
    call, _adviser = await bank.call(customer)
    return bank.order(customer, call["session"])


async def made_up_proposal(bank: Bank) -> Ask:
    return await bank.wish(proposal="prp_made_up")


async def nameless(bank: Bank) -> Ask:
    return await bank.wish(who=await bank.customer(known=False))


async def not_on_the_shelf(bank: Bank) -> Ask:
    return bank.order(await bank.customer(), await bank.show(MIXED))


async def before_its_time(bank: Bank) -> Ask:
    wish = await bank.wish(product=ANNUITY)
    await bank.product(ANNUITY, sale_from=bank.clock.now() + timedelta(days=1))
    return wish


async def never_assessed(bank: Bank) -> Ask:
    return await bank.wish(who=await bank.customer(answers=None))


async def assessed_long_ago(bank: Bank) -> Ask:
    return await bank.wish(who=await bank.customer(days=400))


async def too_careful(bank: Bank) -> Ask:
    return await bank.wish(product=STRATEGY, who=await bank.customer(answers="aaaaaaaa"))


async def not_confirmed(bank: Bank) -> Ask:
    return bank.order(await bank.customer(), await bank.show(BOND))


async def confirmed_an_old_text(bank: Bank) -> Ask:
    wish = await bank.wish(product=DEPOSIT)
    async with bank.db.write() as tx:
        await catalogue.publish_disclosure(tx, bank.clock, DEPOSIT, "A new text.", "新的文本。")
    return wish


async def too_little(bank: Bank) -> Ask:
    return await bank.wish(amount=999 * YUAN)


async def between_two_steps(bank: Bank) -> Ask:
    return await bank.wish(amount=10_000 * YUAN + 50)


async def sold_out(bank: Bank) -> Ask:
    wish = await bank.wish(product=CERTIFICATE, amount=200_000 * YUAN)
    await bank.product(CERTIFICATE, left=200_000 * YUAN - 1)
    return wish


async def more_than_one_may_have(bank: Bank) -> Ask:
    wish = await bank.wish(product=STRATEGY, amount=1_000_000 * YUAN)
    await bank.product(STRATEGY, cap=1_400_000 * YUAN)
    await bank.get(Ask(wish.who, "POST", wish.path, wish.body | {"key": "the-first-one", "amount": 500_000 * YUAN}))
    return wish


async def old_and_alone(bank: Bank) -> Ask:
    return await bank.wish(product=MIXED, who=await bank.customer(age=70))


async def old_and_not_explained_to(bank: Bank) -> Ask:
    customer = await bank.customer(age=70)
    call, adviser = await bank.call(customer)
    proposal = {"call": call["id"], "product": MIXED, "amount": 10_000 * YUAN}
    [made] = await bank.emit(adviser, "/desk", ("propose", proposal))
    await bank.confirm(customer, call["session"], MIXED)
    yes = {"call": call["id"], "proposal": made["proposal"]["id"], "amount": 10_000 * YUAN, "key": "the-elders-yes"}
    return Ask(customer, "", "/desk confirm", yes | {"disclosure": {"version": 1}})


async def far_above_all_before(bank: Bank) -> Ask:
    return await bank.wish(product=EQUITY, amount=500_001 * YUAN)


async def one_after_the_other(bank: Bank) -> Ask:
    wish = await bank.wish()
    for number in range(10):
        await bank.get(Ask(wish.who, "POST", wish.path, wish.body | {"key": f"quickly-{number}"}))
    return wish


async def the_same_key(bank: Bank) -> Ask:
    wish = await bank.wish()
    await bank.get(wish)
    return Ask(wish.who, "POST", wish.path, wish.body | {"amount": 11_000 * YUAN})


async def a_third_assessment(bank: Bank) -> Ask:
    answers = {"answers": {question.id: "a" for question in QUESTIONS}}
    ask = Ask(await bank.customer(answers=None), "POST", "/api/assessments", answers)
    for _ in range(2):
        await bank.get(ask)
    return ask


async def half_an_assessment(bank: Bank) -> Ask:
    return Ask(await bank.customer(), "POST", "/api/assessments", {"answers": {"age": "a"}})


async def too_late_to_cancel(bank: Bank) -> Ask:
    wish = await bank.wish()
    order = await bank.get(wish)
    bank.clock.advance(24 * 3600 + 1)
    return Ask(wish.who, "POST", f"/api/orders/{order['id']}/cancel")


async def nothing_to_cancel(bank: Bank) -> Ask:
    wish = await bank.wish()
    order = await bank.get(wish)
    async with bank.db.write() as tx:
        for event in (Event.SEND, Event.REJECT):
            await order_book.move(tx, bank.trail, bank.clock, order["id"], event, actor="core")
    return Ask(wish.who, "POST", f"/api/orders/{order['id']}/cancel")


async def a_database_that_takes_nothing(bank: Bank) -> Ask:
    return await bank.wish()


async def in_a_replay(bank: Bank) -> Ask:
    return again(bank, await bank.customer(), await past(bank))


async def in_a_running_shows_replay(bank: Bank) -> Ask:
    return again(bank, await bank.customer(), await bank.show(BOND))


async def at_a_moment_nobody_recorded(bank: Bank) -> Ask:
    return again(bank, await bank.customer(), await past(bank), HOLE_MS)


async def before_it_was_offered(bank: Bank) -> Ask:
    return again(bank, await bank.customer(), await past(bank, later=MIXED), LATE_MS - 1, MIXED)


async def at_terms_that_are_no_more(bank: Bank) -> Ask:
    session, who = await past(bank, DEPOSIT), await bank.customer()
    await bank.product(DEPOSIT, rate_text_en="Another wording", rate_text_zh="另一表述")
    return again(bank, who, session, product=DEPOSIT)


# Some codes have more than one way; a code without any is found by `test_every_code_has_its_scenario`.
SCENARIOS: list[tuple[str, Scenario]] = [
    ("session_not_live", not_live),
    ("sale_closed", not_recorded),
    ("proposal_missing", past_the_adviser),
    ("proposal_outside_call", made_up_proposal),
    ("identity_missing", nameless),
    ("product_not_on_shelf", not_on_the_shelf),
    ("product_sale_closed", before_its_time),
    ("assessment_missing", never_assessed),
    ("assessment_expired", assessed_long_ago),
    ("risk_too_high", too_careful),
    ("disclosure_missing", not_confirmed),
    ("disclosure_outdated", confirmed_an_old_text),
    ("amount_below_minimum", too_little),
    ("amount_off_step", between_two_steps),
    ("out_of_stock", sold_out),
    ("cap_exceeded", more_than_one_may_have),
    ("elder_needs_call", old_and_alone),
    ("explanation_missing", old_and_not_explained_to),
    ("risk_review", far_above_all_before),
    ("risk_review", one_after_the_other),
    ("replay_sales_off", in_a_replay),
    ("replay_not_sealed", in_a_running_shows_replay),
    ("replay_not_recorded", at_a_moment_nobody_recorded),
    ("replay_not_on_shelf", before_it_was_offered),
    ("replay_terms_changed", at_terms_that_are_no_more),
    ("idempotency_conflict", the_same_key),
    ("assessment_limit", a_third_assessment),
    ("answers_incomplete", half_an_assessment),
    ("order_not_cancellable", nothing_to_cancel),
    ("order_desk_busy", a_database_that_takes_nothing),
    ("cooling_off_over", too_late_to_cancel),  # the last: a day passes
]


def test_every_code_has_its_scenario() -> None:
    assert {code for code, _scenario in SCENARIOS} == {problem.code for problem in errors.PROBLEMS}


async def test_every_refusal_is_reached_and_explains_itself(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """All in one application, for the time it takes to open one: each scenario has people, a show and a product of its own."""
    statuses = {problem.code: problem.status for problem in errors.PROBLEMS}
    wrong: list[str] = []
    others = {"order_desk_busy": locked, "replay_sales_off": without_replays}
    async with open_bank(database, clock, tmp_path, TELLERCAST_REPLAY_SALES="1") as bank:
        for code, scenario in SCENARIOS:
            asked = await scenario(bank)
            async with others[code](bank) if code in others else as_it_is():
                for lang in ("en", "zh"):
                    status, said = await bank.ask(asked, lang)
                    wrong += [f"{scenario.__name__} ({lang}): {fault}" for fault in faults(said, code, lang)]
                    if status not in (0, statuses[code]):
                        wrong.append(f"{scenario.__name__}: {status} instead of {statuses[code]}")
    assert not wrong, "\n".join(wrong)


def faults(said: dict[str, Any], code: str, lang: str) -> list[str]:
    """What is wrong with a refusal as it was answered: another code, no sentence, the wrong language, an unfilled `{…}`."""
    if said.get("code") != code:
        return [f"{said} is not {code}"]
    found = []
    for name in ("title", "next"):
        sentence = said[name]
        if not sentence or re.search(r"{\w*}", sentence):
            found.append(f"{name} of {code}: {sentence!r}")
        if bool(re.search("[\u4e00-\u9fff]", sentence)) is (lang == "en"):
            found.append(f"{name} of {code} is not in {lang}: {sentence!r}")
    return found


@asynccontextmanager
async def as_it_is() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def without_replays(bank: Bank) -> AsyncIterator[None]:
    """A bank that sells in no replay."""
    replays = bank.built.application[SHOP].desk.replays
    assert replays is not None
    replays.is_on = False
    yield
    replays.is_on = True


@asynccontextmanager
async def locked(bank: Bank) -> AsyncIterator[None]:
    """Nobody can write an order meanwhile; the database says so at once instead of after its timeout."""
    theirs = bank.built.application[SHOP].db
    if theirs.is_sqlite:
        async with theirs.engine.connect() as connection:
            await connection.exec_driver_sql("PRAGMA busy_timeout=1")
        holder = await asyncio.to_thread(sqlite3.connect, theirs.url.database or "", check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            holder.close()
        return
    fail = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40001'; END $$"
    async with bank.db.write() as tx:
        await tx.execute(text(fail))
        await tx.execute(text("CREATE TRIGGER fail BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION fail()"))
    try:
        yield
    finally:
        async with bank.db.write() as tx:
            await tx.execute(text("DROP FUNCTION fail CASCADE"))
