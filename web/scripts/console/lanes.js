// Entries sorted into lanes, and what of them stands in a window. Pure; quick for tens of thousands of entries.

/**
 * @typedef {{ seq: number, media_ms: number | null, at: string, kind: string, lane: string, actor: any, text: string | null,
 *   data: any, hash?: string, [more: string]: any }} Entry
 */
/** @typedef {{ name: string, entries: Entry[], times: number[] }} Lane entries in order of time, `times` their ms */
/** @typedef {{ x: number, count: number, first: Entry }} Mark what is drawn at one place of a lane */

/** The order from above; a lane the server adds later comes after these. */
export const ORDER = ["session", "picture", "gaps", "pins", "disclosures", "sale", "orders", "comments", "hits", "review"];

/** @param {Entry} entry */
export const laneOf = (entry) => entry.lane;

/** Its number in the session's own trail, by which others find it; null for one of what came after the seal. @param {Entry} entry */
export const seqOf = (entry) => (entry.lane === "review" || entry.after_seal ? null : entry.seq);

/** @param {Entry} entry what has no media time came before the start */
export const msOfEntry = (entry) => entry.media_ms ?? 0;

/**
 * In order of time, and inside the session: what reviewers did afterwards stands at its end.
 * @param {Entry[]} entries @param {number} duration ms @returns {Entry[]}
 */
export function inOrder(entries, duration) {
  return entries
    .map((e) => ({ ...e, media_ms: e.lane === "review" ? duration : Math.min(Math.max(0, msOfEntry(e)), duration) }))
    .sort((a, b) => msOfEntry(a) - msOfEntry(b) || Number(a.lane === "review") - Number(b.lane === "review") || a.seq - b.seq);
}

/**
 * @param {Entry[]} entries @param {string[]} [named] lanes the server wants shown even when empty
 * @returns {Lane[]}
 */
export function sortIntoLanes(entries, named = []) {
  /** @type {Map<string, Entry[]>} */
  const found = new Map(named.map((name) => [name, []]));
  for (const entry of entries) {
    const name = laneOf(entry);
    const list = found.get(name);
    if (list) list.push(entry);
    else found.set(name, [entry]);
  }
  const rank = (/** @type {string} */ n) => (ORDER.includes(n) ? ORDER.indexOf(n) : ORDER.length);
  return [...found.entries()]
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([name, list]) => {
      const sorted = [...list].sort((a, b) => msOfEntry(a) - msOfEntry(b) || a.seq - b.seq);
      return { name, entries: sorted, times: sorted.map(msOfEntry) };
    });
}

/** First index whose time is at least `ms`. @param {number[]} times sorted @param {number} ms */
export function lowerBound(times, ms) {
  let lo = 0;
  let hi = times.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((times[mid] ?? 0) < ms) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/**
 * What to draw: entries that fall on the same pixels become one mark with a count.
 * @param {Lane} lane @param {import("./view.js").View} view @param {number} width px @param {number} [grain] px of one mark
 * @returns {Mark[]}
 */
export function marks(lane, view, width, grain = 3) {
  const perPx = (view.to - view.from) / Math.max(1, width);
  /** @type {Mark[]} */
  const out = [];
  for (let i = lowerBound(lane.times, view.from); i < lane.times.length; i++) {
    const ms = lane.times[i] ?? 0;
    if (ms > view.to) break;
    const entry = /** @type {Entry} */ (lane.entries[i]);
    const x = (ms - view.from) / perPx;
    const last = out.at(-1);
    if (last && x - last.x < grain) last.count++;
    else out.push({ x, count: 1, first: entry });
  }
  return out;
}

/**
 * The spans a lane covers: a fragment or gap has its own two ends, a sale lasts until it closes.
 * @param {Lane} lane @param {number} duration @returns {{ from: number, to: number, stream: string | null, entry: Entry }[]}
 */
export function spans(lane, duration) {
  if (lane.name === "sale") return saleSpans(lane, duration);
  const out = [];
  for (const entry of lane.entries) {
    const from = entry.data?.from_ms ?? entry.data?.start_ms;
    const to = entry.data?.to_ms ?? entry.data?.end_ms;
    if (typeof from !== "number" || typeof to !== "number") continue;
    out.push({ from, to, stream: entry.data.stream ?? null, entry });
  }
  return out;
}

/** @typedef {{ spans: { from: number, to: number, stream: string | null }[], rest: Lane }} Drawable */

/** @type {WeakMap<Lane, Drawable>} */
const drawables = new WeakMap();

/**
 * What a lane of spans is drawn from, worked out once: fragments that follow each other become one span, and the entries
 * that have no span of their own (a publisher joined) stay marks.
 * @param {Lane} lane @param {number} duration @returns {Drawable}
 */
export function drawable(lane, duration) {
  const known = drawables.get(lane);
  if (known) return known;
  const found = spans(lane, duration);
  const spanned = new Set(found.map((s) => s.entry));
  const rest = lane.entries.filter((e) => !spanned.has(e));
  const made = {
    spans: lane.name === "sale" ? found : joined(found),
    rest: { name: lane.name, entries: rest, times: rest.map(msOfEntry) },
  };
  drawables.set(lane, made);
  return made;
}

/** Holes this short are no gap (the recorder says the same). */
const SEAM_MS = 250;

/** @param {{ from: number, to: number, stream: string | null }[]} found */
function joined(found) {
  /** @type {Map<string | null, { from: number, to: number, stream: string | null }>} */
  const last = new Map();
  const out = [];
  for (const { from, to, stream } of [...found].sort((a, b) => a.from - b.from)) {
    const before = last.get(stream);
    if (before && from - before.to <= SEAM_MS) before.to = Math.max(before.to, to);
    else {
      const span = { from, to, stream };
      last.set(stream, span);
      out.push(span);
    }
  }
  return out;
}

/** @param {Lane} lane @param {number} duration */
function saleSpans(lane, duration) {
  const out = [];
  /** @type {Entry | null} */
  let open = null;
  for (const entry of lane.entries) {
    if (entry.kind === "sale_opened") open = open ?? entry;
    else if (entry.kind === "sale_closed" && open) {
      out.push({ from: msOfEntry(open), to: msOfEntry(entry), stream: null, entry: open });
      open = null;
    }
  }
  if (open) out.push({ from: msOfEntry(open), to: duration, stream: null, entry: open });
  return out;
}

/**
 * The nearest entry to a click, within `reach` ms. @param {Lane} lane @param {number} ms @param {number} reach
 * @returns {Entry | null}
 */
export function nearest(lane, ms, reach) {
  const i = lowerBound(lane.times, ms);
  let best = null;
  let off = reach;
  for (const j of [i - 1, i]) {
    const t = lane.times[j];
    if (t !== undefined && Math.abs(t - ms) <= off) {
      off = Math.abs(t - ms);
      best = lane.entries[j] ?? null;
    }
  }
  return best;
}

/**
 * @param {Entry[]} entries in order of time @param {{ hidden: Set<string>, text: string }} wanted lanes left out, words sought
 */
export function filtered(entries, { hidden, text }) {
  const words = text.trim().toLowerCase();
  return entries.filter((e) => {
    if (hidden.has(laneOf(e))) return false;
    if (!words) return true;
    return `${e.seq} ${e.kind} ${e.text ?? ""} ${JSON.stringify(e.data ?? "")}`.toLowerCase().includes(words);
  });
}
