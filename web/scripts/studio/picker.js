// Which products stand on the shelf, in which order. Saved by itself a moment after each change. What stands there already is
// always shown; of the others a page at a time, and whoever looks for one of many types its name.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { onLang } from "../lib/i18n.js";
import { guarded } from "../lib/page.js";
import { empty, grade, refusal, skeleton } from "../lib/ui.js";
import { offered } from "./model.js";

/** @typedef {import("../lib/session_model.js").Product} Product */

const SAVE_AFTER_MS = 400;
const SEARCH_AFTER_MS = 250;

/** @param {import("./model.js").Show} show */
export function createShelfPicker(show) {
  const path = `/api/shows/${encodeURIComponent(show.id)}/shelf`;
  /** @type {Product[]} */ let products = [];
  /** @type {Map<string, Product>} */ const known = new Map();
  /** @type {string[]} */ let chosen = [];
  /** @type {string | null} */ let next = null;
  let asked = 0;
  let typing = 0;
  let waiting = 0;
  let failed = false;
  /** @type {Promise<void>} */ let saving = Promise.resolve();
  const list = h("div", { class: "picker-list" }, skeleton(4, "row"));
  const state = h("p", { class: "picker-state", role: "status" });
  const search = h("input", {
    class: "input picker-search",
    type: "search",
    maxlength: "100",
    tLabel: "studio.find_product",
    tPlaceholder: "studio.find_product",
    testid: "shelf-search",
    hidden: true,
  });
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = window.setTimeout(() => void load(), SEARCH_AFTER_MS);
  });
  const element = h("div", { class: "picker" }, search, list, state);

  /** A page of what may be offered: a show has one class of products, mixed shows may offer all. @param {string} after */
  function page(after) {
    const query = new URLSearchParams();
    const given = { class: show.product_class ?? "", q: search.value.trim(), after };
    for (const [name, value] of Object.entries(given)) if (value) query.set(name, value);
    return api("GET", `/api/products?${query}`);
  }

  async function load() {
    const mine = ++asked;
    try {
      const [first, shelf] = await Promise.all([page(""), api("GET", path)]);
      if (mine !== asked) return;
      products = first.products;
      next = first.next;
      if (next) search.hidden = false;
      for (const product of [...shelf.products, ...products]) known.set(product.id, product);
      // What was chosen and is not saved yet outlives a change of language and a search.
      if (!waiting && !failed) chosen = shelf.products.map((/** @type {Product} */ product) => product.id);
      draw();
    } catch (error) {
      if (mine === asked) fill(list, refusal(asProblem(error), { retry: () => void load() }));
    }
  }

  async function more() {
    const mine = asked;
    const found = await page(next ?? "");
    if (mine !== asked) return;
    const first = found.products[0]?.id ?? "";
    for (const product of found.products) known.set(product.id, product);
    products = [...products, ...found.products];
    next = found.next;
    draw();
    /** @type {HTMLElement | null} */ (list.querySelector(`[data-testid="shelf-${CSS.escape(first)}"]`))?.focus();
  }

  function draw() {
    const searching = search.value.trim() !== "";
    const key = searching ? "studio.none_found" : "studio.no_products";
    const options = searching ? products : offered(products, chosen, known);
    if (!options.length) return fill(list, empty({ t: key, next: `${key}_next`, icon: "bag" }));
    const further = h("div", { class: "picker-more" });
    fill(
      further,
      h("button", {
        class: "button button-small",
        type: "button",
        t: "studio.more_products",
        testid: "shelf-more",
        onclick: () => guarded(further, more),
      }),
    );
    fill(list, options.map(option), next ? further : null);
    count();
  }

  /** @param {Product} product */
  function option(product) {
    const box = h("input", { type: "checkbox", checked: chosen.includes(product.id), testid: `shelf-${product.id}` });
    box.addEventListener("change", () => {
      chosen = box.checked ? [...chosen, product.id] : chosen.filter((id) => id !== product.id);
      count();
      clearTimeout(waiting);
      waiting = window.setTimeout(save, SAVE_AFTER_MS);
    });
    return h(
      "label",
      { class: "choice picker-option" },
      box,
      h(
        "span",
        { class: "picker-words" },
        h("span", { class: "picker-name" }, product.name),
        h("span", { class: "muted small" }, product.rate_text),
      ),
      grade(product.risk, product.risk_meaning),
    );
  }

  function count() {
    fill(state, h("span", { t: "studio.on_shelf", tp: { n: chosen.length } }));
  }

  /** One after the other: of two on their way at once the earlier might arrive last. */
  function save() {
    clearTimeout(waiting);
    waiting = 0;
    saving = saving.catch(() => undefined).then(put);
    saving.catch((error) => fill(state, refusal(asProblem(error), { retry: save, compact: true })));
  }

  async function put() {
    failed = false;
    try {
      await api("PUT", path, { products: chosen });
    } catch (error) {
      failed = true;
      throw error;
    }
    count();
  }

  const stopLang = onLang(() => void load());
  void load();
  return {
    element,
    /** when what was chosen is with the server; asks once more for what it refused, and throws Problem when it refuses again */
    async saved() {
      if (waiting || failed) save();
      await saving;
    },
    close: stopLang,
  };
}
