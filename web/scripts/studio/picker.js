// Which products stand on the shelf, in which order. Saved by itself a moment after each change.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { onLang } from "../lib/i18n.js";
import { empty, grade, refusal, skeleton } from "../lib/ui.js";

/** @typedef {import("../lib/session_model.js").Product} Product */

const SAVE_AFTER_MS = 400;

/** @param {import("./model.js").Show} show */
export function createShelfPicker(show) {
  const path = `/api/shows/${encodeURIComponent(show.id)}/shelf`;
  /** @type {Product[]} */ let products = [];
  /** @type {string[]} */ let chosen = [];
  let waiting = 0;
  let failed = false;
  /** @type {Promise<void>} */ let saving = Promise.resolve();
  const list = h("div", { class: "picker-list" }, skeleton(4, "row"));
  const state = h("p", { class: "picker-state", role: "status" });
  const element = h("div", { class: "picker" }, list, state);

  async function load() {
    try {
      const [all, shelf] = await Promise.all([api("GET", "/api/products"), api("GET", path)]);
      // A show has one class of products; mixed shows may offer all.
      products = all.products.filter((/** @type {Product} */ p) => !show.product_class || p.class === show.product_class);
      // What was chosen and is not saved yet outlives a change of language.
      if (!waiting && !failed) chosen = shelf.products.map((/** @type {any} */ p) => (typeof p === "string" ? p : p.id));
      draw();
    } catch (error) {
      fill(list, refusal(asProblem(error), { retry: () => void load() }));
    }
  }

  function draw() {
    if (!products.length) return fill(list, empty({ t: "studio.no_products", next: "studio.no_products_next", icon: "bag" }));
    fill(list, products.map(option));
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
