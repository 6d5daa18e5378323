// A product's disclosure: the version that counts, the next one being written, those before.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { confirm, refusal, toast } from "../lib/ui.js";
import { createField } from "./field.js";

/** @typedef {import("./model.js").Item} Item */
/** @typedef {import("./model.js").Disclosure} Disclosure */

/** @param {{item: Item, may: boolean, onPublished: (item: Item) => void}} options */
export function createDisclosure({ item: first, may, onPublished }) {
  let item = first;
  const fields = {
    text_zh: createField({ name: "text_zh", kind: "long", onInput: redraw }),
    text_en: createField({ name: "text_en", kind: "long", onInput: redraw }),
  };
  const current = h("p", { class: "disclosure-current" });
  const message = h("div", { "aria-live": "polite" });
  const next = h("p", { class: "muted small" });
  const publish = h("button", { class: "button button-primary", type: "submit", testid: "publish" });
  const earlier = h("div", { class: "disclosure-earlier" });
  const form = h(
    "form",
    {
      class: "disclosure-form",
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void send();
      },
    },
    h("fieldset", { disabled: !may, class: "disclosure-texts" }, fields.text_zh.element, fields.text_en.element),
    may && h("div", { class: "disclosure-foot" }, next, publish),
  );

  function unsaved() {
    return Object.entries(fields)
      .filter(([name, field]) => field.value() !== /** @type {any} */ (item.disclosure)[name])
      .map(([name]) => name);
  }

  function redraw() {
    const n = item.disclosure.version + 1;
    fill(current, h("span", { t: "disclosure.current", tp: { n: n - 1, at: { dateTime: item.disclosure.published_at } } }));
    fill(next, h("span", { t: "disclosure.next", tp: { n } }));
    fill(publish, h("span", { t: "disclosure.publish", tp: { n } }));
    publish.disabled = !unsaved().length;
  }

  /** @param {Item} latest takes what is new, but never what was typed away */
  function renew(latest) {
    const typed = new Set(unsaved());
    item = latest;
    for (const [name, field] of Object.entries(fields))
      if (!typed.has(name)) field.set(/** @type {any} */ (item.disclosure)[name]);
    redraw();
    void versions();
  }

  async function send() {
    const n = item.disclosure.version + 1;
    const sure = await confirm({
      title: "disclosure.publish.ask",
      text: "disclosure.publish.text",
      params: { n },
      yes: "disclosure.publish",
    });
    if (!sure) return;
    for (const field of Object.values(fields)) field.clear();
    publish.setAttribute("aria-busy", "true");
    try {
      const body = { revision: item.revision, text_en: fields.text_en.value(), text_zh: fields.text_zh.value() };
      item = await api("POST", `/api/catalogue/${encodeURIComponent(item.id)}/disclosures`, body);
      for (const [name, field] of Object.entries(fields)) field.set(/** @type {any} */ (item.disclosure)[name]);
      fill(message);
      toast(t("disclosure.published", { n: item.disclosure.version }), { tone: "good" });
      renew(item);
      onPublished(item);
    } catch (error) {
      const problem = asProblem(error);
      for (const fault of problem.params.faults ?? []) /** @type {any} */ (fields)[fault.field]?.fault(fault.title, fault.next);
      fill(message, refusal(problem, { retry: () => void refresh() }));
    } finally {
      publish.removeAttribute("aria-busy");
    }
  }

  /** Somebody else has changed it: what they made of it, and what is typed here as it is. */
  async function refresh() {
    try {
      const latest = await api("GET", `/api/catalogue/${encodeURIComponent(item.id)}`);
      renew(latest);
      onPublished(latest);
      fill(message);
    } catch (error) {
      fill(message, refusal(asProblem(error), { retry: () => void refresh() }));
    }
  }

  async function versions() {
    try {
      const { disclosures } = await api("GET", `/api/catalogue/${encodeURIComponent(item.id)}/disclosures`);
      const before = disclosures.slice(1);
      fill(
        earlier,
        h("h2", { class: "group-title", t: "disclosure.earlier" }),
        before.length ? before.map(version) : h("p", { class: "muted small", t: "disclosure.none" }),
      );
    } catch (error) {
      fill(earlier, refusal(asProblem(error), { retry: () => void versions(), compact: true }));
    }
  }

  for (const [name, field] of Object.entries(fields)) field.set(/** @type {any} */ (item.disclosure)[name]);
  renew(item);
  return { element: h("div", null, current, message, form, earlier), unsaved: () => (may ? unsaved() : []), renew };
}

/** @param {Disclosure} one */
function version(one) {
  return h(
    "details",
    { class: "version", testid: "version" },
    h("summary", { t: "disclosure.current", tp: { n: one.version, at: { dateTime: one.published_at } } }),
    h("p", { lang: "zh-CN", class: "version-text" }, one.text_zh),
    h("p", { lang: "en", class: "version-text" }, one.text_en),
    h("p", { class: "version-hash" }, `SHA-256 ${one.sha256}`),
  );
}
