// What viewers say, and the host's own word among them.
import { asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { time } from "../lib/format.js";
import { refusal } from "../lib/ui.js";

/** @typedef {import("../lib/session_model.js").Comment} Comment */

/** Rows kept on the page; all of them are in the trail. */
const KEPT = 200;
const MOST = 100;

/** @param {(text: string) => Promise<any>} send */
export function createComments(send) {
  /** @type {Set<string>} */ const seen = new Set();
  const list = h("div", { class: "talk-list", role: "log", testid: "comment-list", tLabel: "studio.comments", tabindex: "0" });
  const none = h("p", { class: "talk-none muted", t: "studio.no_comments" });
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
  const form = h("form", { class: "talk-form" }, input, button);
  const element = h("div", { class: "talk" }, none, list, trouble, form);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    button.disabled = true;
    try {
      await send(text);
      input.value = "";
      fill(trouble);
    } catch (error) {
      fill(trouble, refusal(asProblem(error), { compact: true }));
    } finally {
      button.disabled = false;
      input.focus();
    }
  });

  /** @param {Comment} comment */
  function row(comment) {
    return h(
      "p",
      { class: `talk-row${comment.host ? " talk-row-host" : ""}`, data: { id: comment.id } },
      h("span", { class: "talk-who" }, comment.author, comment.host ? h("span", { class: "tag", t: "studio.host" }) : null),
      h("span", { class: "talk-text" }, comment.text),
      h("time", { class: "talk-at", datetime: comment.at }, time(comment.at)),
    );
  }

  /** @param {Comment[]} comments */
  function add(comments) {
    const fresh = comments.filter((c) => !seen.has(c.id));
    if (!fresh.length) return;
    for (const c of fresh) seen.add(c.id);
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    none.hidden = true;
    list.append(...fresh.map(row));
    while (list.children.length > KEPT) {
      const old = /** @type {HTMLElement} */ (list.firstElementChild);
      seen.delete(old.dataset["id"] ?? "");
      old.remove();
    }
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  return { element, add, start: add };
}
