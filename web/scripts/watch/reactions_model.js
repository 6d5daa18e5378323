// Taps on reactions: gathered for half a second, sent as one, and how many of everybody's float. Pure; time is an argument.

/** @typedef {"like"|"heart"|"clap"|"flower"} ReactionKind */

/** @type {Record<ReactionKind, string>} */
export const REACTIONS = { like: "👍", heart: "❤️", clap: "👏", flower: "🌹" };
export const KINDS = /** @type {ReactionKind[]} */ (Object.keys(REACTIONS));
export const GATHERED_MS = 500;
const MOST = 20;
/** Of a second's taps so many float at most: more is a cloud, and hides the picture. */
const FLOATS = 8;

export class Taps {
  constructor() {
    /** @type {Map<ReactionKind, number>} */
    this.waiting = new Map();
  }

  /** @param {ReactionKind} kind @returns {boolean} whether it is the first, so that somebody has to send them soon */
  tap(kind) {
    const first = this.waiting.size === 0;
    this.waiting.set(kind, Math.min(MOST, (this.waiting.get(kind) ?? 0) + 1));
    return first;
  }

  /** What is to be sent. @returns {{kind: ReactionKind, count: number}[]} */
  take() {
    const taken = [...this.waiting].map(([kind, count]) => ({ kind, count }));
    this.waiting.clear();
    return taken;
  }
}

/** Which of a second's taps float: a few of each kind, in proportion. @param {Partial<Record<ReactionKind, number>>} counts @returns {ReactionKind[]} */
export function floating(counts) {
  const there = KINDS.filter((kind) => (counts[kind] ?? 0) > 0);
  const sum = there.reduce((total, kind) => total + (counts[kind] ?? 0), 0);
  const share = Math.min(1, FLOATS / sum);
  return there
    .flatMap((kind) => Array.from({ length: Math.max(1, Math.floor((counts[kind] ?? 0) * share)) }, () => kind))
    .slice(0, FLOATS);
}
