// Who is at the page, asked once.
import { api, Problem } from "./api.js";

/** @typedef {{id: string, role: "customer"|"adviser"|"supervisor"|"reviewer"|"operator", name: string, lang?: string, customer?: {grade: string | null, assessed_at: string | null, age_65: boolean}}} Person */

/** @type {Promise<Person | null> | null} */
let asked = null;

/** The person signed in, null for nobody. Throws Problem when nobody answers. @returns {Promise<Person | null>} */
export function me() {
  asked ??= api("GET", "/api/me").catch((error) => {
    if (error instanceof Problem && error.status === 401) return null;
    asked = null;
    throw error;
  });
  return asked;
}

/** The login page, coming back to where we are. */
export function loginUrl() {
  return `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
}

/** Sends whoever is not signed in to the login page. @returns {Promise<Person>} never resolves for them */
export async function requireMe() {
  const person = await me();
  if (person) return person;
  location.assign(loginUrl());
  return new Promise(() => {});
}
