// Adding a partner's receiver, or changing one.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { refusal, sheet } from "../lib/ui.js";
import { KINDS } from "./model.js";

/** @typedef {import("./model.js").Receiver} Receiver */

/** @param {Receiver | null} one null for a new one @param {{onDone: (made: {receiver: Receiver, secret?: string}) => void}} does */
export function openForm(one, { onDone }) {
  const name = h("input", {
    class: "input",
    type: "text",
    name: "name",
    required: true,
    maxlength: "80",
    value: one?.name ?? "",
    testid: "receiver-name",
  });
  const url = h("input", {
    class: "input",
    type: "url",
    name: "url",
    required: true,
    maxlength: "500",
    value: one?.url ?? "",
    placeholder: "https://",
    testid: "receiver-url",
    "aria-describedby": "receiver-url-hint",
  });
  const kinds = KINDS.map((kind) =>
    h("input", {
      type: "checkbox",
      name: "kinds",
      value: kind,
      checked: one ? one.kinds.includes(kind) : true,
      testid: `kind-${kind}`,
    }),
  );
  const active = h("input", {
    type: "checkbox",
    class: "switch",
    role: "switch",
    name: "active",
    checked: one?.active ?? true,
    testid: "receiver-active",
  });
  const problem = h("div");
  const missing = h("p", { class: "field-error", t: "receivers.kinds_missing", role: "alert", hidden: true });
  const form = h(
    "form",
    { class: "stack", id: "receiver-form", novalidate: false },
    h("label", { class: "field" }, h("span", { class: "field-label", t: "receivers.name" }), name),
    h(
      "label",
      { class: "field" },
      h("span", { class: "field-label", t: "receivers.url" }),
      url,
      h("span", { class: "field-hint", id: "receiver-url-hint", t: "receivers.url_hint" }),
    ),
    h(
      "fieldset",
      { class: "field" },
      h("legend", { class: "field-label", t: "receivers.kinds" }),
      kinds.map((box) => h("label", { class: "kind-choice" }, box, h("span", { t: `deliveries.kind.${box.value}` }))),
      missing,
    ),
    one &&
      h(
        "div",
        { class: "field" },
        h("label", { class: "spread" }, h("span", { t: "receivers.on_off" }), active),
        h("span", { class: "field-hint", t: "receivers.off_hint" }),
      ),
    problem,
  );
  const surface = sheet({
    title: one ? "receivers.edit_of" : "receivers.add",
    titleParams: { name: one?.name ?? "" },
    content: form,
    testid: "receiver-form",
  });
  const save = h("button", {
    class: "button button-accent",
    type: "submit",
    form: "receiver-form",
    testid: "receiver-save",
    t: one ? "receivers.save" : "receivers.create",
  });
  fill(surface.footer, h("button", { class: "button", type: "button", t: "cancel", onclick: () => surface.close() }), save);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send();
  });
  name.focus();

  async function send() {
    const wanted = kinds.filter((box) => box.checked).map((box) => box.value);
    missing.hidden = wanted.length > 0;
    if (!wanted.length) return kinds[0].focus();
    const body = { name: name.value.trim(), url: url.value.trim(), kinds: wanted };
    save.disabled = true;
    try {
      const made = one
        ? { receiver: await api("PATCH", `/api/receivers/${one.id}`, { ...body, active: active.checked }) }
        : await api("POST", "/api/receivers", body);
      surface.close();
      onDone(made);
    } catch (error) {
      fill(problem, refusal(asProblem(error), { compact: true }));
    } finally {
      save.disabled = false;
    }
  }
}
