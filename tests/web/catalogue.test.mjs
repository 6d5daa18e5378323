// The catalogue's page and the shelf's zones: what stands in forms, what is saved of it, what is seen.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import {
  blankForm,
  formOf,
  holds,
  localTime,
  merged,
  queryOf,
  read,
  readFilters,
  shownValue,
  touched,
} from "../../web/scripts/catalogue/model.js";
import { filterable, zones } from "../../web/scripts/watch/shelf_model.js";

const WEB = new URL("../../web/", import.meta.url);

const item = (more = {}) => ({
  id: "prd-x",
  revision: 3,
  class: "fund",
  name: "Fund",
  name_en: "Fund",
  name_zh: "基金",
  rate_text_en: "r",
  rate_text_zh: "率",
  issuer_risk: 2,
  bank_risk: 4,
  risk: "R4",
  term_days: null,
  currency: "CNY",
  price: { kind: "nav", value: "1.0500", date: "2026-11-20", fee_bps: 15 },
  minimum: 100_000,
  step: 1,
  cap: null,
  quota: 1_000_000_50,
  sold: 0,
  left: 1_000_000_50,
  sale: "open",
  sale_from: "2026-11-01T01:00:00.123456Z",
  sale_until: "2027-11-01T01:00:59.000000Z",
  disclosure_version: 1,
  offered_in: 0,
  disclosure: { version: 1, text_en: "e", text_zh: "z", sha256: "", published_at: "" },
  ...more,
});

const terms = (/** @type {any} */ one) => {
  const { class: name, name_en, name_zh, rate_text_en, rate_text_zh, issuer_risk, bank_risk, term_days, currency } = one;
  const { minimum, step, cap, quota, price, sale_from, sale_until } = one;
  const words = { class: name, name_en, name_zh, rate_text_en, rate_text_zh, issuer_risk, bank_risk, term_days, currency };
  return { ...words, minimum, step, cap, quota, price, sale_from, sale_until };
};

test("what nobody touched is sent exactly as it was, seconds and all", () => {
  const found = read(formOf(item()), item());
  assert.deepEqual(found.wrong, []);
  assert.deepEqual(found.terms, terms(item()));
  const edited = { ...formOf(item()), minimum: "2,500.5", term_days: "30", cap: " " };
  assert.deepEqual(touched(formOf(item()), edited).sort(), ["cap", "minimum", "term_days"]);
  assert.deepEqual(read(edited, item()).terms, { ...terms(item()), minimum: 250_050, term_days: 30 });
});

test("what can't be read is named, and the kind of price decides about its date", () => {
  const form = { ...formOf(item()), minimum: "500.005", quota: "", term_days: "1.5", sale_until: "" };
  assert.deepEqual(read(form, item()).wrong, [
    { field: "term_days", key: "number" },
    { field: "minimum", key: "amount" },
    { field: "quota", key: "missing" },
    { field: "sale_until", key: "missing" },
  ]);
  assert.equal(read({ ...formOf(item()), price_kind: "rate" }, item()).terms.price.date, null);
});

test("a new product begins with what is usual, and a yen has no fen", () => {
  const form = { ...blankForm(new Date(2026, 10, 22)), currency: "JPY", minimum: "1,000", step: "1", quota: "10.5" };
  const { wrong } = read(form, null);
  assert.deepEqual(wrong.map((one) => one.field).sort(), ["name_en", "name_zh", "quota", "rate_text_en", "rate_text_zh"]);
  assert.equal(holds({ issuer_risk: "2", bank_risk: "3" }), "R3");
  const at = "2026-11-22T08:00:00Z";
  assert.equal(new Date(localTime(at)).toISOString(), "2026-11-22T08:00:00.000Z");
});

