// A small group of buttons that opens above its button: emoji, reactions. Escape closes it, and what is outside does.
import { h } from "../lib/dom.js";

/**
 * @param {HTMLButtonElement} button @param {string} label text key of the group @param {HTMLElement[]} items
 * @param {{testid?: string}} [options]
 */
export function flyout(button, label, items, { testid } = {}) {
  const group = h("div", { class: "flyout", role: "group", tLabel: label, testid, hidden: true, onkeydown: keys }, items);
  const element = h("div", { class: "flyout-place" }, button, group);
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => show(group.hidden));
  document.addEventListener("pointerdown", (event) => {
    if (!group.hidden && !element.contains(/** @type {Node} */ (event.target))) show(false);
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || group.hidden) return;
    event.stopPropagation();
    show(false);
    button.focus();
  });

  /** @param {boolean} on */
  function show(on) {
    group.hidden = !on;
    button.setAttribute("aria-expanded", String(on));
    if (on) items[0]?.focus();
  }

  /** @param {KeyboardEvent} event */
  function keys(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = items.findIndex((item) => item === document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    items[(at + step + items.length) % items.length].focus();
  }
  return { element, close: () => show(false) };
}
