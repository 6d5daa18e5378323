// A product's terms in a form. What is wrong is said at its field; what was typed stays whatever the server says.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { onLang, t } from "../lib/i18n.js";
import { refusal, toast } from "../lib/ui.js";
import { createField } from "./field.js";
import { blankForm, CLASSES, CURRENCIES, formOf, GROUPS, holds, merged, read, touched } from "./model.js";
import { fieldNames, paneHead } from "./shown.js";

/** @typedef {import("./model.js").Item} Item */
/** @typedef {import("./model.js").Form} Form */
/** @typedef {ReturnType<typeof createField>} Field */

const GRADES = [1, 2, 3, 4, 5].map((n) => ({ value: String(n), text: `R${n}` }));
/** @type {Record<string, Partial<Parameters<typeof createField>[0]>>} */
const KINDS = {
  id: { hint: "field.id.hint", maxlength: 40 },
  class: { kind: "select", options: CLASSES.map((value) => ({ value, t: `class.${value}` })) },
  issuer_risk: { kind: "select", options: GRADES },
  bank_risk: { kind: "select", options: GRADES },
  term_days: { kind: "figure", hint: "field.term_days.hint" },
  currency: { kind: "select", options: CURRENCIES.map((value) => ({ value })), hint: "field.currency.hint" },
  price_kind: { kind: "select", options: ["price", "nav", "rate"].map((value) => ({ value, t: `price.${value}` })) },
  price_value: { kind: "figure" },
  price_date: { kind: "date" },
  fee_bps: { kind: "figure" },
  minimum: { kind: "figure" },
  step: { kind: "figure" },
  cap: { kind: "figure", hint: "field.cap.hint" },
  quota: { kind: "figure" },
  sale_from: { kind: "time" },
  sale_until: { kind: "time" },
  disclosure_zh: { kind: "long" },
  disclosure_en: { kind: "long" },
};

/**
 * @param {{item: Item | null, may: boolean, onBack: () => void, onSaved: (item: Item) => void}} options `item` is null for a product that is to be made
 */
