// The states that every page has, and the surfaces that lie over it.
import { loginUrl } from "./me.js";
import { fill, h, icon } from "./dom.js";
import { has, t } from "./i18n.js";

/** @typedef {import("./api.js").Problem} Problem */

/** Where a refusal's door leads; a function is asked when the door is shown. @type {Record<string, {t: string, href: () => string}>} */
export const DOORS = {
  login: { t: "door.login", href: loginUrl },
  assessment: {
    t: "door.assessment",
    href: () => `/assessment?next=${encodeURIComponent(location.pathname + location.search)}`,
  },
  call: { t: "door.call", href: () => "/call" },
  lobby: { t: "door.lobby", href: () => "/" },
  orders: { t: "door.orders", href: () => "/orders" },
};

/** Grey lines in the place of what is coming. @param {number} [lines] @param {string} [kind] "text"|"card"|"row" */
export function skeleton(lines = 3, kind = "text") {
  return h(
    "div",
    { class: `skeleton-group skeleton-${kind}`, role: "status", tLabel: "loading" },
    Array.from({ length: lines }, () => h("span", { class: "skeleton", "aria-hidden": "true" })),
  );
}

/** Nothing here, and what to do. @param {{t: string, next?: string, icon?: string, action?: Node | null}} what keys of the sentence and of the next step */
export function empty({ t: key, next, icon: name = "empty", action = null }) {
  return h(
    "div",
    { class: "empty" },
    icon(name, "empty-icon"),
    h("p", { class: "empty-title", t: key }),
    next && h("p", { class: "empty-next", t: next }),
    action,
  );
}

/**
 * A refusal: the sentence, the next step, and a door.
 * @param {Problem} problem
 * @param {{retry?: () => void, doors?: Record<string, () => void>, compact?: boolean}} [options] `retry` answers door "retry"; `doors` answers others within the page
 */
export function refusal(problem, { retry, doors = {}, compact = false } = {}) {
  const title =
    problem.code === "offline"
      ? h("p", { class: "refusal-title", t: "problem.offline" })
      : h("p", { class: "refusal-title" }, problem.title);
  const next =
    problem.code === "offline"
      ? h("p", { class: "refusal-next", t: "problem.offline.next" })
      : problem.next && h("p", { class: "refusal-next" }, problem.next);
  return h(
    "div",
    { class: compact ? "refusal refusal-compact" : "refusal", role: "alert", testid: "refusal", data: { code: problem.code } },
    icon("info", "refusal-icon"),
    h("div", { class: "refusal-words" }, title, next),
    door(problem.door, retry, doors),
  );
}

/** @param {string} name @param {(() => void) | undefined} retry @param {Record<string, () => void>} doors */
function door(name, retry, doors) {
  const inside = doors[name] ?? (name === "retry" ? retry : undefined);
  const key = has(`door.${name}`) ? `door.${name}` : "door.retry";
  if (inside) return h("button", { class: "button refusal-door", type: "button", testid: "door", onclick: inside, t: key });
  const place = DOORS[name];
  return place ? h("a", { class: "button refusal-door", href: place.href(), testid: "door", t: place.t }) : null;
}

/** @returns {HTMLElement} where toasts stand: inside the topmost dialog, as what is outside is inert */
function toastHost() {
  const dialogs = [...document.querySelectorAll("dialog[open]")];
  const parent = dialogs.at(-1) ?? document.body;
  const found = /** @type {HTMLElement | null} */ (parent.querySelector(":scope > .toasts"));
  if (found) return found;
  const host = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
  parent.append(host);
  return host;
}

/**
 * A sentence that goes away by itself; for what needs no answer. A later one on the same `topic` takes the earlier one's place.
 * @param {string} text @param {{tone?: "plain"|"good"|"warn", ms?: number, topic?: string}} [options]
 */
export function toast(text, { tone = "plain", ms = 5000, topic = "" } = {}) {
  const host = toastHost();
  const item = h("p", { class: `toast toast-${tone}`, data: { topic } }, text);
  if (topic) for (const older of document.querySelectorAll(`.toast[data-topic="${topic}"]`)) older.remove();
  host.append(item);
  while (host.children.length > 3) host.firstElementChild?.remove();
  setTimeout(() => item.remove(), ms);
}

/**
 * @typedef {object} Surface
 * @property {HTMLDialogElement} element
 * @property {HTMLElement} body
 * @property {HTMLElement} footer hidden while empty
 * @property {() => void} close
 * @property {(key: string, params?: Record<string, any>) => void} setTitle
 */

/**
 * A modal: sheet from the foot on phones, panel on wider screens. The browser's own dialog keeps the focus in, answers
 * Escape and makes the rest inert; the focus goes back to where it was.
 * @param {{title: string, titleParams?: Record<string, any>, content?: Node | Node[], kind?: "sheet"|"dialog", testid?: string, onClose?: () => void, canClose?: () => boolean}} options `title` is a text key
 * @returns {Surface}
 */
