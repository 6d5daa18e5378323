// One delivery: what it is, its last attempts, what people did about it.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { dateTime, number } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { guarded } from "../lib/page.js";
import { sheet, skeleton, toast } from "../lib/ui.js";
import { reason, subject } from "./model.js";
import { named } from "./names.js";

/** @typedef {import("./model.js").Detail} Detail */
/** @typedef {import("./model.js").Attempt} Attempt */

/** @param {string} id @param {{onSent: () => void, onOpen: (id: string) => void}} does */
export function openDetail(id, { onSent, onOpen }) {
  const surface = sheet({ title: "deliveries.title", content: skeleton(4), testid: "delivery-detail" });
  void guarded(surface.body, async () => show(await api("GET", `/api/deliveries/${id}`)));

  /** @param {Detail} one */
  function show(one) {
    surface.setTitle(`deliveries.kind.${one.kind}`);
    const why = one.state === "delivered" ? null : reason(one.error);
    const tone = { dead: "bad", waiting: "warn", delivered: "good" }[one.state];
    fill(
      surface.body,
      h(
        "div",
        { class: "row row-wrap" },
        h("span", { class: `tag tag-${tone}`, t: `deliveries.state.${one.state}` }),
        why && h("span", why),
      ),
      one.behind && behind(one.behind),
      h("dl", { class: "facts" }, facts(one)),
      h("h3", { t: "deliveries.detail.attempts" }),
      one.recent.length ? attempts(one.recent) : h("p", { class: "muted", t: "deliveries.detail.no_attempts" }),
      one.acts.length > 0 && h("h3", { t: "deliveries.detail.acts" }),
      one.acts.length > 0 &&
        h(
          "ul",
          { class: "stack-2" },
          one.acts.map((act) =>
            h("li", { t: `deliveries.act.${act.act}`, tp: { person: act.person, at: { dateTime: act.at } } }),
          ),
        ),
    );
    fill(
      surface.footer,
      one.state === "dead" &&
        h("button", {
          class: "button button-accent",
          type: "button",
          testid: "detail-again",
          t: "deliveries.again",
          onclick: () => void again(one.id),
        }),
    );
  }

  /** @param {string} other */
  function behind(other) {
    return h(
      "div",
      { class: "notice notice-warn delivery-behind" },
      h("span", { class: "grow", t: "deliveries.behind" }),
      h("button", {
        class: "button button-small",
        type: "button",
        testid: "behind",
        t: "deliveries.behind_open",
        onclick: () => {
          surface.close();
          onOpen(other);
        },
      }),
    );
  }

  /** @param {string} which */
  async function again(which) {
    try {
      show(await api("POST", `/api/deliveries/${which}/again`));
      toast(t("deliveries.again_done"), { tone: "good", topic: "again" });
    } catch (error) {
      toast(asProblem(error).title, { tone: "warn", topic: "again" });
    }
    onSent();
  }
}

/** @param {Detail} one */
function facts(one) {
  /** @type {[string, Node][]} */
  const rows = [
    ["deliveries.column.who", h("dd", named(one.receiver, one.receiver_name), one.receiver_name || null)],
    [`deliveries.column.${one.order ? "order" : "session"}`, h("dd", { class: "figures" }, subject(one))],
    ["deliveries.detail.event", h("dd", { class: "figures" }, one.id)],
    ["deliveries.detail.created", h("dd", {}, dateTime(one.created_at))],
  ];
  if (one.next_at) rows.push(["deliveries.detail.next", h("dd", {}, dateTime(one.next_at))]);
  return rows.flatMap(([key, value]) => [h("dt", { t: key }), value]);
}

/** @param {Attempt[]} recent */
function attempts(recent) {
  const head = ["at", "took", "answer"].map((name) => h("th", { scope: "col", t: `deliveries.detail.${name}` }));
  const rows = recent
    .toReversed()
    .map((one) =>
      h(
        "tr",
        { testid: "attempt" },
        h("td", { class: "figures" }, dateTime(one.at)),
        h("td", { class: "figures num" }, `${number(one.ms)} ms`),
        h(
          "td",
          {},
          one.error ? h("span", reason(one.error) ?? {}) : h("span", { t: "deliveries.detail.taken" }),
          h("span", { class: "attempt-raw muted tiny" }, one.error ?? `status ${one.status}`),
        ),
      ),
    );
  return h("table", { class: "table small" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
}
