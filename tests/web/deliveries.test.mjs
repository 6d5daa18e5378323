// What the deliveries page says of deliveries, apart from the document.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

import {
  firstState,
  nothing,
  queryOf,
  readFilter,
  reason,
  shortId,
  subject,
  totals,
} from "../../web/scripts/deliveries/model.js";

const WEB = new URL("../../web/", import.meta.url);
const receiver = (/** @type {Partial<any>} */ changes) => ({
  id: "core",
  name: "",
  dead: 0,
  waiting: 0,
  delivered: 0,
  ...changes,
});

test("the address names the filter, and odd ones mean everything", () => {
  assert.deepEqual(readFilter("?state=dead&receiver=rcv_1&order=ord_1"), { state: "dead", receiver: "rcv_1", order: "ord_1" });
  assert.deepEqual(readFilter("?state=lost"), { state: "", receiver: "", order: "" });
  assert.equal(queryOf({ state: "dead", receiver: "", order: "a b" }, { after: "obx_1" }), "?state=dead&order=a+b&after=obx_1");
  assert.equal(queryOf({ state: "", receiver: "", order: "" }), "");
});

test("dead letters come first, where there are any", () => {
  const receivers = [receiver({ dead: 0, waiting: 2 }), receiver({ id: "rcv_1", dead: 1 })];
  assert.equal(firstState(receivers), "dead");
  assert.equal(firstState([receiver({ waiting: 3 })]), "");
  assert.deepEqual(totals(receivers), { dead: 1, waiting: 2, delivered: 0 });
  assert.deepEqual(totals(receivers, "core"), { dead: 0, waiting: 2, delivered: 0 });
});

test("what went wrong has words", () => {
  const keys = {
    "status 500": "fails",
    "status 503": "fails",
    "status 429": "busy",
    "status 401": "signature",
    "status 302": "moved",
    "status 404": "missing",
    "status 422": "refused",
    "no answer within 10.0 s": "silent",
    "not decided yet": "undecided",
    "unknown state 'perhaps'": "nonsense",
    "unreadable answer: JSON is malformed": "nonsense",
    "not written down: IntegrityError": "contradicts",
    "ClientConnectorError: 10.0.0.1 is not a public address": "private",
    "ServerDisconnectedError: Server disconnected": "unreachable",
  };
  for (const [error, key] of Object.entries(keys)) assert.equal(reason(error)?.t, `deliveries.reason.${key}`, error);
  assert.deepEqual(reason("status 500")?.tp, { status: 500 });
  assert.equal(reason(null), null);
});

test("an empty list says why it is empty", () => {
  const filter = readFilter("");
  assert.equal(nothing(filter, [receiver({})]).t, "deliveries.none_yet");
  assert.equal(nothing({ ...filter, state: "dead" }, [receiver({ delivered: 4 })]).t, "deliveries.none_dead");
  assert.equal(nothing({ ...filter, state: "dead", order: "ord_1" }, [receiver({ delivered: 4 })]).t, "deliveries.none");
  assert.equal(shortId("ord_01jd0000000000000000000abc"), "…00000abc");
});

test("every word of the page is there in both languages, with the same holes", async () => {
  const text = await readFile(new URL("texts/deliveries.js", WEB), "utf8");
  /** @type {any} */ let both;
  new Function("register", text.slice(text.indexOf("register(")))((/** @type {any} */ given) => {
    both = given;
  });
  assert.deepEqual(Object.keys(both.zh).sort(), Object.keys(both.en).sort());
  const holes = (/** @type {string} */ value) => [...new Set(value.match(/\{\w+\}/g) ?? [])].sort();
  for (const key of Object.keys(both.en)) assert.deepEqual(holes(both.zh[key]), holes(both.en[key]), key);
  const common = await readFile(new URL("texts/common.js", WEB), "utf8");
  for (const file of await readdir(new URL("scripts/deliveries/", WEB))) {
    const source = await readFile(new URL(`scripts/deliveries/${file}`, WEB), "utf8");
    for (const [, key] of source.matchAll(/"((?:deliveries|receivers|demo)\.[a-z_.]+)"/g))
      assert.ok(key in both.en, `${file}: ${key}`);
    for (const [, key] of source.matchAll(/\b(?:t|tLabel|tPlaceholder|tTitle): "([a-z_]+)"/g))
      assert.ok(common.includes(`\n    ${key}: "`), `${file}: ${key}`);
  }
});

test("a delivery is about its order, or else its session", () => {
  const one = /** @type {any} */ ({ order: "ord_1", session: "ses_1" });
  assert.equal(subject(one), "ord_1");
  assert.equal(subject({ ...one, order: null }), "ses_1");
});
