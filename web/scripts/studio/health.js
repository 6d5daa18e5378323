// The upload's health, from what the publisher measures to a sentence a person can act on. Pure.

/** @typedef {{ kbps: number, loss: number, rttMs: number, fps: number, limited: string }} Sample as `onStats` of whip.js gives it, every 2 s */
/** @typedef {"starting" | "good" | "fair" | "weak" | "slow" | "busy" | "silent" | "lost"} Level */

/** Readings kept for the plot: two minutes. */
export const KEPT = 60;

/** Below these, in kbit/s, a picture of a talking person falls apart or goes soft. */
const WEAK_KBPS = 180;
const FAIR_KBPS = 450;

/** @param {Sample[]} samples @param {Sample} sample @returns {Sample[]} oldest first, at most KEPT */
export function kept(samples, sample) {
  return [...samples, sample].slice(-KEPT);
}

/**
 * @param {Sample[]} samples oldest first
 * @param {{ camera: boolean, connected: boolean }} now what the host has switched on, and whether the transport stands
 * @returns {Level}
 */
export function judge(samples, now) {
  if (!now.connected) return samples.length ? "lost" : "starting";
  const last = samples.slice(-3);
  if (last.length < 2) return "starting";
  const kbps = mean(last.map((s) => s.kbps));
  const loss = mean(last.map((s) => s.loss));
  const rtt = mean(last.map((s) => s.rttMs));
  if (last.every((s) => s.kbps < 2)) return "silent";
  if (loss > 0.08 || (now.camera && kbps < WEAK_KBPS)) return "weak";
  if (last.at(-1)?.limited === "cpu") return "busy";
  if (rtt > 400) return "slow";
  if (loss > 0.02 || (now.camera && kbps < FAIR_KBPS)) return "fair";
  return "good";
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum, v) => sum + v, 0) / (values.length || 1);
}

/**
 * @param {Sample[]} samples
 * @param {number} width
 * @param {number} height
 * @returns {{ line: string, top_kbps: number }} the points of an SVG polyline, and the rate at the plot's upper edge
 */
export function plot(samples, width, height) {
  const top = niceTop(Math.max(500, ...samples.map((s) => s.kbps)));
  const step = width / (KEPT - 1);
  const from = KEPT - samples.length;
  const line = samples
    .map((s, i) => `${((from + i) * step).toFixed(1)},${(height - (s.kbps / top) * (height - 2) - 1).toFixed(1)}`)
    .join(" ");
  return { line, top_kbps: top };
}

/** The next of 500, 1000, 2000, 5000 … @param {number} value */
function niceTop(value) {
  for (let base = 100; ; base *= 10) for (const f of [1, 2, 5]) if (base * f >= value) return base * f;
}
