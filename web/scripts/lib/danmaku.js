// Comments that fly over the picture. The layer is hidden from screen readers: the list beside is what they read.
import Danmaku from "/static/vendor/danmaku/danmaku.dom.min.js";
import { h } from "./dom.js";
import { Airspace, AREA, capacity, FlightClock, settingsOf, SIZE, SPEED } from "./danmaku_model.js";
import { elder, keep, kept } from "./elder.js";

/** @typedef {import("./danmaku_model.js").DanmakuSettings} DanmakuSettings */

const KEY = "tellercast.danmaku";
// The engine keeps every comment of its media; a fresh one after so many keeps an evening's show from growing.
const GENERATION = 400;

export class DanmakuLayer extends EventTarget {
  /** @param {HTMLElement} container covers the picture */
  constructor(container) {
    super();
    this.layer = h("div", { class: "danmaku", "aria-hidden": "true", testid: "danmaku-layer" });
    container.append(this.layer);
    const stored = kept(KEY);
    this.settings = settingsOf(stored);
    if (stored === null && (matchMedia("(prefers-reduced-motion: reduce)").matches || elder())) this.settings.on = false;
    this.clock = new FlightClock(() => performance.now());
    this.air = new Airspace();
    this.emitted = 0;
    /** @type {Danmaku | null} */
    this.engine = null;
    this.observer = new ResizeObserver(() => this.engine?.resize());
    this.observer.observe(this.layer);
    this.#apply();
  }

  get paused() {
    return this.clock.paused;
  }

  /** @param {{text: string, own?: boolean, host?: boolean, id?: string}} comment */
  add({ text, own = false, host = false, id = "" }) {
    if (!this.settings.on || this.clock.paused || document.hidden) return;
    const { clientWidth: width, clientHeight: height } = this.layer;
    if (!width || !height) return;
    const flight = (width / SPEED[this.settings.speed]) * 1000;
    if (!this.air.admit(performance.now(), flight, capacity(this.settings, width, height / AREA[this.settings.area]), own))
      return;
    if (!this.engine || this.emitted >= GENERATION) this.#renew(flight);
    this.emitted += 1;
    this.engine?.emit({
      render: () =>
        h(
          "span",
          { class: `danmaku-item ${own ? "danmaku-own" : ""} ${host ? "danmaku-host" : ""}`, data: { comment: id } },
          text,
        ),
    });
  }

  /** Taken down: what still flies of it is seen no more. Its place in the lane stays, so that nothing else jumps. @param {string[]} ids */
  remove(ids) {
    for (const id of ids)
      for (const item of this.layer.querySelectorAll(`[data-comment="${CSS.escape(id)}"]`)) item.replaceChildren();
  }

  /** @param {number} flight ms */
  #renew(flight) {
    const old = this.engine;
    this.engine = new Danmaku({ container: this.layer, media: this.clock, speed: SPEED[this.settings.speed] });
    this.emitted = 0;
    if (old) setTimeout(() => old.destroy(), flight * 2 + 1000);
  }

  /** @param {Partial<DanmakuSettings>} some */
  set(some) {
    Object.assign(this.settings, some);
    keep(KEY, JSON.stringify(this.settings));
    this.#apply();
    this.dispatchEvent(new Event("change"));
  }

  #apply() {
    const { on, area, size, opacity, speed } = this.settings;
    this.layer.hidden = !on;
    this.layer.style.setProperty("height", `${AREA[area] * 100}%`);
    this.layer.style.setProperty("font-size", `${SIZE[size] * (elder() ? 1.4 : 1)}px`);
    this.layer.style.setProperty("opacity", String(opacity));
    if (!on) this.engine?.clear();
    if (this.engine) this.engine.speed = SPEED[speed];
    this.engine?.resize();
  }

  pause() {
    this.clock.pause();
    this.dispatchEvent(new Event("change"));
  }

  resume() {
    this.clock.play();
    this.dispatchEvent(new Event("change"));
  }

  clear() {
    this.engine?.clear();
  }

  destroy() {
    this.observer.disconnect();
    this.engine?.destroy();
    this.layer.remove();
  }
}

/** @param {HTMLElement} container @returns {DanmakuLayer} */
export function createDanmaku(container) {
  return new DanmakuLayer(container);
}
