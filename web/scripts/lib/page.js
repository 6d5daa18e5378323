// What every page starts with: title, head, main part, and whatever goes wrong said in place.
import { asProblem } from "./api.js";
import { fill, h } from "./dom.js";
import { header } from "./header.js";
import { onLang, t } from "./i18n.js";
import { refusal } from "./ui.js";

/** The page's frame. @param {{current: string, title: string, class?: string, extra?: Node | null}} options `title` is a text key @returns {HTMLElement} the main part */
export function frame({ current, title, class: name = "page", extra = null }) {
  setTitle(title);
  const main = h("main", { id: "main", class: name, tabindex: "-1" });
  document.body.prepend(header({ current, extra }), main);
  return main;
}

/** A page that was left has given its connections and devices back: shown again from the browser's memory it would be dead. */
export function beginAnewWhenRestored() {
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}

let stopTitle = () => {};

/** The document's title, in the language of the moment. @param {string} key @param {Record<string, any>} [params] */
export function setTitle(key, params) {
  stopTitle();
  const show = () => {
    document.title = `${t(key, params)} · ${t("brand")}`;
  };
  stopTitle = onLang(show);
  show();
}

/** Runs `load` and shows its refusal in `place`, with the same again behind "try again". @param {Element} place @param {() => Promise<void>} load */
export async function guarded(place, load) {
  try {
    await load();
  } catch (error) {
    fill(place, refusal(asProblem(error), { retry: () => void guarded(place, load) }));
  }
}
