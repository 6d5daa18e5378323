// What viewers say, the host's own word among them, and what can be done about each.
import { aloud } from "../lib/aloud.js";
import { asProblem } from "../lib/api.js";
import { fill, h, icon, setText } from "../lib/dom.js";
import { follow } from "../lib/following.js";
import { time } from "../lib/format.js";
import { refusal } from "../lib/ui.js";
import { createCommentMenu } from "./comment_menu.js";
import { choices, placeFor } from "./moderation_model.js";

/** @typedef {import("../lib/session_model.js").Comment} Comment */
/** @typedef {import("./moderation_model.js").Wish} Wish */

/** Rows kept on the page; all of them are in the trail. */
const KEPT = 200;
const MOST = 100;

/**
 * @param {((text: string, answers?: string) => Promise<any>) | null} send null for who moderates and says nothing
 * @param {(wish: Wish) => void} moderate
 */
export function createComments(send, moderate) {
  /** @type {Set<string>} */ const seen = new Set();
  /** what came while a menu was open: the row under it must not move away @type {Comment[]} */ let later = [];
  /** @type {Comment | null} */ let asked = null;
  const list = h("div", { class: "talk-list", role: "log", testid: "comment-list", tLabel: "studio.comments", tabindex: "0" });
  const voice = aloud(list);
  const newestWords = h("span", { t: "studio.newest" });
  const newest = h(
    "button",
    { class: "button button-small talk-newest", type: "button", testid: "newest", hidden: true },
    icon("down"),
    newestWords,
  );
  const place = follow(list, (unread) => {
    newest.hidden = !unread;
    setText(newestWords, "studio.newest", { n: unread });
  });
  newest.addEventListener("click", () => {
    place.toEnd();
    list.focus();
  });
  const none = h("p", { class: "talk-none muted", t: send ? "studio.no_comments" : "supervised.no_comments" });
  const input = h("input", {
    class: "input",
    maxlength: MOST,
    tPlaceholder: "studio.say",
    tLabel: "studio.say",
    testid: "comment-input",
    autocomplete: "off",
  });
  const button = h(
    "button",
    { class: "button-icon talk-send", type: "submit", tLabel: "studio.send", testid: "comment-send" },
    icon("send"),
  );
  const trouble = h("div");
  const pinned = h("div", { class: "talk-pinned", testid: "pinned-comment", hidden: true });
  const answering = h("div", { class: "talk-answering", testid: "answering", hidden: true });
  const form = h("form", { class: "talk-form" }, input, button);
  const menu = createCommentMenu({
    choices: (comment) => choices(comment, send !== null),
    onChoose: (choice, comment) => (choice.wish ? moderate(choice.wish(comment)) : answer(comment)),
    onClose: () => {
      const waiting = later;
      later = [];
      add(waiting);
    },
  });
  const speaking = send ? [trouble, answering, form] : null;
  const read = [list, voice.element, newest];
  const element = h("div", { class: "talk" }, pinned, none, read, speaking, menu.element);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || !send) return;
    button.disabled = true;
    try {
      await send(text, asked?.id);
      input.value = "";
      answer(null);
      fill(trouble);
    } catch (error) {
      fill(trouble, refusal(asProblem(error), { compact: true }));
    } finally {
      button.disabled = false;
      input.focus();
    }
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && asked) answer(null);
  });

  /** The next word of the host answers this comment; none again with null. @param {Comment | null} comment */
  function answer(comment) {
    asked = comment;
    answering.hidden = !comment;
    if (!comment) return fill(answering);
    fill(
      answering,
      h("span", { class: "talk-quote", t: "moderation.answering", tp: { who: comment.author, text: comment.text } }),
      h(
        "button",
        { class: "button-icon", type: "button", tLabel: "moderation.answer_not", onclick: () => answer(null) },
        icon("close"),
      ),
    );
    input.focus();
  }

  /** @param {Comment} comment */
  function row(comment) {
    const more = h(
      "button",
      {
        class: "button-icon talk-more",
        type: "button",
        "aria-haspopup": "menu",
        "aria-expanded": "false",
        tLabel: "moderation.more",
        tp: { who: comment.author, text: comment.text },
        testid: "comment-more",
      },
      icon("more"),
    );
    more.addEventListener("click", () => menu.open(more, comment));
    return h(
      "p",
      { class: `talk-row${comment.host ? " talk-row-host" : ""}`, data: { id: comment.id } },
      h("span", { class: "talk-who" }, comment.author, mark(comment)),
      h(
        "span",
        { class: "talk-text" },
        comment.answers?.text ? h("q", { class: "talk-quote" }, `${comment.answers.author}: ${comment.answers.text}`) : null,
        comment.text,
      ),
      h("time", { class: "talk-at", datetime: comment.at }, time(comment.at)),
      more,
    );
  }

  /** @param {Comment} comment */
  function mark(comment) {
    if (comment.host) return h("span", { class: "tag", t: "studio.host" });
    return comment.kind === "question" ? h("span", { class: "tag tag-warn", t: "moderation.question" }) : null;
  }

  /** @param {Comment[]} comments @param {boolean} [past] said before this page looked */
  function add(comments, past = false) {
    if (menu.isOpen()) {
      later = [...later, ...comments].slice(-KEPT);
      return;
    }
    const fresh = comments.filter((c) => !seen.has(c.id));
    if (!fresh.length) return;
    none.hidden = true;
    const asks = fresh.filter(({ kind }) => kind === "question");
    if (past) voice.quietly();
    else
      voice.comes(
        fresh.length,
        asks.map(({ author, text }) => `${author} ${text}`),
      );
    // Each where its time puts it: what was said while one was away comes before what has been heard since.
    const times = [...list.querySelectorAll("time")].map((one) => one.dateTime);
    let last = 0;
    for (const c of fresh) {
      seen.add(c.id);
      const at = placeFor(times, c.at);
      if (at === times.length) last += 1;
      list.insertBefore(row(c), list.children[at] ?? null);
      times.splice(at, 0, c.at);
    }
    while (list.children.length > KEPT) {
      const old = /** @type {HTMLElement} */ (list.firstElementChild);
      seen.delete(old.dataset["id"] ?? "");
      old.remove();
    }
    place.grew(last);
  }

  /** What moderators have taken down, and what they have put back where its time puts it. @param {{ removed: string[], restored: Comment[] }} told */
  function moderated({ removed, restored }) {
    takeDown(removed);
    add(restored);
  }

  /** The last comments on joining, and what was taken down while one was away. @param {Comment[]} comments @param {string[]} removed */
  function history(comments, removed) {
    takeDown(removed);
    add(comments, true);
  }

  /** @param {string[]} removed */
  function takeDown(removed) {
    later = later.filter(({ id }) => !removed.includes(id));
    const rows = /** @type {HTMLElement[]} */ ([...list.children]);
    for (const gone of rows.filter((one) => removed.includes(one.dataset["id"] ?? ""))) {
      seen.delete(gone.dataset["id"] ?? "");
      gone.remove();
    }
    none.hidden = list.children.length > 0;
  }

  /** The comment that stands above the others. @param {Comment | null | undefined} comment */
  function pin(comment) {
    pinned.hidden = !comment;
    if (pinned.dataset["id"] === (comment?.id ?? "")) return;
    pinned.dataset["id"] = comment?.id ?? "";
    if (!comment) return fill(pinned);
    const off = h(
      "button",
      { class: "button-icon", type: "button", tLabel: "moderation.unpin", testid: "comment-unpin" },
      icon("close"),
    );
    off.addEventListener("click", () => moderate({ act: "unpin" }));
    fill(pinned, icon("pin"), h("span", { class: "talk-text" }, `${comment.author}: ${comment.text}`), off);
  }

  return { element, add, history, moderated, pin };
}
