// What the ledger of fairness says, product by product, and that it says it in both languages.
import assert from "node:assert/strict";
import { test } from "node:test";

import { byProduct, isTainted, priceOf, verdict } from "../../web/scripts/console/fairness_model.js";
import { register, t } from "../../web/scripts/lib/i18n.js";
import { fairnessTexts } from "../../web/texts/staff_fairness.js";

register(fairnessTexts);
const at = (seq, media_ms = seq * 1000) => ({ seq, media_ms });
const offer = (product, seq, more = {}) => ({
  product,
  name: product,
  class: "wealth",
  risk: "R2",
  price: { unit_price: "1.00", fee_bps: 0 },
  disclosure: "1 a",
  changed: [],
  since: at(seq),
  until: null,
  orders: 0,
  amounts: {},
  first: null,
  last: null,
  ...more,
});
const ledger = (more = {}) => ({
  proved: true,
  entries: 20,
  orders: 3,
  products: 2,
  repriced: 0,
  fields: [],
  ranked_by: [],
  offers: [],
  findings: [],
  more: 0,
  ...more,
});
const said = (found) => {
  const { t: key, tp } = verdict(found);
  return t(key, tp);
};

test("one sentence says whether it is proved, and in what tone", () => {
  assert.equal(said(ledger()), "Proved: 3 orders of 2 products, one price for everybody");
  assert.equal(verdict(ledger()).tone, "good");
  assert.equal(said(ledger({ orders: 1, products: 1 })), "Proved: 1 order of 1 product, one price for everybody");
  assert.equal(isTainted(ledger({ findings: [{ code: "order_price" }] })), false);
  assert.equal(isTainted(ledger({ findings: [{ code: "order_price" }, { code: "field_forbidden" }] })), true);
  assert.equal(verdict(ledger({ orders: 0, products: 0 })).tone, "plain");
  const bad = ledger({ proved: false, findings: [{}, {}], more: 5 });
  assert.deepEqual([said(bad), verdict(bad).tone], ["Not proved: 7 findings", "bad"]);
});

test("products stand by what was ordered, with their sums and stretches in order", () => {
  const found = byProduct(
    ledger({
      offers: [
        offer("a", 2, { orders: 1, amounts: { CNY: 5 } }),
        offer("b", 2, { orders: 3, amounts: { CNY: 1 }, until: at(4) }),
        offer("b", 4, { orders: 2, amounts: { CNY: 2 } }),
        offer("c", 2),
      ],
    }),
  );
  assert.deepEqual(
    found.map((one) => [one.product, one.orders, one.amounts, one.offers.map((item) => item.since.seq)]),
    [
      ["b", 5, [["CNY", 3]], [2, 4]],
      ["a", 1, [["CNY", 5]], [2]],
      ["c", 0, [], [2]],
    ],
  );
});

test("what was taken down before the start was on offer to nobody", () => {
  const before = offer("a", 1, { since: at(1, null), until: at(2, null) });
  const until = offer("a", 2, { since: at(2, null), until: at(9) });
  assert.deepEqual(
    byProduct(ledger({ offers: [before, until] })).map((one) => one.offers.length),
    [1],
  );
  assert.deepEqual(byProduct(ledger({ offers: [{ ...before, orders: 1 }] })).length, 1, "an order of it would be shown");
});

test("a price is said as its kind asks, whatever stands there", () => {
  const words = (price) => {
    const { price: one, details } = priceOf(price);
    return [one, ...details].map(({ t: key, tp }) => t(key, tp));
  };
  assert.deepEqual(words({ kind: "price", value: "1.0000", date: null, fee_bps: 0 }), ["1.0000"]);
  assert.deepEqual(words({ kind: "nav", value: "1.3472", date: "2026-11-20", fee_bps: 15 }), [
    "1.3472",
    "NAV 2026-11-20",
    "fee 0.15%",
  ]);
  assert.deepEqual(words({ kind: "rate", value: "1.20", date: null, fee_bps: 0 }), ["1.20% a year"]);
  assert.deepEqual(words({ unit_price: "0.9685", fee_bps: 100 }), ["0.9685", "fee 1%"]);
  assert.deepEqual(words({ odd: true }), ['{"odd":true}']);
});

test("both languages say the same with the same figures", () => {
  const { en, zh } = fairnessTexts;
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  const figures = { orders: "11", products: "22", repriced: "33", n: "44", entries: "55", value: "66", date: "77", fee: "88" };
  const used = (text) =>
    (typeof text === "function" ? text(figures) : text.replace(/\{(\w+)\}/g, (_, name) => figures[name])).match(/\d+/g) ?? [];
  for (const key of Object.keys(en)) assert.deepEqual(used(zh[key]).sort(), used(en[key]).sort(), key);
});
