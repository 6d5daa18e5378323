// The timeline: lanes of marks on a canvas, a ruler above, the playhead across. It owns its window and nothing else;
// what is selected and where the clock stands it is told.
import { fill, h, on } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { laneOf, msOfEntry, nearest } from "./lanes.js";
import { LANE, RULER, paint } from "./paint.js";
import { msOf, panned, showing, whole, xOf, zoomed } from "./view.js";

/** @typedef {import("./lanes.js").Lane} Lane */
/** @typedef {import("./lanes.js").Entry} Entry */

/** How near, in px, a click must be to take an entry. */
const REACH_PX = 7;

/**
 * @param {Lane[]} lanes @param {number} duration_ms @param {string[]} streams
 * @param {{ onSeek: (ms: number) => void, onSelect: (entry: Entry) => void, onHide: (hidden: Set<string>) => void, onStep: (by: number) => void,
 *   onEnter: () => void, onToggle: () => void, onEdge: (end: "first" | "last") => void }} does
 */
export function createTimeline(lanes, duration_ms, streams, does) {
  let view = whole(duration_ms);
  let playhead = 0;
  let drawn = 0;
  /** @type {Entry | null} */ let selected = null;
  /** @type {Set<string>} */ const hidden = new Set();

  const canvas = h("canvas", { class: "timeline-canvas", "aria-hidden": "true" });
  const tip = h("div", { class: "timeline-tip", hidden: true });
  const stage = h(
    "div",
    {
      class: "timeline-stage",
      testid: "timeline",
      tabindex: "0",
      role: "group",
      tLabel: "console.timeline",
      "aria-keyshortcuts": "ArrowLeft ArrowRight Enter + - Home End Space",
    },
    canvas,
    tip,
  );
  const heads = h("div", { class: "timeline-heads" }, h("div", { class: "timeline-corner" }), lanes.map(head));
  const element = h("div", { class: "timeline" }, heads, stage);

  /** @param {Lane} lane */
  function head(lane) {
    const button = h(
      "button",
      {
        class: "timeline-head",
        type: "button",
        testid: `lane-${lane.name}`,
        "aria-pressed": "true",
        data: { lane: lane.name },
      },
      h("span", { t: `lane.${lane.name}` }),
      h("span", { class: "timeline-count" }, number(lane.entries.length)),
    );
    button.addEventListener("click", () => {
      if (!hidden.delete(lane.name)) hidden.add(lane.name);
      button.setAttribute("aria-pressed", String(!hidden.has(lane.name)));
      does.onHide(new Set(hidden));
      redraw();
    });
    return button;
  }

  function redraw() {
    if (!drawn) drawn = requestAnimationFrame(draw);
  }

  function draw() {
    drawn = 0;
    const width = stage.clientWidth;
    const height = RULER + LANE * lanes.length;
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.setProperty("width", `${width}px`);
      canvas.style.setProperty("height", `${height}px`);
    }
    const context = canvas.getContext("2d");
    if (!context || !width) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(context, { lanes, hidden, view, width, height, playhead, selected, streams });
  }

  /** @param {PointerEvent | MouseEvent} event */
  function at(event) {
    const box = canvas.getBoundingClientRect();
    const ms = msOf(view, box.width, event.clientX - box.left);
    const row = Math.floor((event.clientY - box.top - RULER) / LANE);
    const lane = row >= 0 ? lanes[row] : undefined;
    const reach = ((view.to - view.from) / Math.max(1, box.width)) * REACH_PX;
    const entry = lane && !hidden.has(lane.name) ? nearest(lane, ms, reach) : null;
    return { ms, entry, x: event.clientX - box.left, y: event.clientY - box.top };
  }

  let dragging = false;
  on(canvas, "pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.focus({ preventScroll: true });
    const { ms, entry } = at(event);
    if (entry) return does.onSelect(entry);
    dragging = true;
    canvas.setPointerCapture(event.pointerId);
    does.onSeek(ms);
  });
  on(canvas, "pointermove", (event) => {
    const { ms, entry, x, y } = at(event);
    if (dragging) return does.onSeek(ms);
    canvas.classList.toggle("timeline-canvas-entry", entry !== null);
    showTip(entry, x, y);
  });
  const release = () => {
    dragging = false;
  };
  on(canvas, "pointerup", release);
  on(canvas, "pointercancel", release);
  on(canvas, "pointerleave", () => {
    tip.hidden = true;
  });
  on(
    stage,
    "wheel",
    (event) => {
      event.preventDefault();
      const across = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (across) view = panned(view, ((event.deltaX || event.deltaY) / stage.clientWidth) * (view.to - view.from));
      else view = zoomed(view, Math.exp(-event.deltaY / 300), at(event).ms);
      redraw();
    },
    { passive: false },
  );
  on(stage, "keydown", (event) => {
    if (key(event)) event.preventDefault();
  });
  const sizes = new ResizeObserver(redraw);
  sizes.observe(stage);

  /** @param {Entry | null} entry @param {number} x @param {number} y */
  function showTip(entry, x, y) {
    tip.hidden = entry === null;
    if (!entry) return;
    fill(tip, h("b", { t: `entry.${entry.kind}` }), entry.text ? ` ${entry.text}` : "");
    tip.style.setProperty("left", `${Math.min(x, stage.clientWidth - 220)}px`);
    tip.style.setProperty("top", `${y + 16}px`);
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether it was ours */
  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    switch (event.key) {
      case "+":
      case "=":
        zoom(1.6);
        return true;
      case "-":
      case "_":
        zoom(1 / 1.6);
        return true;
      case "0":
        fit();
        return true;
      case "ArrowLeft":
        does.onStep(-1);
        return true;
      case "ArrowRight":
        does.onStep(1);
        return true;
      case "Home":
        does.onEdge("first");
        return true;
      case "End":
        does.onEdge("last");
        return true;
      case "Enter":
        does.onEnter();
        return true;
      case " ":
        does.onToggle();
        return true;
      default:
        return false;
    }
  }

  /** @param {number} factor */
  function zoom(factor) {
    const middle = playhead >= view.from && playhead <= view.to ? playhead : (view.from + view.to) / 2;
    view = zoomed(view, factor, middle);
    redraw();
  }

  function fit() {
    view = whole(duration_ms);
    redraw();
  }

  return {
    element,
    zoom,
    fit,
    /** @param {number} ms @param {boolean} follow turns the page when the playhead leaves it */
    time(ms, follow) {
      const moved = Math.abs(xOf(view, stage.clientWidth, ms) - xOf(view, stage.clientWidth, playhead)) >= 0.5;
      playhead = ms;
      const next = follow ? showing(view, ms) : view;
      if (moved || next !== view) redraw();
      view = next;
    },
    /** @param {Entry} entry */
    select(entry) {
      selected = entry;
      view = showing(view, msOfEntry(entry));
      for (const button of heads.children)
        button.classList.toggle(
          "timeline-head-selected",
          /** @type {HTMLElement} */ (button).dataset["lane"] === laneOf(entry),
        );
      redraw();
    },
    redraw,
    close: () => sizes.disconnect(),
  };
}
