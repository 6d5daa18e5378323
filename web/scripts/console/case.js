// A reviewer's work on one session: open, claim, decide; a second person confirms what the first found serious.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { dateTime } from "../lib/format.js";
import { has } from "../lib/i18n.js";
import { refusal } from "../lib/ui.js";
import { caseActions } from "./case_model.js";

/** @typedef {import("./case_model.js").Case} Case */

/** What was written and is not sent yet, by session and field: a refusal, a redraw or a change of language must not cost it. @type {Map<string, string>} */
const drafts = new Map();

/** @param {string} session @param {Case | null} known @param {{ id: string }} person @param {() => void} onChange */
export function createCase(session, known, person, onChange) {
  let current = known;
  const body = h("div", { class: "case-body" });
  const trouble = h("div", { class: "case-trouble" });
  const element = h("section", { class: "case", testid: "case", tLabel: "console.case" }, body, trouble);

  /** @param {string} path @param {unknown} [payload] */
  async function act(path, payload) {
    fill(trouble);
    enable(false);
    try {
      current = await api("POST", path, payload ?? {});
    } catch (error) {
      enable(true);
      fill(trouble, refusal(asProblem(error), { compact: true, retry: () => void act(path, payload) }));
      return;
    }
    for (const field of ["reason", "note", "verdict"]) drafts.delete(`${session} ${field}`);
    onChange();
    draw();
  }

  /** @param {boolean} on */
  function enable(on) {
    for (const button of body.querySelectorAll("button")) button.disabled = !on;
  }

  /** Keeps what is written into a field. @template {HTMLInputElement | HTMLTextAreaElement} T @param {string} name @param {T} field @returns {T} */
  function drafted(name, field) {
    field.value = drafts.get(`${session} ${name}`) ?? "";
    field.addEventListener("input", () => drafts.set(`${session} ${name}`, field.value));
    return field;
  }

  /** @param {string} key @param {string} testid @param {() => void} fn @param {string} [look] */
  const button = (key, testid, fn, look = "") =>
    h("button", { class: `button button-small ${look}`, type: "button", testid, t: key, onclick: fn });

  function opening() {
    const reason = drafted(
      "reason",
      h("input", {
        class: "input",
        required: true,
        maxlength: "300",
        tPlaceholder: "console.case_reason",
        tLabel: "console.case_reason",
        testid: "case-reason",
      }),
    );
    const form = h(
      "form",
      { class: "case-open" },
      reason,
      h("button", { class: "button button-small", type: "submit", testid: "case-open", t: "console.case_open" }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void act("/api/cases", { session, reason: reason.value.trim() });
    });
    return [h("p", { class: "case-lead", t: "console.case_none" }), form];
  }

  /** @param {Case} one */
  function deciding(one) {
    const note = drafted(
      "note",
      h("textarea", {
        class: "textarea",
        rows: "2",
        maxlength: "2000",
        tPlaceholder: "console.case_note",
        tLabel: "console.case_note",
        testid: "case-note",
      }),
    );
    /** @param {string} verdict */
    const choice = (verdict) =>
      h(
        "label",
        { class: `choice choice-${verdict}` },
        h("input", {
          type: "radio",
          name: "verdict",
          value: verdict,
          required: true,
          checked: drafts.get(`${session} verdict`) === verdict,
          testid: `case-${verdict}`,
          onchange: () => drafts.set(`${session} verdict`, verdict),
        }),
        h("span", { t: `case.verdict_${verdict}` }),
      );
    const form = h(
      "form",
      { class: "case-decide" },
      h(
        "fieldset",
        { class: "case-verdict" },
        h("legend", { class: "visually-hidden", t: "console.case_verdict" }),
        choice("clear"),
        choice("serious"),
      ),
      note,
      h(
        "div",
        { class: "case-buttons" },
        h("button", {
          class: "button button-small button-accent",
          type: "submit",
          testid: "case-decide",
          t: "console.case_decide",
        }),
        button("console.case_release", "case-release", () => void act(`/api/cases/${one.id}/release`)),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void act(`/api/cases/${one.id}/decide`, { verdict: new FormData(form).get("verdict"), note: note.value.trim() });
    });
    return form;
  }

  /** @param {Case} one */
  function facts(one) {
    const reason = one.reasons?.at(-1)?.reason ?? one.reason ?? "";
    return h(
      "div",
      { class: "case-facts" },
      h("span", { class: `tag tag-case tag-case-${one.state}`, testid: "case-state", t: `case.${one.state}` }),
      one.verdict ? h("span", { class: `tag tag-${one.verdict}`, t: `case.verdict_${one.verdict}` }) : null,
      reason
        ? has(`case.because_${reason}`)
          ? h("p", { class: "case-reason", t: `case.because_${reason}` })
          : h("p", { class: "case-reason" }, reason)
        : null,
      // Who confirms must read what the first person found.
      one.decided_at
        ? h("p", { class: "case-reason" }, [one.decided_by, dateTime(one.decided_at)].filter(Boolean).join(" · "))
        : null,
      one.note ? h("p", { class: "case-note", testid: "case-verdict-note" }, one.note) : null,
      one.confirmed_at
        ? h("p", {
            class: "case-reason",
            t: "console.case_confirmed_by",
            tp: { name: one.confirmed_by ?? "–", at: { dateTime: one.confirmed_at } },
          })
        : null,
    );
  }

  function draw() {
    if (!current) return fill(body, opening());
    const one = current;
    const can = caseActions(one, person.id);
    fill(
      body,
      facts(one),
      can.claim
        ? button("console.case_claim", "case-claim", () => void act(`/api/cases/${one.id}/claim`), "button-accent")
        : null,
      can.decide ? deciding(one) : null,
      can.confirm
        ? h(
            "div",
            { class: "case-buttons" },
            button("console.case_confirm", "case-confirm", () => void act(`/api/cases/${one.id}/confirm`), "button-accent"),
            button("console.case_disagree", "case-reopen", () => void act(`/api/cases/${one.id}/reopen`)),
          )
        : null,
      can.reopen ? button("console.case_reopen", "case-reopen", () => void act(`/api/cases/${one.id}/reopen`)) : null,
      can.wait ? h("p", { class: "case-lead", t: can.wait }) : null,
    );
  }

  draw();
  return { element, redraw: draw };
}
