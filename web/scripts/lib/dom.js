// Making and finding elements. `h` is the only way the pages make them: text never becomes markup.
import { translateOne } from "./i18n.js";

/** @typedef {Node | string | number | null | undefined | false} Child */
/**
 * Attributes by their HTML names, and: `class`, `style` (object, custom properties allowed), `data` (object → data-*),
 * `testid` → data-testid, `on<event>` (function), `t` (text key), `tp` (its parameters), `tLabel` (aria-label key),
 * `tPlaceholder`, `tTitle`, `tAlt` (keys), `value`/`checked`/`muted` … set as properties. `true` sets an empty attribute, false/null none.
 * @typedef {Record<string, any>} Props
 */

const AS_PROPERTY = new Set([
  "value",
  "checked",
  "muted",
  "srcObject",
  "disabled",
  "selected",
  "indeterminate",
  "playsInline",
  "autoplay",
]);
const TRANSLATED = /** @type {Record<string, string>} */ ({
  t: "data-t",
  tLabel: "data-t-aria-label",
  tPlaceholder: "data-t-placeholder",
  tTitle: "data-t-title",
  tAlt: "data-t-alt",
});

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Props | null} [props] @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  let translated = false;
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) {
      if (AS_PROPERTY.has(name) && value === false) /** @type {any} */ (element)[name] = false;
    } else if (name in TRANSLATED) {
      element.setAttribute(TRANSLATED[name], value);
      translated = true;
    } else if (name === "tp") element.setAttribute("data-tp", JSON.stringify(value));
    else setProp(element, name, value);
  }
  element.append(...nodes(children));
  if (translated) translateOne(element);
  return element;
}

/** @param {HTMLElement} element @param {string} name @param {any} value */
function setProp(element, name, value) {
  if (name === "class") element.className = value;
  else if (name === "testid") element.setAttribute("data-testid", value);
  else if (name === "data") for (const [key, item] of Object.entries(value)) element.dataset[key] = String(item);
  else if (name === "style") for (const [key, item] of Object.entries(value)) element.style.setProperty(key, String(item));
  else if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2).toLowerCase(), value);
  else if (AS_PROPERTY.has(name)) /** @type {any} */ (element)[name] = value;
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** @param {(Child | Child[])[]} children @returns {(Node | string)[]} */
function nodes(children) {
  /** @type {(Node | string)[]} */
  const out = [];
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    out.push(child instanceof Node ? child : String(child));
  }
  return out;
}

/** Replaces what stands in `parent`. @param {Element} parent @param {...(Child | Child[])} children */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
}

/** Changes the text key of an element made by `h(…, {t})`. @param {Element} element @param {string} key @param {Record<string, any>} [params] */
export function setText(element, key, params) {
  element.setAttribute("data-t", key);
  if (params) element.setAttribute("data-tp", JSON.stringify(params));
  else element.removeAttribute("data-tp");
  translateOne(element);
}

/** Changes what screen readers and the tooltip say. @param {Element} element @param {string} key */
export function setLabel(element, key) {
  element.setAttribute("data-t-aria-label", key);
  element.setAttribute("data-t-title", key);
  translateOne(element);
}

/** @param {EventTarget} target @param {string} event @param {(event: any) => void} fn @param {AddEventListenerOptions} [options] @returns {() => void} */
export function on(target, event, fn, options) {
  target.addEventListener(event, fn, options);
  return () => target.removeEventListener(event, fn, options);
}

/** The first match; throws when there is none, so that callers need no check. @param {string} selector @param {ParentNode} [root] @returns {HTMLElement} */
export function qs(selector, root = document) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return /** @type {HTMLElement} */ (found);
}

/** @param {string} selector @param {ParentNode} [root] @returns {HTMLElement[]} */
export function qsa(selector, root = document) {
  return /** @type {HTMLElement[]} */ ([...root.querySelectorAll(selector)]);
}

const SVG = "http://www.w3.org/2000/svg";

const SPRITE = "/static/icons.svg";

// The drawings stand in the page itself: one that is first needed when the network is gone is there.
async function inlineSprite() {
  const answer = await fetch(SPRITE);
  if (!answer.ok) return;
  const sprite = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  for (const symbol of sprite.querySelectorAll("symbol")) symbol.id = `icon-${symbol.id}`;
  sprite.setAttribute("class", "sprite");
  sprite.setAttribute("aria-hidden", "true");
  document.body.append(document.adoptNode(sprite));
}
if (typeof DOMParser !== "undefined") inlineSprite().catch(() => undefined);

/** An icon of `/static/icons.svg`, decorative: the button around it carries the name. @param {string} name @param {string} [extra] class @returns {SVGSVGElement} */
export function icon(name, extra = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${extra}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}
