// What the catalogue's page knows, apart from how it is drawn: forms, what was changed in them, filters. Pure.
import { parseMoney } from "../lib/format.js";
import { typed } from "../lib/order_model.js";

/** @typedef {{kind: "price"|"nav"|"rate", value: string, date: string | null, fee_bps: number}} Price */
/** @typedef {{version: number, text_en: string, text_zh: string, sha256: string, published_at: string}} Disclosure */
/** @typedef {{id: string, revision: number, class: string, name: string, risk: string, term_days: number | null, currency: string, price: Price, minimum: number, quota: number, sold: number, left: number, sale: "open"|"before"|"over"|"sold_out", sale_from: string, sale_until: string, disclosure_version: number, offered_in: number}} Row */
/** @typedef {Row & {name_en: string, name_zh: string, rate_text_en: string, rate_text_zh: string, issuer_risk: number, bank_risk: number, step: number, cap: number | null, disclosure: Disclosure, warnings: Warning[]}} Item */
/** @typedef {{field: string, words: string, title: string, next: string}} Warning */
/** @typedef {Record<string, string>} Form what stands in the fields, as text */
/** @typedef {{field: string, title: string, next: string}} Fault */
/** @typedef {{class: string, risk_max: string, term_max_days: string, q: string}} Filters */

export const CLASSES = ["deposit", "wealth", "fund", "insurance"];
export const CURRENCIES = ["CNY", "EUR", "GBP", "HKD", "JPY", "USD"];
export const TERMS = [30, 90, 180, 365, 1095];

/** Which field belongs to which group, in the order in which they are shown and judged. */
export const GROUPS = /** @type {const} */ ([
  ["name", ["name_zh", "name_en"]],
  ["kind", ["class", "issuer_risk", "bank_risk", "term_days", "currency"]],
  ["price", ["price_kind", "price_value", "price_date", "fee_bps"]],
  ["wording", ["rate_text_zh", "rate_text_en"]],
  ["amounts", ["minimum", "step", "cap", "quota"]],
  ["window", ["sale_from", "sale_until"]],
]);
const FIELDS = GROUPS.flatMap(([, names]) => /** @type {string[]} */ (/** @type {unknown} */ (names)));
const MONEY = new Set(["minimum", "step", "cap", "quota"]);
const WHOLE = new Set(["term_days", "fee_bps", "issuer_risk", "bank_risk"]);
const MAY_BE_EMPTY = new Set(["term_days", "cap", "price_date"]);

/** An instant as the browser's own field has it, in the reader's zone. @param {string} iso */
export function localTime(iso) {
  const at = new Date(iso);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** @param {Item} item @returns {Form} */
export function formOf(item) {
  const { price } = item;
  /** @type {Record<string, any>} */
  const flat = { ...item, price_kind: price.kind, price_value: price.value, price_date: price.date, fee_bps: price.fee_bps };
  /** @type {Form} */
  const form = {};
  for (const name of FIELDS) {
    const value = flat[name];
    if (value === null || value === undefined) form[name] = "";
    else if (MONEY.has(name)) form[name] = typed(value, item.currency);
    else if (name.startsWith("sale_")) form[name] = localTime(value);
    else form[name] = String(value);
  }
  return form;
}

/** What a new product starts with. @param {Date} now @returns {Form} */
export function blankForm(now) {
  const day = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1, 9);
  const end = new Date(now.getFullYear() + 1, now.getMonth(), now.getDate() + 1, 17);
  /** @type {Form} */
  const form = Object.fromEntries(FIELDS.map((name) => [name, ""]));
  return {
    ...form,
    class: "wealth",
    issuer_risk: "1",
    bank_risk: "1",
    currency: "CNY",
    price_kind: "price",
    price_value: "1.0000",
    fee_bps: "0",
    sale_from: localTime(day.toISOString()),
    sale_until: localTime(end.toISOString()),
  };
}

/** The names of the fields that read otherwise. @param {Form} before @param {Form} after */
export function touched(before, after) {
  return Object.keys(after).filter((name) => (before[name] ?? "") !== after[name]);
}

/**
 * The terms as the server takes them. A field that was not touched keeps its exact value: a field of the browser knows no seconds.
 * @param {Form} form @param {Item | null} base
 * @returns {{terms: any, wrong: {field: string, key: string}[]}} `key` names the sentence
 */
