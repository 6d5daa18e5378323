// What was asked, each with its answers, bounded: a rush of comments does not push a question out of sight.

/** @typedef {import("./session_model.js").Comment} Comment */
/** @typedef {{id: string, author: string, text: string, at: string, answers: Comment[]}} Question */

const KEPT = 50;
const ANSWERS_KEPT = 5;

export class QuestionsModel {
  /** @param {number} [limit] questions kept */
  constructor(limit = KEPT) {
    this.limit = limit;
    /** @type {Question[]} oldest first */
    this.questions = [];
    /** @type {Set<string>} taken down, the latest last */
    this.gone = new Set();
  }

  /** Whether anything is new. @param {Comment[]} some */
  received(some) {
    let fresh = false;
    for (const comment of some) {
      if (this.gone.has(comment.id)) continue;
      if (comment.kind === "question") fresh = this.#asked(comment) || fresh;
      if (comment.kind === "answer" && comment.answers) fresh = this.#answered(comment, comment.answers) || fresh;
    }
    return fresh;
  }

  /** @param {string[]} ids @returns {boolean} whether anything has gone */
  removed(ids) {
    const wanted = new Set(ids);
    for (const id of ids) this.gone.add(id);
    while (this.gone.size > this.limit * 4) this.gone.delete(/** @type {string} */ (this.gone.values().next().value));
    const before = JSON.stringify(this.questions);
    this.questions = this.questions.filter(({ id }) => !wanted.has(id));
    for (const one of this.questions) one.answers = one.answers.filter(({ id }) => !wanted.has(id));
    return JSON.stringify(this.questions) !== before;
  }

  /** @param {Comment[]} some */
  restored(some) {
    for (const { id } of some) this.gone.delete(id);
    return this.received(some);
  }

  /** @param {Comment} comment */
  #asked({ id, author, text, at }) {
    const known = this.questions.find((one) => one.id === id);
    if (known) {
      // Its answer came first, and brought the words but not the time.
      if (known.at === at) return false;
      known.at = at;
    } else this.questions.push({ id, author, text, at, answers: [] });
    this.#order();
    return true;
  }

  /** @param {Comment} answer @param {{id: string, author: string, text: string}} to */
  #answered(answer, to) {
    if (this.gone.has(to.id)) return false;
    let question = this.questions.find((one) => one.id === to.id);
    if (question?.answers.some(({ id }) => id === answer.id)) return false;
    if (!question) {
      if (!to.text) return false; // taken down or erased: nothing to put the answer under
      question = { id: to.id, author: to.author, text: to.text, at: answer.at, answers: [] };
      this.questions.push(question);
    }
    question.answers = [...question.answers, answer].slice(-ANSWERS_KEPT);
    this.#order();
    return true;
  }

  #order() {
    this.questions.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    while (this.questions.length > this.limit) this.questions.shift();
  }
}
