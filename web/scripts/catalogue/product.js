// One product: its terms, its disclosure, its history.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { confirm, grade, refusal, tabs, toast } from "../lib/ui.js";
import { createDisclosure } from "./disclosure.js";
import { createEditor } from "./editor.js";
import { createHistory } from "./history.js";
import { paneHead, wording } from "./shown.js";

/** @typedef {import("./model.js").Item} Item */

/**
 * @param {{item: Item, may: boolean, onBack: () => void, onChanged: () => void}} options
 * @returns {import("./main.js").Pane}
 */
export function openProduct({ item: first, may, onBack, onChanged }) {
  let item = first;
  const head = h("div");
  const message = h("div", { class: "pane-message", "aria-live": "polite" });
  const editor = createEditor({ item, may, onBack, onSaved: (next) => changed(next, "terms") });
  const disclosure = createDisclosure({ item, may, onPublished: (next) => changed(next, "disclosure") });
  const past = createHistory();
  const terms = h("div", { class: "pane-panel" }, editor.element);
  const texts = h("div", { class: "pane-panel" }, disclosure.element);
  const history = h("div", { class: "pane-panel" }, past.element);
  const bar = tabs(
    [
      { id: "terms", t: "catalogue.tab.terms", panel: terms, testid: "tab-terms" },
      { id: "disclosure", t: "catalogue.tab.disclosure", panel: texts, testid: "tab-disclosure" },
      { id: "history", t: "catalogue.tab.history", panel: history, testid: "tab-history" },
    ],
    "catalogue.tabs",
  );
  drawHead();
  void past.load(item);

  /** @param {Item} next @param {"terms" | "disclosure" | "withdrawn"} by */
  function changed(next, by) {
    item = next;
    if (by !== "terms") editor.renew(next);
    if (by !== "disclosure") disclosure.renew(next);
    fill(message);
    drawHead();
    void past.load(item);
    onChanged();
  }

  async function withdraw() {
    const params = { product: item.name };
    const sure = await confirm({
      title: "catalogue.withdraw.ask",
      text: "catalogue.withdraw.text",
      params,
      yes: "catalogue.withdraw.yes",
      danger: true,
    });
    if (!sure) return;
    try {
      const path = `/api/catalogue/${encodeURIComponent(item.id)}/withdraw`;
      changed(await api("POST", path, { revision: item.revision }), "withdrawn");
      toast(t("catalogue.withdrawn"), { tone: "good" });
    } catch (error) {
      fill(message, refusal(asProblem(error), { retry: () => void reload() }));
    }
  }

  /** Somebody else has changed it: what they made of it, beside what is typed here. */
  async function reload() {
    try {
      changed(await api("GET", `/api/catalogue/${encodeURIComponent(item.id)}`), "withdrawn");
    } catch (error) {
      fill(message, refusal(asProblem(error), { retry: () => void reload() }));
    }
  }

  function drawHead() {
    fill(
      head,
      paneHead({
        title: h("h1", { class: "pane-title", tabindex: "-1" }, item.name),
        facts: [
          grade(item.risk),
          h("span", { t: `class.${item.class}` }),
          h("span", { class: "product-id" }, item.id),
          h("span", { t: "catalogue.revision", tp: { n: item.revision }, testid: "revision" }),
        ],
        onBack,
        tools: [
          may &&
            (item.sale === "open" || item.sale === "before" || item.sale === "sold_out") &&
            h("button", {
              class: "button button-small button-danger",
              type: "button",
              t: "catalogue.withdraw",
              testid: "withdraw",
              onclick: () => void withdraw(),
            }),
        ],
      }),
      !may && h("p", { class: "notice notice-reading", t: "catalogue.reading" }),
      wording(item.warnings),
    );
  }

  return {
    element: h("div", { class: "pane" }, head, message, bar.element, terms, texts, history),
    unsaved: () => [...editor.unsaved(), ...disclosure.unsaved()],
  };
}
