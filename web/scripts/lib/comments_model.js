// The list of comments: bounded, without doubles, one's own shown at once and reconciled with what the server says.

/** @typedef {import("./session_model.js").Comment} Comment */
/** @typedef {"sent"|"pending"|"failed"|"held"|"rejected"} LineState `held`: a moderator has to see it first */
/** @typedef {NonNullable<Comment["kind"]>} CommentKind */
/**
 * `mentioned`: whether the reader is spoken to; `tag` is the author's, null until one's own is known
 * @typedef {{key: string, id: string | null, author: string, tag: string | null, text: string, host: boolean, own: boolean, at: string, kind: CommentKind, answers: Comment["answers"], mentioned: boolean, state: LineState, problem?: import("./api.js").Problem}} Line
 */

const KEPT = 200;
/** Ids that were taken down: a batch or a history that was read before that brings them once more. */
const GONE_KEPT = 400;

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
    /** @type {Set<string>} taken down, the latest last */
    this.gone = new Set();
  }

  /** A batch of the server. Gives the lines that are new to the list; one's own pending ones are settled, not new. @param {Comment[]} batch @returns {Line[]} */
  received(batch) {
    /** @type {Line[]} */
    const fresh = [];
    for (const comment of batch) {
      if (this.ids.has(comment.id) || this.gone.has(comment.id)) continue;
      const mine = this.#claim(comment);
      if (mine) {
        this.ids.add(comment.id);
        continue;
      }
      const line = this.#placed(comment);
      if (line) fresh.push(line);
    }
    return fresh;
  }

  /**
   * A new line where its time puts it: what was said while one was away comes after what has been heard since. Null for what
   * is older than all a full list holds: it has no place in it.
   * @param {Comment} comment @returns {Line | null}
   */
  #placed(comment) {
    let place = this.lines.length;
    for (let at = place - 1; at >= 0; at -= 1) {
      const { id, at: said } = this.lines[at];
      if (id === null) continue; // its time is that of this device, which may be any
      if (Date.parse(said) <= Date.parse(comment.at)) break;
      place = at;
    }
    if (place === 0 && this.lines.length >= this.limit) return null;
    const line = this.#lineOf(comment);
    this.lines.splice(place, 0, line);
    this.ids.add(comment.id);
    this.#bound();
    return line;
  }

  /** @param {Comment} comment @returns {Line} */
  #lineOf(comment) {
    const own = this.tag !== null && comment.author_tag === this.tag;
    return {
      key: comment.id,
      id: comment.id,
      author: comment.author,
      tag: comment.author_tag,
      text: comment.text,
      host: comment.host,
      own,
      at: comment.at,
      kind: comment.kind ?? "comment",
      answers: comment.answers ?? null,
      mentioned: !own && this.tag !== null && (comment.mentions ?? []).includes(this.tag),
      state: "sent",
    };
  }

  /**
   * Taken down by a moderator. Gives the lines that are to vanish; one's own that waited for him stays, and says so.
   * @param {string[]} ids @returns {Line[]}
   */
  removed(ids) {
    const wanted = new Set(ids);
    for (const id of ids) this.gone.add(id);
    while (this.gone.size > GONE_KEPT) this.gone.delete(/** @type {string} */ (this.gone.values().next().value));
    for (const line of this.lines) if (line.id && wanted.has(line.id) && line.state === "held") line.state = "rejected";
    const out = this.lines.filter((line) => line.id && wanted.has(line.id) && line.state !== "rejected");
    this.lines = this.lines.filter((line) => !out.includes(line));
    for (const line of out) if (line.id) this.ids.delete(line.id);
    return out;
  }

  /**
   * Shown again, or at last: each at its place in time. Gives the new lines; one's own that waited is settled, not new.
   * @param {Comment[]} some @returns {Line[]}
   */
  restored(some) {
    /** @type {Line[]} */
    const fresh = [];
    for (const comment of some) {
      this.gone.delete(comment.id);
      if (this.#claim(comment)) this.ids.add(comment.id);
      if (this.ids.has(comment.id)) continue;
      const line = this.#placed(comment);
      if (line) fresh.push(line);
    }
    return fresh;
  }

  /** The line after this one, undefined for the last. @param {Line} line */
  after(line) {
    return this.lines[this.lines.indexOf(line) + 1];
  }

  /** The pending line that this comment is, settled. @param {Comment} comment @returns {Line | undefined} */
  #claim(comment) {
    const known = this.lines.find((line) => line.id === comment.id);
    // The batch may overtake the acknowledgement: then the tag and the words tell.
    const line =
      known ??
      this.lines.find(
        (one) => one.own && one.id === null && unanswered(one) && one.text === comment.text && comment.author_tag === this.tag,
      );
    if (!line) return undefined;
    if (this.own.delete(comment.id) || line.own) this.tag = comment.author_tag;
    const { id, author, author_tag: tag, at, kind = "comment" } = comment;
    Object.assign(line, { id, author, tag, at, kind, state: "sent", problem: undefined });
    return line;
  }

  /** Shows one's own comment before anybody has answered. @param {string} key made here @param {string} author @param {string} text @param {string} at @param {CommentKind} [kind] */
  pending(key, author, text, at, kind = "comment") {
    /** @type {Line} */
    const line = {
      ...{ key, id: null, author, tag: this.tag, text, host: false, own: true, at, kind },
      ...{ answers: null, mentioned: false, state: "pending" },
    };
    this.#push(line);
    return line;
  }

  /** The server's acknowledgement. @param {string} key @param {string} id @param {boolean} [held] a moderator has to see it first @param {string} [at] the server's time @returns {string | null} key of a double to take away: the batch came first, and was not known as ours */
  accepted(key, id, held = false, at = undefined) {
    const line = this.lines.find((one) => one.key === key);
    if (!line) return null;
    const double = this.lines.find((one) => one.id === id && one.key !== key);
    if (double) this.lines = this.lines.filter((one) => one !== double);
    if (line.state !== "rejected") Object.assign(line, { id, at: at ?? line.at, state: held && !double ? "held" : "sent" });
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
    this.#bound();
  }

  #bound() {
    while (this.lines.length > this.limit) this.lines.shift();
    if (this.ids.size > this.limit * 4) this.ids = new Set(this.lines.flatMap((one) => (one.id ? [one.id] : [])));
  }
}

/** Whether the server may have taken it: it has not answered yet, or its answer was lost with the connection. @param {Line} line */
function unanswered({ state, problem }) {
  return state === "pending" || (state === "failed" && problem?.code === "offline");
}

/** What may be sent: trimmed, 1 to 100 characters as people count them. @param {string} text @returns {{text: string, left: number, ok: boolean}} */
export function draft(text) {
  const clean = text.replace(/\s+/g, " ").trim();
  const left = 100 - [...clean].length;
  return { text: clean, left, ok: clean.length > 0 && left >= 0 };
}
