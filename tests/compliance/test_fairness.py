"""The ledger of fairness finds every order that was not had at the terms on offer, and names its entry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance import fairness
from compliance.fairness import READ_FIELDS, READ_KINDS, Fairness, Ledger, examine
from compliance.fairness_names import Names, is_forbidden
from compliance.findings import MESSAGES, Findings
from recording import kinds
from recording.chain import Body, Entry

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SHA = "a" * 64


def offer(product: str = "prd", price: str = "1.00", **changes: Any) -> dict[str, Any]:
    """A product as `shelf_changed` says it."""
    said = {"id": product, "name_en": product, "name_zh": "产品", "class": "wealth", "risk": 2, "price": {"unit_price": price}}
    return said | {"disclosure": {"version": 1, "sha256": SHA}} | changes


class Story:
    """Entries one after the other, a second apart."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.tell(kinds.SESSION_STARTED)

    def tell(self, kind: str, **data: Any) -> Story:
        seq = len(self.entries) + 1
        self.entries.append(Entry("ses", seq, AT, seq * 1000, kind, "someone", data, "", ""))
        return self

    def shelf(self, *products: dict[str, Any]) -> Story:
        return self.tell(kinds.SHELF_CHANGED, products=list(products), pinned=None)

    def order(self, product: str = "prd", price: str = "1.00", **changes: Any) -> Story:
        inputs = {"product": {"issuer_risk": 1, "bank_risk": 2}}
        said = {"order": "ord", "product": product, "product_class": "wealth", "amount": 100, "currency": "CNY"}
        said |= {"price": {"unit_price": price}, "disclosure": {"version": 1, "sha256": SHA}, "gate": {"inputs": inputs}}
        return self.tell(kinds.ORDER_PLACED, **(said | changes))

    def sold(self, price: dict[str, Any]) -> Story:
        """An order at a price in this form."""
        self.order()
        self.entries[-1].data["price"] = price  # type: ignore[index]
        return self

    def end(self) -> Fairness:
        return examine(self.tell(kinds.SESSION_ENDED).entries)


def told(found: Fairness) -> list[tuple[str, str]]:
    return [(item.code, item.where) for item in found.findings]


def test_orders_at_the_terms_on_offer_are_proved() -> None:
    found = Story().shelf(offer(), offer("other", "9")).order().order().order("other", "9", amount=5).end()
    assert (found.is_proved, found.orders) == (True, 3)
    assert (set(found.sold), set(found.repriced)) == ({"prd", "other"}, set())
    first, second = found.offers
    assert (first.product, first.since, first.since_ms, first.until, first.until_ms) == ("prd", 2, 2000, 6, 6000)
    assert (first.orders, first.amounts, first.first, first.last) == (2, {"CNY": 200}, (3, 3000), (4, 4000))
    assert (second.orders, second.amounts) == (1, {"CNY": 5})
    assert found.fields == ("class", "disclosure", "id", "name_en", "name_zh", "price", "risk")


def test_a_price_that_changes_for_all_is_fair_and_begins_a_stretch_of_its_own() -> None:
    found = Story().shelf(offer()).order().shelf(offer(price="1.01")).order(price="1.01").order(price="1.01").end()
    assert found.is_proved
    assert found.repriced == {"prd"}
    assert [(one.terms.price, one.since, one.until, one.orders) for one in found.offers] == [
        ('{"unit_price":"1.00"}', 2, 4, 1),
        ('{"unit_price":"1.01"}', 4, 7, 2),
    ]


def test_a_price_in_its_first_form_is_the_same_price() -> None:
    """A shelf of before the catalogue had prices of several kinds, and what was ordered from it since."""
    now = {"kind": "price", "value": "1.00", "date": None, "fee_bps": 15}
    shelf = offer() | {"price": {"unit_price": "1.00", "fee_bps": 15}}
    found = Story().shelf(shelf).sold(shelf["price"]).sold(now).end()
    assert found.is_proved, told(found)
    assert not Story().shelf(shelf).sold(now | {"value": "0.99"}).end().is_proved


def test_what_changes_beside_a_product_does_not_cut_its_stretch() -> None:
    found = Story().shelf(offer()).shelf(offer("new"), offer()).order().shelf(offer("new")).shelf(offer()).order().end()
    assert [(one.product, one.since, one.until, one.orders) for one in found.offers] == [
        ("prd", 2, 5, 1),
        ("new", 3, 6, 0),
        ("prd", 6, 8, 1),
    ]


def test_a_price_of_ones_own_is_named() -> None:
    found = Story().shelf(offer()).order().order(price="0.99").end()
    assert told(found) == [("order_price", "entry 4"), ("orders_differ", "entry 4")]
    assert found.findings[0].params["since"] == 2
    assert found.findings[1].params["other"] == 3


