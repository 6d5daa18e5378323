// Elder mode (适老化): larger text and targets, kept for the next visit. The styles hang on <html data-elder>.
const KEY = "tellercast.elder";

export function elder() {
  return document.documentElement.hasAttribute("data-elder");
}

/** @param {boolean} on */
export function setElder(on) {
  document.documentElement.toggleAttribute("data-elder", on);
  keep(KEY, on ? "1" : "0");
}

/** Reads a kept choice; null when there is none, or the browser keeps nothing. @param {string} key @returns {string | null} */
export function kept(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string} value */
export function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Private windows may keep nothing: the choice then holds for this page.
  }
}

if (typeof document !== "undefined" && kept(KEY) === "1") document.documentElement.setAttribute("data-elder", "");
