// The comments: the list that screen readers follow. What one wrote is never lost, and what one reads never jumps.
import { aloud } from "../lib/aloud.js";
import { asProblem } from "../lib/api.js";
import { CommentsModel } from "../lib/comments_model.js";
import { fill, h, icon, setText } from "../lib/dom.js";
import { NEAR_END } from "../lib/following.js";
import { t } from "../lib/i18n.js";
import { byKeys, commentRow, drawState } from "./comment_row.js";
import { Composer } from "./composer.js";
import { Questions } from "./questions.js";

/** @typedef {import("../lib/comments_model.js").Line} Line */
/** @typedef {import("../lib/session_model.js").Comment} Comment */
/** @typedef {import("../lib/session_client.js").SessionClient} SessionClient */
/** @typedef {{fly: (comment: {text: string, own: boolean, host: boolean, id: string}) => void, ground: (ids: string[]) => void, clear: () => void}} Air */
/** @typedef {{removed: string[], restored: Comment[]}} Moderated */

export class Comments {
  model = new CommentsModel();
  questions = new Questions();
  /** @type {Map<string, HTMLElement>} */
  rows = new Map();
  list = h("ol", {
    class: "comment-list",
    role: "log",
    "aria-live": "polite",
    "aria-relevant": "additions",
    tLabel: "watch.comments",
    testid: "comment-list",
    tabindex: "0",
    onscroll: () => this.#scrolled(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => byKeys(event, this.list),
  });
  none = h("p", { class: "comment-none", t: "watch.comments.none" });
  newestWords = h("span", { t: "watch.comments.newest" });
  newest = h(
    "button",
    {
      class: "button button-small comment-newest",
      type: "button",
      testid: "newest",
      hidden: true,
      onclick: () => this.#toEnd(),
    },
    icon("down"),
    this.newestWords,
  );
  pinned = h("div", { class: "comment-pinned", testid: "comment-pinned", "aria-live": "polite", hidden: true });
  aloud = aloud(this.list);
  panel = h(
    "div",
    { class: "comment-panel" },
    ...[this.questions.opener, this.pinned, this.none, this.list, this.aloud.element, this.newest],
  );
  composer = new Composer((draft) => this.#say(draft));
  stuck = true;
  quiet = true;
  /** whether anybody can be spoken to */
  speaks = true;
  cutOff = false;
  unread = 0;
  /** what is read while the list is scrolled up, and where it stands @type {{row: HTMLElement, top: number} | null} */
  anchor = null;
  /** where the page itself has scrolled to last */
  placed = -1;
  pinnedShown = "";
  /** what was being sent when the connection broke */
  kept = "";
  /** what went with the words of one's own lines @type {Map<string, import("./composer.js").Draft>} */
  drafts = new Map();

  /** @param {SessionClient} client @param {Air} air */
  constructor(client, air) {
    this.client = client;
    this.air = air;
    // It was behind another tab, or has become smaller.
    new ResizeObserver(() => this.stuck && this.#toEnd()).observe(this.list);
  }

  get form() {
    return this.composer.form;
  }

  /** The last comments on joining: listed, not flown. @param {Comment[]} some @param {string[]} [removed] taken down while one was away */
  history(some, removed = []) {
    this.model.tag = this.client.authorTag ?? this.model.tag;
    if (removed.length) this.moderated({ removed, restored: [] });
    this.#heard(some, true);
  }

  /** @param {Comment[]} some @param {boolean} [past] said before this page looked @returns {Line[]} those that are new */
  #heard(some, past = false) {
    this.questions.received(some);
    // It had come through after all, and only its answer was lost.
    const fresh = some.filter(({ id }) => !this.model.ids.has(id));
    if (this.kept && fresh.some(({ author_tag, text }) => author_tag === this.model.tag && text === this.kept))
      this.#cameThrough();
    const lines = this.model.received(some);
    this.#add(lines, past);
    this.#redraw();
    return lines;
  }

  /** @param {Comment[]} batch */
  received(batch) {
    for (const line of this.#heard(batch)) this.#fly(line);
  }

  /** What was said by this moment of a film; after a jump all is begun anew. @param {Comment[]} some @param {boolean} jumped */
  replayed(some, jumped) {
    if (!jumped) return this.received(some);
    this.air.clear();
    const { gone } = this.model;
    this.model = new CommentsModel();
    this.model.gone = gone; // a minute that was fetched before still has them
    for (const key of [...this.rows.keys()]) this.#drop(key);
    this.questions.clear();
    this.stuck = true;
    this.history(some);
  }

  /** What a moderator has changed. @param {Moderated} what */
  moderated(what) {
    this.questions.moderated(what);
    const gone = this.model.removed(what.removed);
    this.#keepingPlace(() => {
      for (const line of gone) this.#drop(line.key);
    });
    this.air.ground([...what.removed, ...gone.map(({ key }) => key)]);
    const fresh = this.model.restored(what.restored);
    this.#add(fresh);
    this.#redraw();
  }

