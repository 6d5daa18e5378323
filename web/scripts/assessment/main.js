// The risk questionnaire: one question at a time, answers kept on the way, the result with what it means.
import "../../texts/customer.js";
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { onLang } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { ownPath } from "../lib/own_path.js";
import { frame, guarded } from "../lib/page.js";
import { refusal, skeleton } from "../lib/ui.js";
import { hasExpired, UNKNOWN } from "./model.js";
import { allowance, pastAssessments, scoring } from "./parts.js";

const main = frame({ current: "assessment", title: "title.assessment", class: "page page-narrow assessment-page" });
const place = h("div", { class: "stack" }, skeleton(5));
main.append(h("h1", { t: "assessment.title" }), place);

let form = UNKNOWN;
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
  const none = form.left_today === 0;
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
          t: "assessment.valid",
          tp: { date: { date: form.current.valid_until } },
        }),
      ),
    hasExpired(form) &&
      h("p", { class: "notice notice-warn", testid: "expired" }, icon("info"), h("span", { t: "assessment.expired" })),
    h("p", { class: "assessment-lead", t: "assessment.lead" }),
    h("p", { class: "notice" }, icon("info"), h("span", { t: "assessment.self" })),
    h(
      "div",
      { class: "row row-wrap" },
      h("button", {
        class: "button button-accent",
        type: "button",
        testid: "assessment-begin",
        t: form.history.length ? "assessment.again" : "assessment.begin",
        disabled: none,
        "aria-describedby": none ? "assessment-left" : null,
        onclick: () => {
          step = "ask";
          at = 0;
          drawQuestion(true);
        },
      }),
      form.current && back(),
    ),
    h("div", { id: "assessment-left" }, allowance(form)),
    pastAssessments(form),
    scoring(form),
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
      h("p", {
        class: "small muted figures",
        t: "assessment.scored",
        tp: { score: form.history[0]?.score ?? 0, date: { date: result.valid_until } },
      }),
    ),
    h("div", { class: "row" }, back()),
    allowance(form),
    scoring(form),
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
