// Comments that fly over the picture. The layer is hidden from screen readers: the list beside is what they read.
// Each flight is an animation of the browser's own, which runs beside the page's script; a node lives as long as it flies.
import { h } from "./dom.js";
import { AREA, capacity, FlightClock, laneCount, laneHeight, Lanes, settingsOf, SIZE, SPEED } from "./danmaku_model.js";
import { elder, keep, kept } from "./elder.js";

/** @typedef {import("./danmaku_model.js").DanmakuSettings} DanmakuSettings */

const KEY = "tellercast.danmaku";
// The density bounds what flies; this what a screen of any size may hold.
const NODES_MAX = 200;

export class DanmakuLayer extends EventTarget {
  /** @param {HTMLElement} container covers the picture */
  constructor(container) {
    super();
    this.layer = h("div", { class: "danmaku", "aria-hidden": "true", testid: "danmaku-layer" });
    container.append(this.layer);
    const stored = kept(KEY);
    this.settings = settingsOf(stored);
    if (stored === null && (matchMedia("(prefers-reduced-motion: reduce)").matches || elder())) this.settings.on = false;
    this.clock = new FlightClock(frame);
    /** the viewer wants them to stand still */
    this.paused = false;
    /** what is under them stands still */
    this.held = false;
    this.lanes = new Lanes();
    /** @type {Map<HTMLElement, Animation>} */
    this.flights = new Map();
    this.size = { width: 0, height: 0 };
    this.observer = new ResizeObserver(() => this.#measure());
    this.observer.observe(this.layer);
    // Larger letters are chosen while they fly.
    this.elder = new MutationObserver(() => this.#apply());
    this.elder.observe(document.documentElement, { attributeFilter: ["data-elder"] });
    this.#apply();
  }

  get letters() {
    return SIZE[this.settings.size] * (elder() ? 1.4 : 1);
  }

  /** @param {{text: string, own?: boolean, host?: boolean, id?: string}} comment */
  add({ text, own = false, host = false, id = "" }) {
    if (!this.settings.on || this.clock.paused || document.hidden) return;
    const { width, height } = this.size;
    if (!width || !height || this.flights.size >= NODES_MAX) return;
    if (!own && this.flights.size >= capacity(this.settings, width, height / AREA[this.settings.area])) return;
    const kinds = `danmaku-item ${own ? "danmaku-own" : ""} ${host ? "danmaku-host" : ""}`;
    const item = h("span", { class: kinds, data: { comment: id } }, text);
    this.layer.append(item);
    const wide = item.offsetWidth;
    const speed = SPEED[this.settings.speed] / 1000;
    const now = this.clock.time;
    const lanes = laneCount(this.settings, height, this.letters);
    const place = this.lanes.take(now, { width: wide, speed, own }, { width, lanes });
    if (!place) return item.remove();
    item.style.setProperty("top", `${place.lane * laneHeight(this.letters)}px`);
    this.#launch(item, wide, speed, place.at - now);
  }

  /** @param {HTMLElement} item @param {number} wide px @param {number} speed px a ms @param {number} delay ms */
  #launch(item, wide, speed, delay) {
    const { width } = this.size;
    const flight = item.animate([{ transform: `translateX(${width}px)` }, { transform: `translateX(${-wide}px)` }], {
      duration: (width + wide) / speed,
      delay,
      fill: "both",
    });
    // By itself it would begin with a later frame, and on a busy device run into who was given the lane after it.
    flight.startTime = frame();
    this.flights.set(item, flight);
    flight.onfinish = () => this.#land(item);
  }

  /** @param {HTMLElement} item */
  #land(item) {
    this.flights.get(item)?.cancel();
    this.flights.delete(item);
    item.remove();
  }

  /** Taken down: what still flies of it is seen no more. @param {string[]} ids */
  remove(ids) {
    const gone = new Set(ids);
    for (const item of [...this.flights.keys()]) if (gone.has(item.dataset.comment ?? "")) this.#land(item);
  }

  /** @param {Partial<DanmakuSettings>} some */
  set(some) {
    Object.assign(this.settings, some);
    keep(KEY, JSON.stringify(this.settings));
    this.#apply();
    this.dispatchEvent(new Event("change"));
  }

  #apply() {
    const { on, area, opacity } = this.settings;
    this.layer.hidden = !on;
    this.layer.style.setProperty("height", `${AREA[area] * 100}%`);
    this.layer.style.setProperty("--danmaku-size", `${this.letters}px`);
    this.layer.style.setProperty("--danmaku-lane", `${laneHeight(this.letters)}px`);
    this.layer.style.setProperty("opacity", String(opacity));
    if (!on) this.clear();
    this.#measure();
  }

  /** Lanes of another size are other lanes: what flew in the old ones goes. */
  #measure() {
    const size = { width: this.layer.clientWidth, height: this.layer.clientHeight, letters: this.letters };
    if (JSON.stringify(size) === JSON.stringify(this.size)) return;
    this.size = size;
    this.clear();
  }

  pause() {
    this.paused = true;
    this.#stand();
    this.dispatchEvent(new Event("change"));
  }

  resume() {
    this.paused = false;
    this.#stand();
    this.dispatchEvent(new Event("change"));
  }

  /** As long as the film under them stands still, so do they; what the viewer has chosen holds beside it. @param {boolean} still */
  hold(still) {
    this.held = still;
    this.#stand();
  }

  // In step with the clock of the lanes: the browser's own pause and play wait for a later frame.
  #stand() {
    const still = this.paused || this.held;
    if (still === this.clock.paused) return;
    if (still) this.clock.pause();
    else this.clock.play();
    for (const flight of this.flights.values()) {
      const flown = Number(flight.currentTime);
      if (still) {
        flight.pause();
        flight.currentTime = flown;
      } else flight.startTime = frame() - flown;
    }
  }

  clear() {
    for (const item of [...this.flights.keys()]) this.#land(item);
    this.lanes.clear();
  }

  destroy() {
    this.observer.disconnect();
    this.elder.disconnect();
    this.clear();
    this.layer.remove();
  }
}

/** The time of the frame that is shown, by which the browser moves what flies, ms. */
function frame() {
  return Number(document.timeline.currentTime ?? performance.now());
}

/** @param {HTMLElement} container @returns {DanmakuLayer} */
export function createDanmaku(container) {
  return new DanmakuLayer(container);
}