test("who comes second keeps what was typed and sees what is new", () => {
  const before = item();
  const latest = item({ revision: 4, step: 500, minimum: 200_000 });
  const { form, theirs } = merged({ ...formOf(before), minimum: "3,000" }, before, latest);
  assert.deepEqual(theirs, ["minimum", "step"]);
  assert.deepEqual([form.minimum, form.step], ["3,000", "5"]);
  assert.deepEqual(read(form, latest).terms.minimum, 300_000);
});

test("filters stand in the address, and what is none of them does not", () => {
  assert.equal(queryOf({ class: "fund", risk_max: "", q: "a b", offset: 0 }), "?class=fund&q=a+b");
  assert.deepEqual(readFilters("?class=fund&risk_max=9&term_max_days=180&q=x"), {
    class: "fund",
    risk_max: "",
    term_max_days: "180",
    q: "x",
  });
  assert.equal(queryOf({}), "");
});

test("values of the history are worded", () => {
  assert.deepEqual(shownValue("cap", null, "CNY"), { key: "value.empty", params: {} });
  assert.equal(shownValue("bank_risk", 3, "CNY"), "R3");
  const price = shownValue("price", item().price, "CNY");
  assert.ok(typeof price !== "string" && price.key === "price.fee" && price.params.text.t === "price.shown.nav");
});

const product = (id, name, risk, term_days) => ({ id, class: name, risk, term_days });
const SHELF = [
  product("a", "fund", "R4", null),
  product("b", "wealth", "R2", 180),
  product("c", "fund", "R5", 900),
  product("d", "deposit", "R1", 92),
];
const ids = (/** @type {any[]} */ found) =>
  found.map((zone) => [zone.class, zone.products.map((/** @type {any} */ one) => one.id).join("")]);

test("products of one class stand together in the host's order, filtered by risk and term", () => {
  assert.deepEqual(ids(zones(SHELF, { risk: "", term: "" })), [
    ["deposit", "d"],
    ["wealth", "b"],
    ["fund", "ac"],
  ]);
  assert.deepEqual(ids(zones(SHELF, { risk: "4", term: "90" })), [["fund", "a"]]);
  assert.deepEqual(ids(zones(SHELF, { risk: "1", term: "" })), [["deposit", "d"]]);
  const short = SHELF.slice(0, 3);
  assert.equal(filterable(short), false);
  assert.deepEqual(ids(zones(short, { risk: "1", term: "" })), [
    ["wealth", "b"],
    ["fund", "ac"],
  ]); // no filter is to be seen
});

test("every text of the catalogue exists in both languages with the same parameters, and every key that is named exists", async () => {
  /** @type {any} */ const both = {};
  for (const name of ["common", "catalogue"]) {
    const text = await readFile(new URL(`texts/${name}.js`, WEB), "utf8");
    new Function("register", text.slice(text.indexOf("register(")))((/** @type {any} */ given) => {
      assert.deepEqual(Object.keys(given.zh).sort(), Object.keys(given.en).sort(), name);
      for (const lang of ["en", "zh"]) both[lang] = { ...both[lang], ...given[lang] };
    });
  }
  const holes = (/** @type {string} */ value) => [...new Set(value.match(/\{\w+\}/g) ?? [])].sort();
  for (const key of Object.keys(both.en)) assert.deepEqual(holes(both.zh[key]), holes(both.en[key]), key);
  for (const file of await readdir(new URL("scripts/catalogue/", WEB))) {
    const source = await readFile(new URL(`scripts/catalogue/${file}`, WEB), "utf8");
    for (const [, key] of source.matchAll(/\b(?:t|tLabel|tPlaceholder|tTitle|next|title|text|yes|no): "([a-z_]+\.[a-z_.]+)"/g))
      assert.ok(key in both.en, `${file}: ${key}`);
    for (const [, key] of source.matchAll(/"((?:catalogue|field|import|history|disclosure|value|price|fault)\.[a-z_.]+)"/g))
      assert.ok(key in both.en || key === "catalogue.csv", `${file}: ${key}`);
  }
});
