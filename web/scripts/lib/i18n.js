// The two languages of the pages. Texts register under keys; elements carry their key in `data-t`, so that switching
// the language re-reads the words and leaves everything else (what was typed, where the picture stands) as it is.
import { date, dateTime, duration, durationWords, money, setLocale, time } from "./format.js";

/** @typedef {"zh"|"en"} Lang */
/** @typedef {string | ((params: Record<string, any>) => string)} Text */
/**
 * A parameter may be a plain value or one that is formatted again when the language changes:
 * `{money: [minor, currency]}`, `{time: iso}`, `{date: iso}`, `{dateTime: iso}`, `{duration: ms}`, `{words: ms}`, `{t: key}`.
 * @typedef {Record<string, any>} Params
 */

const EVENT = "tellercast:lang";
const ATTRIBUTES = /** @type {const} */ (["aria-label", "placeholder", "title", "alt"]);

/** @type {Record<Lang, Map<string, Text>>} */
const texts = { en: new Map(), zh: new Map() };

/** @returns {Lang} */
function chosen() {
  if (typeof document === "undefined") return "en";
  const cookie = /(?:^|;\s*)lang=(zh|en)/.exec(document.cookie);
  if (cookie) return /** @type {Lang} */ (cookie[1]);
  const wanted = navigator.languages?.length ? navigator.languages : [navigator.language];
  for (const name of wanted) {
    if (/^zh/i.test(name)) return "zh";
    if (/^en/i.test(name)) return "en";
  }
  return "en";
}

let current = chosen();
apply();

function apply() {
  setLocale(current);
  if (typeof document !== "undefined") document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
}

/** @returns {Lang} */
export function lang() {
  return current;
}

/** Switches the pages' language, remembers it for a year, and tells everybody who asked by `onLang`. @param {Lang} next */
export function setLang(next) {
  if (next === current) return;
  current = next;
  document.cookie = `lang=${next}; Path=/; Max-Age=31536000; SameSite=Lax`;
  apply();
  translate(document.documentElement);
  window.dispatchEvent(new CustomEvent(EVENT, { detail: next }));
}

/** @param {(lang: Lang) => void} fn @returns {() => void} stops telling */
export function onLang(fn) {
  const listener = () => fn(current);
  window.addEventListener(EVENT, listener);
  return () => window.removeEventListener(EVENT, listener);
}

/** Adds texts; a later one of the same key wins. @param {{en: Record<string, Text>, zh: Record<string, Text>}} more */
export function register(more) {
  for (const name of /** @type {Lang[]} */ (["en", "zh"])) {
    for (const [key, text] of Object.entries(more[name])) texts[name].set(key, text);
  }
}

/** @param {string} key */
export function has(key) {
  return texts[current].has(key) || texts.en.has(key);
}

/** The text of `key` in the current language, `{name}` filled from `params`; the key itself when nobody wrote one. @param {string} key @param {Params} [params] @returns {string} */
export function t(key, params = {}) {
  const text = texts[current].get(key) ?? texts.en.get(key) ?? key;
  const values = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, shown(value)]));
  if (typeof text === "function") return text(values);
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** @param {any} value */
function shown(value) {
  if (value === null || typeof value !== "object") return value;
  if ("money" in value) return money(value.money[0], value.money[1]);
  if ("time" in value) return time(value.time);
  if ("date" in value) return date(value.date);
  if ("dateTime" in value) return dateTime(value.dateTime);
  if ("duration" in value) return duration(value.duration);
  if ("words" in value) return durationWords(value.words);
  if ("t" in value) return t(value.t, value);
  return value;
}

/** Reads anew every `data-t` (text), `data-t-aria-label`, `data-t-placeholder`, `data-t-title`, `data-t-alt` under `root`, it included. @param {Element | DocumentFragment} root */
export function translate(root) {
  if (root instanceof Element) translateOne(root);
  for (const element of root.querySelectorAll("[data-t],[data-t-aria-label],[data-t-placeholder],[data-t-title],[data-t-alt]"))
    translateOne(element);
}

/** Reads anew the texts of one element, not of those in it. @param {Element} element */
export function translateOne(element) {
  const params = parse(element.getAttribute("data-tp"));
  const key = element.getAttribute("data-t");
  if (key) {
    const text = t(key, params);
    if (element.textContent !== text) element.textContent = text;
  }
  for (const attribute of ATTRIBUTES) {
    const name = element.getAttribute(`data-t-${attribute}`);
    if (name) element.setAttribute(attribute, t(name, params));
  }
}

/** @param {string | null} json @returns {Params} */
function parse(json) {
  return json ? JSON.parse(json) : {};
}
