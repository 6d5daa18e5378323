// The comments: the list that screen readers follow, and the line to write in. What one wrote is never lost.
import { asProblem } from "../lib/api.js";
import { CommentsModel, draft } from "../lib/comments_model.js";
import { fill, h, icon } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { refusal } from "../lib/ui.js";
import { talking } from "./watch_state.js";

/** @typedef {import("../lib/comments_model.js").Line} Line */
/** @typedef {import("../lib/session_client.js").SessionClient} SessionClient */

const NEAR_END = 60;

export class Comments {
  model = new CommentsModel();
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
  });
  none = h("p", { class: "comment-none", t: "watch.comments.none" });
  newest = h(
    "button",
    { class: "button button-small comment-newest", type: "button", hidden: true, onclick: () => this.#toEnd() },
    icon("down"),
    h("span", { t: "watch.comments.newest" }),
  );
  panel = h("div", { class: "comment-panel" }, this.none, this.list, this.newest);
  input = h("input", {
    class: "input comment-input",
    type: "text",
    maxlength: "300",
    autocomplete: "off",
    enterkeyhint: "send",
    testid: "comment-input",
    tLabel: "watch.comment.label",
    tPlaceholder: "watch.comment.placeholder",
    oninput: () => this.#drawDraft(),
  });
  left = h("span", { class: "comment-left figures", "aria-live": "polite" });
  send = h(
    "button",
    { class: "button-icon comment-send", type: "submit", testid: "comment-send", tLabel: "watch.comment.send" },
    icon("send"),
  );
  answer = h("div", { class: "comment-answer", "aria-live": "polite" });
  form = h(
    "form",
    { class: "comment-form", onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
    this.answer,
    h("div", { class: "comment-field" }, this.input, this.left, this.send),
  );
  stuck = true;
  quiet = true;
  cutOff = false;
  /** what was being sent when the connection broke */
  kept = "";

  /** @param {SessionClient} client @param {(comment: {text: string, own: boolean, host: boolean}) => void} fly */
  constructor(client, fly) {
    this.client = client;
    this.fly = fly;
    this.#drawDraft();
  }

  /** The last comments on joining: listed, not flown. @param {import("../lib/session_model.js").Comment[]} some */
  history(some) {
    this.model.tag = this.client.authorTag ?? this.model.tag;
    this.#add(this.model.received(some));
  }

  /** @param {import("../lib/session_model.js").Comment[]} batch */
  received(batch) {
    const fresh = this.model.received(batch);
    // It had come through after all, and only its answer was lost.
    if (this.kept && fresh.some((line) => line.own && line.text === this.kept)) this.#cameThrough();
    this.#add(fresh);
    for (const line of this.model.lines) this.#draw(line);
    for (const line of fresh) this.fly({ text: line.text, own: line.own, host: line.host });
  }

  /** @param {import("../lib/session_model.js").SessionView} session */
  update(session) {
    const open = talking(session);
    this.input.disabled = open !== "open";
    this.quiet = open !== "open";
    this.none.hidden = this.quiet || this.model.lines.length > 0;
    this.input.setAttribute(
      "data-t-placeholder",
      open === "open" ? "watch.comment.placeholder" : open === "before" ? "watch.comment.closed" : "watch.comment.over",
    );
    this.input.placeholder = t(this.input.getAttribute("data-t-placeholder") ?? "");
    this.#drawDraft();
  }

  #drawDraft() {
    const { left, ok } = draft(this.input.value);
    this.send.disabled = !ok || this.input.disabled;
    this.left.textContent = left <= 20 ? String(left) : "";
    this.left.classList.toggle("is-over", left < 0);
    this.input.setAttribute("aria-invalid", String(left < 0));
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const { text, ok } = draft(this.input.value);
    if (!ok) return;
    this.kept = "";
    this.input.value = "";
    this.#drawDraft();
    fill(this.answer);
    const line = this.model.pending(
      `own-${Date.now()}-${Math.random()}`,
      t("watch.comment.you"),
      text,
      new Date().toISOString(),
    );
    this.#add([line]);
    this.#toEnd();
    this.fly({ text, own: true, host: false });
    void this.#send(line);
  }

  /** @param {Line} line */
  async #send(line) {
    try {
      const { id } = await this.client.emit("comment", { text: line.text });
      const double = this.model.accepted(line.key, id);
      if (double) this.#drop(double);
    } catch (error) {
      const problem = asProblem(error);
      this.model.refused(line.key, problem);
      if (line.state === "failed") {
        this.cutOff = problem.code === "offline";
        this.kept = this.cutOff ? line.text : "";
        fill(this.answer, refusal(problem, { compact: true }), this.#closeAnswer());
        // What was typed comes back to its line, unless something else is being typed: then its row offers it.
        if (!this.input.value) this.#again(line);
      }
    }
    this.#draw(line);
  }

  /** The connection is back: what was written stands ready to be sent, and the reason it wasn't is gone. */
  online() {
    if (this.cutOff) fill(this.answer);
    this.cutOff = false;
  }

  #cameThrough() {
    if (draft(this.input.value).text === this.kept) this.input.value = "";
    this.kept = "";
    fill(this.answer);
    this.#drawDraft();
  }

  #closeAnswer() {
    return h(
      "button",
      { class: "button-icon comment-answer-close", type: "button", tLabel: "close", onclick: () => fill(this.answer) },
      icon("close"),
    );
  }

  /** @param {Line} line */
  #again(line) {
    this.input.value = line.text;
    this.model.remove(line.key);
    this.#drop(line.key);
    this.#drawDraft();
    this.input.focus();
  }

  /** @param {Line[]} lines */
  #add(lines) {
    for (const line of lines) {
      const row = h(
        "li",
        { class: `comment ${line.host ? "comment-host" : ""} ${line.own ? "comment-own" : ""}`, data: { state: line.state } },
        h(
          "span",
          { class: "comment-author" },
          line.host && h("span", { class: "comment-badge", t: "watch.comment.host" }),
          line.own ? h("span", { t: "watch.comment.you" }) : line.author,
        ),
        " ",
        h("span", { class: "comment-text" }, line.text),
      );
      this.rows.set(line.key, row);
      this.list.append(row);
    }
    const keys = new Set(this.model.lines.map((line) => line.key));
    for (const key of [...this.rows.keys()]) if (!keys.has(key)) this.#drop(key);
    this.none.hidden = this.quiet || this.model.lines.length > 0;
    if (this.stuck) this.#toEnd();
    else if (lines.length) this.newest.hidden = false;
  }

  /** @param {Line} line */
  #draw(line) {
    const row = this.rows.get(line.key);
    if (!row || row.dataset.state === line.state) return;
    row.dataset.state = line.state;
    row.querySelector(".comment-note")?.remove();
    if (line.state === "failed")
      row.append(
        h("button", {
          class: "comment-note",
          type: "button",
          tTitle: "watch.comment.again",
          t: "watch.comment.failed",
          onclick: () => this.#again(line),
        }),
      );
  }

  /** @param {string} key */
  #drop(key) {
    this.rows.get(key)?.remove();
    this.rows.delete(key);
  }

  #scrolled() {
    this.stuck = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_END;
    if (this.stuck) this.newest.hidden = true;
  }

  #toEnd() {
    this.stuck = true;
    this.newest.hidden = true;
    requestAnimationFrame(() => {
      this.list.scrollTop = this.list.scrollHeight;
    });
  }
}
