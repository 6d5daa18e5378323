// What stands under the questionnaire: one's earlier assessments, and the table by which all are scored.
import { h } from "../lib/dom.js";
import { scoreTable, standings } from "./model.js";

/** @typedef {import("./model.js").Questionnaire} Questionnaire */

const TONES = { current: "tag-good", expired: "tag-warn", replaced: "" };

/** How often it may still be filled in, and from when again. @param {Questionnaire} form */
export function allowance(form) {
  const { left_today: day, left_year: year, a_day: aDay, a_year: aYear } = form;
  return h(
    "div",
    { class: "allowance small muted figures", testid: "allowance" },
    h("p", { t: "assessment.left", tp: { day, year, aDay, aYear } }),
    form.again_at && h("p", { t: "assessment.again_at", tp: { at: { dateTime: form.again_at } } }),
  );
}

/** @param {Questionnaire} form */
export function pastAssessments(form) {
  if (!form.history.length) return null;
  const row = (/** @type {ReturnType<typeof standings>[number]} */ past) =>
    h(
      "li",
      { testid: "past-assessment", data: { standing: past.standing } },
      h("strong", { class: "past-grade" }, past.grade),
      h(
        "span",
        { class: "past-when" },
        h("span", { t: "plain.time", tp: { at: { date: past.at } } }),
        h("span", {
          class: "small muted",
          t: "assessment.past",
          tp: { score: past.score, date: { date: past.valid_until } },
        }),
      ),
      h("span", { class: `tag ${TONES[past.standing]}`, t: `assessment.standing.${past.standing}` }),
    );
  return h(
    "section",
    { class: "stack-2", "aria-labelledby": "past-title" },
    h("h2", { id: "past-title", class: "section-title", t: "assessment.history" }),
    h("ol", { class: "card past-list figures" }, standings(form.history).map(row)),
  );
}

/** @param {Questionnaire} form */
export function scoring(form) {
  const bands = form.scoring.grades.map(({ grade, least, most, meaning }) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, grade),
      h("td", { class: "num" }, h("span", { t: "assessment.score.range", tp: { least, most } })),
      h("td", null, meaning),
    ),
  );
  const questions = scoreTable(form).map(({ text, rows }, place) =>
    h(
      "li",
      { class: "score-question" },
      h("p", { class: "score-text" }, `${place + 1}. ${text}`),
      h(
        "dl",
        { class: "score-answers figures" },
        rows.flatMap((row) => [
          h(
            "dt",
            null,
            row.text,
            row.highest && h("span", { class: "score-highest", t: "assessment.score.highest", tp: { grade: row.highest } }),
          ),
          h("dd", null, String(row.points)),
        ]),
      ),
    ),
  );
  return h(
    "details",
    { class: "card scoring", testid: "scoring" },
    h("summary", { t: "assessment.scoring" }),
    h("p", { class: "muted small", t: "assessment.scoring.lead", tp: { version: form.scoring.version } }),
    h("table", { class: "table score-grades" }, h("tbody", null, bands)),
    h("ol", { class: "score-questions" }, questions),
  );
}
