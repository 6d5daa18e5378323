// A show as a card: large while it is live, in a list before and after.
import { h, icon } from "../lib/dom.js";
import { count, duration, when } from "../lib/format.js";
import { initial } from "../lib/header.js";
import { saveEntry } from "../lib/calendar.js";
import { t } from "../lib/i18n.js";
import { toast } from "../lib/ui.js";

/** @typedef {{id: string, session: string, title: string, summary: string, host: {id: string, name: string}, state: "scheduled"|"live"|"paused"|"ended"|"cancelled", starts_at: string, started_at: string | null, ended_at: string | null, product_class: string | null, viewers: number, viewers_peak?: number, poster: string | null, replay_ms?: number | null, mine: boolean}} Show */

/** A show's picture: its poster, or one made of its class and its host. @param {Show} show */
function poster(show) {
  return h(
    "div",
    { class: `poster poster-${show.product_class ?? "mixed"}`, "aria-hidden": "true" },
    show.poster
      ? h("img", { src: show.poster, alt: "", loading: "lazy" })
      : h("span", { class: "poster-initial" }, initial(show.host.name)),
  );
}

/** @param {Show} show */
function classTag(show) {
  return h("span", { class: "tag", t: `class.${show.product_class ?? "mixed"}` });
}

/** @param {Show} show */
export function liveCard(show) {
  const paused = show.state === "paused";
  return h(
    "a",
    { class: "live-card", href: `/watch/${show.session}`, testid: "live-show", data: { show: show.id, state: show.state } },
    poster(show),
    h("div", { class: "live-card-shade" }),
    h(
      "div",
      { class: "live-card-top" },
      h(
        "span",
        { class: paused ? "tag" : "tag tag-live" },
        !paused && h("span", { class: "live-pulse" }),
        h("span", { t: paused ? "state.paused" : "state.live" }),
      ),
      h(
        "span",
        { class: "tag live-viewers", data: { viewers: show.viewers } },
        icon("eye"),
        h("span", { t: "lobby.viewers", tp: { n: count(show.viewers) } }),
      ),
    ),
    h(
      "div",
      { class: "live-card-foot" },
      h("h2", null, show.title),
      h("p", { class: "live-card-host" }, h("span", { t: "lobby.with", tp: { name: show.host.name } }), classTag(show)),
      h("span", { class: "button button-accent live-card-go" }, icon("play"), h("span", { t: "lobby.watch" })),
    ),
  );
}

/** @param {Show} show @param {string} testid */
export function listCard(show, testid) {
  const upcoming = show.state === "scheduled";
  const running = show.state === "live" || show.state === "paused";
  const at = running
    ? null
    : upcoming
      ? h("p", { class: "show-when" }, when(show.starts_at))
      : h("p", { class: "show-when show-past", t: "lobby.ended", tp: { when: when(show.started_at ?? show.starts_at) } });
  const body = h(
    "div",
    { class: "show-words" },
    at,
    h("h3", { class: "show-title" }, h("a", { href: `/watch/${show.session}` }, show.title)),
    show.summary && h("p", { class: "show-summary" }, show.summary),
    h(
      "p",
      { class: "show-host" },
      h("span", { t: "lobby.with", tp: { name: show.host.name } }),
      classTag(show),
      running && h("span", { class: "tag tag-live", t: `state.${show.state}` }),
      !running && !upcoming && pastTag(show),
    ),
  );
  const remind =
    upcoming &&
    h(
      "button",
      { class: "button button-small show-remind", type: "button", onclick: () => remember(show) },
      icon("bell"),
      h("span", { t: "lobby.remind" }),
    );
  return h("article", { class: "card show-card", testid, data: { show: show.id } }, poster(show), body, remind);
}

/** That it can be seen again, and how long it takes; or only that it is over. @param {Show} show */
function pastTag(show) {
  if (!show.replay_ms) return h("span", { class: "tag", t: `state.${show.state}` });
  const length = duration(show.replay_ms);
  return h("span", { class: "tag show-replay" }, icon("play"), h("span", { t: "lobby.replay", tp: { length } }));
}

/** @param {{id: string, session: string, title: string, starts_at: string}} show */
export function remember(show) {
  saveEntry({ id: show.id, title: show.title, starts_at: show.starts_at, url: `${location.origin}/watch/${show.session}` });
  toast(t("lobby.reminded"), { tone: "good" });
}
