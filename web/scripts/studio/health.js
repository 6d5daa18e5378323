// The upload's health, from what the publisher measures to a sentence a person can act on. Pure.

/** @typedef {import("../lib/publish_stats.js").PublishStats} Sample as `onStats` of whip.js gives it, every 2 s */
/**
 * What the host has switched on, and what stands. `refused`: the server takes nothing, or there is no camera to send; `held`: a pause is on, black and silence go out; `screen`: the screen is shown, of
 * which a page that stands still needs next to nothing; `asleep`: the picture's source gives nothing (another program has the camera, or
 * it was pulled out).
 * @typedef {{ connected: boolean, refused: boolean, camera: boolean, microphone: boolean, held: boolean, screen: boolean, asleep: boolean }} Now
 */
/** @typedef {"starting" | "good" | "fair" | "dim" | "off" | "muted" | "held" | "weak" | "slow" | "busy" | "frozen" | "silent" | "unheard" | "lost" | "unsent"} Level */
/** @typedef {"good" | "plain" | "warn" | "bad"} Tone */

/** Readings kept for the plot: two minutes. */
export const KEPT = 60;
/** Seconds between two readings. */
export const EVERY_S = 2;

/** Below these, in kbit/s, a picture of a talking person falls apart or goes soft. */
const WEAK_KBPS = 180;
const FAIR_KBPS = 450;
/** A line that would take this much is none the worse for a picture that needs little, such as a card that stands still. */
const ROOMY_KBPS = 2 * FAIR_KBPS;
/** A camera that gives fewer frames a second has too little light. */
const DIM_FPS = 12;

/** How much each matters; with its sign in the panel it is told without colour too. @type {Record<Level, Tone>} */
export const TONE = {
  starting: "plain",
  good: "good",
  fair: "good",
  dim: "plain",
  off: "plain",
  muted: "warn",
  held: "plain",
  weak: "warn",
  slow: "warn",
  busy: "warn",
  frozen: "bad",
  silent: "bad",
  unheard: "bad",
  lost: "bad",
  unsent: "bad",
};

/** @param {Sample[]} samples @param {Sample} sample @returns {Sample[]} oldest first, at most KEPT */
export function kept(samples, sample) {
  return [...samples, sample].slice(-KEPT);
}

/** @param {Sample[]} samples oldest first, of this connection @param {Now} now @returns {Level} the worst that is true */
export function judge(samples, now) {
  if (now.refused) return "unsent";
  if (!now.connected) return samples.length ? "lost" : "starting";
  const last = samples.slice(-3);
  if (last.length < 2) return "starting";
  if (last.every((s) => s.kbps < 2)) return "silent";
  if (last.length === 3 && last.every((s) => !s.acked)) return "unheard";
  if (now.held) return "held";
  return picture(last, now) ?? wire(last, now) ?? personal(last, now);
}

/** @param {Sample[]} last @param {Now} now @returns {Level | null} */
function picture(last, now) {
  if (!now.camera || now.screen) return null;
  if (now.asleep || last.every((s) => s.sourceFps === 0 || isUnencoded(s))) return "frozen";
  return null;
}

/** The camera gives frames and none is sent: in a form that no encoder takes. A line too thin for any, or a computer too slow, is told as such. @param {Sample} s */
function isUnencoded(s) {
  return (s.sourceFps ?? 0) > 0 && s.fps === 0 && (s.width === 0 || s.limited === "none");
}

/** @param {Sample[]} last @param {Now} now @returns {Level | null} */
function wire(last, now) {
  const kbps = mean(last.map((s) => s.kbps));
  const loss = mean(last.map((s) => s.loss));
  // A camera could send more; of the screen only its encoder can tell.
  const wanted = now.screen ? last.every((s) => s.limited === "bandwidth") : now.camera;
  const thin = wanted && !isRoomy(last);
  if (loss > 0.08 || (thin && kbps < WEAK_KBPS)) return "weak";
  if (last.slice(-2).every((s) => s.limited === "cpu")) return "busy";
  if (mean(last.map((s) => s.rttMs)) > 400) return "slow";
  if (loss > 0.02 || (thin && (now.screen || kbps < FAIR_KBPS))) return "fair";
  return null;
}

/** @param {Sample[]} last @returns {boolean} false where the browser does not say */
function isRoomy(last) {
  return last.every((s) => s.availableKbps !== null && s.availableKbps >= ROOMY_KBPS);
}

/** Nothing is wrong with the line; what the host may have forgotten. @param {Sample[]} last @param {Now} now @returns {Level} */
function personal(last, now) {
  if (!now.microphone) return "muted";
  if (!now.camera && !now.screen) return "off";
  if (!now.screen && last.every((s) => s.sourceFps !== null && s.sourceFps < DIM_FPS)) return "dim";
  return "good";
}

/** @typedef {{ shown: Level, next: Level, times: number }} Verdict what is said, and what would be said if it holds */

/** Said at once: what the host has just done, and what can't wait. */
const AT_ONCE = new Set(["starting", "lost", "silent", "muted", "off", "held", "unsent"]);

/** @type {Verdict} */
export const UNDECIDED = { shown: "starting", next: "starting", times: 0 };

/**
 * Figures waver: a sentence changes when two readings in a row agree, so that nobody is told three things in six seconds.
 * `reading`: a new one has come; otherwise a switch was turned.
 * @param {Verdict} verdict @param {Level} level @param {boolean} reading @returns {Verdict}
 */
export function steady(verdict, level, reading) {
  if (level === verdict.shown) return { shown: level, next: level, times: 0 };
  const leaving = AT_ONCE.has(verdict.shown);
  const times = level === verdict.next ? verdict.times + Number(reading) : 1;
  if (AT_ONCE.has(level) || leaving || times >= 2) return { shown: level, next: level, times: 0 };
  return { shown: verdict.shown, next: level, times };
}

/**
 * The columns of the plot: seconds before now (−120 … 0), kbit/s and loss in percent. Its right edge is now, whatever there is.
 * @param {Sample[]} samples oldest first @returns {[number[], (number | null)[], (number | null)[]]}
 */
export function columns(samples) {
  const missing = KEPT - samples.length;
  const at = Array.from({ length: KEPT }, (_, i) => (i - KEPT + 1) * EVERY_S);
  const gap = Array.from({ length: missing }, () => null);
  return [at, [...gap, ...samples.map((s) => s.kbps)], [...gap, ...samples.map((s) => Math.round(s.loss * 1000) / 10)]];
}

/** The plot in figures, for those who hear it. @param {Sample[]} samples @returns {{ least: number, most: number, now: number, loss: number, seconds: number } | null} */
export function summary(samples) {
  const last = samples.at(-1);
  if (!last) return null;
  const rates = samples.map((s) => s.kbps);
  const loss = Math.max(...samples.map((s) => s.loss));
  return { least: Math.min(...rates), most: Math.max(...rates), now: last.kbps, loss, seconds: samples.length * EVERY_S };
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum, v) => sum + v, 0) / (values.length || 1);
}

/** The plot's upper edge: the next of 500, 1000, 2000, 5000 … @param {number} value kbit/s */
export function niceTop(value) {
  for (let base = 100; ; base *= 10) for (const f of [1, 2, 5]) if (base * f >= Math.max(500, value)) return base * f;
}
