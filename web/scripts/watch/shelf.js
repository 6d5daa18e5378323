// The shelf and the pinned card. A closed sale greys the buttons and says why beneath; it never takes them away.
import { fill, h } from "../lib/dom.js";
import { lang, onLang } from "../lib/i18n.js";
import { pinnedProduct, saleSentence } from "../lib/session_model.js";
import { termKey } from "../lib/order_sheet.js";
import { empty, grade, skeleton } from "../lib/ui.js";
import { filterable, RISKS, TERMS, zones } from "./shelf_model.js";

/** @typedef {import("../lib/session_model.js").SessionView} SessionView */
/** @typedef {import("../lib/session_model.js").Product} Product */

export class Shelf {
  zones = h("div", { class: "shelf-zones" }, skeleton(3, "row"));
  filters = h("div", { class: "shelf-filters", role: "group", tLabel: "watch.shelf.filter", hidden: true });
  /** In a replay that doesn't sell: where one can buy instead. */
  elsewhere = h(
    "div",
    { class: "shelf-elsewhere", testid: "shelf-elsewhere", hidden: true },
    h("p", { id: "shelf-elsewhere", t: "replay.elsewhere" }),
    h(
      "div",
      { class: "shelf-elsewhere-ways" },
      h("a", { class: "button button-small", href: "/", t: "replay.next_show" }),
      h("a", { class: "button button-small", href: "/call", t: "replay.call" }),
    ),
  );
  panel = h("div", { class: "shelf", testid: "shelf" }, this.elsewhere, this.filters, this.zones);
  pinned = h("div", { class: "pinned-place", "aria-live": "polite" });
  /** @type {SessionView | null} */
  session = null;
  drawn = "";

  /** @param {(product: Product) => void} onBuy */
  constructor(onBuy) {
    this.onBuy = onBuy;
    this.wish = { risk: "", term: "" };
    this.filters.append(
      this.#filter("risk", RISKS, (value) => ({ risk: `R${value}` })),
      this.#filter("term", TERMS, (value) => ({ days: value })),
    );
    onLang(() => {
      this.drawn = "";
      if (this.session) this.update(this.session);
    });
  }

