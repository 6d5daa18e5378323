// How receivers and kinds are called on the page.
import { CORE } from "./model.js";

/** A receiver's name as a text parameter: the core has one in each language. @param {string} id @param {string} name @returns {any} */
export function nameOf(id, name) {
  if (id === CORE) return { t: "deliveries.core" };
  return name || { t: "deliveries.unknown" };
}

/** The same as the properties of an element. @param {string} id @param {string} name @returns {Record<string, any>} and the child to put in it */
export function named(id, name) {
  if (id === CORE) return { t: "deliveries.core" };
  return name ? {} : { t: "deliveries.unknown" };
}
