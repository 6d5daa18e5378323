// What goes into a comment beside its words: who is spoken to, and when the next may be sent. Pure.

const MOST = 3;

/** Who was named by a tap on his name, as long as the name still stands in the text. @param {string} text @param {Map<string, string>} named "@name" → author tag */
export function mentionsIn(text, named) {
  const tags = [...named].filter(([name]) => text.includes(name)).map(([, tag]) => tag);
  return [...new Set(tags)].slice(0, MOST);
}

/** The draft with "@name " at its end, once. @param {string} text @param {string} name */
export function withMention(text, name) {
  if (text.includes(`@${name}`)) return text;
  return `${text.trimEnd()}${text.trim() ? " " : ""}@${name} `;
}

/** Whole seconds until the next comment may be sent. @param {number | null} saidAt ms @param {number} slowS 0: at any time @param {number} now ms */
export function waitLeft(saidAt, slowS, now) {
  if (saidAt === null || !slowS) return 0;
  return Math.max(0, Math.ceil((saidAt + slowS * 1000 - now) / 1000));
}

/** The text with a character put in between, and where the caret then stands. @param {string} text @param {number} start @param {number} end @param {string} what */
export function inserted(text, start, end, what) {
  return { text: text.slice(0, start) + what + text.slice(end), caret: start + what.length };
}

const RUSH_MS = 10_000;
/** A screen reader needs a second or two for a line. */
const READ_ALOUD = 6;

/** Whether more comes than can be read aloud. */
export class Rush {
  constructor() {
    /** when the latest came, ms; no more of them than are needed @type {number[]} */
    this.times = [];
  }

  /** @param {number} n lines that come now @param {number} now ms */
  came(n, now) {
    const some = Array.from({ length: Math.min(n, READ_ALOUD + 1) }, () => now);
    this.times = [...this.times.filter((at) => at > now - RUSH_MS), ...some].slice(-READ_ALOUD - 1);
    return this.times.length > READ_ALOUD;
  }
}
