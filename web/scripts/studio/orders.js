// Orders going by with masked names, and their sum.
import { fill, h } from "../lib/dom.js";
import { money, number, time } from "../lib/format.js";
import { ticked } from "./model.js";

/** @typedef {import("./model.js").Tally} Tally */

export function createOrders() {
  /** @type {import("./model.js").Tick[]} */ let ticks = [];
  /** @type {Tally | null} */ let sum = null;
  const total = h("p", { class: "orders-tally", testid: "tally", role: "status" });
  const list = h("ul", { class: "orders-list", tLabel: "studio.orders" });
  const element = h(
    "div",
    { class: "orders" },
    h("div", { class: "orders-head" }, h("h2", { class: "pane-title", t: "studio.orders" }), total),
    list,
  );

  function draw() {
    fill(
      total,
      sum
        ? [
            h("span", { t: "studio.tally_count", tp: { n: number(sum.count) } }),
            " · ",
            h("strong", null, money(sum.amount, sum.currency)),
          ]
        : h("span", { t: "studio.tally_none" }),
    );
    fill(
      list,
      ticks.map((tick) =>
        h(
          "li",
          { class: "order-tick" },
          h("span", { class: "order-who" }, tick.name),
          h("span", { class: "order-what" }, tick.product),
          h("span", { class: "order-sum" }, money(tick.amount, sum?.currency ?? "CNY")),
          h("time", { class: "talk-at" }, time(tick.at)),
        ),
      ),
    );
  }

  draw();
  return {
    element,
    /** @param {{ tally?: Tally, latest?: { name: string, product: string, amount: number } | null }} event what a host hears */
    add({ tally, latest }) {
      if (latest) ticks = ticked(ticks, { ...latest, at: new Date().toISOString() });
      if (tally) sum = tally;
      draw();
    },
    /** @param {Tally | null} tally */
    tally(tally) {
      if (!tally) return;
      sum = tally;
      draw();
    },
  };
}
