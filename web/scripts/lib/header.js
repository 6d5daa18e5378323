// The head of every page: brand, ways, language, elder mode, who is signed in.
import "../../texts/common.js";
import { api, asProblem } from "./api.js";
import { h, icon } from "./dom.js";
import { elder, setElder } from "./elder.js";
import { lang, setLang } from "./i18n.js";
import { loginUrl, me } from "./me.js";
import { toast } from "./ui.js";

/** @typedef {import("./me.js").Person} Person */

/** @type {Record<string, {id: string, t: string, href: string}[]>} */
const WAYS = {
  nobody: [{ id: "lobby", t: "nav.lobby", href: "/" }],
  customer: [
    { id: "lobby", t: "nav.lobby", href: "/" },
    { id: "call", t: "nav.call", href: "/call" },
    { id: "orders", t: "nav.orders", href: "/orders" },
    { id: "assessment", t: "nav.assessment", href: "/assessment" },
  ],
  adviser: [
    { id: "lobby", t: "nav.lobby", href: "/" },
    { id: "studio", t: "nav.studio", href: "/studio" },
    { id: "desk", t: "nav.desk", href: "/desk" },
  ],
  supervisor: [
    { id: "lobby", t: "nav.lobby", href: "/" },
    { id: "studio", t: "nav.shows", href: "/studio" },
    { id: "desk", t: "nav.desk", href: "/desk" },
  ],
  reviewer: [
    { id: "lobby", t: "nav.lobby", href: "/" },
    { id: "console", t: "nav.console", href: "/console" },
    { id: "catalogue", t: "nav.catalogue", href: "/catalogue" },
  ],
  operator: [
    { id: "lobby", t: "nav.lobby", href: "/" },
    { id: "catalogue", t: "nav.catalogue", href: "/catalogue" },
    { id: "deliveries", t: "nav.deliveries", href: "/deliveries" },
  ],
};

/**
 * @param {{current: string, extra?: Node | null}} options `current`: lobby, watch, call, orders, assessment, studio, desk, console, catalogue, deliveries, login
 * @returns {HTMLElement} filled in with the person as soon as they are known
 */
export function header({ current, extra = null }) {
  const nav = h("nav", { class: "ways", tLabel: "nav.label" }, ways("nobody", current));
  const who = h("div", { class: "who" });
  const element = h(
    "header",
    { class: "site-header" },
    h("a", { class: "skip", href: "#main", t: "skip" }),
    brand(),
    nav,
    h("div", { class: "header-tools" }, extra, languageSwitch(), elderSwitch(), who),
  );
  me().then(
    (person) => {
      nav.replaceChildren(...ways(person?.role ?? "nobody", current));
      const here = nav.querySelector("[aria-current]");
      if (here instanceof HTMLElement) nav.scrollLeft = here.offsetLeft - nav.clientWidth / 2 + here.clientWidth / 2;
      who.replaceChildren(...badge(person));
    },
    () => who.replaceChildren(),
  );
  return element;
}

export function brand() {
  return h(
    "a",
    { class: "brand", href: "/", tLabel: "brand.home" },
    icon("brand", "brand-mark"),
    h("span", { class: "brand-name", t: "brand" }),
  );
}

/** @param {string} role @param {string} current */
function ways(role, current) {
  return (WAYS[role] ?? WAYS.nobody).map(({ id, t, href }) =>
    h("a", { class: "way", href, t, "aria-current": id === current ? "page" : null }),
  );
}

export function languageSwitch() {
  return h("button", {
    class: "button-quiet",
    type: "button",
    testid: "language",
    t: "language.other",
    tLabel: "language.switch",
    onclick: () => setLang(lang() === "zh" ? "en" : "zh"),
  });
}

export function elderSwitch() {
  const button = h(
    "button",
    {
      class: "button-quiet elder-switch",
      type: "button",
      testid: "elder",
      tLabel: "elder.switch",
      "aria-pressed": String(elder()),
    },
    icon("text-size"),
    h("span", { class: "elder-word", t: "elder" }),
  );
  button.addEventListener("click", () => {
    setElder(!elder());
    button.setAttribute("aria-pressed", String(elder()));
  });
  return button;
}

/** @param {Person | null} person @returns {Node[]} */
function badge(person) {
  if (!person) return [h("a", { class: "button button-small", href: loginUrl(), t: "sign_in", testid: "sign-in" })];
  const list = h(
    "div",
    { class: "menu-list" },
    h("p", { class: "menu-name" }, person.name),
    h("p", { class: "menu-note", t: `role.${person.role}` }),
    person.customer?.grade && h("p", { class: "menu-note", t: "grade.mine", tp: { grade: person.customer.grade } }),
    h("button", { class: "menu-item", type: "button", t: "sign_out", testid: "sign-out", onclick: signOut }),
  );
  const summary = h("summary", { class: "avatar", tLabel: "account.of", tp: { name: person.name } }, initial(person.name));
  const details = h("details", { class: "menu" }, summary, list);
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    details.open = false;
    summary.focus();
  });
  document.addEventListener("click", (event) => {
    if (!details.contains(/** @type {Node} */ (event.target))) details.open = false;
  });
  return [details];
}

/** @param {string} name */
export function initial(name) {
  return [...name.trim()][0]?.toUpperCase() ?? "·";
}

async function signOut() {
  try {
    await api("POST", "/api/logout");
    location.assign("/login");
  } catch (error) {
    toast(asProblem(error).title);
  }
}
