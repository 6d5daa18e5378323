// The risk questionnaire: one question at a time, answers kept on the way, the result with what it means.
import "../../texts/customer.js";
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { onLang } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { ownPath } from "../lib/own_path.js";
import { frame, guarded } from "../lib/page.js";
import { refusal, skeleton } from "../lib/ui.js";

/** @typedef {{id: string, text: string, options: {id: string, text: string}[]}} Question */
/** @typedef {{questions: Question[], current: {grade: string, meaning: string, at: string, valid_until: string} | null, left_today: number, left_year: number}} Questionnaire */

const main = frame({ current: "assessment", title: "title.assessment", class: "page page-narrow assessment-page" });
const place = h("div", { class: "stack" }, skeleton(5));
main.append(h("h1", { t: "assessment.title" }), place);

/** @type {Questionnaire} */
let form = { questions: [], current: null, left_today: 0, left_year: 0 };
/** @type {Record<string, string>} */
const answers = {};
/** @type {"start"|"ask"|"result"} */
let step = "start";
let at = 0;

void start();
async function start() {
  await requireMe();
  await guarded(place, async () => {
    await load();
    drawStart();
  });
  onLang(
    () =>
      void guarded(place, async () => {
        await load();
        draw();
      }),
  );
}

async function load() {
  form = await api("GET", "/api/assessments");
}

function draw() {
  if (step === "start") drawStart();
  else if (step === "ask") drawQuestion();
  else void drawResult();
}

function drawStart() {
  const expired = form.current && Date.parse(form.current.valid_until) < Date.now();
  fill(
    place,
    form.current &&
      h(
        "section",
        { class: "card grade-card", testid: "grade" },
        h("p", { class: "muted", t: "assessment.current" }),
        h("p", { class: "grade-big" }, form.current.grade),
        h("p", null, form.current.meaning),
        h("p", {
          class: "small muted",
          t: expired ? "assessment.expired" : "assessment.valid",
          tp: { date: { date: form.current.valid_until } },
        }),
      ),
    h("p", { class: "assessment-lead", t: "assessment.lead" }),
    h("p", { class: "notice" }, icon("info"), h("span", { t: "assessment.self" })),
    h(
      "div",
      { class: "row row-wrap" },
      h("button", {
        class: "button button-accent",
        type: "button",
        testid: "assessment-begin",
        t: form.current ? "assessment.again" : "assessment.begin",
        onclick: () => {
          step = "ask";
          at = 0;
          drawQuestion(true);
        },
      }),
      form.current && back(),
    ),
    h("p", { class: "small muted figures", t: "assessment.left", tp: { day: form.left_today, year: form.left_year } }),
  );
}

/** @param {boolean} [focus] */
function drawQuestion(focus = false) {
  const question = form.questions[at];
  const last = at === form.questions.length - 1;
  const error = h("p", { class: "field-error", role: "alert" });
  const legend = h("legend", { class: "question-text", tabindex: "-1" }, question.text);
  const options = question.options.map((option) =>
    h(
      "label",
      { class: "choice" },
      h("input", {
        type: "radio",
        name: question.id,
        value: option.id,
        checked: answers[question.id] === option.id,
        onchange: () => {
          answers[question.id] = option.id;
          fill(error);
        },
      }),
      h("span", null, option.text),
    ),
  );
  const bar = h(
    "div",
    {
      class: "progress",
      role: "progressbar",
      "aria-valuemin": "0",
      "aria-valuemax": String(form.questions.length),
      "aria-valuenow": String(at + 1),
      tLabel: "assessment.progress",
      tp: { n: at + 1, all: form.questions.length },
    },
    h("span", { style: { width: `${((at + 1) / form.questions.length) * 100}%` } }),
  );
  fill(
    place,
    h(
      "form",
      { class: "stack question", novalidate: true, onsubmit: forward },
      bar,
      h("p", { class: "small muted figures", t: "assessment.progress", tp: { n: at + 1, all: form.questions.length } }),
      h("fieldset", { class: "stack-2", testid: "question" }, legend, options),
      error,
      h(
        "div",
        { class: "spread" },
        h("button", { class: "button", type: "button", t: "back", onclick: backward }),
        h("button", {
          class: `button ${last ? "button-accent" : "button-primary"}`,
          type: "submit",
          testid: "assessment-next",
          t: last ? "assessment.submit" : "next",
        }),
      ),
    ),
  );
  if (focus) legend.focus();

  /** @param {Event} event */
  function forward(event) {
    event.preventDefault();
    if (!answers[question.id]) {
      fill(error, h("span", { t: "assessment.missing" }));
      return;
    }
    if (last) void submit();
    else {
      at += 1;
      drawQuestion(true);
    }
  }

  function backward() {
    if (at > 0) {
      at -= 1;
      drawQuestion(true);
    } else {
      step = "start";
      drawStart();
    }
  }
}

async function submit() {
  const button = /** @type {HTMLButtonElement | null} */ (place.querySelector("[type=submit]"));
  if (button) button.disabled = true;
  try {
    await api("POST", "/api/assessments", { answers });
    step = "result";
    await drawResult();
  } catch (error) {
    drawQuestion();
    place.append(refusal(asProblem(error), { retry: () => void submit() }));
  }
}

async function drawResult() {
  await load();
  const result = form.current;
  if (!result) return drawStart();
  const title = h("h2", { t: "assessment.result", tp: { grade: result.grade }, tabindex: "-1" });
  fill(
    place,
    h(
      "section",
      { class: "card grade-card", testid: "assessment-result", data: { grade: result.grade } },
      h("p", { class: "grade-big", "aria-hidden": "true" }, result.grade),
      title,
      h("p", null, result.meaning),
      h(
        "p",
        { class: "assessment-may" },
        h("span", { class: `grade grade-r${result.grade.slice(1)}` }, `R${result.grade.slice(1)}`),
        h("span", { t: "assessment.buy", tp: { risk: `R${result.grade.slice(1)}` } }),
      ),
      h("p", { class: "small muted", t: "assessment.valid", tp: { date: { date: result.valid_until } } }),
    ),
    h("div", { class: "row" }, back()),
  );
  title.focus();
}

function back() {
  const next = ownPath(new URLSearchParams(location.search).get("next"), "");
  return h("a", {
    class: next ? "button button-primary" : "button",
    href: next || "/",
    t: next ? "assessment.go_on" : "door.lobby",
  });
}
