// A receipt: what was bought, when, and by which place in the recording it can be proved.
import "../../texts/orders.js";
import { h, icon } from "./dom.js";
import { cancellable, priceText } from "./order_model.js";

/** @typedef {import("./session_model.js").Order} Order */
/** @typedef {import("./order_model.js").Receipt} Receipt */

/** What the buying sheet shows at once. @param {Order} order @returns {HTMLElement} */
export function receipt(order) {
  return h(
    "article",
    { class: "receipt", testid: "receipt", data: { order: order.id } },
    head(order),
    h("dl", { class: "facts" }, number(order), placed(order), moment(order), entry(order)),
    h("p", { class: "receipt-note", t: order.replay ? "receipt.note.replay" : "receipt.note" }),
    cancelling(order),
  );
}

/** Everything one may want to show or check years later: the page to print. @param {Receipt} order @returns {HTMLElement} */
export function wholeReceipt(order) {
  const price = priceText(order.price);
  return h(
    "article",
    { class: "receipt", testid: "receipt", data: { order: order.id, state: order.state } },
    head(order),
    h(
      "dl",
      { class: "facts" },
      number(order),
      order.customer ? row("receipt.customer", order.customer) : [],
      placed(order),
      row("receipt.in", h("span", null, h("span", { t: `receipt.in.${order.channel}` }), " ", order.session_title)),
      row("receipt.class", h("span", { t: `class.${order.product_class}` })),
      row("receipt.price", h("span", { t: price.t, tp: price.tp })),
      row("receipt.fee", h("span", { t: price.fee ? "receipt.fee.value" : "receipt.fee.none", tp: { fee: price.fee } })),
      row(
        "receipt.disclosure",
        h("span", null, h("span", { t: "receipt.disclosure.value", tp: order.disclosure }), hash(order.disclosure.sha256)),
      ),
    ),
    life(order),
    h(
      "section",
      { class: "receipt-part" },
      h("h2", { t: "receipt.record" }),
      h(
        "dl",
        { class: "facts" },
        moment(order),
        row("receipt.session", h("span", { class: "receipt-number" }, order.session)),
        entry(order),
        row("receipt.hash", hash(order.entry_hash)),
        row(
          "receipt.seal",
          order.seal
            ? h("span", { t: "receipt.seal.value", tp: { ...order.seal, at: { dateTime: order.seal.at } } })
            : h("span", { t: "receipt.seal.none" }),
        ),
      ),
      h("p", { class: "receipt-note", t: "receipt.check" }),
    ),
    cancelling(order),
  );
}

/** @param {string} key @param {Node | string} value */
function row(key, value) {
  return [h("dt", { t: key }), h("dd", null, value)];
}

/** @param {Order} order */
function head(order) {
  return h(
    "div",
    { class: "receipt-head" },
    icon("seal", "receipt-seal"),
    h("p", { class: "receipt-state", t: `order.${order.state}`, data: { state: order.state } }),
    h("p", { class: "receipt-amount", t: "plain.money", tp: { amount: { money: [order.amount, order.currency] } } }),
    h(
      "p",
      { class: "receipt-product" },
      order.product.name,
      " ",
      h("span", { class: `grade grade-${order.product.risk.toLowerCase()}` }, order.product.risk),
    ),
  );
}

/** @param {Receipt} order */
function life(order) {
  return h(
    "section",
    { class: "receipt-part" },
    h("h2", { t: "receipt.life" }),
    h(
      "ol",
      { class: "receipt-life" },
      order.history.map((step) =>
        h(
          "li",
          { testid: "receipt-step", data: { state: step.state } },
          h("span", null, h("strong", { t: `order.${step.state}` }), step.reason && ` ${step.reason}`),
          h("span", { class: "figures muted", t: "plain.time", tp: { at: { dateTime: step.at } } }),
          h("span", {
            class: "figures muted",
            t: step.after_seal ? "receipt.entry.after" : "receipt.entry.value",
            tp: { seq: step.seq },
          }),
        ),
      ),
    ),
  );
}

/** @param {Order} order */
function number(order) {
  return row("receipt.number", h("span", { class: "receipt-number" }, order.id));
}

/** @param {Order} order */
function placed(order) {
  const at = { t: "plain.time", tp: { at: { dateTime: order.placed_at } } };
  return row(
    "receipt.placed",
    order.replay
      ? h("span", null, h("span", at), " ", h("span", { t: "receipt.replay", testid: "receipt-replay" }))
      : h("span", at),
  );
}

/** @param {Order} order */
function moment(order) {
  return row("receipt.moment", h("span", { t: "receipt.moment.value", tp: { moment: { duration: order.media_ms } } }));
}

/** @param {Order} order */
function entry(order) {
  return row(
    "receipt.entry",
    h("span", { t: order.replay ? "receipt.entry.after" : "receipt.entry.value", tp: { seq: order.trail_seq } }),
  );
}

/** @param {string} hex */
function hash(hex) {
  return h("span", { class: "receipt-number receipt-hash" }, hex);
}

/** @param {Order} order */
function cancelling(order) {
  if (!cancellable(order, Date.now())) return null;
  return h("p", { class: "receipt-note", t: "receipt.cancellable", tp: { at: { dateTime: order.cancellable_until } } });
}
