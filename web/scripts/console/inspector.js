// The selected entry in full: what the trail says, nothing added.
import { fill, h } from "../lib/dom.js";
import { dateTime, money, number } from "../lib/format.js";
import { msOfEntry } from "./lanes.js";
import { clockOf } from "./view.js";

/** @typedef {import("./lanes.js").Entry} Entry */

/** Fields of `data` that are money in minor units when a currency stands beside them. */
const MONEY = new Set(["amount", "minimum", "cap"]);

/** @param {any} actor */
function actorText(actor) {
  if (actor === null || actor === undefined) return "–";
  if (typeof actor === "string") return actor;
  return [actor.name ?? actor.id, actor.role].filter(Boolean).join(" · ");
}

/** @param {string} name @param {any} value @param {Record<string, any>} data */
function valueText(name, value, data) {
  if (typeof value === "number" && MONEY.has(name) && typeof data["currency"] === "string")
    return money(value, data["currency"]);
  if (typeof value === "number" && name.endsWith("_ms")) return clockOf(value, 100);
  if (typeof value === "number") return number(value);
  if (value !== null && typeof value === "object") return JSON.stringify(value, null, 1).replaceAll(/\n\s*/g, " ");
  return String(value ?? "–");
}

/** @param {string} key @param {HTMLElement | string} value @param {string} [extra] */
const pair = (key, value, extra = "") =>
  h("div", { class: `record-row ${extra}`.trim() }, h("dt", { t: key }), h("dd", null, value));

/** @param {{ onLink: (entry: Entry) => void }} does */
export function createInspector({ onLink }) {
  const body = h("div", { class: "inspector-body" }, h("p", { class: "inspector-hint", t: "console.inspector_hint" }));
  const element = h("section", { class: "inspector", tLabel: "console.inspector", "aria-live": "polite" }, body);

  /** @param {Entry} entry */
  function show(entry) {
    const data = entry.data && typeof entry.data === "object" ? entry.data : {};
    const link = h("button", { class: "inspector-link", type: "button", t: "console.link_entry" });
    link.addEventListener("click", () => onLink(entry));
    fill(
      body,
      h(
        "div",
        { class: "inspector-head" },
        h("h3", { class: "inspector-title", t: `entry.${entry.kind}` }),
        h("span", { class: "inspector-seq" }, `#${entry.seq}${entry.after_seal ? "/after" : ""}`),
      ),
      entry.text ? h("p", { class: "inspector-text" }, entry.text) : null,
      h(
        "dl",
        { class: "record" },
        pair("console.moment", clockOf(msOfEntry(entry), 100), "record-row-figure"),
        pair("console.at", entry.at ? dateTime(entry.at) : "–"),
        pair("console.actor", actorText(entry.actor)),
        pair("console.kind", h("code", null, entry.kind)),
      ),
      dataTable(data),
      entry.hash ? h("div", { class: "inspector-hash" }, h("span", { t: "console.hash" }), h("code", null, entry.hash)) : null,
      link,
    );
  }

  /** @param {Record<string, any>} data */
  function dataTable(data) {
    const names = Object.keys(data);
    if (!names.length) return null;
    return h(
      "dl",
      { class: "record record-data", tLabel: "console.data" },
      names.map((name) =>
        h("div", { class: "record-row" }, h("dt", null, name), h("dd", null, valueText(name, data[name], data))),
      ),
    );
  }

  return { element, show };
}
