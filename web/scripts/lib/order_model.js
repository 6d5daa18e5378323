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

/**
 * Idempotency keys that live as long as the intention. The same order gets the same key until it was answered, whatever
 * happened to the connection or the page in between; a different order, or one after an answer, gets a new key.
 * The store is the tab's own (sessionStorage), so that a reload in the middle of an order asks with the same key.
 */
export class IntentKeys {
  /** @param {Pick<Storage, "getItem"|"setItem"|"removeItem">} store @param {() => string} [make] */
  constructor(store, make = randomKey) {
    this.store = store;
    this.make = make;
  }

  /** @param {Record<string, unknown>} intent what makes the order this one: session, product, amount, proposal */
  key(intent) {
    const name = nameOf(intent);
    const known = this.store.getItem(name);
    if (known) return known;
    const key = this.make();
    this.store.setItem(name, key);
    return key;
  }

  /** @param {Record<string, unknown>} intent */
  answered(intent) {
    this.store.removeItem(nameOf(intent));
  }
}

// Not randomUUID: that one is missing on pages without https, where one may still watch and buy.
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {Record<string, unknown>} intent */
function nameOf(intent) {
  return `tellercast.order.${JSON.stringify(
    Object.entries(intent)
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )}`;
}

/** Whether the server has answered for good, so that the key is spent; a lost connection or a busy server has not. @param {{code: string, status: number}} problem */
export function isAnswer(problem) {
  return (
    problem.code !== "offline" &&
    problem.code !== "internal_error" &&
    problem.status < 500 &&
    problem.status !== 429 &&
    problem.code !== "too_many_requests"
  );
}
