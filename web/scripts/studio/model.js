// What the studio knows, apart from how it is drawn. Pure.

/** @typedef {"before" | "live" | "paused" | "after" | "cancelled"} Stage */
/**
 * @typedef {{ id: string, session: string | null, title: string, summary?: string, state: string, starts_at: string,
 *   started_at: string | null, ended_at: string | null, product_class: string | null, viewers: number,
 *   mine: boolean, host: { id: string, name: string } }} Show
 */
/** @typedef {{ open: boolean, reason: string | null, sentence?: string, sentence_en?: string, sentence_zh?: string }} Sale */
/** @typedef {{ name: string, product: string, amount: number, at: string }} Tick one order going by, the name masked */
/** @typedef {{ count: number, amount: number, currency: string }} Tally */

/** Orders shown going by; the tally counts all of them. */
const TICKS_KEPT = 30;

/** @param {string} state @returns {Stage} */
export function stageOf(state) {
  if (state === "live" || state === "paused" || state === "cancelled") return state;
  return state === "ended" ? "after" : "before";
}

/**
 * What the host can still do something about comes first: on air, then by starting time, then the past, newest first.
 * @param {Show[]} shows @returns {Show[]}
 */
export function sorted(shows) {
  /** @param {Show} s */
  const rank = (s) => (s.state === "live" || s.state === "paused" ? 0 : s.state === "scheduled" ? 1 : 2);
  return [...shows].sort((a, b) => {
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    return rank(a) === 2 ? b.starts_at.localeCompare(a.starts_at) : a.starts_at.localeCompare(b.starts_at);
  });
}

/**
 * The lists of GET /api/shows joined, the own ones alone, none twice.
 * @param {{ live?: Show[], upcoming?: Show[], replays?: Show[] }} lists @returns {Show[]}
 */
export function own(lists) {
  const all = [...(lists.live ?? []), ...(lists.upcoming ?? []), ...(lists.replays ?? [])].filter((s) => s.mine);
  return sorted([...new Map(all.map((s) => [s.id, s])).values()]);
}

/**
 * @param {Tick[]} ticks newest first @param {Tick} tick @returns {Tick[]}
 */
export function ticked(ticks, tick) {
  return [tick, ...ticks].slice(0, TICKS_KEPT);
}

/**
 * h:mm:ss since the start, for the clock in the bar. @param {string | null} started_at @param {number} now ms
 */
export function airtime(started_at, now) {
  const s = started_at ? Math.max(0, Math.floor((now - Date.parse(started_at)) / 1000)) : 0;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/**
 * The words for the recording dot. A stream that is published is not yet one that is on disk: only the server's
 * `recording` says so.
 * @param {{ recording?: boolean | undefined, stage: Stage, publisher: string }} now
 * @returns {"recording" | "starting" | "paused" | "failed" | "off"}
 */
export function recordingWord({ recording, stage, publisher }) {
  if (stage === "paused") return "paused";
  if (stage !== "live") return "off";
  if (recording) return "recording";
  return publisher === "live" && recording === false ? "failed" : "starting";
}

/**
 * A datetime-local value for the next full quarter of an hour, in the browser's own zone.
 * @param {Date} now
 */
export function nextQuarter(now) {
  const at = new Date(now.getTime() - now.getTimezoneOffset() * 60_000);
  at.setUTCMinutes(Math.floor(at.getUTCMinutes() / 15) * 15 + 15, 0, 0);
  return at.toISOString().slice(0, 16);
}

/**
 * What a host may put on the shelf, nothing twice: what stands there and is on no page read so far, then the pages.
 * @template {{ id: string }} P
 * @param {P[]} pages @param {string[]} chosen ids @param {Map<string, P>} known @returns {P[]}
 */
export function offered(pages, chosen, known) {
  const paged = new Set(pages.map((product) => product.id));
  return [...chosen.filter((id) => !paged.has(id)).flatMap((id) => known.get(id) ?? []), ...pages];
}
