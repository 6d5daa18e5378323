// How the timeline looks: one function that paints a window of lanes on a canvas, with the page's own colours.
import { drawable, laneOf, marks, msOfEntry } from "./lanes.js";
import { clockOf, ruler, xOf } from "./view.js";

/** Heights in px of the ruler and of a lane. The stylesheet gives the lanes' heads the same. */
export const RULER = 24;
export const LANE = 26;
/** Marks nearer to each other than this, on average, are drawn as density. */
const CROWDED_PX = 14;

/** @typedef {import("./lanes.js").Lane} Lane */
/**
 * @typedef {{ lanes: Lane[], hidden: Set<string>, view: import("./view.js").View, width: number, height: number, playhead: number,
 *   selected: import("./lanes.js").Entry | null, streams: string[] }} Scene
 */

/** @param {string} name a custom property of the canvas' page */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#567";
}

/** @param {CanvasRenderingContext2D} c @param {Scene} scene */
export function paint(c, scene) {
  c.clearRect(0, 0, scene.width, scene.height);
  c.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  paintRuler(c, scene);
  scene.lanes.forEach((lane, row) => {
    const top = RULER + row * LANE;
    c.fillStyle = colour("--console-rule");
    c.fillRect(0, top, scene.width, 1);
    if (scene.hidden.has(lane.name)) return;
    c.fillStyle = colour(`--lane-${lane.name}`);
    if (lane.name === "comments") paintDensity(c, scene, lane, top);
    else if (lane.name === "picture" || lane.name === "gaps" || lane.name === "sale") paintSpans(c, scene, lane, top);
    else paintMarks(c, scene, lane, top);
  });
  paintSelected(c, scene);
  paintPlayhead(c, scene);
}

/** @param {CanvasRenderingContext2D} c @param {Scene} scene */
function paintRuler(c, { view, width, height }) {
  const { step, marks: at } = ruler(view, width);
  for (const ms of at) {
    const x = Math.round(xOf(view, width, ms));
    c.fillStyle = colour("--console-rule");
    c.fillRect(x, RULER - 6, 1, height);
    c.fillStyle = colour("--console-faint");
    c.fillText(clockOf(ms, step), x + 4, 14);
  }
}

/** @param {CanvasRenderingContext2D} c @param {Scene} scene @param {Lane} lane @param {number} top */
function paintSpans(c, { view, width, streams }, lane, top) {
  const { spans, rest } = drawable(lane, view.duration);
  const rows = lane.name === "sale" ? 1 : Math.max(1, streams.length);
  const high = (LANE - 8) / rows;
  for (const span of spans) {
    if (span.to < view.from || span.from > view.to) continue;
    const row = Math.max(0, span.stream ? streams.indexOf(span.stream) : 0);
    const from = Math.max(0, xOf(view, width, span.from));
    const to = Math.min(width, xOf(view, width, span.to));
    c.fillRect(from, top + 4 + row * high, Math.max(lane.name === "gaps" ? 3 : 1, to - from), Math.max(2, high - 1));
  }
  if (rest.entries.length) paintTicks(c, rest, { view, width, top });
}

/** @param {CanvasRenderingContext2D} c @param {Lane} lane @param {{ view: Scene["view"], width: number, top: number }} where */
function paintTicks(c, lane, { view, width, top }) {
  const before = c.fillStyle;
  c.fillStyle = colour("--console-ink");
  for (const mark of marks(lane, view, width)) c.fillRect(Math.round(mark.x) - 0.5, top + 3, 1.5, LANE - 6);
  c.fillStyle = before;
}

/** @param {CanvasRenderingContext2D} c @param {Scene} scene @param {Lane} lane @param {number} top */
function paintDensity(c, { view, width }, lane, top) {
  const found = marks(lane, view, width, 4);
  const most = Math.max(1, ...found.map((m) => m.count));
  for (const mark of found) {
    const high = Math.max(3, Math.sqrt(mark.count / most) * (LANE - 5));
    c.fillRect(mark.x - 1.5, top + LANE - 1 - high, 3, high);
  }
}

/** @param {CanvasRenderingContext2D} c @param {Scene} scene @param {Lane} lane @param {number} top */
function paintMarks(c, scene, lane, top) {
  const { view, width } = scene;
  const found = marks(lane, view, width, 5);
  // Where diamonds would lie on each other, how many there are says more than that they are there.
  if (found.length * CROWDED_PX > width) return paintDensity(c, scene, lane, top);
  const middle = top + LANE / 2;
  for (const mark of found) {
    const r = mark.count > 1 ? 6 : 4.5;
    c.beginPath();
    c.moveTo(mark.x, middle - r);
    c.lineTo(mark.x + r, middle);
    c.lineTo(mark.x, middle + r);
    c.lineTo(mark.x - r, middle);
    c.closePath();
    c.fill();
  }
}

/** @param {CanvasRenderingContext2D} c @param {Scene} scene */
function paintSelected(c, { selected, lanes, view, width, hidden }) {
  if (!selected) return;
  const row = lanes.findIndex((l) => l.name === laneOf(selected));
  const ms = msOfEntry(selected);
  if (row < 0 || hidden.has(laneOf(selected)) || ms < view.from || ms > view.to) return;
  const x = Math.round(xOf(view, width, ms));
  c.strokeStyle = colour("--console-accent");
  c.lineWidth = 2;
  c.strokeRect(x - 7, RULER + row * LANE + 3, 14, LANE - 5);
}

/** @param {CanvasRenderingContext2D} c @param {Scene} scene */
function paintPlayhead(c, { view, width, height, playhead }) {
  if (playhead < view.from || playhead > view.to) return;
  const x = Math.round(xOf(view, width, playhead));
  c.fillStyle = colour("--console-playhead");
  c.fillRect(x - 1, 8, 2, height);
  c.beginPath();
  c.moveTo(x - 6, 2);
  c.lineTo(x + 6, 2);
  c.lineTo(x, 11);
  c.closePath();
  c.fill();
}
