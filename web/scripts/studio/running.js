// The shows a supervisor may look after: those on air, and those to come, whose rules can be set before they begin.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { empty, refusal, skeleton } from "../lib/ui.js";
import { showItem } from "./list.js";
import { sorted } from "./model.js";

/** @typedef {import("./model.js").Show} Show */

const REFRESH_MS = 15_000;

/** @param {HTMLElement} root @param {(id: string) => void} onOpen */
export function openRunning(root, onOpen) {
  let closed = false;
  let drawn = "";
  const list = h("div", { class: "shows", testid: "shows" }, skeleton(3, "row"));
  fill(
    root,
    h(
      "section",
      { class: "studio-shows", "aria-labelledby": "shows-title" },
      h("h1", { id: "shows-title", t: "supervised.shows" }),
      h("p", { class: "muted", t: "supervised.lead" }),
      list,
    ),
  );
  void load();
  const timer = setInterval(() => void (document.hidden || load()), REFRESH_MS);

  async function load() {
    try {
      const { live, upcoming } = await api("GET", "/api/shows");
      if (!closed) draw(sorted([...live, ...upcoming]));
    } catch (error) {
      drawn = "";
      if (!closed) fill(list, refusal(asProblem(error), { retry: () => void load() }));
    }
  }

  /** The same again is not drawn again, so that the focus stays. @param {Show[]} shows */
  function draw(shows) {
    const next = JSON.stringify(shows);
    if (next === drawn) return;
    drawn = next;
    const focused = document.activeElement?.closest("[data-show]")?.getAttribute("data-show");
    fill(
      list,
      shows.length
        ? shows.map((show) => showItem(show, onOpen, who(show)))
        : empty({ t: "supervised.none", next: "supervised.none_next", icon: "clock" }),
    );
    const same = focused && list.querySelector(`[data-show="${CSS.escape(focused)}"]`);
    if (same instanceof HTMLElement) same.focus();
  }

  return {
    close() {
      closed = true;
      clearInterval(timer);
    },
    redraw() {
      drawn = "";
      void load();
    },
  };
}

/** Its host, and while it is on air how many watch. @param {Show} show */
function who(show) {
  const onAir = show.state === "live" || show.state === "paused";
  return h(
    "span",
    { class: "show-facts" },
    h("span", null, show.host.name),
    onAir
      ? h(
          "span",
          { class: "show-viewers" },
          icon("eye"),
          count(show.viewers),
          h("span", { class: "visually-hidden", t: "studio.viewers" }),
        )
      : null,
  );
}
