// One receipt, made to be printed.
import "../../texts/customer.js";
import { api } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { onLang } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { frame, guarded } from "../lib/page.js";
import { wholeReceipt } from "../lib/receipt.js";
import { skeleton } from "../lib/ui.js";

const order = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const main = frame({ current: "orders", title: "title.receipt", class: "page page-narrow receipt-page" });
const place = h("div", { class: "card receipt-paper" }, skeleton(6));
main.append(
  h("p", { class: "print-only receipt-brand", t: "brand" }),
  h("h1", { t: "receipt.title" }),
  place,
  h(
    "div",
    { class: "row row-wrap no-print" },
    h(
      "button",
      { class: "button button-primary", type: "button", onclick: () => window.print() },
      icon("print"),
      h("span", { t: "receipt.print" }),
    ),
    h("a", { class: "button", href: "/orders", t: "receipt.all" }),
  ),
);

void start();
async function start() {
  await requireMe();
  await guarded(place, load);
  onLang(() => {
    load().catch(() => undefined);
  });
}

async function load() {
  fill(place, wholeReceipt(await api("GET", `/api/orders/${encodeURIComponent(order)}`)));
}