export function createEditor({ item: first, may, onBack, onSaved }) {
  let item = first;
  const more = item ? [] : ["id", "disclosure_zh", "disclosure_en"];
  /** @type {Form} what stood in the fields before anybody typed */
  let start = startOf();
  /** @type {Map<string, Field>} */
  const fields = new Map();
  const message = h("div", { class: "pane-message" });
  const state = h("p", { class: "save-state", "aria-live": "polite", testid: "save-state" });
  const told = h("p", { class: "save-told" });
  const save = h("button", {
    class: "button button-accent",
    type: "submit",
    t: item ? "catalogue.save" : "catalogue.create",
    testid: "save",
  });
  const discard = h("button", { class: "button", type: "button", t: "catalogue.discard", testid: "discard", onclick: undo });
  const groups = GROUPS.map(([name, names]) => groupOf(name, [...(name === "name" && !item ? ["id"] : []), ...names]));
  const form = h(
    "form",
    {
      class: "terms",
      novalidate: true,
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void send();
      },
    },
    h(
      "fieldset",
      { class: "terms-fields", disabled: !may },
      groups,
      !item && groupOf("disclosure", ["disclosure_zh", "disclosure_en"]),
    ),
    may && h("div", { class: "save-bar" }, h("div", { class: "save-words" }, state, told), discard, save),
  );

  function startOf() {
    const base = item ? formOf(item) : blankForm(new Date());
    return { ...base, ...Object.fromEntries(more.map((name) => [name, ""])) };
  }

  /** @param {string} name @param {string[]} names */
  function groupOf(name, names) {
    const inside = names.map((one) => {
      const made = createField({ name: one, ...KINDS[one], onInput: redraw });
      fields.set(one, made);
      return made.element;
    });
    return h(
      "fieldset",
      { class: `group group-${name}` },
      h("legend", { class: "group-title", t: `catalogue.group.${name}` }),
      h("div", { class: "group-fields" }, inside),
    );
  }

  /** @returns {Form} */
  const typed = () => Object.fromEntries([...fields].map(([name, field]) => [name, field.value()]));
  const unsaved = () => (may ? touched(start, typed()) : []);

  /** @param {Form} form */
  function put(form) {
    for (const [name, field] of fields) field.set(form[name] ?? "");
    redraw();
  }

  function undo() {
    for (const field of fields.values()) field.clear();
    fill(message);
    put(start);
  }

  function redraw() {
    const now = typed();
    const changed = unsaved();
    const nav = now.price_kind === "nav";
    fields.get("price_date")?.hide(!nav);
    fields.get("price_value")?.hint(now.price_kind === "rate" ? "field.price_value.rate" : "");
    fields.get("bank_risk")?.hint("field.risk.holds", { risk: holds(now) });
    fields.get("currency")?.disable(item !== null);
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    fields.get("sale_from")?.hint("field.window.hint", { zone });
    if (item) {
      const sums = { sold: { money: [item.sold, item.currency] }, left: { money: [item.left, item.currency] } };
      fields.get("quota")?.hint("field.quota.hint", sums);
    }
    if (!changed.length) fill(state, h("span", { t: "catalogue.clean" }));
    else fill(state, h("span", { t: "catalogue.dirty", tp: { fields: fieldNames(changed) } }));
    const rooms = item && changed.length ? item.offered_in : 0;
    fill(told, rooms > 0 && h("span", { t: rooms === 1 ? "catalogue.told.one" : "catalogue.told", tp: { n: rooms } }));
    discard.disabled = !changed.length;
    save.disabled = item !== null && !changed.length;
  }

  /** @param {{field: string, title: string, next: string}[]} faults */
  function mark(faults) {
    for (const fault of faults) fields.get(fault.field)?.fault(fault.title, fault.next);
    const said = [
      h("p", { class: "refusal-title", t: "catalogue.faults", tp: { n: faults.length } }),
      h("p", { class: "refusal-next", t: "catalogue.faults.next" }),
    ];
    fill(message, h("div", { class: "notice notice-bad", role: "alert", testid: "faults" }, h("div", null, said)));
    const first = [...fields.values()].find((field) => faults.some((fault) => fault.field === field.name));
    first?.control.focus({ preventScroll: true });
    first?.element.scrollIntoView({ block: "center" }); // clear of the bars at head and foot
  }

  async function send() {
    for (const field of fields.values()) field.clear();
    const form = typed();
    const { terms, wrong } = read(form, item);
    if (wrong.length) {
      return mark(wrong.map(({ field, key }) => ({ field, title: t(`fault.${key}`), next: t(`fault.${key}.next`) })));
    }
    save.setAttribute("aria-busy", "true");
    try {
      const saved = item ? await change(item, terms) : await create(form, terms);
      fill(message);
      toast(item ? t("catalogue.saved", { n: saved.revision }) : t("catalogue.created"), { tone: "good" });
      if (item) renew(saved, true);
      onSaved(saved);
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code === "product_invalid") mark(problem.params.faults);
      else if (problem.code === "product_changed" && item) await meet(item);
      else fill(message, refusal(problem, { retry: () => void send() }));
    } finally {
      save.removeAttribute("aria-busy");
    }
  }

  /** @param {Item} item @param {any} terms */
  function change(item, terms) {
    return api("PUT", `/api/catalogue/${encodeURIComponent(item.id)}`, { revision: item.revision, terms });
  }

  /** @param {Form} form @param {any} terms */
  function create(form, terms) {
    const disclosure = { text_en: form.disclosure_en, text_zh: form.disclosure_zh };
    return api("POST", "/api/catalogue", { id: form.id.trim() || null, terms, disclosure });
  }

  /** Somebody else was first: theirs where nothing was typed, ours where something was, and both said. @param {Item} before */
  async function meet(before) {
    try {
      const latest = /** @type {Item} */ (await api("GET", `/api/catalogue/${encodeURIComponent(before.id)}`));
      const { form, theirs } = merged(typed(), before, latest);
      item = latest;
      start = startOf();
      put(form);
      const said = [
        h("p", {
          class: "refusal-title",
          t: "catalogue.conflict",
          tp: { fields: fieldNames(theirs.length ? theirs : ["disclosure"]) },
        }),
        h("p", { class: "refusal-next", t: "catalogue.conflict.next" }),
      ];
      fill(message, h("div", { class: "notice notice-warn", role: "alert", testid: "conflict" }, h("div", null, said)));
      message.scrollIntoView({ block: "center" });
    } catch (error) {
      fill(message, refusal(asProblem(error), { retry: () => void meet(before) }));
    }
  }

  /** @param {Item} latest @param {boolean} [saved] then nothing typed is kept, as it is what was saved */
  function renew(latest, saved = false) {
    const form = item && !saved ? merged(typed(), item, latest).form : formOf(latest);
    item = latest;
    start = startOf();
    put(form);
  }

  put(start);
  onLang(redraw);
  const head = !item && paneHead({ title: h("h1", { class: "pane-title", t: "catalogue.new.title", tabindex: "-1" }), onBack });
  return { element: h("div", { class: item ? "editor" : "pane editor" }, head, message, form), unsaved, renew };
}
