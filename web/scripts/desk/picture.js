// The customer's picture: who, grade, what they hold beside what the plan says, what suits and why.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { date, money, percent } from "../lib/format.js";
import { onLang } from "../lib/i18n.js";
import { grade, refusal, skeleton } from "../lib/ui.js";
import { allocation, reasons } from "./model.js";

/** @typedef {{ customer: any | null, call: import("./model.js").Call }} Known */

/** @param {import("./model.js").Call} call */
export function createPicture(call) {
  let closed = false;
  /** @type {any} */ let customer = null;
  const element = h("div", { class: "picture", testid: "customer-picture" }, skeleton(8));
  const stopLang = onLang(() => void load());
  void load();

  async function load() {
    try {
      customer = await api("GET", `/api/calls/${encodeURIComponent(call.id)}/customer`);
      if (!closed) draw();
    } catch (error) {
      if (!closed) fill(element, refusal(asProblem(error), { retry: () => void load() }));
    }
  }

  function draw() {
    const currency = customer.holdings[0]?.currency ?? "CNY";
    const { bars, total } = allocation(customer.holdings, customer.target);
    fill(
      element,
      h(
        "header",
        { class: "picture-head" },
        h(
          "div",
          null,
          h("h2", null, customer.name),
          h(
            "p",
            { class: "muted small" },
            customer.assessed_at
              ? h("span", { t: "desk.assessed", tp: { at: { date: customer.assessed_at } } })
              : h("span", { t: "desk.not_assessed" }),
          ),
        ),
        customer.grade ? h("span", { class: "picture-grade" }, customer.grade) : null,
      ),
      customer.age_65 ? h("p", { class: "notice notice-warn small", t: "desk.elder_note" }) : null,
      h(
        "section",
        { class: "picture-part" },
        h(
          "div",
          { class: "picture-line" },
          h("h3", { t: "desk.holdings" }),
          h("strong", { class: "figures" }, money(total, currency)),
        ),
        bars.length
          ? h(
              "ul",
              { class: "bars" },
              bars.map((bar) => barOf(bar, currency)),
            )
          : h("p", { class: "muted small", t: "desk.no_holdings" }),
        bars.length
          ? h(
              "p",
              { class: "bars-key muted" },
              h("span", { class: "bars-key-held", t: "desk.held" }),
              h("span", { class: "bars-key-target", t: "desk.target" }),
            )
          : null,
      ),
      h(
        "section",
        { class: "picture-part" },
        h("h3", { t: "desk.suits" }),
        customer.suitable.length
          ? h(
              "ul",
              { class: "suits" },
              customer.suitable.map((/** @type {any} */ p) => suit(p, bars)),
            )
          : h("p", { class: "muted small", t: "desk.suits_none" }),
      ),
      h(
        "section",
        { class: "picture-part" },
        h("h3", { t: "desk.history" }),
        customer.history.length
          ? h(
              "ul",
              { class: "past" },
              customer.history.map((/** @type {any} */ line) =>
                h("li", null, h("time", { class: "past-at", datetime: line.at }, date(line.at)), h("span", null, line.what)),
              ),
            )
          : h("p", { class: "muted small", t: "desk.no_history" }),
      ),
    );
  }

  /** @param {any} product @param {import("./model.js").Bar[]} bars */
  function suit(product, bars) {
    return h(
      "li",
      { class: "suit" },
      grade(product.risk, product.risk_meaning),
      h(
        "div",
        null,
        h("p", { class: "suit-name" }, product.name),
        h(
          "p",
          { class: "muted small" },
          reasons(product, customer.grade, bars).map((why) => h("span", { class: "suit-why", t: why.key, tp: why.params })),
        ),
      ),
    );
  }

  return {
    element,
    /** @returns {Known} */
    known: () => ({ customer, call }),
    close() {
      closed = true;
      stopLang();
    },
  };
}

/** @param {import("./model.js").Bar} bar @param {string} currency */
function barOf(bar, currency) {
  const held = h("span", { class: `bar-held${bar.off ? " bar-held-off" : ""}` });
  held.style.setProperty("width", `${Math.min(100, bar.share * 100)}%`);
  const target = h("span", { class: "bar-target" });
  target.style.setProperty("inset-inline-start", `${Math.min(100, bar.target * 100)}%`);
  const words = bar.off === 0 ? "desk.on_target" : bar.off < 0 ? "desk.below_target" : "desk.above_target";
  return h(
    "li",
    { class: "allocation" },
    h(
      "div",
      { class: "picture-line" },
      h("span", { t: `class.${bar.class}` }),
      h("span", { class: "figures small" }, `${percent(bar.share)} · ${money(bar.amount, currency)}`),
    ),
    h("div", { class: "bar", "aria-hidden": "true" }, held, target),
    h("p", {
      class: `bar-words small${bar.off ? " bar-words-off" : ""}`,
      t: words,
      tp: { target: Math.round(bar.target * 100), off: Math.round(Math.abs(bar.off) * 100) },
    }),
  );
}
