// Who may do what with a case now. Pure; the server decides again.

/**
 * @typedef {{ id: string, state: string, reason?: string, reasons?: { reason: string }[], claimed_by?: any, decided_by?: any,
 *   decided_at?: string | null, verdict?: string | null, [more: string]: any }} Case
 */

/** @param {any} person an id, or somebody with one */
const idOf = (person) => (person && typeof person === "object" ? person.id : (person ?? null));

/**
 * @param {Case} one @param {string} me
 * @returns {{ claim: boolean, decide: boolean, confirm: boolean, reopen: boolean, wait: string | null }} `wait`: key of why there is nothing to do
 */
export function caseActions(one, me) {
  const none = { claim: false, decide: false, confirm: false, reopen: false, wait: null };
  if (one.state === "open") return { ...none, claim: true };
  if (one.state === "claimed")
    return idOf(one.claimed_by) === me ? { ...none, decide: true } : { ...none, wait: "console.case_other" };
  if (one.state === "awaiting_confirmation") {
    return idOf(one.decided_by) === me ? { ...none, wait: "console.case_second" } : { ...none, confirm: true };
  }
  return { ...none, reopen: true };
}
