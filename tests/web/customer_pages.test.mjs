// What the customer's own pages make of assessments, orders and receipts.
import assert from "node:assert/strict";
import { test } from "node:test";

import { hasExpired, scoreTable, standings, UNKNOWN } from "../../web/scripts/assessment/model.js";
import { aboutOf } from "../../web/scripts/call/call_model.js";
import { callAbout, cancellable, priceText } from "../../web/scripts/lib/order_model.js";

const past = (at, valid) => ({ at, valid_until: "2027-01-01T00:00:00Z", score: 50, grade: "C3", valid });

test("only the newest assessment counts, and only while it holds", () => {
  const of = (history) => standings(history).map((one) => one.standing);
  assert.deepEqual(of([past("2026-11-25", true), past("2026-02-01", false)]), ["current", "replaced"]);
  assert.deepEqual(of([past("2025-11-25", false), past("2025-02-01", false)]), ["expired", "replaced"]);
  assert.deepEqual(of([]), []);
});

test("expired is said to who had one, not to who never did", () => {
  assert.equal(hasExpired({ ...UNKNOWN, history: [past("2025-01-01", false)] }), true);
  assert.equal(hasExpired({ ...UNKNOWN, history: [past("2026-11-01", true)] }), false);
  assert.equal(hasExpired(UNKNOWN), false);
});

test("the published table has every answer with its points and the grade it caps", () => {
  const form = {
    ...UNKNOWN,
    questions: [
      {
        id: "loss",
        text: "Which loss?",
        options: [
          { id: "a", text: "None" },
          { id: "b", text: "Some" },
        ],
      },
    ],
    scoring: { version: 1, grades: [], questions: [{ id: "loss", points: { a: 0, b: 5 }, highest: { a: "C1" } }] },
  };
  assert.deepEqual(scoreTable(form), [
    {
      text: "Which loss?",
      rows: [
        { text: "None", points: 0, highest: "C1" },
        { text: "Some", points: 5, highest: null },
      ],
    },
  ]);
});

test("an order is withdrawn until the cooling-off time ends, unless it has ended before", () => {
  const now = Date.parse("2026-11-25T10:00:00Z");
  const order = (state, until) => ({ state, cancellable_until: until });
  for (const state of ["placed", "sent", "confirmed"]) {
    assert.equal(cancellable(order(state, "2026-11-25T10:00:01Z"), now), true, state);
    assert.equal(cancellable(order(state, "2026-11-25T10:00:00Z"), now), false, state);
  }
  for (const state of ["cancelled", "rejected"]) assert.equal(cancellable(order(state, "2026-11-26T00:00:00Z"), now), false);
  assert.equal(cancellable(order("placed", null), now), false);
});

test("a price is told by its kind, a net asset value with its day, a fee in per cent", () => {
  const price = { kind: "nav", value: "1.0126", date: "2026-11-24", fee_bps: 60 };
  assert.deepEqual(priceText(price), {
    t: "receipt.price.nav",
    tp: { value: "1.0126", date: { date: "2026-11-24" } },
    fee: "0.6",
  });
  assert.deepEqual(priceText({ kind: "rate", value: "2.35", date: null, fee_bps: 0 }), {
    t: "receipt.price.rate",
    tp: { value: "2.35" },
    fee: "",
  });
});

test("a refused order goes along to the call, as an id and a figure", () => {
  const there = callAbout({ id: "prd-r3-mixed" }, 1_000_000);
  assert.equal(there, "/call?product=prd-r3-mixed&amount=1000000");
  assert.deepEqual(aboutOf(there.slice("/call".length)), { product: "prd-r3-mixed", amount: 1_000_000 });
  assert.deepEqual(aboutOf(callAbout({ id: "prd-a" }, null).slice(5)), { product: "prd-a", amount: null });
});

test("nothing else of an address is believed", () => {
  for (const search of ["", "?amount=5", "?product=", "?product=a/b", `?product=${"a".repeat(41)}`, "?product=<b>"])
    assert.equal(aboutOf(search), null, search);
  for (const amount of ["-5", "0", "1e9", "1.5", "9".repeat(16), "x"])
    assert.deepEqual(aboutOf(`?product=prd-a&amount=${amount}`), { product: "prd-a", amount: null }, amount);
});
