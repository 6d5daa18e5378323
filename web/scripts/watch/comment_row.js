// One line of the list: who, what, and how it stands with it.
import { h } from "../lib/dom.js";

/** @typedef {import("../lib/comments_model.js").Line} Line */

/** What stands beside a line that is not simply shown. @type {Record<string, string>} */
const NOTES = { held: "talk.held", rejected: "talk.rejected", failed: "watch.comment.failed" };

/** @param {Line} line @param {((line: Line) => void) | null} onMention null where nobody can be spoken to @param {(line: Line) => void} onAgain */
export function commentRow(line, onMention, onAgain) {
  const kinds = [line.host && "comment-host", line.own && "comment-own", line.mentioned && "comment-mentioned"];
  const row = h(
    "li",
    {
      class: ["comment", ...kinds.filter(Boolean)].join(" "),
      data: { state: line.state, kind: line.kind, comment: line.id ?? line.key },
    },
    line.mentioned && h("span", { class: "visually-hidden", t: "talk.mentioned" }),
    line.answers?.text && h("span", { class: "comment-quote" }, `${line.answers.author} ${line.answers.text}`),
    h(
      "span",
      { class: "comment-author" },
      line.host && h("span", { class: "comment-badge", t: "watch.comment.host" }),
      line.kind === "question" && h("span", { class: "comment-badge comment-badge-question", t: "talk.question" }),
      line.own ? h("span", { t: "watch.comment.you" }) : onMention ? author(line, onMention) : line.author,
    ),
    " ",
    h("span", { class: "comment-text" }, line.text),
  );
  drawState(row, line, onAgain);
  return row;
}

/** @param {Line} line @param {(line: Line) => void} onMention */
function author(line, onMention) {
  return h(
    "button",
    // Not in the order of Tab: 200 of them would stand between the list and the line to write in. The list's keys reach them.
    { class: "comment-name", type: "button", tabindex: "-1", tTitle: "talk.mention", onclick: () => onMention(line) },
    line.author,
  );
}

/** @param {HTMLElement} row @param {Line} line @param {(line: Line) => void} onAgain */
export function drawState(row, line, onAgain) {
  row.dataset.state = line.state;
  row.dataset.comment = line.id ?? line.key;
  row.querySelector(".comment-note")?.remove();
  const note = NOTES[line.state];
  if (!note) return;
  const again = { type: "button", tTitle: "watch.comment.again", onclick: () => onAgain(line) };
  row.append(
    line.state === "failed"
      ? h("button", { class: "comment-note", t: note, ...again })
      : h("span", { class: "comment-note", t: note }),
  );
}

/** From name to name by the keys: Enter on the list goes to the last one, arrows on, Escape back. @param {KeyboardEvent} event @param {HTMLElement} list */
export function byKeys(event, list) {
  const names = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".comment-name")]);
  const at = names.findIndex((name) => name === event.target);
  if (at < 0 && event.key !== "Enter") return;
  const to = at < 0 ? names.length - 1 : at + ({ ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0);
  if (event.target !== list && at < 0) return;
  if (event.key === "Escape") list.focus();
  else if (to !== at && names[to]) names[to].focus();
  else return;
  event.preventDefault();
}
