// What a screen reader reads out of a list that grows: every line while they are few, in a rush only what is meant for the reader.
import { fill, h } from "./dom.js";
import { Rush } from "./talking_model.js";

/** @param {HTMLElement} list a live region */
export function aloud(list) {
  const rush = new Rush();
  const element = h("div", { class: "visually-hidden", "aria-live": "polite", testid: "aloud" });
  return {
    element,
    /** Lines that were said before are about to be added: nobody waits to hear them, and they are no rush. */
    quietly() {
      list.setAttribute("aria-live", "off");
    },
    /** Lines are about to be added. @param {number} n @param {string[]} meant those that are heard in any case */
    comes(n, meant) {
      if (!n) return; // what was added quietly before is not to be read for it
      const isOn = rush.came(n, performance.now());
      list.setAttribute("aria-live", isOn ? "off" : "polite");
      const spoken = isOn ? meant : [];
      if (spoken.length || !isOn) fill(element, ...spoken.map((words) => h("p", null, words)));
    },
  };
}
