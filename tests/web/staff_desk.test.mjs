import assert from "node:assert/strict";
import test from "node:test";

import { typed } from "../../web/scripts/lib/order_model.js";
import { allocation, proposedAmount, script, waited, waitingLine, withinGrade } from "../../web/scripts/desk/model.js";

test("who waited longest is first, and those no longer waiting are not in the line", () => {
  const call = (id, waiting_since, state = "waiting") => ({ id, waiting_since, state });
  const line = waitingLine([
    call("b", "2026-01-01T00:01:00Z"),
    call("x", "2026-01-01T00:00:00Z", "live"),
    call("a", "2026-01-01T00:00:30Z"),
  ]);
  assert.deepEqual(
    line.map((c) => c.id),
    ["a", "b"],
  );
  assert.deepEqual(waited(line[0], Date.parse("2026-01-01T00:03:00Z")), { seconds: 150, long: true });
});

test("holdings stand beside their targets, shares or percent alike", () => {
  const holdings = [
    { class: "deposit", amount: 8000 },
    { class: "fund", amount: 2000 },
  ];
  const shares = allocation(holdings, { deposit: 0.5, fund: 0.21, insurance: 0.29 });
  const percent = allocation(holdings, { deposit: 50, fund: 21, insurance: 29 });
  assert.deepEqual(shares, percent);
  assert.equal(shares.total, 10000);
  const by = Object.fromEntries(shares.bars.map((b) => [b.class, b]));
  assert.equal(by.deposit.share, 0.8);
  assert.ok(Math.abs(by.deposit.off - 0.3) < 1e-9);
  assert.equal(by.fund.off, 0);
  assert.ok(by.insurance.off < 0);
});

test("somebody with nothing has bars of nothing", () => {
  const { bars, total } = allocation([], { deposit: 1 });
  assert.equal(total, 0);
  assert.equal(bars[0].share, 0);
});

test("an amount is read to the cent and told apart by its trouble", () => {
  const product = { minimum: 100_000, step: 10_000, cap: 500_000, currency: "CNY" };
  assert.deepEqual(proposedAmount("1,000", product), { amount: 100_000, problem: null });
  assert.deepEqual(proposedAmount("¥1 100.00", product), { amount: 110_000, problem: null });
  assert.equal(proposedAmount("900", product).problem, "below");
  assert.equal(proposedAmount("1050", product).problem, "off_step");
  assert.equal(proposedAmount("6000", product).problem, "above");
  assert.equal(proposedAmount("ten", product).problem, "unreadable");
  assert.equal(proposedAmount("0.1.2", product).problem, "unreadable");
});

test("the amount an adviser is offered first can be proposed as it stands, also where money has no cents", () => {
  for (const currency of ["CNY", "JPY"]) {
    const product = { minimum: 100_000, step: 10_000, cap: null, currency };
    assert.deepEqual(proposedAmount(typed(product.minimum, currency), product), { amount: 100_000, problem: null });
  }
});

test("the script is done by the record, in order", () => {
  const steps = script({ consent_at: "t1", proposal_at: "t2" });
  assert.deepEqual(
    steps.map((s) => [s.id, s.at]),
    [
      ["consent", "t1"],
      ["risk", null],
      ["proposal", "t2"],
      ["confirmation", null],
    ],
  );
});

test("a grade holds products up to its own number", () => {
  assert.ok(withinGrade("R3", "C3"));
  assert.ok(!withinGrade("R4", "C3"));
  assert.ok(!withinGrade("R1", null));
});