def test_the_price_of_before_is_a_price_of_ones_own() -> None:
    found = Story().shelf(offer()).shelf(offer(price="1.01")).order().end()
    assert told(found) == [("order_price", "entry 4")]


def test_all_at_a_price_that_was_not_on_offer_are_all_named() -> None:
    found = Story().shelf(offer()).order(price="2").order(price="2").end()
    assert told(found) == [("order_price", "entry 3"), ("order_price", "entry 4")]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"disclosure": {"version": 2, "sha256": SHA}}, "order_disclosure"),
        ({"disclosure": {"version": 1, "sha256": "b" * 64}}, "order_disclosure"),
        ({"disclosure": None}, "order_disclosure"),
        ({"product_class": "fund"}, "order_class"),
        ({"gate": {"inputs": {"product": {"issuer_risk": 1, "bank_risk": 1}}}}, "order_risk"),
    ],
)
def test_other_terms_than_those_on_offer_are_named(change: dict[str, Any], code: str) -> None:
    found = Story().shelf(offer()).order(**change).end()
    assert told(found) == [(code, "entry 3")]
    assert found.findings[0].params["since"] == 2


def test_the_gates_own_terms_are_held_against_those_on_offer() -> None:
    inputs = {"product": {"issuer_risk": 1, "bank_risk": 2, "minimum": 100, "cap": None, "left": 7}}
    right: dict[str, Any] = {"minimum": 100, "cap": None, "quota": 9}
    wrong: dict[str, Any] = {"minimum": 99, "cap": 5}
    assert Story().shelf(offer(**right)).order(gate={"inputs": inputs}).end().is_proved
    found = Story().shelf(offer(**wrong)).order(gate={"inputs": inputs}).end()
    assert told(found) == [("order_terms", "entry 3")] * 2
    assert [item.params["name"] for item in found.findings] == ["minimum", "cap"]


def test_a_stretch_says_what_is_otherwise_than_before_but_for_what_is_no_term() -> None:
    story = Story().shelf(offer(minimum=1, quota=1)).shelf(offer(minimum=1, quota=2, name_en="New"))
    story.shelf(offer(minimum=2, term_days=7)).shelf(offer(price="2", minimum=2, disclosure={"version": 2, "sha256": SHA}))
    assert [(one.since, one.changed) for one in story.end().offers] == [
        (2, ()),
        (4, ("minimum", "term_days")),
        (5, ("price", "disclosure", "term_days")),
    ]


def test_terms_without_end_are_not_kept() -> None:
    assert told(Story().shelf(offer(rate_text_en="x" * 5000)).end()) == [("fairness_unreadable", "entry 2")]


def test_what_was_not_on_the_shelf_is_named() -> None:
    found = Story().order().shelf(offer()).shelf().order().end()
    assert told(found) == [("order_not_offered", "entry 2"), ("order_not_offered", "entry 5")]


@pytest.mark.parametrize(
    "name", ["commission", "commission_bps", "salesTarget", "targets", "MARGIN", "sales-target-2026", "rebates", "bonuses"]
)
def test_a_field_that_tells_what_the_seller_earns_is_named_wherever_it_stands(name: str) -> None:
    for data in ({name: 1}, {"products": [{"deep": [[{name: None}]]}]}, {"gate": {"inputs": {"product": {name: "x"}}}}):
        story = Story().tell(kinds.COMMENT, text="fine").tell(kinds.VIEWED, **data)
        assert told(story.end()) == [("field_forbidden", "entry 3")], data
        assert told(story.tell(kinds.VIEWED, **data).end())[-1] == ("field_forbidden", "entry 5"), "only told once"


@pytest.mark.parametrize("name", ["fee_bps", "unit_price", "targeted_x", "marginal", "name_en", "quota", "", "价格"])
def test_other_fields_are_no_matter(name: str) -> None:
    assert not is_forbidden(name)


def test_a_product_that_hides_what_it_is_ranked_by_is_named() -> None:
    said = offer()
    del said["name_en"]
    assert told(Story().shelf(said).end()) == [("fairness_not_told", "entry 2")]


@pytest.mark.parametrize(
    "change",
    [{"product": 7}, {"amount": "1"}, {"amount": True}, {"currency": None}, {"price": {"x": "1" * 400}}, {"disclosure": "1"},
     {"gate": []}, {"price": 1e400}],
)  # fmt: skip
def test_what_can_not_be_read_is_named_and_the_rest_goes_on(change: dict[str, Any]) -> None:
    found = Story().shelf(offer()).order(**change).order(price="2").end()
    assert told(found)[0] == ("fairness_unreadable", "entry 3")
    assert ("order_price", "entry 4") in told(found)


