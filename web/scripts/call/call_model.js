// Where a call stands for its customer, decided from the call and what was done on this page. Pure.

/** @typedef {{id: string, state: "waiting"|"accepted"|"live"|"ended"|"cancelled"|"declined", topic: string, adviser: {id: string, name: string} | null, position: number | null, waiting_since: string, eta_s: number | null, session: string | null, proposal: Proposal | null, consent: {version: string, text: string, text_en?: string, text_zh?: string, given_at: string | null}, reason?: string | null}} Call */
/** @typedef {{id: string, product: string, product_name: string, amount: number, currency: string, at: string, state: "open"|"confirmed"|"replaced"|"withdrawn", order?: string | null}} Proposal */
/** @typedef {{product: string, amount: number | null}} About the order that was sent to a call */
/** @typedef {"topic"|"consent"|"check"|"line"|"talk"|"leaving"|"over"} Step */

/**
 * @param {Call | null} call @param {boolean} devicesReady camera or microphone was checked on this page and can still be sent
 * @param {string | null} [leaving] the call that was hung up here, though the server may not know yet
 * @returns {Step}
 */
export function stepOf(call, devicesReady, leaving = null) {
  if (!call) return "topic";
  if (call.state === "ended" || call.state === "cancelled" || call.state === "declined") return "over";
  if (call.id === leaving) return "leaving";
  if (!call.consent.given_at) return "consent";
  if (!devicesReady) return "check";
  return call.state === "live" ? "talk" : "line";
}

/** The open call among one's calls: the newest. @param {Call[]} calls @returns {Call | null} */
export function openCall(calls) {
  const open = calls.filter((call) => call.state === "waiting" || call.state === "accepted" || call.state === "live");
  return open.sort((a, b) => b.waiting_since.localeCompare(a.waiting_since))[0] ?? null;
}

/** The wait in words: text key and parameters. @param {Call} call @returns {{key: string, params: Record<string, any>}} */
export function waitOf(call) {
  if (call.eta_s === null || call.eta_s === undefined) return { key: "call.eta.unknown", params: {} };
  if (call.eta_s < 60) return { key: "call.eta.soon", params: {} };
  return { key: "call.eta", params: { words: { words: call.eta_s * 1000 } } };
}

/** The proposal that waits for an answer. @param {Call | null} call */
export function openProposal(call) {
  return call?.state === "live" && call.proposal?.state === "open" ? call.proposal : null;
}

/** What the call is to be about, from the page's address: an id and a figure, never words of somebody else's. @param {string} search @returns {About | null} */
export function aboutOf(search) {
  const given = new URLSearchParams(search);
  const product = given.get("product") ?? "";
  if (!/^[A-Za-z0-9_-]{1,40}$/.test(product)) return null;
  const amount = given.get("amount") ?? "";
  return { product, amount: /^[1-9]\d{0,14}$/.test(amount) ? Number(amount) : null };
}
