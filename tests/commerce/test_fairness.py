"""A real session's ledger of fairness, by the reviewers' door; and that what ranks products can't see what the bank earns."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from commerce import catalogue, customers, gate, gate_input, risk
from commerce.catalogue import Product, ranked
from commerce.tables import products
from compliance.fairness import RANKED_BY
from compliance.fairness_names import is_forbidden
from core.clock import ManualClock
from core.database import Database
from core.identity import Person, Role
from recording import kinds
from recording.chain import Draft
from recording.trail import after_trail
from tests.commerce.bank import BOND, EQUITY, YUAN, Ask, open_bank
from tests.commerce.operators import EDITABLE

REVIEWER = Person("reviewer-1", Role.REVIEWER, "孙恒")
OPERATOR = Person("operator-1", Role.OPERATOR, "冯立")


async def test_what_was_sold_is_proved_to_have_had_one_price(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    async with open_bank(database, clock, tmp_path) as bank:
        session = await bank.show(BOND, EQUITY)
        for product, amount in ((BOND, 10_000), (BOND, 20_000), (EQUITY, 500)):
            customer = await bank.customer()
            await bank.confirm(customer, session, product)
            clock.advance(1)
            await bank.get(bank.order(customer, session, product, amount=amount * YUAN))
        found = await bank.get(Ask(REVIEWER, "GET", f"/api/recordings/{session}/fairness"))
        assert (found["proved"], found["orders"], found["products"], found["repriced"], found["findings"]) == (
            True,
            3,
            2,
            0,
            [],
        )
        [bond] = [item for item in found["offers"] if item["product"] == BOND]
        assert (bond["orders"], bond["amounts"], bond["until"]) == (2, {"CNY": 30_000 * YUAN}, None)
        assert bond["price"]["fee_bps"] == 0
        assert (bond["first"]["media_ms"], bond["last"]["media_ms"]) == (1000, 2000)
        assert found["ranked_by"] == list(RANKED_BY)
        assert not [name for name in found["fields"] if is_forbidden(name)]

        item = await bank.get(Ask(OPERATOR, "GET", f"/api/catalogue/{EQUITY}"))
        terms = {name: item[name] for name in EDITABLE} | {"price": item["price"] | {"value": "1.9999"}}
        await bank.get(Ask(OPERATOR, "PUT", f"/api/catalogue/{EQUITY}", {"revision": item["revision"], "terms": terms}))
        customer = await bank.customer()
        await bank.confirm(customer, session, EQUITY)
        await bank.get(bank.order(customer, session, EQUITY, amount=500 * YUAN))
        found = await bank.get(Ask(REVIEWER, "GET", f"/api/recordings/{session}/fairness"))
        assert (found["proved"], found["orders"], found["repriced"], found["findings"]) == (True, 4, 1, [])
        before, after = [item for item in found["offers"] if item["product"] == EQUITY]
        assert (before["orders"], after["orders"], before["until"], after["changed"]) == (1, 1, after["since"], ["price"])
        assert (before["price"]["value"], after["price"]["value"]) == ("1.3472", "1.9999")

        async with database.write() as tx:
            paid = {"order": "ord_x", "product": BOND, "amount": 1, "currency": "CNY", "price": {"unit_price": "0.5"}}
            [cheap] = await bank.trail.append(tx, session, Draft(kinds.ORDER_PLACED, "customer", paid | {"commission": 3}))
        found = await bank.get(Ask(REVIEWER, "GET", f"/api/recordings/{session}/fairness?lang=zh"))
        named = {(item["code"], item["seq"]) for item in found["findings"]}
        assert named == {(code, cheap.seq) for code in ("order_price", "order_disclosure", "orders_differ", "field_forbidden")}
        [text] = [item["text"] for item in found["findings"] if item["code"] == "order_price"]
        assert text.startswith("稳享纯债 180 天持有期理财 的成交价为 unit_price 0.5，")
        async with database.read() as tx:
            looks = await bank.trail.entries(tx, after_trail(session), kinds={kinds.VIEWED})
        assert [look.data["what"] for look in looks] == ["fairness"] * 3

        assert (await bank.ask(Ask(REVIEWER, "GET", "/api/recordings/ses_nowhere/fairness")))[0] == 404
        customer = await bank.customer()
        assert (await bank.ask(Ask(customer, "GET", f"/api/recordings/{session}/fairness")))[0] == 403


class Watched:
    """A product that notes which of its fields are looked at."""

    def __init__(self, product: Product, seen: set[str]) -> None:
        self._product, self._seen = product, seen

    def __getattr__(self, name: str) -> Any:
        self._seen.add(name)
        return getattr(self._product, name)


async def test_ranking_looks_at_class_risk_and_name_and_nothing_else(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    async with open_bank(database, clock, tmp_path), database.read() as tx:
        found = await catalogue.all_products(tx)
    seen: set[str] = set()
    watched: Any = [Watched(product, seen) for product in found]
    ranked(watched)
    assert seen == {"product_class", "risk", "name_en"}
    assert RANKED_BY == ("class", "risk", "name_en")  # by the names they have on the shelf's entry
    assert [one.id for one in ranked(reversed(found))] == [one.id for one in found]


def test_no_input_of_gate_or_ranking_has_a_field_for_what_the_bank_earns() -> None:
    """Adding one, to a product, its table, the gate's facts or what an adviser sees of a customer, fails here."""
    shapes = (Product, catalogue.Disclosure, gate.GateInput, gate.SessionFacts, gate.ProductFacts, gate.CustomerFacts)
    names = {f"{shape.__name__}.{one.name}" for shape in (*shapes, risk.History, risk.RiskLimits) for one in fields(shape)}
    names |= {f"products.{column.name}" for column in products.columns}
    assert not [name for name in names if is_forbidden(name.partition(".")[2])]
    assert not [name for name in names if name.startswith("CustomerFacts.") and ("price" in name or "rate" in name)]
    assert {one.name for one in fields(customers.Picture)} == {"grade", "assessed_at", "age_65", "holdings", "history"}


def test_the_gates_snapshot_has_no_such_field_either() -> None:
    now = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    given = gate_input.GateInput(
        now=now,
        channel="show",
        amount=1,
        asked_version=1,
        has_proposal=False,
        session=gate.SessionFacts("ses", "show", "live", (), {}, True, None),
        product=gate.ProductFacts("prd", True, 1, 1, "CNY", 1, 1, None, 1, {}, now, now + timedelta(1), 1, ""),
        customer=gate.CustomerFacts(True, 40, 5, now, 1, False, 0, risk.History()),
    )
    waiting: list[Any] = [given.to_json()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            assert not [name for name in value if is_forbidden(name)]
            waiting += value.values()
