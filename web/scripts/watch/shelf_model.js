// The shelf's order and what a viewer wants to see of it. Products of one class stand together, whoever put them there. Pure.

/** @typedef {import("../lib/session_model.js").Product} Product */
/** `risk` "" or "1" to "4", `term` "" or days. @typedef {{risk: string, term: string}} Wish */

const CLASSES = ["deposit", "wealth", "fund", "insurance"];
export const RISKS = ["1", "2", "3", "4"];
export const TERMS = ["90", "180", "365"];
/** With fewer products there is nothing to look for. */
const FILTERED_FROM = 4;

/** @param {Product[]} shelf */
export const filterable = (shelf) => shelf.length >= FILTERED_FROM;

/** What has no fixed term is within every term: nothing binds the money longer. @param {Product} product @param {Wish} wish */
export function wanted(product, wish) {
  if (wish.risk && Number(product.risk.slice(1)) > Number(wish.risk)) return false;
  return !wish.term || product.term_days === null || product.term_days <= Number(wish.term);
}

/**
 * The zones in their fixed order, in each its products in the host's. Filters that can't be seen don't count.
 * @param {Product[]} shelf @param {Wish} wish @returns {{class: string, products: Product[]}[]}
 */
export function zones(shelf, wish) {
  const shown = filterable(shelf) ? shelf.filter((product) => wanted(product, wish)) : shelf;
  return CLASSES.map((name) => ({ class: name, products: shown.filter((product) => product.class === name) })).filter(
    (zone) => zone.products.length,
  );
}
