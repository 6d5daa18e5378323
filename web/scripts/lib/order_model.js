// The buying sheet's thinking, apart from its elements: amounts that may be ordered, and one key per intention.
import { digits } from "./format.js";

/** @typedef {import("./session_model.js").Product} Product */
/** @typedef {{code: "empty"|"minimum"|"step"|"cap"|"left", limit: number}} AmountFault minor units */

/** What is wrong with an amount, null when it may be ordered. The server judges again; this only spares the way. @param {Product} product @param {number | null} amount minor units @returns {AmountFault | null} */
export function amountFault(product, amount) {
  if (amount === null || amount <= 0) return { code: "empty", limit: product.minimum };
  if (amount < product.minimum) return { code: "minimum", limit: product.minimum };
  if ((amount - product.minimum) % product.step !== 0) return { code: "step", limit: product.step };
  if (product.cap !== null && product.cap !== undefined && amount > product.cap) return { code: "cap", limit: product.cap };
  if (product.left !== null && product.left !== undefined && amount > product.left)
    return { code: "left", limit: product.left };
  return null;
}

/** The amount one step up or down, held within what may be ordered. @param {Product} product @param {number | null} amount @param {1|-1} direction @returns {number} */
export function stepped(product, amount, direction) {
  if (amount === null) return product.minimum;
  const steps = (amount - product.minimum) / product.step;
  const next = product.minimum + (direction > 0 ? Math.floor(steps) + 1 : Math.ceil(steps) - 1) * product.step;
  const top = Math.min(product.cap ?? Infinity, product.left ?? Infinity);
  const highest =
    top < product.minimum
      ? product.minimum
      : product.minimum + Math.floor((top - product.minimum) / product.step) * product.step;
  return Math.max(product.minimum, Math.min(next, highest));
}

/** Minor units as one types them: 1000000 → "10,000". @param {number} minor @param {string} currency */
export function typed(minor, currency) {
  const places = digits(currency);
  const value = minor / 10 ** places;
  return new Intl.NumberFormat("en", { minimumFractionDigits: Number.isInteger(value) ? 0 : places }).format(value);
}

/** @typedef {{kind: "price"|"nav"|"rate", value: string, date: string | null, fee_bps: number}} Price */
/** @typedef {import("./session_model.js").Order & {customer: string | null, session_title: string, channel: "show"|"call", product_class: string, price: Price, disclosure: {version: number, sha256: string}, entry_hash: string, history: {state: string, at: string, reason: string | null, seq: number, after_seal: boolean}[], seal: {number: number, at: string, entries: number} | null}} Receipt */

/** Whether its customer may still withdraw it. @param {import("./session_model.js").Order} order @param {number} now unix ms */
export function cancellable(order, now) {
  return order.state !== "cancelled" && order.state !== "rejected" && Date.parse(order.cancellable_until ?? "") > now;
}

/** A price as a text and its parameters, and the fee beside it in per cent, "" for none. @param {Price} price */
export function priceText(price) {
  const day = price.date ? { date: { date: price.date } } : {};
  const fee = price.fee_bps ? String(price.fee_bps / 100) : "";
  return { t: `receipt.price.${price.kind}`, tp: { value: price.value, ...day }, fee };
}

/** Where an adviser is asked about an order that was sent to a call: its product and amount go along, no words. @param {Product} product @param {number | null} amount minor units */
export function callAbout(product, amount) {
  const about = new URLSearchParams({ product: product.id });
  if (amount !== null && amount > 0) about.set("amount", String(amount));
  return `/call?${about}`;
}

/** @typedef {{product: string, amount: number, key: string, disclosure: {version: number}, proposal?: string, replay?: {media_ms: number}}} OrderBody */
/** @typedef {{session: string, product: string, proposal?: string}} Intent what is being bought where; of it one order at a time is on its way */

/**
 * Orders on their way, each with its idempotency key, until the server has answered for good. Whatever happened to the
 * connection or the page in between, the same intention is sent again as the very same body: the server compares all of it,
 * the version of the disclosure included. The store is the tab's own (sessionStorage), so that a reload in the middle of an
 * order asks again as well.
 */
export class Attempts {
  /** @param {Pick<Storage, "getItem"|"setItem"|"removeItem">} store @param {() => string} [make] a new key */
  constructor(store, make = randomKey) {
    this.store = store;
    this.make = make;
  }

  /** What was sent and not answered; null when nothing was. @param {Intent} intent @returns {OrderBody | null} */
  unanswered(intent) {
    const kept = this.store.getItem(nameOf(intent));
    return kept === null ? null : JSON.parse(kept);
  }

  /** The body to send, kept from before it goes out. @param {Intent} intent @param {Omit<OrderBody, "key">} body @returns {OrderBody} */
  begin(intent, body) {
    const whole = { ...body, key: this.make() };
    this.store.setItem(nameOf(intent), JSON.stringify(whole));
    return whole;
  }

  /** The server has answered for good. @param {Intent} intent */
  answered(intent) {
    this.store.removeItem(nameOf(intent));
  }
}

// Not randomUUID: that one is missing on pages without https, where one may still watch and buy.
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {Intent} intent */
function nameOf({ session, product, proposal }) {
  return `tellercast.attempt.${JSON.stringify([session, product, proposal ?? null])}`;
}

/** What is refused for good whenever it is sent: the same body was no order the first time either. */
const NEVER = new Set(["bad_request", "not_found"]);

/** What stands against the order itself. It is looked at only after making sure that no order has this key. */
const GATE = new Set([
  "session_not_live",
  "sale_closed",
  "proposal_missing",
  "proposal_outside_call",
  "identity_missing",
  "product_not_on_shelf",
  "product_sale_closed",
  "assessment_missing",
  "assessment_expired",
  "risk_too_high",
  "disclosure_missing",
  "disclosure_outdated",
  "amount_below_minimum",
  "amount_off_step",
  "out_of_stock",
  "cap_exceeded",
  "elder_needs_call",
  "explanation_missing",
  "risk_review",
  "replay_sales_off",
  "replay_not_sealed",
  "replay_not_recorded",
  "replay_not_on_shelf",
  "replay_terms_changed",
  "proposal_gone",
  "proposal_differs",
]);

/** Whether a refusal says that the order does not exist, so that its key is spent. A lost connection, a busy server, a sign-in that ran out or a conflict of keys say nothing of the first attempt. @param {{code: string}} problem */
export function isAnswer(problem) {
  return GATE.has(problem.code) || NEVER.has(problem.code);
}
