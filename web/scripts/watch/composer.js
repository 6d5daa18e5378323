// The line to write in: a comment or a question, who is named in it, emoji, and how long slow mode still waits.
import { draft } from "../lib/comments_model.js";
import { fill, h, icon, setLabel } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { inserted, mentionsIn, waitLeft, withMention } from "../lib/talking_model.js";
import { refusal } from "../lib/ui.js";
import { flyout } from "./flyout.js";
import { talking } from "./watch_state.js";

/** @typedef {import("../lib/session_model.js").SessionView} SessionView */
/** `named`: whom its mentions are, "@name" → author tag. @typedef {{text: string, question: boolean, mentions: string[], named: Map<string, string>}} Draft */

const EMOJI = ["👍", "👏", "😀", "😂", "🙏", "❤️", "🎉", "🤔", "😮", "👌", "💪", "🌹"];
/** Names that were tapped since the last comment; more than can be spoken to are of no use. */
const NAMED_KEPT = 20;

export class Composer {
  input = h("input", {
    class: "input comment-input",
    type: "text",
    maxlength: "300",
    autocomplete: "off",
    enterkeyhint: "send",
    testid: "comment-input",
    tLabel: "watch.comment.label",
    tPlaceholder: "watch.comment.placeholder",
    oninput: () => this.#draw(),
  });
  left = h("span", { class: "comment-left figures", "aria-live": "polite", testid: "comment-left" });
  sendButton = h(
    "button",
    { class: "button-icon comment-send", type: "submit", testid: "comment-send", tLabel: "watch.comment.send" },
    icon("send"),
  );
  ask = h(
    "button",
    {
      class: "comment-ask",
      type: "button",
      "aria-pressed": "false",
      testid: "ask",
      onclick: () => this.#asking(!this.question),
    },
    h("span", { t: "talk.ask" }),
  );
  answer = h("div", { class: "comment-answer", "aria-live": "polite" });
  /** @type {Map<string, string>} "@name" → author tag */
  named = new Map();
  question = false;
  /** when the server took the last one, ms @type {number | null} */
  saidAt = null;
  slowS = 0;
  open = "before";
  premoderated = false;
  /** @type {number | undefined} */
  timer = undefined;

  /** @param {(draft: Draft) => void} onSend */
  constructor(onSend) {
    this.onSend = onSend;
    const emoji = h(
      "button",
      { class: "button-icon comment-emoji", type: "button", testid: "emoji", tLabel: "talk.emoji" },
      "☺",
    );
    this.picker = flyout(
      emoji,
      "talk.emoji",
      EMOJI.map((one) => h("button", { class: "emoji", type: "button", onclick: () => this.#put(one) }, one)),
      { testid: "emoji-picker" },
    );
    this.tools = h("div", { class: "comment-tools" }, this.ask, this.picker.element);
    const field = h("div", { class: "comment-field" }, this.input, this.left, this.sendButton);
    const onsubmit = (/** @type {Event} */ event) => this.#submit(event);
    this.form = h("form", { class: "comment-form", onsubmit }, this.answer, this.tools, field);
    this.#draw();
  }

  /** @param {SessionView} session */
  update(session) {
    this.open = talking(session);
    this.slowS = session.rules?.slow_s ?? 0;
    this.premoderated = session.rules?.premoderated ?? false;
    this.input.disabled = this.open !== "open";
    this.tools.hidden = this.input.disabled;
    this.#draw();
  }

  #placeholder() {
    if (this.open === "before") return "watch.comment.closed";
    if (this.open !== "open") return "watch.comment.over";
    if (this.question) return "talk.ask.placeholder";
    return this.premoderated ? "talk.premoderated" : "watch.comment.placeholder";
  }

  #draw() {
    const key = this.#placeholder();
    this.input.setAttribute("data-t-placeholder", key);
    this.input.placeholder = t(key);
    const { left, ok } = draft(this.input.value);
    const wait = waitLeft(this.saidAt, this.slowS, Date.now());
    this.sendButton.disabled = !ok || this.input.disabled || wait > 0;
    this.left.textContent = wait ? t("talk.wait", { s: wait }) : left <= 20 ? String(left) : "";
    // Counting aloud helps nobody: the wait is said once, when it begins.
    this.left.setAttribute("aria-live", wait && wait < this.slowS ? "off" : "polite");
    this.left.classList.toggle("is-over", left < 0 && !wait);
    this.input.setAttribute("aria-invalid", String(left < 0));
    clearTimeout(this.timer);
    if (wait) this.timer = window.setTimeout(() => this.#draw(), 500);
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const { text, ok } = draft(this.input.value);
    if (!ok || waitLeft(this.saidAt, this.slowS, Date.now())) return;
    const mentions = mentionsIn(text, this.named);
    const { question, named } = this;
    this.input.value = "";
    this.named = new Map();
    this.#asking(false);
    this.say();
    this.onSend({ text, question, mentions, named });
  }

  /** The server has taken one: slow mode counts from here. */
  taken() {
    this.saidAt = Date.now();
    this.#draw();
  }

  /** The server knows of one that was said elsewhere, or before the page was read anew. @param {number} seconds still to wait @param {number} slowS as the server has it: this page may not have heard yet */
  waits(seconds, slowS) {
    this.slowS = slowS || this.slowS;
    this.saidAt = Date.now() - (this.slowS - seconds) * 1000;
    this.#draw();
  }

  /** @param {boolean} on */
  #asking(on) {
    this.question = on;
    this.ask.setAttribute("aria-pressed", String(on));
    this.form.classList.toggle("is-asking", on);
    setLabel(this.input, on ? "talk.ask.label" : "watch.comment.label");
    this.input.removeAttribute("title");
    this.#draw();
  }

  /** Speaks to somebody. @param {string} author @param {string} tag */
  mention(author, tag) {
    if (this.input.disabled) return;
    this.named.set(`@${author}`, tag);
    const [oldest] = this.named.keys();
    if (this.named.size > NAMED_KEPT) this.named.delete(oldest);
    this.text = withMention(this.text, author);
    this.input.focus();
  }

  /** @param {string} what */
  #put(what) {
    const { value, selectionStart, selectionEnd } = this.input;
    const put = inserted(value, selectionStart ?? value.length, selectionEnd ?? value.length, what);
    this.text = put.text;
    this.input.setSelectionRange(put.caret, put.caret);
  }

  get text() {
    return this.input.value;
  }

  set text(text) {
    this.input.value = text;
    this.#draw();
  }

  /** What was refused comes back to the line; who is doing something else by then goes on with it. @param {Draft} again @param {boolean} [asked] */
  restore({ text, question, named }, asked = false) {
    this.text = text;
    this.named = named;
    this.#asking(question);
    const at = document.activeElement;
    if (asked || at === null || at === document.body || this.form.contains(at)) this.input.focus();
  }

  /** Why something was not sent; nothing takes it away. @param {import("../lib/api.js").Problem} [problem] */
  say(problem) {
    if (!problem) return fill(this.answer);
    const close = h(
      "button",
      { class: "button-icon comment-answer-close", type: "button", tLabel: "close", onclick: () => fill(this.answer) },
      icon("close"),
    );
    fill(this.answer, refusal(problem, { compact: true }), close);
  }
}