def test_a_second_currency_of_one_product_is_named() -> None:
    assert told(Story().shelf(offer()).order().order(currency="USD").end()) == [("fairness_unreadable", "entry 4")]


def test_it_holds_one_line_for_each_stretch_and_nothing_for_an_order() -> None:
    ledger = Ledger()
    for entry in Story().shelf(offer()).entries:
        ledger.add(entry)
    order = Story().order().entries[1]
    for _ in range(20_000):
        ledger.add(order)
    found = ledger.close()
    assert (found.orders, len(found.offers), found.offers[0].orders) == (20_000, 1, 20_000)
    assert len(ledger._sold) == 1  # what grows with the orders would be here


def test_what_a_stretch_of_the_verifier_tells_is_enough_to_hear() -> None:
    """Only some kinds, with only some of their data: the same ledger, but for the names, which were looked at before."""
    gate = {"inputs": {"product": {"issuer_risk": 1, "bank_risk": 2, "minimum": 1}}, "verdict": {"allowed": True}}
    story = Story().shelf(offer(minimum=1)).order(gate=gate).tell(kinds.COMMENT, text="x").order(price="2", gate=gate)
    story.shelf(offer(price="3")).tell(kinds.SESSION_ENDED)
    ledger, names = Ledger(), Names()
    for entry in story.entries:
        assert names.forbidden(entry.data) == []
        if entry.kind in READ_KINDS:
            data = {name: value for name, value in entry.data.items() if name in READ_FIELDS}
            ledger.hear(Body("", "", data, entry.kind, entry.media_ms, "", entry.seq, ""))
    heard, whole = ledger.close(), examine(story.entries)
    assert (heard.offers, heard.findings, heard.orders) == (whole.offers, whole.findings, 2)
    assert names.forbidden({"a": [{"margin": 1}], "sales_target": 2}) == ["sales_target", "margin"]


def test_a_record_made_to_fill_the_memory_is_cut_off_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "MOST_OFFERS", 3)
    story = Story()
    for number in range(6):
        story.shelf(offer(price=str(number)))
    found = story.order(price="5").end()
    assert (len(found.offers), told(found)) == (3, [("fairness_full", "entry 5")])


def test_findings_are_few_and_speak_both_languages() -> None:
    story = Story().shelf(offer())
    for _ in range(1200):
        story.order(price="2")
    found = story.end()
    assert (len(found.findings), found.more) == (1000, 200)
    findings = Findings()
    found.tell(findings)
    texts = [(item.text("en"), item.text("zh")) for item in findings.taken() if item.code in ("order_price", "fairness_more")]
    assert texts[0] == (
        "prd was ordered at unit_price 2; on offer since entry 2: unit_price 1.00",
        "prd 的成交价为 unit_price 2，自第 2 条记录起的报价为 unit_price 1.00",
    )
    codes = {
        "order_not_offered",
        "order_price",
        "order_disclosure",
        "order_class",
        "order_risk",
        "orders_differ",
        "field_forbidden",
        "fairness_not_told",
    }
    assert codes | {"fairness_unreadable", "fairness_full", "fairness_more"} <= MESSAGES.keys()


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "price", "products", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


FIELDS = ("id", "class", "risk", "price", "name_en", "disclosure", "product", "product_class", "amount", "currency", "gate")


@settings(max_examples=150)
@given(st.sampled_from(FIELDS), Json, st.dictionaries(st.text(max_size=8), Json, max_size=3))
def test_whatever_an_entry_holds_nothing_raises(name: str, value: Any, more: dict[str, Any]) -> None:
    """One field of a proper shelf, or of a proper order, is anything at all; and so are all fields of another entry."""
    story = (
        Story()
        .shelf(offer())
        .shelf(offer(**{name: value}))
        .order(**{name: value})
        .tell(kinds.ORDER_PLACED, **{**more, "x": value})
    )
    story.tell(kinds.SHELF_CHANGED, products=value).order(gate={"inputs": value})
    found = story.end()
    assert (found.entries, found.orders) == (8, 3)
    assert found.findings


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("123"), st.booleans()), max_size=12))
def test_it_agrees_with_a_naive_count(steps: list[tuple[str, str, bool]]) -> None:
    """Random shelves and orders: exactly the orders at another price than the shelf's last word are found."""
    story, now, wrong = Story(), dict[str, str](), set[int]()
    for product, price, is_order in steps:
        if is_order:
            story.order(product, price)
            if now.get(product) != price:
                wrong.add(len(story.entries))
        else:
            now[product] = price
            story.shelf(*(offer(name, value) for name, value in now.items()))
    found = story.end()
    named = {item.seq for item in found.findings if item.code in ("order_price", "order_not_offered")}
    assert named == wrong
    assert found.is_proved is not bool(wrong)
