// The upload's health, from the counters of RTCPeerConnection.getStats to a sentence a person can act on. Pure.

/**
 * @typedef {{ at: number, kbps: number, loss: number, rtt_ms: number | null, fps: number | null, limited: string }} Sample
 * One reading: `at` ms, `kbps` kilobits per second sent since the one before, `loss` share 0..1 the far end reports.
 */
/** @typedef {{ at: number, bytes: number }} Counters the running totals the next reading is measured against */
/** @typedef {"starting" | "good" | "fair" | "weak" | "slow" | "busy" | "silent" | "lost"} Level */

/** Readings kept for the plot: two minutes at one a second. */
export const KEPT = 120;

/** Below these, in kbit/s, a picture of a talking person falls apart or goes soft. */
const WEAK_KBPS = 180;
const FAIR_KBPS = 450;

/**
 * @param {Iterable<any>} stats the values of an RTCStatsReport
 * @param {Counters | null} before
 * @param {number} at now, ms
 * @returns {{ sample: Sample | null, counters: Counters }} no sample on the first reading: a rate needs two
 */
export function read(stats, before, at) {
  let bytes = 0;
  let loss = 0;
  /** @type {number | null} */ let rtt = null;
  /** @type {number | null} */ let fps = null;
  let limited = "none";
  for (const s of stats) {
    if (s.type === "outbound-rtp") {
      bytes += s.bytesSent ?? 0;
      if (s.kind === "video") {
        fps = s.framesPerSecond ?? fps;
        limited = s.qualityLimitationReason ?? limited;
      }
    } else if (s.type === "remote-inbound-rtp") {
      loss = Math.max(loss, s.fractionLost ?? 0);
      if (typeof s.roundTripTime === "number") rtt = Math.max(rtt ?? 0, s.roundTripTime * 1000);
    } else if (s.type === "candidate-pair" && s.nominated && typeof s.currentRoundTripTime === "number") {
      rtt = rtt ?? s.currentRoundTripTime * 1000;
    }
  }
  const counters = { at, bytes };
  if (!before || at <= before.at) return { sample: null, counters };
  // A new peer connection counts from zero again; a negative rate would be nonsense.
  const kbps = Math.max(0, ((bytes - before.bytes) * 8) / (at - before.at));
  return { sample: { at, kbps, loss, rtt_ms: rtt, fps, limited }, counters };
}

/**
 * @param {Sample[]} samples oldest first
 * @param {{ camera: boolean, connected: boolean }} now what the host has switched on, and whether the transport stands
 * @returns {Level}
 */
export function judge(samples, now) {
  if (!now.connected) return samples.length ? "lost" : "starting";
  const last = samples.slice(-5);
  if (last.length < 3) return "starting";
  const kbps = mean(last.map((s) => s.kbps));
  const loss = mean(last.map((s) => s.loss));
  const rtt = mean(last.map((s) => s.rtt_ms ?? 0));
  if (last.slice(-3).every((s) => s.kbps < 2)) return "silent";
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
