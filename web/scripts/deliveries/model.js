// What the deliveries page knows, apart from the document: filters, words for what went wrong, what to say when nothing is there.

/** @typedef {"dead"|"waiting"|"delivered"|""} State "" is all */
/** @typedef {{state: State, receiver: string, order: string}} Filter */
/** @typedef {{id: string, receiver: string, receiver_name: string, order: string | null, session: string | null, kind: string, state: "dead"|"waiting"|"delivered", attempts: number, created_at: string, next_at: string | null, error: string | null}} Delivery */
/** @typedef {{at: string, ms: number, status: number | null, error: string | null}} Attempt */
/** @typedef {Delivery & {recent: Attempt[], acts: {at: string, person: string, act: string}[], behind: string | null}} Detail */
/** @typedef {{id: string, name: string, url: string, kinds: string[], active: boolean, waiting: number, dead: number, delivered: number, oldest_at: string | null, overlap_until: string | null}} Receiver */

export const CORE = "core";
export const COUNTED = 10_000;
export const KINDS = ["order_placed", "order_confirmed", "order_rejected", "order_cancelled", "session_sealed"];
/** @type {State[]} */
export const STATES = ["dead", "waiting", "delivered", ""];

/** The filter that an address names. @param {string} search @returns {Filter} state null when the address names none */
export function readFilter(search) {
  const query = new URLSearchParams(search);
  const state = /** @type {State} */ (query.get("state") ?? "");
  return { state: STATES.includes(state) ? state : "", receiver: query.get("receiver") ?? "", order: query.get("order") ?? "" };
}

/** A filter as a query, "" when it asks for everything. @param {Filter} filter @param {Record<string, string>} [more] */
export function queryOf(filter, more = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...filter, ...more })) if (value) query.set(name, value);
  const text = query.toString();
  return text && `?${text}`;
}

/** All of every receiver's. @param {Receiver[]} receivers @param {string} [only] one receiver's id */
export function totals(receivers, only = "") {
  const sum = { dead: 0, waiting: 0, delivered: 0 };
  for (const one of receivers) {
    if (only && one.id !== only) continue;
    sum.dead += one.dead;
    sum.waiting += one.waiting;
    sum.delivered += one.delivered;
  }
  return sum;
}

/** Dead letters first: what somebody has to look at, or else everything. @param {Receiver[]} receivers @returns {State} */
export function firstState(receivers) {
  return totals(receivers).dead > 0 ? "dead" : "";
}

/** What went wrong as a key and its parameters. @param {string | null} error as the server keeps it @returns {{t: string, tp?: Record<string, any>} | null} */
export function reason(error) {
  if (!error) return null;
  const status = Number(/^status (\d{3})$/.exec(error)?.[1] ?? 0);
  if (status) return { t: `deliveries.reason.${reasonOf(status)}`, tp: { status } };
  if (error.startsWith("no answer within")) return { t: "deliveries.reason.silent" };
  if (error.startsWith("not decided")) return { t: "deliveries.reason.undecided" };
  if (error.startsWith("not written down")) return { t: "deliveries.reason.contradicts" };
  if (error.includes("is not a public address")) return { t: "deliveries.reason.private" };
  if (error.startsWith("unreadable answer") || error.startsWith("unknown state")) return { t: "deliveries.reason.nonsense" };
  return { t: "deliveries.reason.unreachable" };
}

/** @param {number} status */
function reasonOf(status) {
  if (status >= 500) return "fails";
  if (status === 408 || status === 425 || status === 429) return "busy";
  if (status === 401 || status === 403) return "signature";
  if (status === 404 || status === 410) return "missing";
  return status >= 300 && status < 400 ? "moved" : "refused";
}

/** What to say where nothing is. @param {Filter} filter @param {Receiver[]} receivers @returns {{t: string, next: string}} */
export function nothing(filter, receivers) {
  const sum = totals(receivers);
  const key =
    sum.dead + sum.waiting + sum.delivered === 0
      ? "none_yet"
      : !filter.order && (filter.state === "dead" || filter.state === "waiting")
        ? `none_${filter.state}`
        : "none";
  return { t: `deliveries.${key}`, next: `deliveries.${key}_next` };
}

/** What a delivery is about: its order, or else its session. @param {Delivery} one */
export function subject(one) {
  return one.order ?? one.session ?? "";
}

/** The end of an id: enough to tell it from the others on the page. @param {string} id */
export function shortId(id) {
  return id.length > 10 ? `…${id.slice(-8)}` : id;
}
