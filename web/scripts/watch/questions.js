// The questions, each with its answers under it: beside the comments on a desk, a sheet on a phone.
import { fill, h, setText } from "../lib/dom.js";
import { QuestionsModel } from "../lib/questions_model.js";
import { empty } from "../lib/ui.js";

/** @typedef {import("../lib/session_model.js").Comment} Comment */

export class Questions {
  model = new QuestionsModel();
  list = h("ol", { class: "question-list", testid: "question-list", tLabel: "talk.questions" });
  none = empty({ t: "talk.questions.none", next: "talk.questions.none.next", icon: "comment" });
  panel = h("div", { class: "questions" }, this.none, this.list);
  count = h("span", { class: "figures" });
  /** @type {HTMLButtonElement} for the phone, where no tabs are */
  opener = h(
    "button",
    { class: "button button-small question-open", type: "button", testid: "questions-open", hidden: true },
    h("span", { t: "talk.questions" }),
    this.count,
  );

  /** @param {Comment[]} some */
  received(some) {
    if (this.model.received(some)) this.#draw();
  }

  clear() {
    this.model = new QuestionsModel();
    this.#draw();
  }

  /** @param {{removed: string[], restored: Comment[]}} what */
  moderated({ removed, restored }) {
    const gone = this.model.removed(removed);
    if (this.model.restored(restored) || gone) this.#draw();
  }

  /** Where nothing can be asked nobody is told how. @param {boolean} is the show is over @param {boolean} asks */
  over(is, asks) {
    const next = /** @type {HTMLElement | null} */ (this.none.querySelector(".empty-next"));
    if (next) next.hidden = !asks;
    setText(
      /** @type {HTMLElement} */ (this.none.querySelector(".empty-title")),
      is ? "talk.questions.none.over" : "talk.questions.none",
    );
  }

  #draw() {
    const { questions } = this.model;
    this.none.hidden = questions.length > 0;
    this.opener.hidden = !questions.length;
    this.count.textContent = String(questions.length);
    fill(this.list, ...[...questions].reverse().map((one) => this.#row(one)));
  }

  /** @param {import("../lib/questions_model.js").Question} question */
  #row({ id, author, text, answers }) {
    return h(
      "li",
      { class: "question", testid: "question", data: { comment: id } },
      h("p", null, h("span", { class: "comment-author" }, author), " ", text),
      answers.length
        ? answers.map((answer) =>
            h(
              "p",
              { class: "question-answer", testid: "question-answer" },
              h("span", { class: "comment-badge", t: "watch.comment.host" }),
              answer.text,
            ),
          )
        : h("p", { class: "question-open-yet", t: "talk.unanswered" }),
    );
  }
}
