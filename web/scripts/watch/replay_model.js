// What was said, by the time of the film: fetched minute by minute, told as it passes, begun anew after a jump. Pure.

/** @typedef {import("../lib/session_model.js").Comment} Comment */
/** @typedef {{at_ms: number, products: string[], pinned: string | null}} Mark */
/** The minute to look into for what was said before a jump's, how many lines the list still takes, and how many minutes more it is worth. @typedef {{minute: number, room: number, minutes: number, asked: boolean}} Before */

export const MINUTE_MS = 60_000;
/** What is further on than a film plays between two looks at it was jumped to. */
const JUMP_MS = 3000;
const SHOWN = 50;
const MINUTES_KEPT = 4;
/** So far is looked back for what was said last: each minute is a question to the server. */
const MINUTES_BACK = 15;
/** After a minute that could not be had nothing is asked for so long, twice as long after each further one. */
const AGAIN_MS = 2000;
const AGAIN_MAX_MS = 60_000;

/** How long nothing is asked for, ms. @param {number} failures in a row */
export function againIn(failures) {
  return Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** (failures - 1));
}

export class ReplayTimeline {
  constructor() {
    /** @type {Map<number, Comment[] | null>} by minute; null while it is on its way */
    this.minutes = new Map();
    /** told up to here, media time @type {number | null} */
    this.at = null;
    /** how often in a row a minute could not be had, and until when none is asked for */
    this.failures = 0;
    this.silentUntil = -Infinity;
    /** what a jump still leaves to be looked for @type {Before | null} */
    this.earlier = null;
  }

  /** Which minutes have to be fetched to go on from here; they count as on their way. @param {number} ms @param {number} clock ms */
  wanted(ms, clock) {
    if (clock < this.silentUntil) return [];
    const now = Math.floor(ms / MINUTE_MS);
    const next = ms % MINUTE_MS > MINUTE_MS / 2 ? [now, now + 1] : [now];
    const missing = next.filter((minute) => !this.minutes.has(minute));
    for (const minute of missing) this.minutes.set(minute, null);
    const far = [...this.minutes.keys()].sort((a, b) => Math.abs(b - now) - Math.abs(a - now));
    while (this.minutes.size > MINUTES_KEPT) this.minutes.delete(/** @type {number} */ (far.shift()));
    return missing;
  }

  /** @param {number} minute @param {Comment[] | undefined} comments undefined: it could not be had, and is wanted again @param {number} clock ms */
  came(minute, comments, clock) {
    if (comments) this.minutes.set(minute, comments);
    else this.minutes.delete(minute);
    this.#answered(Boolean(comments), clock);
  }

  /** @param {boolean} well @param {number} clock ms */
  #answered(well, clock) {
    this.failures = well ? 0 : this.failures + 1;
    this.silentUntil = well ? -Infinity : clock + againIn(this.failures);
  }

  /** Into which minute to look for what was said before those that are listed; it counts as on its way. @param {number} clock ms */
  before(clock) {
    const { earlier } = this;
    if (!earlier || earlier.asked || clock < this.silentUntil) return null;
    earlier.asked = true;
    return earlier;
  }

  /**
   * What was said in it, as much as the list takes; nothing when the film is elsewhere by now.
   * @param {Before} before @param {Comment[] | undefined} comments undefined: it could not be had, and is wanted again @param {number} clock ms
   */
  cameBefore(before, comments, clock) {
    this.#answered(Boolean(comments), clock);
    before.asked = false;
    if (!comments || before !== this.earlier) return [];
    const some = comments.slice(-before.room);
    this.#lookBefore(before.minute, before.room - some.length, before.minutes - 1);
    return some;
  }

  /** @param {number} minute @param {number} room @param {number} minutes */
  #lookBefore(minute, room, minutes) {
    this.earlier = minute > 0 && room > 0 && minutes > 0 ? { minute: minute - 1, room, minutes, asked: false } : null;
  }

  /**
   * The film is here now. What has been said since, or after a jump what was said last; null while it is not here yet.
   * @param {number} ms @returns {{jumped: boolean, comments: Comment[]} | null}
   */
  moved(ms) {
    const before = this.at;
    const jumped = before === null || ms < before || ms - before > JUMP_MS;
    const first = Math.floor((jumped ? ms : before) / MINUTE_MS);
    const last = Math.floor(ms / MINUTE_MS);
    /** @type {Comment[]} */
    const known = [];
    for (let minute = first; minute <= last; minute += 1) {
      const some = this.minutes.get(minute);
      if (!some) return null;
      known.push(...some);
    }
    this.at = ms;
    const said = known.filter(({ media_ms }) => media_ms <= ms && (jumped || media_ms > before));
    if (jumped) this.#lookBefore(first, SHOWN - said.length, MINUTES_BACK);
    return { jumped, comments: jumped ? said.slice(-SHOWN) : said };
  }
}

/** A film's last picture may stand a little beyond the last fragment, at which nothing can be bought. */
const LAST_MS = 500;

/** What is on screen, as media time. @param {{offset_ms: number, duration_ms: number}} film @param {number} seconds the player's position */
export function momentOf({ offset_ms, duration_ms }, seconds) {
  return Math.round(offset_ms + Math.max(0, Math.min(seconds * 1000, duration_ms - LAST_MS)));
}

/** Whether anything can be bought in a replay; the reason is the refusal's code. @param {boolean | null} sells null: not known yet */
export function saleOf(sells) {
  return { open: sells === true, reason: sells === false ? "replay_sales_off" : null };
}

/** What stood on the shelf at that time; null before anything did. @param {Mark[]} marks in order @param {number} ms */
export function markAt(marks, ms) {
  return marks.findLast(({ at_ms }) => at_ms <= ms) ?? null;
}
