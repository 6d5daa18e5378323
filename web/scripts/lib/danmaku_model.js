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

/** Lets comments through as long as the air holds them; one's own always. */
export class Airspace {
  constructor() {
    /** @type {number[]} */
    this.landings = [];
  }

  /** @param {number} now ms @param {number} flight ms @param {number} limit @param {boolean} own */
  admit(now, flight, limit, own) {
    this.landings = this.landings.filter((at) => at > now);
    if (!own && this.landings.length >= limit) return false;
    this.landings.push(now + flight);
    return true;
  }
}

/**
 * What the flying engine takes for a media element: time that stops when told. The engine itself can't pause live
 * comments; it can pause with its media.
 */
export class FlightClock extends EventTarget {
  /** @param {() => number} now ms */
  constructor(now) {
    super();
    this.now = now;
    this.playbackRate = 1;
    this.paused = false;
    this.started = now();
    this.stoodAt = 0;
  }

  /** seconds flown */
  get currentTime() {
    return (this.paused ? this.stoodAt : this.now() - this.started) / 1000;
  }

  pause() {
    if (this.paused) return;
    this.stoodAt = this.now() - this.started;
    this.paused = true;
    this.dispatchEvent(new Event("pause"));
  }

  play() {
    if (!this.paused) return;
    this.started = this.now() - this.stoodAt;
    this.paused = false;
    this.dispatchEvent(new Event("play"));
  }
}