  /** @param {SessionView} session @param {boolean} [replayed] its film is being seen again */
  update(session, replayed = false) {
    this.session = session;
    const next = JSON.stringify([session.shelf, session.pinned, session.sale, session.state, replayed]);
    if (next === this.drawn) return;
    this.drawn = next;
    const held = document.activeElement?.closest("[data-product]")?.getAttribute("data-product");
    this.elsewhere.hidden = session.sale.reason !== "replay_sales_off";
    const looked = document.activeElement?.closest("[data-pinned]")?.getAttribute("data-pinned");
    const shown = pinnedProduct(session);
    this.filters.hidden = !filterable(session.shelf);
    const seen = zones(session.shelf, this.wish);
    if (!session.shelf.length) fill(this.zones, empty({ t: "watch.shelf.none", next: "watch.shelf.none.next", icon: "bag" }));
    else if (!seen.length)
      fill(this.zones, empty({ t: "watch.shelf.filtered", next: "watch.shelf.filtered.next", icon: "search" }));
    else fill(this.zones, ...seen.map((zone) => this.#zone(zone, seen.length > 1, shown?.id)));
    const over = session.state === "ended" || session.state === "cancelled";
    fill(this.pinned, shown && (!over || replayed) && this.#pinnedCard(shown));
    if (held) /** @type {HTMLElement | null} */ (this.panel.querySelector(`[data-product="${held}"] button`))?.focus();
    if (looked && looked === shown?.id) this.pinned.querySelector("button")?.focus();
  }

  /** @param {"risk"|"term"} name @param {string[]} values @param {(value: string) => Record<string, any>} params */
  #filter(name, values, params) {
    const select = h(
      "select",
      { class: "select", tLabel: `watch.shelf.${name}`, testid: `shelf-${name}` },
      h("option", { value: "", t: `watch.shelf.${name}.any` }),
      values.map((value) => h("option", { value, t: `watch.shelf.${name}.to`, tp: params(value) })),
    );
    select.addEventListener("change", () => {
      this.wish = { ...this.wish, [name]: select.value };
      this.drawn = "";
      if (this.session) this.update(this.session);
    });
    return select;
  }

  /** @param {{class: string, products: Product[]}} zone @param {boolean} named @param {string | undefined} now the product being explained */
  #zone(zone, named, now) {
    return h(
      "div",
      { class: "shelf-zone", role: "group", testid: "shelf-zone", data: { class: zone.class }, tLabel: `class.${zone.class}` },
      named && h("p", { class: "shelf-zone-name", t: `class.${zone.class}`, "aria-hidden": "true" }),
      zone.products.map((product) => this.#card(product, product.id === now)),
    );
  }

  /** @param {Product} product @param {string} id @returns {HTMLElement} */
  #reason(product, id) {
    const sale = this.session?.sale ?? { open: false, reason: null };
    const own = h("p", { class: "sale-reason", testid: "sale-reason", id });
    if (sale.reason === "replay_sales_off") fill(own, h("span", { t: "replay.sales_off" }));
    else if (!sale.open) fill(own, saleSentence(sale, lang()) || h("span", { t: "sale.closed" }));
    else if (!product.sale_open) fill(own, h("span", { t: "product.closed" }));
    else own.hidden = true;
    return own;
  }

  /**
   * What can be done with a product, wherever its card stands, and why it can't be: the button, and the words under it.
   * @param {Product} product @param {"shelf" | "pinned"} where @param {boolean} [now] it is being explained
   */
  #action(product, where, now = false) {
    const reason = this.#reason(product, where === "pinned" ? "pinned-reason" : `reason-${product.id}`);
    const closed = !reason.hidden;
    // What is pinned is looked at first: its sheet has the facts, and says itself that nothing is sold.
    const looks = { class: "button button-small button-primary", testid: "pinned-view", t: "watch.view" };
    const buys = { class: `button ${now && !closed ? "button-accent" : ""}`, testid: "buy", t: "buy" };
    const button = h("button", {
      ...(where === "pinned" ? looks : { ...buys, "aria-disabled": String(closed) }),
      type: "button",
      "aria-describedby": this.elsewhere.hidden ? reason.id : `${reason.id} shelf-elsewhere`,
      onclick: () => {
        if (where === "pinned" || !closed) this.onBuy(product);
      },
    });
    return { reason, button };
  }

  /** @param {Product} product @param {boolean} now */
  #card(product, now) {
    const { reason, button } = this.#action(product, "shelf", now);
    return h(
      "article",
      { class: `product ${now ? "product-now" : ""}`, testid: "product-card", data: { product: product.id } },
      now && h("p", { class: "product-flag", t: "watch.pinned" }),
      h(
        "div",
        { class: "product-head" },
        grade(product.risk, product.risk_meaning),
        h("h3", { class: "product-name" }, product.name),
      ),
      h("p", { class: "product-rate" }, product.rate_text),
      h(
        "p",
        { class: "product-facts" },
        h("span", { t: `class.${product.class}` }),
        h("span", { t: termKey(product), tp: { days: product.term_days } }),
        h("span", { t: "product.from", tp: { minimum: { money: [product.minimum, product.currency] } } }),
      ),
      h("div", { class: "product-foot" }, reason, button),
    );
  }

  /** @param {Product} product */
  #pinnedCard(product) {
    const { reason, button } = this.#action(product, "pinned");
    return h(
      "article",
      { class: "pinned-card light", testid: "pinned-card", data: { pinned: product.id } },
      h("p", { class: "pinned-flag", t: "watch.pinned" }),
      h(
        "div",
        { class: "product-head" },
        grade(product.risk, product.risk_meaning),
        h("h3", { class: "product-name" }, product.name),
      ),
      h("p", { class: "pinned-rate" }, product.rate_text),
      h(
        "div",
        { class: "pinned-action" },
        h(
          "div",
          { class: "pinned-foot" },
          h("p", { class: "product-facts" }, h("span", { t: termKey(product), tp: { days: product.term_days } })),
          button,
        ),
        reason,
      ),
    );
  }
}
