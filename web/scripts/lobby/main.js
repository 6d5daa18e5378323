// The lobby: what is live, what comes, what was; and at the same height the way to a person.
import "../../texts/customer.js";
import { api } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { onLang } from "../lib/i18n.js";
import { me } from "../lib/me.js";
import { frame, guarded } from "../lib/page.js";
import { empty, skeleton } from "../lib/ui.js";
import { liveCard, listCard } from "./cards.js";
import { preview } from "./preview.js";
import { matching } from "./search.js";

/** @typedef {import("./cards.js").Show} Show */

const REFRESH_MS = 15_000;

/** @type {{live: Show[], upcoming: Show[], replays: Show[]}} */
let shows = { live: [], upcoming: [], replays: [] };
let stopPreview = () => {};
let drawn = "";

const search = h("input", {
  class: "input lobby-search",
  type: "search",
  tLabel: "lobby.search",
  tPlaceholder: "lobby.search",
  enterkeyhint: "search",
  oninput: draw,
});
const live = h("section", { class: "lobby-live", "aria-labelledby": "live-title" });
const rest = h("div", { class: "lobby-rest" });
const talk = h("aside", { class: "card talk" }, skeleton(3));
const main = frame({ current: "lobby", title: "title.lobby", class: "page lobby-page" });
main.append(
  h(
    "div",
    { class: "spread lobby-head" },
    h("h1", { id: "live-title", t: "lobby.live" }),
    h("div", { class: "lobby-find" }, icon("search", "lobby-find-icon"), search),
  ),
  h("div", { class: "lobby-top" }, live, talk),
  rest,
);
fill(live, skeleton(1, "card"));
fill(rest, skeleton(3, "card"));

void guarded(live, load);
void drawTalk();
onLang(() => {
  drawn = "";
  void load();
});
setInterval(() => {
  if (!document.hidden) load().catch(() => undefined);
}, REFRESH_MS);

async function load() {
  shows = await api("GET", "/api/shows");
  draw();
}

function draw() {
  const found = {
    live: matching(shows.live, search.value),
    upcoming: matching(shows.upcoming, search.value),
    replays: matching(shows.replays, search.value),
  };
  // The same again is not drawn again: the moving preview and the focus stay.
  const next = JSON.stringify(found);
  if (next === drawn) return;
  drawn = next;
  drawLive(found.live, Boolean(search.value.trim()) && !found.live.length && !found.upcoming.length && !found.replays.length);
  fill(
    rest,
    section("lobby.upcoming", found.upcoming, "upcoming-show", !search.value && "lobby.none.upcoming"),
    section("lobby.replays", found.replays, "replay-show", null),
  );
}

/** @param {Show[]} some @param {boolean} nothing */
function drawLive(some, nothing) {
  const [first, ...others] = some;
  const held = live.querySelector(`[data-show="${first?.id}"][data-state="${first?.state}"]`);
  if (first && held && !others.length) return updateLive(held, first);
  stopPreview();
  if (!first) {
    const clear = h("button", {
      class: "button",
      type: "button",
      t: "lobby.clear",
      onclick: () => {
        search.value = "";
        draw();
        search.focus();
      },
    });
    fill(
      live,
      nothing
        ? empty({ t: "lobby.none.match", next: "lobby.none.match.next", icon: "search", action: clear })
        : empty({ t: "lobby.none", next: "lobby.none.next", icon: "clock" }),
    );
    return;
  }
  const card = liveCard(first);
  fill(
    live,
    card,
    others.length > 0 &&
      h(
        "div",
        { class: "lobby-more" },
        others.map((show) => listCard(show, "live-show")),
      ),
  );
  stopPreview = first.state === "live" ? preview(card, first.session) : () => {};
}

/** @param {Element} held @param {Show} show */
function updateLive(held, show) {
  const viewers = held.querySelector("[data-viewers]");
  const fresh = liveCard(show).querySelector("[data-viewers]");
  if (viewers && fresh) viewers.replaceWith(fresh);
}

/** @param {string} title @param {Show[]} some @param {string} testid @param {string | null | false} none */
function section(title, some, testid, none) {
  if (!some.length && !none) return null;
  return h(
    "section",
    { class: "stack" },
    h("h2", { t: title }),
    some.length
      ? h(
          "div",
          { class: "lobby-list" },
          some.map((show) => listCard(show, testid)),
        )
      : h("p", { class: "muted", t: /** @type {string} */ (none) }),
  );
}

async function drawTalk() {
  const person = await me().catch(() => null);
  const customer = !person || person.role === "customer";
  talk.hidden = !customer;
  const { calls } = person && customer ? await api("GET", "/api/calls").catch(() => ({ calls: [] })) : { calls: [] };
  const open = calls.find((/** @type {{state: string}} */ call) => ["waiting", "accepted", "live"].includes(call.state));
  fill(
    talk,
    h("span", { class: "talk-mark", "aria-hidden": "true" }, icon("phone")),
    h("h2", { t: open ? "lobby.talk.back" : "lobby.talk" }),
    open
      ? h("p", {
          class: "muted",
          t: open.state === "waiting" ? "lobby.talk.waiting" : "lobby.talk.on",
          tp: { position: open.position ?? 1 },
        })
      : h("p", { class: "muted", t: "lobby.talk.text" }),
    h("a", { class: "button button-wide", href: "/call", testid: "talk", t: open ? "lobby.talk.return" : "lobby.talk.go" }),
  );
}
