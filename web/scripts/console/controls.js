// The bar under the pictures: back, play, on, speed, the clock, and the link to this moment.
import { duration } from "../lib/format.js";
import { h, icon } from "../lib/dom.js";
import { translate } from "../lib/i18n.js";

const SPEEDS = [0.5, 1, 1.5, 2, 4];

/**
 * @param {{ toggle: () => void, skip: (ms: number) => void, speed: (n: number) => void, link: () => void, zoom: (factor: number) => void, fit: () => void }} does
 * @param {number} duration_ms
 */
export function createControls(does, duration_ms) {
  const now = h("output", { class: "transport-now", testid: "clock" }, "0:00");
  const play = h("button", { class: "transport-play", type: "button", testid: "play", tLabel: "console.play" }, icon("play"));
  play.addEventListener("click", does.toggle);
  const speed = h(
    "select",
    { class: "transport-speed", testid: "speed", tLabel: "console.speed" },
    SPEEDS.map((n) => h("option", { value: String(n), selected: n === 1 }, `${n}×`)),
  );
  speed.addEventListener("change", () => does.speed(Number(speed.value)));
  /** @param {string} key @param {string} text @param {() => void} fn @param {string} testid */
  const small = (key, text, fn, testid) =>
    h("button", { class: "transport-small", type: "button", tLabel: key, tTitle: key, testid, onclick: fn }, text);
  const element = h(
    "div",
    { class: "transport", role: "toolbar", tLabel: "console.controls" },
    small("console.back_10", "−10 s", () => does.skip(-10_000), "back-10"),
    play,
    small("console.on_10", "+10 s", () => does.skip(10_000), "on-10"),
    h("span", { class: "transport-clock" }, now, h("span", { class: "transport-all" }, ` / ${duration(duration_ms)}`)),
    speed,
    h("span", { class: "transport-gap" }),
    h("button", { class: "transport-small", type: "button", testid: "copy-link", onclick: does.link, t: "console.copy_link" }),
    h(
      "span",
      { class: "transport-zoom" },
      small("console.zoom_out", "−", () => does.zoom(1 / 1.6), "zoom-out"),
      small("console.zoom_in", "+", () => does.zoom(1.6), "zoom-in"),
      small("console.zoom_fit", "⤢", does.fit, "zoom-fit"),
    ),
  );
  return {
    element,
    /** @param {number} ms */
    time(ms) {
      const text = duration(ms);
      if (now.textContent !== text) now.textContent = text;
    },
    /** @param {boolean} playing */
    playing(playing) {
      play.replaceChildren(icon(playing ? "pause" : "play"));
      play.setAttribute("data-t-aria-label", playing ? "console.pause" : "console.play");
      play.dataset["playing"] = String(playing);
      translate(play);
    },
  };
}
