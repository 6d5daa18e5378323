// The products at the left: filters, zones of one class each, a row for each product.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { empty, grade, refusal, skeleton } from "../lib/ui.js";
import { CLASSES, queryOf, shownPrice, TERMS } from "./model.js";

/** @typedef {import("./model.js").Row} Row */
/** @typedef {import("./model.js").Filters} Filters */

const SEARCH_AFTER_MS = 250;
const TONES = { open: "tag-good", before: "", over: "", sold_out: "tag-warn" };

/**
 * @param {{may: boolean, filters: Filters, onFilters: () => void, onOpen: (product: string) => void, onNew: () => void, onImport: () => void}} options
 */
export function createList({ may, filters: given, onFilters, onOpen, onNew, onImport }) {
  const filters = { ...given };
  const place = h("div", { class: "products-place" }, skeleton(8, "row"));
  const total = h("p", { class: "products-total", "aria-live": "polite" });
  const search = h("input", {
    class: "input",
    type: "search",
    tLabel: "catalogue.search",
    tPlaceholder: "catalogue.search",
    testid: "search",
    maxlength: 100,
    value: filters.q,
  });
  const exported = h("a", {
    class: "button button-small",
    href: "/api/catalogue.csv",
    download: "catalogue.csv",
    t: "catalogue.export",
    tTitle: "catalogue.export.what",
    testid: "export",
  });
  let timer = 0;
  let marked = "";
  let asked = 0;
  /** @type {Row[]} */
  let rows = [];
  /** @type {{class: string, count: number}[]} */
  let zones = [];

  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => change("q", search.value.trim()), SEARCH_AFTER_MS);
  });

  /** @param {keyof Filters} name @param {string} value */
  function change(name, value) {
    filters[name] = value;
    onFilters();
    void load();
  }

  /** @param {keyof Filters} name @param {string} label @param {HTMLOptionElement[]} options */
  function choice(name, label, options) {
    const select = h(
      "select",
      { class: "select", tLabel: label, testid: `filter-${name}`, onchange: () => change(name, select.value) },
      options,
    );
    select.value = filters[name];
    return select;
  }
  const option = (/** @type {string} */ value, /** @type {string} */ key, /** @type {any} */ params = {}) =>
    h("option", { value, t: key, tp: params });
  const choices = [
    choice("class", "field.class", [option("", "catalogue.filter.all"), ...CLASSES.map((one) => option(one, `class.${one}`))]),
    choice("risk_max", "catalogue.filter.risk", [
      option("", "catalogue.filter.risk.any"),
      ...["1", "2", "3", "4"].map((one) => option(one, "catalogue.filter.risk.to", { risk: `R${one}` })),
    ]),
    choice("term_max_days", "catalogue.filter.term", [
      option("", "catalogue.filter.term.any"),
      ...TERMS.map((days) => option(String(days), "catalogue.filter.term.to", { days })),
    ]),
  ];
  const element = h(
    "section",
    { class: "products", tLabel: "catalogue.list" },
    h(
      "div",
      { class: "products-bar" },
      h("h1", { class: "products-title", t: "catalogue.title", tabindex: "-1" }),
      h(
        "div",
        { class: "products-tools" },
        exported,
        may &&
          h("button", {
            class: "button button-small",
            type: "button",
            t: "catalogue.import",
            testid: "import",
            onclick: onImport,
          }),
        may &&
          h(
            "button",
            { class: "button button-small button-primary", type: "button", testid: "new-product", onclick: onNew },
            icon("plus"),
            h("span", { t: "catalogue.new" }),
          ),
      ),
    ),
    h("div", { class: "products-filters", role: "search" }, search, ...choices),
    total,
    place,
  );
  element.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const links = /** @type {HTMLElement[]} */ ([...element.querySelectorAll(".product-link")]);
    const at = links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (!step || at < 0) return;
    event.preventDefault();
    links[at + step]?.focus();
  });

  /** @param {number} [offset] */
  async function load(offset = 0) {
    const mine = ++asked;
    exported.href = `/api/catalogue.csv${queryOf({ ...filters, q: "" })}`;
    try {
      const found = await api("GET", `/api/catalogue${queryOf({ ...filters, offset })}`);
      if (mine !== asked) return;
      rows = offset ? [...rows, ...found.products] : found.products;
      zones = found.zones;
      draw(found.total);
    } catch (error) {
      if (mine === asked) fill(place, refusal(asProblem(error), { retry: () => void load(offset) }));
    }
  }

  /** @param {number} count of all that were asked for */
  function draw(count) {
    fill(total, h("span", { t: "catalogue.total", tp: { n: count } }));
    if (!count) return fill(place, nothing());
    const held = document.activeElement?.closest("[data-product]")?.getAttribute("data-product");
    fill(
      place,
      h(
        "table",
        { class: "products-table" },
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            ["risk", "product", "price", "minimum", "sold", "sale"].map((name) =>
              h("th", { scope: "col", class: `col-${name}`, t: `catalogue.col.${name}` }),
            ),
          ),
        ),
        zones.map((zone) =>
          zoneOf(
            zone,
            rows.filter((row) => row.class === zone.class),
          ),
        ),
      ),
      rows.length < count &&
        h("button", {
          class: "button button-wide",
          type: "button",
          t: "catalogue.more",
          testid: "more",
          onclick: () => void load(rows.length),
        }),
    );
    mark(marked);
    if (held) /** @type {HTMLElement | null} */ (place.querySelector(`[data-product="${held}"] a`))?.focus();
  }

  function nothing() {
    const filtered = Object.values(filters).some(Boolean);
    if (!filtered) return empty({ t: "catalogue.empty", next: "catalogue.empty.next", icon: "bag" });
    const clear = () => {
      for (const name of /** @type {(keyof Filters)[]} */ (Object.keys(filters))) filters[name] = "";
      search.value = "";
      for (const one of choices) one.value = "";
      onFilters();
      void load();
    };
    return empty({
      t: "catalogue.none",
      next: "catalogue.none.next",
      icon: "search",
      action: h("button", { class: "button", type: "button", t: "catalogue.clear", onclick: clear }),
    });
  }

  /** @param {{class: string, count: number}} zone @param {Row[]} inside */
  function zoneOf(zone, inside) {
    return h(
      "tbody",
      { class: "zone", testid: `zone-${zone.class}` },
      h(
        "tr",
        { class: "zone-head" },
        h(
          "th",
          { colspan: 6, scope: "rowgroup" },
          h("span", { t: `class.${zone.class}` }),
          h("span", { class: "zone-count" }, zone.count),
        ),
      ),
      inside.map(rowOf),
    );
  }

  /** @param {Row} row */
  function rowOf(row) {
    const price = shownPrice(row.price);
    const share = row.quota ? row.sold / row.quota : 0;
    const link = h(
      "a",
      {
        class: "product-link",
        href: `/catalogue${queryOf({ ...filters, product: row.id })}`,
        onclick: (/** @type {MouseEvent} */ event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          onOpen(row.id);
        },
      },
      row.name,
    );
    return h(
      "tr",
      { class: "product-row", testid: "product-row", data: { product: row.id } },
      h("td", { class: "col-risk" }, grade(row.risk)),
      h(
        "td",
        { class: "col-product" },
        link,
        h(
          "span",
          { class: "product-sub" },
          h("span", { class: "product-id" }, row.id),
          row.offered_in > 0 &&
            h("span", { t: row.offered_in === 1 ? "catalogue.offered.one" : "catalogue.offered", tp: { n: row.offered_in } }),
        ),
      ),
      h("td", { class: "col-price", t: price.key, tp: price.params }),
      h("td", { class: "col-minimum", t: "value.money", tp: { amount: { money: [row.minimum, row.currency] } } }),
      h(
        "td",
        { class: "col-sold" },
        h("span", {
          t: "catalogue.sold.of",
          tp: { sold: { money: [row.sold, row.currency] }, quota: { money: [row.quota, row.currency] } },
        }),
        h(
          "span",
          { class: "sold-bar", "aria-hidden": "true" },
          h("span", { style: { width: `${Math.min(1, share) * 100}%` } }),
        ),
      ),
      h(
        "td",
        { class: "col-sale" },
        h("span", { class: `tag ${TONES[row.sale]}`, t: `catalogue.sale.${row.sale}`, tp: { from: { date: row.sale_from } } }),
      ),
    );
  }

  /** @param {string} product */
  function mark(product) {
    marked = product;
    for (const row of place.querySelectorAll("[data-product]")) {
      const here = row.getAttribute("data-product") === product;
      row.classList.toggle("product-row-open", here);
      row.querySelector("a")?.toggleAttribute("aria-current", here);
    }
  }

  return {
    element,
    load: () => load(),
    mark,
    filters: () => ({ ...filters }),
    focus: () => /** @type {HTMLElement | null} */ (element.querySelector(".products-title"))?.focus(),
  };
}
