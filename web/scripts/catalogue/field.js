// One field of a form: its label, its hint, what is wrong with it. What was typed stays.
import { fill, h } from "../lib/dom.js";

/** @typedef {{value: string, t?: string, text?: string}} Option */

let count = 0;

/**
 * @param {{name: string, kind?: "text"|"long"|"select"|"figure"|"date"|"time", hint?: string, hintParams?: any, options?: Option[], onInput?: () => void, maxlength?: number, labelKey?: string}} options
 */
export function createField({
  name,
  kind = "text",
  hint,
  hintParams,
  options = [],
  onInput = () => {},
  maxlength,
  labelKey = `field.${name}`,
}) {
  const id = `field-${name}-${++count}`;
  const note = h("p", { class: "field-hint", id: `${id}-hint`, hidden: !hint });
  if (hint) fill(note, h("span", { t: hint, tp: hintParams }));
  const wrong = h("p", { class: "field-error", id: `${id}-error`, testid: `fault-${name}`, hidden: true });
  const control = makeControl();
  control.addEventListener("input", () => {
    clear();
    onInput();
  });
  const label = h("label", { class: "field-label", for: id, t: labelKey });

  function makeControl() {
    const common = { id, name, testid: `field-${name}`, "aria-describedby": `${id}-hint ${id}-error`, autocomplete: "off" };
    if (kind === "select") {
      const choices = options.map((one) => h("option", { value: one.value, t: one.t }, one.t ? null : (one.text ?? one.value)));
      return h("select", { class: "select", ...common }, choices);
    }
    if (kind === "long") return h("textarea", { class: "textarea", rows: 7, ...common });
    const type = kind === "date" ? "date" : kind === "time" ? "datetime-local" : "text";
    const figures = kind === "figure" ? { inputmode: "decimal" } : {};
    return h("input", { class: `input ${kind === "figure" ? "input-figure" : ""}`, type, maxlength, ...figures, ...common });
  }

  function clear() {
    wrong.hidden = true;
    control.removeAttribute("aria-invalid");
  }

  return {
    name,
    element: h("div", { class: `field field-${name} field-kind-${kind}` }, label, control, note, wrong),
    control,
    clear,
    value: () => control.value,
    /** @param {string} text */
    set(text) {
      if (control.value !== text) control.value = text;
    },
    /** @param {string} title @param {string} next */
    fault(title, next) {
      fill(wrong, `${title} ${next}`);
      wrong.hidden = false;
      control.setAttribute("aria-invalid", "true");
    },
    /** @param {string} key @param {any} [params] */
    hint(key, params) {
      fill(note, key && h("span", { t: key, tp: params }));
      note.hidden = !key;
    },
    /** @param {boolean} off */
    disable(off) {
      control.disabled = off;
    },
    /** @param {boolean} away */
    hide(away) {
      /** @type {HTMLElement} */ (control.parentElement).hidden = away;
    },
  };
}
