// After the show: its numbers.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { duration, money, number, when } from "../lib/format.js";
import { refusal, skeleton } from "../lib/ui.js";

/** @param {HTMLElement} root @param {import("./model.js").Show} show @param {() => void} onBack */
export function openAfter(root, show, onBack) {
  let closed = false;
  const body = h("div", null, skeleton(4));
  const cancelled = show.state === "cancelled";
  fill(
    root,
    h(
      "div",
      { class: "page page-narrow stack" },
      h(
        "div",
        { class: "row" },
        h("button", { class: "button-icon", type: "button", tLabel: "studio.back", onclick: onBack }, icon("back")),
        h("div", null, h("h1", null, show.title), h("p", { class: "muted small" }, when(show.started_at ?? show.starts_at))),
      ),
      cancelled ? h("p", { class: "notice", t: "studio.was_cancelled" }) : body,
    ),
  );
  if (!cancelled) void load();

  async function load() {
    try {
      const sum = await api("GET", `/api/sessions/${encodeURIComponent(show.session ?? "")}/summary`);
      if (closed) return;
      fill(
        body,
        h(
          "dl",
          { class: "numbers", testid: "summary" },
          figure("studio.sum_amount", money(sum.amount, sum.currency ?? "CNY"), "numbers-first"),
          figure("studio.sum_orders", number(sum.orders)),
          figure("studio.sum_viewers", number(sum.viewers_peak)),
          figure("studio.sum_average", number(sum.viewers_average)),
          figure("studio.sum_comments", number(sum.comments)),
          figure("studio.sum_duration", duration(sum.duration_ms ?? 0)),
        ),
        h("p", { class: "muted small", t: "studio.sum_note" }),
      );
    } catch (error) {
      if (!closed) fill(body, refusal(asProblem(error), { retry: () => void load() }));
    }
  }
  return {
    close: () => {
      closed = true;
    },
  };
}

/** @param {string} key @param {string} value @param {string} [extra] */
function figure(key, value, extra = "") {
  return h("div", { class: `number ${extra}` }, h("dt", { t: key }), h("dd", null, value));
}
