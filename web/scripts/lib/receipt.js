// A receipt: what was bought, when, and by which place in the recording it can be proved.
import "../../texts/orders.js";
import { h, icon } from "./dom.js";

/** @typedef {import("./session_model.js").Order} Order */

/** @param {Order} order @returns {HTMLElement} */
export function receipt(order) {
  const row = (/** @type {string} */ key, /** @type {Node | string} */ value) => [h("dt", { t: key }), h("dd", null, value)];
  return h(
    "article",
    { class: "receipt", testid: "receipt", data: { order: order.id } },
    h(
      "div",
      { class: "receipt-head" },
      icon("seal", "receipt-seal"),
      h("p", { class: "receipt-state", t: `order.${order.state}` }),
      h("p", { class: "receipt-amount", t: "plain.money", tp: { amount: { money: [order.amount, order.currency] } } }),
      h(
        "p",
        { class: "receipt-product" },
        order.product.name,
        " ",
        h("span", { class: `grade grade-${order.product.risk.toLowerCase()}` }, order.product.risk),
      ),
    ),
    h(
      "dl",
      { class: "facts" },
      row("receipt.number", h("span", { class: "receipt-number" }, order.id)),
      row("receipt.placed", h("span", { t: "plain.time", tp: { at: { dateTime: order.placed_at } } })),
      row("receipt.moment", h("span", { t: "receipt.moment.value", tp: { moment: { duration: order.media_ms } } })),
      row("receipt.entry", h("span", { t: "receipt.entry.value", tp: { seq: order.trail_seq } })),
    ),
    h("p", { class: "receipt-note", t: "receipt.note" }),
    order.cancellable_until &&
      order.state === "placed" &&
      h("p", { class: "receipt-note", t: "receipt.cancellable", tp: { at: { dateTime: order.cancellable_until } } }),
  );
}
