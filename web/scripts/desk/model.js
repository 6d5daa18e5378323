// What the desk knows, apart from how it is drawn. Pure.
import { parseMoney } from "../lib/format.js";

/**
 * @typedef {{ id: string, state: string, topic: string, customer: { id: string, name: string, grade: string | null, age_65: boolean },
 *   adviser: { id: string, name: string } | null, position: number | null, waiting_since: string, eta_s: number | null,
 *   session: string | null, proposal: Proposal | null, consent?: any, [more: string]: any }} Call
 */
/** @typedef {{ id: string, product: any, amount: number, at: string, state: string, [more: string]: any }} Proposal */
/** @typedef {{ class: string, amount: number }} Holding amount in minor units */
/** @typedef {{ class: string, amount: number, share: number, target: number, off: number }} Bar shares 0..1 */
/** @typedef {{ id: "consent" | "risk" | "proposal" | "confirmation", at: string | null }} Step */

/** A customer who waits longer than this is marked. */
const LONG_WAIT_S = 120;
/** How far from its target a class may be before the bar says so. */
const OFF_BY = 0.05;

const OVER = new Set(["ended", "cancelled", "declined"]);

/** @param {Call} call */
export const isWaiting = (call) => call.state === "waiting";
/** @param {Call} call */
export const isOpen = (call) => !OVER.has(call.state);
/** @param {Call} call */
export const isInCall = (call) => call.state === "accepted" || call.state === "live";

/**
 * Who has waited longest comes first. @param {Call[]} calls @returns {Call[]}
 */
export function waitingLine(calls) {
  return calls.filter(isWaiting).sort((a, b) => a.waiting_since.localeCompare(b.waiting_since));
}

/**
 * @param {Call} call @param {number} now ms @returns {{ seconds: number, long: boolean }}
 */
export function waited(call, now) {
  const seconds = Math.max(0, Math.floor((now - Date.parse(call.waiting_since)) / 1000));
  return { seconds, long: seconds >= LONG_WAIT_S };
}

/**
 * What is held beside what the plan says, one bar for each class that stands in either, largest difference first.
 * @param {Holding[]} holdings @param {Record<string, number>} target shares 0..1, or percent
 * @returns {{ bars: Bar[], total: number }}
 */
export function allocation(holdings, target) {
  const total = holdings.reduce((sum, h) => sum + h.amount, 0);
  const whole = Object.values(target).reduce((sum, v) => sum + v, 0);
  const scale = whole > 1.5 ? 100 : 1;
  const classes = new Set([...holdings.map((h) => h.class), ...Object.keys(target)]);
  const bars = [...classes].map((name) => {
    const amount = holdings.filter((h) => h.class === name).reduce((sum, h) => sum + h.amount, 0);
    const share = total ? amount / total : 0;
    const aim = (target[name] ?? 0) / scale;
    return { class: name, amount, share, target: aim, off: Math.abs(share - aim) < OFF_BY - 1e-9 ? 0 : share - aim };
  });
  return { bars: bars.sort((a, b) => Math.max(b.target, b.share) - Math.max(a.target, a.share)), total };
}

/**
 * The script under the video. A step is done when the record says so, never because somebody ticked it.
 * @param {{ consent_at?: string | null, risk_at?: string | null, proposal_at?: string | null, confirmed_at?: string | null }} facts
 * @returns {Step[]}
 */
export function script(facts) {
  return [
    { id: "consent", at: facts.consent_at ?? null },
    { id: "risk", at: facts.risk_at ?? null },
    { id: "proposal", at: facts.proposal_at ?? null },
    { id: "confirmation", at: facts.confirmed_at ?? null },
  ];
}

/**
 * @param {string} text what was typed, in major units ("10,000")
 * @param {{ minimum: number, step: number, cap: number | null, currency: string }} product amounts in minor units
 * @returns {{ amount: number, problem: null | "unreadable" | "below" | "off_step" | "above" }} amount in minor units
 */
export function proposedAmount(text, product) {
  const amount = parseMoney(text, product.currency);
  if (amount === null) return { amount: 0, problem: "unreadable" };
  if (amount < product.minimum) return { amount, problem: "below" };
  if (product.cap && amount > product.cap) return { amount, problem: "above" };
  if (product.step > 0 && (amount - product.minimum) % product.step !== 0) return { amount, problem: "off_step" };
  return { amount, problem: null };
}

/** C3 may hold R1 to R3. @param {string} risk @param {string | null} grade */
export function withinGrade(risk, grade) {
  return grade !== null && Number(risk.slice(1)) <= Number(grade.slice(1));
}

/**
 * Why a product may suit, from the rules alone: the grade that covers it, and the class that stands below its target.
 * @param {{ risk: string, class: string }} product @param {string | null} grade @param {Bar[]} bars
 * @returns {{ key: string, params: Record<string, any> }[]}
 */
export function reasons(product, grade, bars) {
  /** @type {{ key: string, params: Record<string, any> }[]} */
  const why =
    grade && withinGrade(product.risk, grade) ? [{ key: "desk.why_grade", params: { risk: product.risk, grade } }] : [];
  const bar = bars.find((b) => b.class === product.class);
  if (bar && bar.off < 0)
    why.push({ key: "desk.why_below", params: { class: { t: `class.${bar.class}` }, off: Math.round(-bar.off * 100) } });
  return why;
}