export function read(form, base) {
  const kept = base ? formOf(base) : {};
  /** @type {Record<string, any>} */
  const had = base ? { ...base, ...pricesOf(base.price) } : {};
  /** @type {Record<string, any>} */
  const values = {};
  /** @type {{field: string, key: string}[]} */
  const wrong = [];
  for (const name of FIELDS) {
    const text = form[name] ?? "";
    if (base && text === kept[name]) values[name] = had[name];
    else {
      const found = value(name, text.trim(), form.currency);
      if (found.key) wrong.push({ field: name, key: found.key });
      else values[name] = found.value;
    }
  }
  const { price_kind: kind, price_value, price_date, fee_bps, ...rest } = values;
  return { terms: { ...rest, price: { kind, value: price_value, date: kind === "nav" ? price_date : null, fee_bps } }, wrong };
}

/** @param {Price} price */
function pricesOf(price) {
  return { price_kind: price.kind, price_value: price.value, price_date: price.date, fee_bps: price.fee_bps };
}

/** @param {string} name @param {string} text @param {string} currency @returns {{value?: any, key?: string}} */
function value(name, text, currency) {
  if (!text) return MAY_BE_EMPTY.has(name) ? { value: null } : { key: "missing" };
  if (MONEY.has(name)) {
    const minor = parseMoney(text, currency);
    return minor === null ? { key: "amount" } : { value: minor };
  }
  if (WHOLE.has(name)) return /^\d{1,9}$/.test(text) ? { value: Number(text) } : { key: "number" };
  if (name.startsWith("sale_")) {
    const at = new Date(text);
    return Number.isNaN(at.getTime()) ? { key: "time" } : { value: at.toISOString() };
  }
  return { value: text };
}

/**
 * Somebody else has saved meanwhile: fields that were not touched take what is new, the others keep what was typed.
 * @param {Form} form what stands in the fields @param {Item} before what it was started from @param {Item} latest
 * @returns {{form: Form, theirs: string[]}} `theirs` are the fields the other changed
 */
export function merged(form, before, latest) {
  const [old, now] = [formOf(before), formOf(latest)];
  const theirs = touched(old, now);
  const next = { ...form };
  for (const name of theirs) if (form[name] === old[name]) next[name] = now[name];
  return { form: next, theirs };
}

/** R1 to R5, the higher of the two. @param {Form} form */
export function holds(form) {
  return `R${Math.max(Number(form.issuer_risk) || 1, Number(form.bank_risk) || 1)}`;
}

/** @param {string} search @returns {Filters} */
export function readFilters(search) {
  const query = new URLSearchParams(search);
  const known = (/** @type {string} */ name, /** @type {string[]} */ values) =>
    values.includes(query.get(name) ?? "") ? String(query.get(name)) : "";
  return {
    class: known("class", CLASSES),
    risk_max: known("risk_max", ["1", "2", "3", "4", "5"]),
    term_max_days: known("term_max_days", TERMS.map(String)),
    q: (query.get("q") ?? "").slice(0, 100),
  };
}

/** As a query, "" when nothing is filtered. @param {Partial<Filters> & {product?: string, offset?: number}} place */
export function queryOf(place) {
  const query = new URLSearchParams();
  for (const [name, text] of Object.entries(place)) if (text) query.set(name, String(text));
  return query.size ? `?${query}` : "";
}

/** A field's value as the history shows it: a text key and its parameters. @param {string} field @param {any} value @param {string} currency @returns {{key: string, params: Record<string, any>} | string} */
export function shownValue(field, value, currency) {
  if (value === null || value === undefined) return { key: "value.empty", params: {} };
  if (MONEY.has(field)) return { key: "value.money", params: { amount: { money: [value, currency] } } };
  if (field.startsWith("sale_")) return { key: "value.time", params: { at: { dateTime: value } } };
  if (field === "price") return shownPrice(value);
  if (field === "class") return { key: `class.${value}`, params: {} };
  if (field === "issuer_risk" || field === "bank_risk") return `R${value}`;
  if (field === "term_days") return { key: "value.days", params: { n: value } };
  if (field === "disclosure") return { key: "history.version", params: { n: value.version } };
  return String(value);
}

/** @param {Price} price @returns {{key: string, params: Record<string, any>}} */
export function shownPrice(price) {
  const params = { value: price.value, day: price.date ? { date: `${price.date}T12:00:00` } : "" };
  const key = `price.shown.${price.kind}`;
  return price.fee_bps ? { key: "price.fee", params: { text: { t: key, ...params }, bps: price.fee_bps } } : { key, params };
}
