// The entries as a list beside the timeline: the same selection, readable by a screen reader, quick at any length because
// only the rows in sight exist.
import { fill, h, on } from "../lib/dom.js";
import { laneOf, msOfEntry } from "./lanes.js";
import { clockOf } from "./view.js";

/** @typedef {import("./lanes.js").Entry} Entry */

/** Height of a row in px; the stylesheet says the same. */
const ROW = 32;
/** Rows kept above and below what is in sight. */
const SPARE = 20;
/** Up to so many rows all of them exist: nothing is gained by less, and the browser's own search finds them. */
const ALL_UP_TO = 300;

/**
 * @param {{ onSelect: (entry: Entry) => void, onEnter: () => void }} does
 */
export function createEntryList(does) {
  /** @type {Entry[]} */ let entries = [];
  let index = -1;
  let from = -1;
  let to = -1;

  const rows = h("div", { class: "entries-rows" });
  const list = h("div", { class: "entries-list", role: "listbox", tabindex: "0", tLabel: "console.entries" }, rows);
  const none = h("p", { class: "entries-none", hidden: true, t: "console.no_entries" });

  /** @param {Entry} entry @param {number} i */
  function row(entry, i) {
    const selected = i === index;
    const made = h(
      "div",
      {
        class: `entry entry-${laneOf(entry)}${selected ? " entry-selected" : ""}`,
        role: "option",
        id: `entry-${i}`,
        testid: "entry",
        "aria-selected": String(selected),
        "aria-posinset": i + 1,
        "aria-setsize": entries.length,
        data: { kind: entry.kind, seq: entry.seq, ms: msOfEntry(entry), lane: laneOf(entry) },
      },
      h("span", { class: "entry-at" }, clockOf(msOfEntry(entry))),
      h("span", { class: "entry-dot", "aria-hidden": "true" }),
      h("span", { class: "entry-kind", t: `entry.${entry.kind}` }),
      h("span", { class: "entry-text" }, entry.text ?? ""),
    );
    made.style.setProperty("top", `${i * ROW}px`);
    return made;
  }

  /** @param {boolean} [anew] */
  function draw(anew = false) {
    const all = entries.length <= ALL_UP_TO;
    const first = all ? 0 : Math.max(0, Math.floor(list.scrollTop / ROW) - SPARE);
    const last = all ? entries.length : Math.min(entries.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + SPARE);
    if (!anew && first === from && last === to) return;
    from = first;
    to = last;
    fill(
      rows,
      entries.slice(first, last).map((entry, i) => row(entry, first + i)),
    );
    const active = entries[index];
    if (active && index >= first && index < last) list.setAttribute("aria-activedescendant", `entry-${index}`);
    else list.removeAttribute("aria-activedescendant");
  }

  /** @param {number} i */
  function reveal(i) {
    const top = i * ROW;
    if (top < list.scrollTop || top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
  }

  /** @param {number} i */
  function choose(i) {
    const entry = entries[Math.min(Math.max(0, i), entries.length - 1)];
    if (entry) does.onSelect(entry);
  }

  /** @param {number} by */
  const step = (by) => choose(index < 0 ? (by > 0 ? 0 : entries.length - 1) : index + by);

  on(list, "scroll", () => draw(), { passive: true });
  on(list, "click", (event) => {
    const found = /** @type {HTMLElement} */ (event.target).closest("[data-seq]");
    if (found instanceof HTMLElement) choose(Number(found.getAttribute("aria-posinset")) - 1);
  });
  on(list, "keydown", (event) => {
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowDown: () => step(1),
      ArrowUp: () => step(-1),
      PageDown: () => step(12),
      PageUp: () => step(-12),
      Home: () => choose(0),
      End: () => choose(entries.length - 1),
      Enter: does.onEnter,
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  const sizes = new ResizeObserver(() => draw());
  sizes.observe(list);

  return {
    element: h("div", { class: "entries" }, list, none),
    step,
    first: () => choose(0),
    last: () => choose(entries.length - 1),
    /** @param {Entry[]} next */
    show(next) {
      const before = entries[index];
      entries = next;
      index = before ? entries.indexOf(before) : -1;
      rows.style.setProperty("height", `${entries.length * ROW}px`);
      none.hidden = entries.length > 0;
      draw(true);
    },
    /** @param {Entry} entry */
    select(entry) {
      index = entries.indexOf(entry);
      if (index >= 0) reveal(index);
      draw(true);
    },
    close: () => sizes.disconnect(),
  };
}
