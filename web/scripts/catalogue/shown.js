// How values of the catalogue are drawn, where several parts of the page draw them.
import { h, icon } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { shownValue } from "./model.js";

/** @param {string} field @param {any} value @param {string} currency */
export function valueOf(field, value, currency) {
  const found = shownValue(field, value, currency);
  return typeof found === "string" ? h("span", null, found) : h("span", { t: found.key, tp: found.params });
}

/** The names of fields in a row. @param {string[]} fields */
export function fieldNames(fields) {
  return fields.map((name) => t(`field.${name}`)).join(t("comma"));
}

/**
 * What differs, field by field: as it was and as it is. @param {Record<string, any>} before @param {Record<string, any>} after @param {string} currency
 */
export function differences(before, after, currency) {
  const first = !Object.keys(before).length;
  return h(
    "dl",
    { class: "differences" },
    Object.keys(after).flatMap((field) => [
      h("dt", { t: `field.${field}` }),
      h(
        "dd",
        null,
        !first && [
          h("span", { class: "visually-hidden", t: "history.was" }),
          h("del", null, valueOf(field, before[field], currency)),
          icon("forward", "differences-arrow"),
          h("span", { class: "visually-hidden", t: "history.now" }),
        ],
        h("ins", null, valueOf(field, after[field], currency)),
      ),
    ]),
  );
}

/** The head of what stands at the right. @param {{title: Node, facts?: (Node | false | null)[], onBack: () => void, tools?: (Node | false | null)[]}} options */
export function paneHead({ title, facts = [], onBack, tools = [] }) {
  return h(
    "header",
    { class: "pane-head" },
    h(
      "button",
      { class: "button-icon pane-back", type: "button", tLabel: "catalogue.back", testid: "back", onclick: onBack },
      icon("back"),
    ),
    h("div", { class: "pane-name" }, title, h("p", { class: "pane-facts" }, ...facts)),
    h("div", { class: "pane-tools" }, ...tools),
  );
}

/**
 * Words that marketing may not use, field by field: said, never held against anybody. @param {import("./model.js").Warning[]} warnings
 */
export function wording(warnings) {
  if (!warnings.length) return null;
  const fields = [...new Set(warnings.map((one) => one.field))];
  const words = (/** @type {string} */ field) =>
    warnings.filter((one) => one.field === field).map((one) => h("q", null, one.words));
  return h(
    "div",
    { class: "notice notice-warn wording", testid: "wording" },
    icon("warn"),
    h(
      "div",
      null,
      h("p", { class: "refusal-title", t: "catalogue.wording" }),
      h(
        "ul",
        { class: "wording-list" },
        fields.map((field) => h("li", { data: { field } }, h("b", { t: `field.${field}` }), words(field))),
      ),
      h("p", { class: "refusal-next" }, warnings[0].next),
    ),
  );
}
