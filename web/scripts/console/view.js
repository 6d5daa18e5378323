// The timeline's window on the session: which milliseconds stand across how many pixels. Pure.

/** @typedef {{ from: number, to: number, duration: number }} View all in media ms; never empty, never outside 0..duration */

/** The closest zoom: two seconds across the whole width. */
const CLOSEST_MS = 2_000;
/** Steps a ruler may have, ms. */
const STEPS = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000];

/** @param {number} duration @returns {View} */
export function whole(duration) {
  const d = Math.max(duration, CLOSEST_MS);
  return { from: 0, to: d, duration: d };
}

/**
 * @param {View} view @param {number} from @param {number} span @returns {View} the window moved inside the session
 */
function placed(view, from, span) {
  const width = Math.min(Math.max(span, Math.min(CLOSEST_MS, view.duration)), view.duration);
  const start = Math.min(Math.max(0, from), view.duration - width);
  return { from: start, to: start + width, duration: view.duration };
}

/**
 * @param {View} view @param {number} factor above 1 comes closer @param {number} at the ms that stays where it is
 */
export function zoomed(view, factor, at) {
  const span = (view.to - view.from) / factor;
  const share = (at - view.from) / (view.to - view.from);
  const next = placed(view, at - span * share, span);
  return placed(view, at - (next.to - next.from) * share, next.to - next.from);
}

/** @param {View} view @param {number} by ms */
export function panned(view, by) {
  return placed(view, view.from + by, view.to - view.from);
}

/**
 * The window moved only if `ms` is not comfortably in it. @param {View} view @param {number} ms
 */
export function showing(view, ms) {
  const span = view.to - view.from;
  if (ms >= view.from && ms <= view.to) return view;
  return placed(view, ms - span / 4, span);
}

/** @param {View} view @param {number} width px @param {number} ms */
export function xOf(view, width, ms) {
  return ((ms - view.from) / (view.to - view.from)) * width;
}

/** @param {View} view @param {number} width px @param {number} x */
export function msOf(view, width, x) {
  const ms = view.from + (x / Math.max(1, width)) * (view.to - view.from);
  return Math.min(Math.max(0, ms), view.duration);
}

/**
 * @param {View} view @param {number} width px @returns {{ step: number, marks: number[] }} ruler marks at least 72 px apart
 */
export function ruler(view, width) {
  const perPx = (view.to - view.from) / Math.max(1, width);
  const step = STEPS.find((s) => s / perPx >= 72) ?? 7_200_000;
  const marks = [];
  for (let ms = Math.ceil(view.from / step) * step; ms <= view.to; ms += step) marks.push(ms);
  return { step, marks };
}

/** 1:02:03 or 2:03.4 when the ruler is that fine. @param {number} ms @param {number} [step] */
export function clockOf(ms, step = 1_000) {
  const t = Math.max(0, Math.round(ms));
  const h = Math.floor(t / 3_600_000);
  const m = Math.floor(t / 60_000) % 60;
  const s = Math.floor(t / 1_000) % 60;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const fine = step < 1_000 ? `.${Math.floor((t % 1_000) / 100)}` : "";
  return (h ? `${h}:${two(m)}` : `${m}`) + `:${two(s)}${fine}`;
}
