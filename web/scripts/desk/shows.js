// For supervisors: the shows on air, each the way to its comments and its moderator's panel.
import { api } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { count } from "../lib/format.js";

/** @typedef {import("../lobby/cards.js").Show} Show */

const REFRESH_MS = 15_000;

export function createShows() {
  let drawn = "";
  const list = h("div");
  const element = h(
    "div",
    { class: "queue-live", testid: "shows-on-air" },
    h("h2", { class: "queue-title", t: "desk.on_air" }),
    list,
  );
  void load();
  setInterval(() => void (document.hidden || load()), REFRESH_MS);

  async function load() {
    try {
      draw((await api("GET", "/api/shows")).live);
    } catch {
      // Asked again soon; what is wrong with the connection the line over it says.
    }
  }

  /** The same again is not drawn again, so that the focus stays. @param {Show[]} shows */
  function draw(shows) {
    const next = JSON.stringify(shows);
    if (next === drawn) return;
    drawn = next;
    const focused = document.activeElement?.getAttribute("data-show");
    fill(
      list,
      shows.length ? h("ul", { class: "queue-list" }, shows.map(row)) : h("p", { class: "muted small", t: "desk.none_on_air" }),
    );
    const same = focused && list.querySelector(`[data-show="${CSS.escape(focused)}"]`);
    if (same instanceof HTMLElement) same.focus();
  }

  return { element };
}

/** @param {Show} show */
function row(show) {
  return h(
    "li",
    { class: "waiting", testid: "show-on-air" },
    h(
      "div",
      { class: "waiting-top" },
      h("strong", { class: "waiting-name" }, show.title),
      h("span", { class: show.state === "live" ? "tag tag-live" : "tag tag-warn", t: `state.${show.state}` }),
    ),
    h(
      "p",
      { class: "waiting-topic" },
      show.host.name,
      " · ",
      h("span", { t: "desk.n_viewers", tp: { n: count(show.viewers) } }),
    ),
    h(
      "div",
      { class: "waiting-do" },
      h(
        "a",
        {
          class: "button button-small",
          href: `/studio?show=${encodeURIComponent(show.id)}`,
          testid: "moderate",
          data: { show: show.id },
        },
        icon("comment"),
        h("span", { t: "desk.moderate" }),
        h("span", { class: "visually-hidden" }, show.title),
      ),
    ),
  );
}
