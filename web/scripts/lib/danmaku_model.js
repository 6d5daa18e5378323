// Which comments may fly, and a clock that can stand still. Pure, so that it can be tested without a picture.

/** @typedef {{on: boolean, density: "low"|"medium"|"high", size: "small"|"medium"|"large", area: "quarter"|"half"|"full", opacity: number, speed: "slow"|"normal"|"fast"}} DanmakuSettings */

export const AREA = { quarter: 0.25, half: 0.5, full: 0.85 };
export const SIZE = { small: 16, medium: 20, large: 26 };
export const SPEED = { slow: 90, normal: 140, fast: 200 };
const SHARE = { low: 0.35, medium: 0.7, high: 1 };
const LINE = 1.6;
const WIDTH = 220;

/** @type {DanmakuSettings} */
export const DEFAULTS = { on: true, density: "medium", size: "medium", area: "half", opacity: 0.9, speed: "normal" };

/** A kept choice over the defaults, whatever an older version had stored. @param {string | null} json @returns {DanmakuSettings} */
export function settingsOf(json) {
  /** @type {any} */
  let stored = {};
  try {
    stored = JSON.parse(json ?? "{}") ?? {};
  } catch {
    return { ...DEFAULTS };
  }
  const settings = { ...DEFAULTS };
  if (typeof stored.on === "boolean") settings.on = stored.on;
  if (stored.density in SHARE) settings.density = stored.density;
  if (stored.size in SIZE) settings.size = stored.size;
  if (stored.area in AREA) settings.area = stored.area;
  if (stored.speed in SPEED) settings.speed = stored.speed;
  if (typeof stored.opacity === "number") settings.opacity = Math.min(1, Math.max(0.2, stored.opacity));
  return settings;
}

/** How many may be in the air at once in a layer of this size. @param {DanmakuSettings} settings @param {number} width @param {number} height px of the whole picture */
export function capacity(settings, width, height) {
  const lines = Math.max(1, Math.floor((height * AREA[settings.area]) / (SIZE[settings.size] * LINE)));
  return Math.max(1, Math.floor(lines * Math.max(1, width / WIDTH) * SHARE[settings.density]));
}

/** Between two that follow each other in a lane, px. */
const GAP = 24;

/** @typedef {{at: number, width: number, speed: number}} Flight when it enters, how wide it is, in px a ms */

/** How many lanes fit. @param {DanmakuSettings} settings @param {number} height px of the layer @param {number} size px of its letters */
export function laneCount(settings, height, size) {
  return Math.max(1, Math.floor(height / laneHeight(size)));
}

/** @param {number} size px of the letters */
export function laneHeight(size) {
  return Math.ceil(size * LINE);
}

/**
 * Who flew last in each lane. A lane takes another when the last has come in whole, and will be gone before this one arrives
 * where it went: so no two are ever over each other.
 */
export class Lanes {
  constructor() {
    /** @type {(Flight | undefined)[]} */
    this.last = [];
  }

  /**
   * A lane for something so wide; null when there is none now. What is one's own waits for the first that will be free.
   * @param {number} now ms @param {{width: number, speed: number, own: boolean}} item @param {{width: number, lanes: number}} layer
   * @returns {{lane: number, at: number} | null}
   */
  take(now, { width, speed, own }, layer) {
    let best = { lane: -1, at: Infinity };
    for (let lane = 0; lane < layer.lanes; lane += 1) {
      const at = this.#freeAt(lane, now, speed, layer.width);
      if (at < best.at) best = { lane, at };
      if (at <= now) break;
    }
    if (best.at > now && !own) return null;
    this.last[best.lane] = { at: best.at, width, speed };
    return best;
  }

  /** @param {number} lane @param {number} now @param {number} speed @param {number} layer px */
  #freeAt(lane, now, speed, layer) {
    const last = this.last[lane];
    if (!last) return now;
    const isIn = last.at + (last.width + GAP) / last.speed;
    const isGone = last.at + (layer + last.width + GAP) / last.speed;
    return Math.max(now, isIn, isGone - layer / speed);
  }

  clear() {
    this.last = [];
  }
}

/** Time that stops when told: while comments stand still, no lane becomes free. */
export class FlightClock {
  /** @param {() => number} now ms */
  constructor(now) {
    this.now = now;
    this.paused = false;
    this.started = now();
    this.stoodAt = 0;
  }

  /** ms flown */
  get time() {
    return this.paused ? this.stoodAt : this.now() - this.started;
  }

  pause() {
    if (this.paused) return;
    this.stoodAt = this.now() - this.started;
    this.paused = true;
  }

  play() {
    if (!this.paused) return;
    this.started = this.now() - this.stoodAt;
    this.paused = false;
  }
}
