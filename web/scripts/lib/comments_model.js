// The list of comments: bounded, without doubles, one's own shown at once and reconciled with what the server says.

/** @typedef {import("./session_model.js").Comment} Comment */
/** @typedef {{key: string, id: string | null, author: string, text: string, host: boolean, own: boolean, at: string, state: "sent"|"pending"|"failed", problem?: import("./api.js").Problem}} Line */

const KEPT = 200;

export class CommentsModel {
  /** @param {number} [limit] lines kept */
  constructor(limit = KEPT) {
    this.limit = limit;
    /** @type {Line[]} */
    this.lines = [];
    /** @type {Set<string>} */
    this.ids = new Set();
    /** @type {Set<string>} own comments the server has accepted, until their batch comes */
    this.own = new Set();
    /** one's tag, learned from the first own comment that comes back @type {string | null} */
    this.tag = null;
  }

  /** A batch of the server. Gives the lines that are new to the list; one's own pending ones are settled, not new. @param {Comment[]} batch @returns {Line[]} */
  received(batch) {
    /** @type {Line[]} */
    const fresh = [];
    for (const comment of batch) {
      if (this.ids.has(comment.id)) continue;
      const mine = this.#claim(comment);
      if (mine) {
        this.ids.add(comment.id);
        continue;
      }
      const own = this.tag !== null && comment.author_tag === this.tag;
      const line = {
        key: comment.id,
        id: comment.id,
        author: comment.author,
        text: comment.text,
        host: comment.host,
        own,
        at: comment.at,
        state: /** @type {const} */ ("sent"),
      };
      this.#push(line);
      fresh.push(line);
    }
    return fresh;
  }

  /** The pending line that this comment is, settled. @param {Comment} comment @returns {Line | undefined} */
  #claim(comment) {
    const known = this.lines.find((line) => line.id === comment.id);
    // The batch may overtake the acknowledgement: then the tag and the words tell.
    const line =
      known ??
      this.lines.find(
        (one) =>
          one.own && one.id === null && one.state === "pending" && one.text === comment.text && comment.author_tag === this.tag,
      );
    if (!line) return undefined;
    if (this.own.delete(comment.id) || line.own) this.tag = comment.author_tag;
    Object.assign(line, { id: comment.id, author: comment.author, at: comment.at, state: "sent" });
    return line;
  }

  /** Shows one's own comment before anybody has answered. @param {string} key made here @param {string} author @param {string} text @param {string} at */
  pending(key, author, text, at) {
    const line = { key, id: null, author, text, host: false, own: true, at, state: /** @type {Line["state"]} */ ("pending") };
    this.#push(line);
    return line;
  }

  /** The server's acknowledgement. @param {string} key @param {string} id @returns {string | null} key of a double to take away: the batch came first, and was not known as ours */
  accepted(key, id) {
    const line = this.lines.find((one) => one.key === key);
    if (!line) return null;
    const double = this.lines.find((one) => one.id === id && one.key !== key);
    if (double) this.lines = this.lines.filter((one) => one !== double);
    Object.assign(line, { id, state: "sent" });
    if (!this.ids.has(id)) this.own.add(id);
    return double?.key ?? null;
  }

  /** @param {string} key @param {import("./api.js").Problem} problem */
  refused(key, problem) {
    const line = this.lines.find((one) => one.key === key);
    if (line && line.state === "pending") Object.assign(line, { state: "failed", problem });
  }

  /** @param {string} key */
  remove(key) {
    this.lines = this.lines.filter((line) => line.key !== key);
  }

  /** @param {Line} line */
  #push(line) {
    this.lines.push(line);
    if (line.id) this.ids.add(line.id);
    while (this.lines.length > this.limit) this.lines.shift();
    if (this.ids.size > this.limit * 4) this.ids = new Set(this.lines.flatMap((one) => (one.id ? [one.id] : [])));
  }
}

/** What may be sent: trimmed, 1 to 100 characters as people count them. @param {string} text @returns {{text: string, left: number, ok: boolean}} */
export function draft(text) {
  const clean = text.replace(/\s+/g, " ").trim();
  const left = 100 - [...clean].length;
  return { text: clean, left, ok: clean.length > 0 && left >= 0 };
}
