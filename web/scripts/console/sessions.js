// The left column: every recorded session, filtered and searched; the queue of cases is one of the filters.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon, on, qsa } from "../lib/dom.js";
import { duration, number, time, date } from "../lib/format.js";
import { empty, refusal, skeleton } from "../lib/ui.js";
import { placeLink } from "./address.js";

/**
 * @typedef {{ session: string, kind: string, title: string, host: any, started_at: string | null, ended_at: string | null, duration_ms: number | null,
 *   orders: number, comments: number, gaps: number, hits: number, sealed: boolean, case: { id: string, state: string } | null }} Recording
 */

const SEARCH_AFTER_MS = 250;
/** What can be asked for on top of the server's search. @type {Record<string, (r: Recording) => boolean>} */
const ONLY = {
  all: () => true,
  cases: (r) => r.case !== null && r.case.state !== "closed",
  troubled: (r) => r.gaps > 0 || r.hits > 0,
};

/** @param {{ onOpen: (session: string) => void }} does */
export function createSessions({ onOpen }) {
  /** @type {Recording[]} */ let recordings = [];
  /** @type {string | null} */ let current = null;
  let only = "all";
  let asked = 0;

  const search = h("input", {
    class: "input",
    type: "search",
    testid: "search",
    tPlaceholder: "console.search",
    tLabel: "console.search",
    maxlength: "100",
  });
  const kind = h(
    "select",
    { class: "select", testid: "filter-kind", tLabel: "console.kind_filter" },
    h("option", { value: "", t: "console.kind_all" }),
    h("option", { value: "show", t: "console.kind_show" }),
    h("option", { value: "call", t: "console.kind_call" }),
  );
  const from = h("input", { class: "input", type: "date", tLabel: "console.from" });
  const to = h("input", { class: "input", type: "date", tLabel: "console.to" });
  const queues = h("div", { class: "sessions-queues", role: "group", tLabel: "console.queue" }, Object.keys(ONLY).map(queue));
  const list = h("div", { class: "sessions-list", role: "list" });
  const count = h("p", { class: "sessions-count", role: "status" });
  const element = h(
    "aside",
    { class: "sessions", tLabel: "console.sessions" },
    h("div", { class: "sessions-filters" }, search, queues, h("div", { class: "sessions-row" }, kind, from, to)),
    count,
    list,
  );

  /** @param {string} name */
  function queue(name) {
    const button = h("button", {
      class: "chip",
      type: "button",
      testid: `queue-${name}`,
      "aria-pressed": String(name === only),
      t: `console.only_${name}`,
    });
    button.addEventListener("click", () => {
      only = name;
      for (const b of qsa("button", queues)) b.setAttribute("aria-pressed", String(b === button));
      draw();
    });
    return button;
  }

  /** @param {Recording} r */
  function row(r) {
    const tags = [
      r.case ? h("span", { class: `tag tag-case tag-case-${r.case.state}`, t: `case.${r.case.state}` }) : null,
      r.gaps ? h("span", { class: "tag tag-warn", t: "console.n_gaps", tp: { n: r.gaps } }) : null,
      r.hits ? h("span", { class: "tag tag-warn", t: "console.n_hits", tp: { n: r.hits } }) : null,
    ];
    const link = h(
      "a",
      {
        class: "session",
        href: placeLink({ session: r.session, t: null, seq: null }),
        testid: "session-row",
        data: { session: r.session },
        "aria-current": r.session === current ? "true" : null,
      },
      h(
        "span",
        { class: "session-top" },
        icon(r.kind === "call" ? "phone" : "camera", "session-kind"),
        h("span", { class: "session-title" }, r.title),
        h(
          "span",
          { class: "session-seal", tTitle: r.sealed ? "console.row_sealed" : "console.row_unsealed" },
          r.sealed ? icon("seal") : null,
        ),
      ),
      h(
        "span",
        { class: "session-line" },
        `${hostName(r.host)} · ${r.started_at ? `${date(r.started_at)} ${time(r.started_at)}` : "–"}`,
        h("span", { class: "session-length" }, r.duration_ms === null ? "" : duration(r.duration_ms)),
      ),
      h(
        "span",
        { class: "session-line" },
        h("span", { t: "console.n_orders", tp: { n: number(r.orders) } }),
        h("span", { t: "console.n_comments", tp: { n: number(r.comments) } }),
        tags,
      ),
    );
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      onOpen(r.session);
    });
    return h("div", { role: "listitem" }, link);
  }

  function draw() {
    const shown = recordings.filter(ONLY[only] ?? (() => true));
    fill(count, h("span", { t: "console.n_sessions", tp: { n: number(shown.length) } }));
    fill(
      list,
      shown.length
        ? shown.map(row)
        : empty({
            t: recordings.length ? "console.none_match" : "console.none_yet",
            next: recordings.length ? "console.none_match_next" : "console.none_yet_next",
          }),
    );
  }

  async function load() {
    const turn = ++asked;
    const query = new URLSearchParams();
    if (kind.value) query.set("kind", kind.value);
    if (search.value.trim()) query.set("q", search.value.trim());
    if (from.value) query.set("from", new Date(`${from.value}T00:00:00`).toISOString());
    if (to.value) query.set("to", new Date(`${to.value}T23:59:59`).toISOString());
    if (!recordings.length) fill(list, skeleton(6, "row"));
    try {
      const answer = await api("GET", `/api/recordings${query.size ? `?${query}` : ""}`);
      if (turn !== asked) return;
      recordings = answer.recordings;
      draw();
    } catch (error) {
      if (turn === asked) fill(list, refusal(asProblem(error), { retry: () => void load(), compact: true }));
    }
  }

  let waiting = 0;
  const soon = () => {
    clearTimeout(waiting);
    waiting = window.setTimeout(() => void load(), SEARCH_AFTER_MS);
  };
  on(search, "input", soon);
  for (const field of [kind, from, to]) on(field, "change", soon);
  on(list, "keydown", (event) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    const links = qsa("a", list);
    links[links.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + by]?.focus();
  });

  return {
    element,
    load,
    redraw: draw,
    /** @param {string | null} session */
    mark(session) {
      current = session;
      for (const link of qsa("a", list)) {
        if (link.dataset["session"] === session) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    },
  };
}

/** @param {any} host */
const hostName = (host) => (typeof host === "string" ? host : (host?.name ?? "–"));
