// The ledger of fairness: that everybody had one price, stretch by stretch, each with the way to its moment.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { money, number } from "../lib/format.js";
import { has } from "../lib/i18n.js";
import { empty, grade, refusal, skeleton } from "../lib/ui.js";
import { byProduct, isTainted, priceOf, verdict } from "./fairness_model.js";
import { clockOf } from "./view.js";

/** @typedef {import("./fairness_model.js").Fairness} Fairness */
/** @typedef {import("./fairness_model.js").Moment} Moment */
/** @typedef {import("./fairness_model.js").Offer} Offer */

/** @param {string} session @param {{ onMoment: (moment: Moment) => void }} does */
export function createFairness(session, does) {
  const body = h("div", { class: "fairness-body" });
  const element = h("section", { class: "fairness", tLabel: "fairness.title", testid: "fairness" }, body);
  let asked = false;

  /** Every look is on the record, so that nothing is asked before somebody wants to see it. */
  function open() {
    if (!asked) void load();
  }

  async function load() {
    asked = true;
    fill(body, skeleton(6));
    try {
      draw(await api("GET", `/api/recordings/${session}/fairness`));
    } catch (error) {
      fill(body, refusal(asProblem(error), { compact: true, retry: () => void load() }));
    }
  }

  /** @param {Fairness} found */
  function draw(found) {
    const { tone, t, tp } = verdict(found);
    const products = byProduct(found);
    fill(
      body,
      h(
        "div",
        { class: "fairness-verdict", data: { tone }, testid: "fairness-verdict", role: "status" },
        icon(tone === "bad" ? "warn" : tone === "good" ? "seal" : "info"),
        h(
          "div",
          null,
          h("p", { class: "fairness-said", t, tp: counted(tp) }),
          found.proved && found.repriced ? h("p", { t: "fairness.repriced", tp: { n: number(found.repriced) } }) : null,
        ),
      ),
      found.findings.length ? findings(found) : null,
      h(
        "p",
        { class: "fairness-ranked" },
        h("span", { t: "fairness.ranked" }),
        isTainted(found) ? null : [" ", h("span", { t: "fairness.untainted", tp: { n: number(found.entries) } })],
      ),
      products.length
        ? products.map((one) => product(one))
        : empty({ t: "fairness.no_shelf", next: "fairness.no_shelf_next", icon: "bag" }),
      h("button", {
        class: "inspector-link",
        type: "button",
        t: "fairness.again",
        testid: "fairness-again",
        onclick: () => void load(),
      }),
    );
  }

  /** @param {Fairness} found */
  const findings = (found) =>
    h(
      "ul",
      { class: "fairness-findings", tLabel: "fairness.findings" },
      found.findings.map((one) => h("li", null, way(one, `#${one.seq}`), h("span", null, one.text))),
      found.more ? h("li", { t: "fairness.more", tp: { n: number(found.more) } }) : null,
    );

  /** The way to a moment. @param {Moment} moment @param {string | HTMLElement} text @param {string} [label] */
  const way = (moment, text, label = "fairness.to_moment") =>
    h(
      "button",
      {
        class: "fairness-way",
        type: "button",
        tTitle: label,
        data: { seq: moment.seq },
        onclick: () => does.onMoment(moment),
      },
      text,
    );

  /** @param {import("./fairness_model.js").Sold} one */
  const product = (one) =>
    h(
      "section",
      { class: "fairness-product", testid: "fairness-product" },
      h(
        "div",
        { class: "fairness-product-head" },
        grade(one.risk),
        h("h3", { class: "fairness-name" }, one.name),
        h(
          "p",
          { class: "fairness-sum" },
          h("span", { t: "console.n_orders", tp: { n: number(one.orders) } }),
          one.amounts.map(([currency, amount]) => [" · ", h("span", null, money(amount, currency))]).flat(),
        ),
      ),
      h(
        "table",
        { class: "fairness-table" },
        h(
          "colgroup",
          null,
          ["stretch", "price", "orders", "amount"].map((name) => h("col", { class: `fairness-col-${name}` })),
        ),
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            h("th", { scope: "col", t: "fairness.stretch" }),
            h("th", { scope: "col", t: "fairness.price" }),
            h("th", { scope: "col", class: "figure", t: "fairness.orders" }),
            h("th", { scope: "col", class: "figure", t: "fairness.amount" }),
          ),
        ),
        h("tbody", null, one.offers.map(stretch)),
      ),
    );

  /** @param {Offer} offer */
  const stretch = (offer) => {
    const { price, details } = priceOf(offer.price);
    const sums = Object.entries(offer.amounts).map(([currency, amount]) => money(amount, currency));
    return h(
      "tr",
      null,
      h("td", null, way(offer.since, span(offer), "fairness.to_offer")),
      h(
        "td",
        { class: "fairness-price" },
        h("span", { t: price.t, tp: price.tp }),
        details.map((one) => h("span", { class: "fairness-detail", ...one })),
        changes(offer),
      ),
      h("td", { class: "figure" }, offer.first ? way(offer.first, number(offer.orders), "fairness.to_order") : "0"),
      h("td", { class: "figure" }, sums.join(" ") || "–"),
    );
  };

  return { element, open };
}

/** What is otherwise than before, beside the price, which stands there anyway. @param {Offer} offer */
function changes(offer) {
  const names = offer.changed.filter((name) => name !== "price");
  if (!names.length) return null;
  const words = names.map((name, i) => [
    i ? ", " : "",
    has(`fairness.term_${name}`) ? h("span", { t: `fairness.term_${name}` }) : name,
  ]);
  return h("span", { class: "fairness-changed" }, h("span", { t: "fairness.changed" }), " ", words.flat());
}

/** From when to when, by the session's clock. @param {Offer} offer */
const span = (offer) =>
  h(
    "span",
    null,
    offer.since.media_ms === null ? h("span", { t: "fairness.from_start" }) : clockOf(offer.since.media_ms),
    " – ",
    offer.until ? clockOf(offer.until.media_ms ?? 0) : h("span", { t: "fairness.until_now" }),
  );

/** Numbers as the reader's locale writes them. @param {Record<string, any>} tp */
const counted = (tp) =>
  Object.fromEntries(Object.entries(tp).map(([name, value]) => [name, typeof value === "number" ? number(value) : value]));
