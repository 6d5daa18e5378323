// What the ledger of fairness says, in the words of its panel. Pure.

/** @typedef {{ seq: number, media_ms: number | null }} Moment */
/**
 * @typedef {{ product: string, name: string, class: string, risk: string, price: Record<string, any>, disclosure: string,
 *   changed: string[], since: Moment, until: Moment | null, orders: number, amounts: Record<string, number>, first: Moment | null,
 *   last: Moment | null }} Offer
 */
/**
 * @typedef {{ proved: boolean, entries: number, orders: number, products: number, repriced: number, fields: string[],
 *   ranked_by: string[], offers: Offer[], findings: { code: string, seq: number, media_ms: number | null, text: string }[],
 *   more: number }} Fairness
 */
/** @typedef {{ product: string, name: string, risk: string, orders: number, amounts: [string, number][], offers: Offer[] }} Sold */

/** Whether a field for what the seller earns was found. @param {Fairness} found */
export const isTainted = (found) => found.findings.some((one) => one.code === "field_forbidden");

/** The one sentence: its tone, its text's key and what fills it. @param {Fairness} found @returns {{ tone: "good" | "bad" | "plain", t: string, tp: Record<string, any> }} */
export function verdict(found) {
  const tp = { orders: found.orders, products: found.products, n: found.findings.length + found.more };
  if (!found.proved) return { tone: "bad", t: "fairness.not_proved", tp };
  if (!found.orders) return { tone: "plain", t: found.offers.length ? "fairness.nothing_ordered" : "fairness.nothing", tp };
  return { tone: "good", t: "fairness.proved", tp };
}

/** What was put up and taken down before the start was never on offer to anybody. @param {Offer} offer */
const wasOnOffer = (offer) => offer.orders > 0 || !offer.until || offer.until.media_ms !== null;

/** Product by product, those of which most was ordered first, each with its stretches in order. @param {Fairness} found @returns {Sold[]} */
export function byProduct(found) {
  /** @type {Map<string, Sold>} */
  const products = new Map();
  for (const offer of found.offers.filter(wasOnOffer)) {
    const { product, name, risk } = offer;
    const one = products.get(product) ?? { product, name, risk, orders: 0, amounts: [], offers: [] };
    one.orders += offer.orders;
    one.amounts = summed(one.amounts, offer.amounts);
    one.offers.push(offer);
    products.set(product, one);
  }
  return [...products.values()].sort((a, b) => b.orders - a.orders || a.offers[0].since.seq - b.offers[0].since.seq);
}

/** @param {[string, number][]} sums @param {Record<string, number>} more @returns {[string, number][]} */
function summed(sums, more) {
  const all = new Map(sums);
  for (const [currency, amount] of Object.entries(more)) all.set(currency, (all.get(currency) ?? 0) + amount);
  return [...all];
}

/** @typedef {{ t: string, tp: Record<string, any> }} Words a text's key and what fills it */

/**
 * A price as it stood on the shelf, and what belongs to it: a net asset value's day, a fee.
 * @param {Record<string, any>} price @returns {{ price: Words, details: Words[] }}
 */
export function priceOf(price) {
  const value = String(price["value"] ?? price["unit_price"] ?? JSON.stringify(price));
  /** @type {Words[]} */
  const details = [];
  if (price["kind"] === "nav" && price["date"]) details.push({ t: "fairness.nav_of", tp: { date: price["date"] } });
  if (price["fee_bps"] > 0) details.push({ t: "fairness.fee", tp: { fee: String(price["fee_bps"] / 100) } });
  return { price: { t: price["kind"] === "rate" ? "fairness.price_rate" : "fairness.price_plain", tp: { value } }, details };
}
