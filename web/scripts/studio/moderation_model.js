// What a moderator sees and does, apart from how it is drawn. Pure.

/** @typedef {import("../lib/session_model.js").Comment} Comment */
/** @typedef {import("../lib/session_model.js").Rules} Rules */
/** @typedef {{ act: number, kind: "mute" | "ban" | "shadow", author: string, author_tag: string, at: string, until: string | null, by: string, reason: string }} Sanction */
/** @typedef {{ act: number, at: string, kind: string, by: string, comment: string | null, author: string | null, text: string | null, reason: string, rules: Rules | null, undoes: number | null, undoable: boolean }} Act */
/** @typedef {{ comment: Comment, reason: "lexicon" | "premoderated", flags: string[] }} Held */
/** @typedef {{ seq: number, held: Held[], waiting: number, sanctions: Sanction[], acts: Act[], rules: Rules, pinned_comment: Comment | null }} Moderation */
/** @typedef {{ act: string, comment?: string, minutes?: number, slow_s?: number, premoderated?: boolean }} Wish what is asked of the server */
/** @typedef {{ name: string, key: string, wish: ((comment: Comment) => Wish) | null, grave?: boolean }} Choice a row of a comment's menu; without a wish the page does it itself */

/** Seconds between two comments of one person that can be chosen. */
export const SLOW = [0, 5, 15, 30];
const MUTE_MINUTES = 10;

/** @type {Choice[]} */
const ON_COMMENT = [
  { name: "pin", key: "moderation.pin", wish: ({ id }) => ({ act: "pin", comment: id }) },
  { name: "answer", key: "moderation.answer", wish: null },
  { name: "remove", key: "moderation.remove", wish: ({ id }) => ({ act: "remove", comment: id }) },
];
/** @type {Choice[]} */
const ON_AUTHOR = [
  { name: "mute", key: "moderation.mute", wish: ({ id }) => ({ act: "mute", comment: id, minutes: MUTE_MINUTES }) },
  { name: "mute-show", key: "moderation.mute_show", wish: ({ id }) => ({ act: "mute", comment: id }) },
  { name: "shadow", key: "moderation.shadow", wish: ({ id }) => ({ act: "shadow", comment: id }), grave: true },
  { name: "ban", key: "moderation.ban", wish: ({ id }) => ({ act: "ban", comment: id }), grave: true },
];

/**
 * What can be done about a comment; the host is neither answered nor silenced.
 * @param {Comment} comment @param {boolean} speaks whether who moderates says something here himself @returns {Choice[]}
 */
export function choices(comment, speaks) {
  const about = speaks && !comment.host ? ON_COMMENT : ON_COMMENT.filter(({ name }) => name !== "answer");
  return comment.host ? about : [...about, ...ON_AUTHOR];
}

/** Where the focus goes in a menu or among tabs. @param {string} key @param {number} at @param {number} count @returns {number | null} */
export function moved(key, at, count) {
  if (key === "ArrowDown" || key === "ArrowRight") return (at + 1) % count;
  if (key === "ArrowUp" || key === "ArrowLeft") return (at - 1 + count) % count;
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : null;
}

/** The sentence of an act, as text key and parameters. @param {Act} act @returns {{ key: string, params: Record<string, any> }} */
export function sentence(act) {
  const params = { who: act.author ?? "", text: act.text ?? "" };
  return { key: `moderation.did_${act.kind}`, params };
}

/** What the page says after an act of its own: the newest one that is in the answer, if it can be undone. @param {Moderation} view @returns {Act | null} */
export function lastUndoable(view) {
  const [newest] = view.acts;
  return newest?.undoable ? newest : null;
}

/** Where a comment that comes back belongs among those shown, by their times. @param {string[]} times oldest first @param {string} at @returns {number} */
export function placeFor(times, at) {
  let place = times.length;
  while (place > 0 && (times[place - 1] ?? "") > at) place -= 1;
  return place;
}