export function sheet({ title, titleParams, content = [], kind = "sheet", testid, onClose = () => {}, canClose = () => true }) {
  const heading = h("h2", { class: "sheet-title", t: title, tp: titleParams, tabindex: "-1" });
  const body = h("div", { class: "sheet-body" }, content);
  const footer = h("div", { class: "sheet-footer" });
  const element = h(
    "dialog",
    { class: `sheet ${kind === "dialog" ? "sheet-dialog" : ""}`, testid, "aria-modal": "true" },
    h(
      "div",
      { class: "sheet-frame" },
      h(
        "header",
        { class: "sheet-head" },
        heading,
        h("button", { class: "button-icon", type: "button", tLabel: "close", onclick: () => close() }, icon("close")),
      ),
      body,
      footer,
    ),
  );
  heading.id = `sheet-${Math.random().toString(36).slice(2)}`;
  element.setAttribute("aria-labelledby", heading.id);
  const before = /** @type {HTMLElement | null} */ (document.activeElement);

  function close() {
    if (canClose() && element.open) element.close();
  }
  const hold = (/** @type {Event} */ event) => {
    if (!canClose()) event.preventDefault();
  };
  element.addEventListener("cancel", hold);
  // A second Escape in a row Chromium no longer lets one cancel, unless the key itself is held back.
  element.addEventListener("keydown", (event) => event.key === "Escape" && hold(event));
  element.addEventListener("click", (event) => {
    if (event.target === element) close();
  });
  element.addEventListener("close", () => {
    if (element.open) return;
    if (!canClose()) return element.showModal(); // a phone's back gesture can't be held back
    element.remove();
    before?.focus?.();
    onClose();
  });
  document.body.append(element);
  element.showModal();
  heading.focus();
  return {
    element,
    body,
    footer,
    close,
    setTitle(key, params) {
      heading.dataset.t = key;
      heading.dataset.tp = JSON.stringify(params ?? {});
      heading.textContent = t(key, params);
    },
  };
}

/** A centred modal. @param {Parameters<typeof sheet>[0]} options */
export function dialog(options) {
  return sheet({ ...options, kind: "dialog" });
}

/**
 * Asks before what can't be taken back. @param {{title: string, text: string, params?: Record<string, any>, yes: string, no?: string, danger?: boolean}} question keys
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, params, yes, no = "cancel", danger = false }) {
  return new Promise((resolve) => {
    let answer = false;
    const surface = dialog({
      title,
      titleParams: params,
      content: h("p", { t: text, tp: params }),
      onClose: () => resolve(answer),
    });
    fill(
      surface.footer,
      h("button", { class: "button", type: "button", t: no, onclick: () => surface.close() }),
      h("button", {
        class: `button ${danger ? "button-danger" : "button-accent"}`,
        type: "button",
        t: yes,
        tp: params,
        onclick: () => {
          answer = true;
          surface.close();
        },
      }),
    );
  });
}

/** The R grade, always with its letter. @param {string} risk "R3" @param {string} [meaning] */
export function grade(risk, meaning) {
  return h("span", { class: `grade grade-${risk.toLowerCase()}`, title: meaning }, risk);
}

/** A group of tabs by the WAI-ARIA pattern: arrow keys move, one panel shows. @param {{id: string, t: string, panel: HTMLElement, testid?: string}[]} tabs @param {string} labelKey @param {(id: string) => void} [onSelect] told of the first one, too */
export function tabs(tabs, labelKey, onSelect = () => {}) {
  const buttons = tabs.map(({ id, t: key, testid, panel }) => {
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", `tab-${id}`);
    panel.id ||= `panel-${id}`;
    return h(
      "button",
      {
        class: "tab",
        type: "button",
        role: "tab",
        id: `tab-${id}`,
        "aria-controls": panel.id,
        testid,
        onclick: () => select(id),
      },
      h("span", { t: key }),
    );
  });
  const list = h("div", { class: "tabs", role: "tablist", tLabel: labelKey, onkeydown: move }, buttons);

  /** @param {string} id */
  function select(id) {
    tabs.forEach((tab, index) => {
      const on = tab.id === id;
      tab.panel.hidden = !on;
      buttons[index].setAttribute("aria-selected", String(on));
      buttons[index].tabIndex = on ? 0 : -1;
    });
    onSelect(id);
  }

  /** @param {KeyboardEvent} event */
  function move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const index = (buttons.findIndex((button) => button === document.activeElement) + step + tabs.length) % tabs.length;
    select(tabs[index].id);
    buttons[index].focus();
  }
  select(tabs[0].id);
  return { element: list, select, button: (/** @type {string} */ id) => buttons[tabs.findIndex((tab) => tab.id === id)] };
}
