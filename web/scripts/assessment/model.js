// What the assessment page makes of the server's answer. Pure.

/** @typedef {{id: string, text: string, options: {id: string, text: string}[]}} Question */
/** @typedef {{at: string, valid_until: string, score: number, grade: string, valid: boolean}} Past */
/** @typedef {{version: number, questions: {id: string, points: Record<string, number>, highest: Record<string, string>}[], grades: {grade: string, least: number, most: number, meaning: string}[]}} Scoring */
/** @typedef {{questions: Question[], scoring: Scoring, current: {grade: string, meaning: string, at: string, valid_until: string} | null, history: Past[], left_today: number, left_year: number, a_day: number, a_year: number, again_at: string | null}} Questionnaire */
/** @typedef {"current"|"expired"|"replaced"} Standing */

/** @type {Questionnaire} */
export const UNKNOWN = {
  questions: [],
  scoring: { version: 0, questions: [], grades: [] },
  current: null,
  history: [],
  left_today: 0,
  left_year: 0,
  a_day: 0,
  a_year: 0,
  again_at: null,
};

/** Which of one's assessments counts, and why the others don't: only the newest does, for as long as it holds. @param {Past[]} history newest first @returns {(Past & {standing: Standing})[]} */
export function standings(history) {
  return history.map((past, place) => ({ ...past, standing: place ? "replaced" : past.valid ? "current" : "expired" }));
}

/** Whether the one that would count has run out. @param {Questionnaire} form */
export function hasExpired(form) {
  return form.history.length > 0 && !form.history[0].valid;
}

/** The published table, a question at a time: its answers with their points and the best grade each allows. @param {Questionnaire} form @returns {{text: string, rows: {text: string, points: number, highest: string | null}[]}[]} */
export function scoreTable(form) {
  const scored = new Map(form.scoring.questions.map((one) => [one.id, one]));
  return form.questions.map((question) => ({
    text: question.text,
    rows: question.options.map((option) => ({
      text: option.text,
      points: scored.get(question.id)?.points[option.id] ?? 0,
      highest: scored.get(question.id)?.highest[option.id] ?? null,
    })),
  }));
}
