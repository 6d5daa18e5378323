// The shelf on air: which product is being explained now.
import { fill, h, icon } from "../lib/dom.js";
import { money } from "../lib/format.js";
import { empty, grade } from "../lib/ui.js";

/** @typedef {import("../lib/session_model.js").Product} Product */

/** @param {{ onPin: (product: string | null) => void }} does */
export function createShelf({ onPin }) {
  const element = h("div", { class: "shelf" });
  /** @type {Product[]} */ let products = [];
  let drawn = "";

  /** @param {Product} product */
  function card(product) {
    const pinned = product.pinned === true;
    const button = h(
      "button",
      {
        class: `button button-small shelf-pin${pinned ? " shelf-pin-on" : ""}`,
        type: "button",
        "aria-pressed": String(pinned),
        testid: pinned ? "unpin" : `pin-${product.id}`,
        onclick: () => onPin(pinned ? null : product.id),
      },
      icon("pin"),
      h("span", { t: pinned ? "studio.unpin" : "studio.pin" }),
    );
    return h(
      "article",
      { class: `shelf-card${pinned ? " shelf-card-on" : ""}`, testid: `shelf-card-${product.id}` },
      pinned ? h("p", { class: "shelf-now", t: "studio.explaining" }) : null,
      h(
        "div",
        { class: "shelf-top" },
        grade(product.risk, product.risk_meaning),
        h("h3", { class: "shelf-name" }, product.name),
      ),
      h("p", { class: "shelf-rate" }, product.rate_text),
      h(
        "div",
        { class: "shelf-foot" },
        h("span", { class: "muted small", t: "studio.from", tp: { amount: { money: [product.minimum, product.currency] } } }),
        product.left === null
          ? null
          : h(
              "span",
              { class: "muted small" },
              h("span", { t: "studio.left", tp: { amount: money(product.left, product.currency) } }),
            ),
        button,
      ),
    );
  }

  function draw() {
    // The focus must not jump away while a host moves along the pins.
    const signature = JSON.stringify(products.map((p) => [p.id, p.name, p.pinned, p.left, p.rate_text]));
    if (signature === drawn) return;
    drawn = signature;
    const focused = document.activeElement?.closest(".shelf-card")?.getAttribute("data-testid");
    fill(
      element,
      products.length ? products.map(card) : empty({ t: "studio.shelf_empty", next: "studio.shelf_empty_next", icon: "bag" }),
    );
    if (!focused) return;
    const again = element.querySelector(`[data-testid="${CSS.escape(focused)}"] button`);
    if (again instanceof HTMLElement) again.focus();
  }

  return {
    element,
    /** @param {Product[]} next */
    show(next) {
      products = next;
      draw();
    },
    /** @param {string | null} id */
    pinned(id) {
      products = products.map((p) => ({ ...p, pinned: p.id === id }));
      draw();
    },
  };
}
