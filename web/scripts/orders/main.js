// One's own orders, their state, and what may still be cancelled.
import "../../texts/customer.js";
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { onLang, t } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { cancellable } from "../lib/order_model.js";
import { frame, guarded } from "../lib/page.js";
import { confirm, empty, grade, refusal, skeleton, toast } from "../lib/ui.js";

/** @typedef {import("../lib/session_model.js").Order} Order */

const REFRESH_MS = 5000;
const TONES = { placed: "", sent: "", confirmed: "tag-good", rejected: "tag-bad", cancelled: "" };

const main = frame({ current: "orders", title: "title.orders", class: "page orders-page" });
const place = h("div", null, skeleton(4, "row"));
const message = h("div", { "aria-live": "polite" });
main.append(h("h1", { t: "orders.title" }), message, place);

let drawn = "";
void start();
async function start() {
  await requireMe();
  await guarded(place, load);
  onLang(() => {
    drawn = "";
    load().catch(() => undefined);
  });
  // The bank's answer comes by itself, while some order still waits for it.
  setInterval(() => {
    if (!document.hidden && waiting) load().catch(() => undefined);
  }, REFRESH_MS);
}

let waiting = false;
async function load() {
  const { orders } = await api("GET", "/api/orders");
  waiting = orders.some((/** @type {Order} */ order) => order.state === "placed" || order.state === "sent");
  const now = Date.now();
  const next = JSON.stringify(orders.map((/** @type {Order} */ order) => [order.id, order.state, cancellable(order, now)]));
  if (next === drawn) return;
  drawn = next;
  if (!orders.length) {
    fill(
      place,
      empty({
        t: "orders.none",
        next: "orders.none.next",
        icon: "bag",
        action: h("a", { class: "button button-primary", href: "/", t: "door.lobby" }),
      }),
    );
    return;
  }
  fill(
    place,
    h(
      "ul",
      { class: "order-list" },
      orders.map((/** @type {Order} */ order) => row(order, cancellable(order, now))),
    ),
  );
}

/** @param {Order} order @param {boolean} open */
function row(order, open) {
  return h(
    "li",
    { class: "card order-row", testid: "order", data: { order: order.id, state: order.state } },
    h(
      "div",
      { class: "order-what" },
      h("p", { class: "order-product" }, h("span", null, order.product.name), " ", grade(order.product.risk)),
      h("p", { class: "muted small figures", t: "plain.time", tp: { at: { dateTime: order.placed_at } } }),
    ),
    h("p", { class: "order-amount figures", t: "plain.money", tp: { amount: { money: [order.amount, order.currency] } } }),
    h(
      "p",
      { class: "order-state" },
      h("span", { class: `tag ${TONES[order.state]}`, t: `order.${order.state}` }),
      order.reason && h("span", { class: "small muted" }, order.reason),
      open &&
        h("span", {
          class: "small muted figures",
          t: "orders.until",
          tp: { time: { dateTime: order.cancellable_until } },
        }),
    ),
    h(
      "div",
      { class: "order-doors" },
      open &&
        h("button", {
          class: "button button-danger button-small",
          type: "button",
          t: "orders.cancel",
          testid: "order-cancel",
          onclick: () => void cancel(order),
        }),
      h("a", { class: "button button-small", href: order.receipt_url || `/receipt/${order.id}`, t: "orders.receipt" }),
    ),
  );
}

/** @param {Order} order */
async function cancel(order) {
  const params = { amount: { money: [order.amount, order.currency] }, product: order.product.name };
  if (
    !(await confirm({
      title: "orders.cancel.ask",
      text: "orders.cancel.text",
      params,
      yes: "orders.cancel.yes",
      no: "orders.cancel.no",
      danger: true,
    }))
  )
    return;
  try {
    await api("POST", `/api/orders/${order.id}/cancel`);
    toast(t("orders.cancelled"), { tone: "good" });
    fill(message);
  } catch (error) {
    fill(message, refusal(asProblem(error)));
  }
  await load().catch(() => undefined);
}
