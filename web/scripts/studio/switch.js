// A button with a state: its sign and its word change together, and the word says the state to those who hear it. (It has no
// aria-pressed: "Muted, not pressed" would say the opposite.)
import { h, icon, setText } from "../lib/dom.js";

/** @param {string} glyph @param {string} key @param {{ testid: string, keys?: string, signOnly?: boolean, onclick: () => void }} options */
export function switchButton(glyph, key, { testid, keys, signOnly = false, onclick }) {
  const word = h("span", { t: key, class: signOnly ? "visually-hidden" : "" });
  const element = h(
    "button",
    {
      class: `button camera-toggle ${signOnly ? "camera-sign" : ""}`,
      type: "button",
      tTitle: signOnly ? key : undefined,
      "aria-keyshortcuts": keys,
      disabled: true,
      testid,
      onclick,
    },
    icon(glyph),
    word,
  );
  return {
    element,
    /** @param {boolean} lit @param {string} nextKey @param {string} nextGlyph */
    paint(lit, nextKey, nextGlyph) {
      element.dataset["on"] = String(lit);
      element.firstElementChild?.replaceWith(icon(nextGlyph));
      setText(word, nextKey);
    },
  };
}