  /** @param {Line} line */
  #fly({ text, own, host, id, key }) {
    this.air.fly({ text, own, host, id: id ?? key });
  }

  /** @param {import("../lib/session_model.js").SessionView} session */
  update(session) {
    this.composer.update(session);
    this.quiet = this.composer.open === "before" || session.state === "cancelled";
    const over = session.state === "ended";
    this.speaks = this.composer.open === "open" && session.me_role !== "supervisor";
    const calm = over ? "watch.comments.none.over" : "watch.comments.none.yet";
    setText(this.none, this.speaks ? "watch.comments.none" : calm);
    this.questions.over(over, this.speaks);
    this.none.hidden = this.quiet || this.model.lines.length > 0;
    this.#drawPinned(session.pinned_comment ?? null);
  }

  /** @param {Comment | null} comment */
  #drawPinned(comment) {
    const next = comment ? `${comment.id} ${comment.text}` : "";
    if (next === this.pinnedShown) return;
    this.pinnedShown = next;
    this.pinned.hidden = !comment;
    fill(
      this.pinned,
      comment && icon("pin"),
      comment &&
        h(
          "p",
          null,
          h("span", { class: "visually-hidden", t: "talk.pinned" }),
          h("span", { class: "comment-author" }, comment.author),
          " ",
          comment.text,
        ),
    );
  }

  /** @param {import("./composer.js").Draft} draft */
  #say(draft) {
    this.kept = "";
    const key = `own-${Date.now()}-${Math.random()}`;
    const kind = draft.question ? "question" : "comment";
    const line = this.model.pending(key, t("watch.comment.you"), draft.text, new Date().toISOString(), kind);
    this.drafts.set(key, draft);
    this.#add([line]);
    this.#toEnd();
    void this.#send(line, draft);
  }

  /** @param {Line} line @param {import("./composer.js").Draft} draft */
  async #send(line, { text, question, mentions }) {
    // Flown at once; where a moderator sees each first, when he has.
    if (!this.composer.premoderated) this.#fly(line);
    try {
      const more = { ...(question ? { question } : {}), ...(mentions.length ? { mentions } : {}) };
      const { id, held, comment } = await this.client.emit("comment", { text, ...more });
      const double = this.model.accepted(line.key, id, held, comment?.at);
      if (double) this.#drop(double);
      if (held) this.air.ground([line.key]);
      else if (comment) this.questions.received([comment]);
      this.drafts.delete(line.key);
      this.composer.taken();
    } catch (error) {
      const problem = asProblem(error);
      this.model.refused(line.key, problem);
      if (line.state === "failed") {
        this.air.ground([line.key]);
        this.cutOff = problem.code === "offline";
        this.kept = this.cutOff ? line.text : "";
        if (problem.code === "comment_slow") this.#waits(problem);
        this.composer.say(problem);
        // What was typed comes back to its line, unless something else is being typed: then its row offers it.
        if (!this.composer.text) this.#again(line);
      }
    }
    this.#redraw();
  }

  /** @param {import("../lib/api.js").Problem} problem */
  #waits({ params: { wait_s: left, slow_s: slow } }) {
    this.composer.waits(Number(left), Number(slow));
  }

  /** The connection is gone: which comments are shown is said anew when it is back, some may be there again. */
  lost() {
    this.model.gone.clear();
    this.questions.model.gone.clear();
  }

  /** The connection is back: what was written stands ready to be sent, and the reason it wasn't is gone. */
  online() {
    if (this.cutOff) this.composer.say();
    this.cutOff = false;
  }

  #cameThrough() {
    if (this.composer.text.trim() === this.kept) this.composer.text = "";
    this.kept = "";
    this.composer.say();
  }

  /** @param {Line} line @param {boolean} [asked] by who wrote it */
  #again(line, asked = false) {
    const draft = this.drafts.get(line.key) ?? { text: line.text, question: false, mentions: [], named: new Map() };
    this.composer.restore(draft, asked);
    this.drafts.delete(line.key);
    this.model.remove(line.key);
    this.#drop(line.key);
  }

  /** @param {Line[]} lines @param {boolean} [past] said before this page looked */
  #add(lines, past = false) {
    const meant = lines.filter((line) => line.host || line.mentioned);
    if (past) this.aloud.quietly();
    else
      this.aloud.comes(
        lines.length,
        meant.map(({ author, text }) => `${author} ${text}`),
      );
    const speak = (/** @type {Line} */ { author, tag }) => tag && this.composer.mention(author, tag);
    this.#keepingPlace(() => {
      // From the last on, so that the row before which each is put is there.
      for (const line of this.model.lines.filter((one) => lines.includes(one)).reverse()) {
        const row = commentRow(line, this.speaks ? speak : null, (one) => this.#again(one, true));
        this.rows.set(line.key, row);
        const next = this.rows.get(this.model.after(line)?.key ?? "");
        if (next) next.before(row);
        else this.list.append(row);
      }
      const keys = new Set(this.model.lines.map((line) => line.key));
      for (const key of [...this.rows.keys()]) if (!keys.has(key)) this.#drop(key);
    });
    this.none.hidden = this.quiet || this.model.lines.length > 0;
    if (this.stuck) return this.#toEnd();
    // What is put in above the last that stood there is not to come.
    this.unread += this.model.lines.length - 1 - this.model.lines.findLastIndex((one) => !lines.includes(one));
    this.newest.hidden = !this.unread;
    setText(this.newestWords, "talk.newest", { n: this.unread });
  }

  /** Changes the list so that the line one reads stands where it stood. @param {() => void} change */
  #keepingPlace(change) {
    if (this.stuck) return change();
    const top = this.list.getBoundingClientRect().top;
    const rows = /** @type {HTMLElement[]} */ ([...this.list.children]);
    // The line that was being read first, as long as it is there: browsers round scrolling, and many roundings would add up.
    if (this.anchor) rows.unshift(this.anchor.row);
    const seen = rows
      .map((row) => ({ row, top: row.getBoundingClientRect().top, bottom: row.getBoundingClientRect().bottom }))
      .filter(({ bottom }) => bottom > top);
    if (this.anchor && seen[0]?.row === this.anchor.row) seen[0].top = this.anchor.top;
    change();
    const held = seen.find(({ row }) => row.isConnected);
    this.anchor = held ? { row: held.row, top: held.top } : null;
    if (held) this.list.scrollTop += held.row.getBoundingClientRect().top - held.top;
    this.placed = this.list.scrollTop;
  }

  #redraw() {
    for (const line of this.model.lines) {
      const row = this.rows.get(line.key);
      if (row && (row.dataset.state !== line.state || row.dataset.comment !== (line.id ?? line.key)))
        drawState(row, line, (one) => this.#again(one, true));
    }
  }

  /** @param {string} key */
  #drop(key) {
    this.rows.get(key)?.remove();
    this.rows.delete(key);
    this.drafts.delete(key);
  }

  #scrolled() {
    if (!this.list.clientHeight) return; // what is hidden is scrolled by nobody
    this.stuck = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_END;
    if (this.list.scrollTop !== this.placed) this.anchor = null;
    if (this.stuck) this.#read();
  }

  #read() {
    this.unread = 0;
    this.newest.hidden = true;
  }

  #toEnd() {
    this.stuck = true;
    this.#read();
    requestAnimationFrame(() => {
      this.list.scrollTop = this.list.scrollHeight;
    });
  }
}
