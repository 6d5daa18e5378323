// The upload's health under the preview: one sentence, a small plot, and the figures for those who want them.
import { fill, h } from "../lib/dom.js";
import { number, percent } from "../lib/format.js";
import { judge, kept, plot } from "./health.js";

/** @typedef {import("./health.js").Sample} Sample */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 40;
const TONE = {
  starting: "warn",
  good: "good",
  fair: "good",
  weak: "warn",
  slow: "warn",
  busy: "warn",
  silent: "bad",
  lost: "bad",
};

export function createHealth() {
  /** @type {Sample[]} */ let samples = [];
  let connected = false;
  let camera = true;
  const words = h("p", { class: "health-words", testid: "health", role: "status" });
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("class", "health-line");
  const chart = document.createElementNS(SVG, "svg");
  chart.setAttribute("class", "health-plot");
  chart.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  chart.setAttribute("preserveAspectRatio", "none");
  chart.setAttribute("aria-hidden", "true");
  chart.append(line);
  const top = h("span", { class: "health-top", "aria-hidden": "true" });
  const figures = h("dl", { class: "health-figures" });
  const element = h("div", { class: "health" }, words, h("div", { class: "health-chart" }, chart, top), figures);

  function draw() {
    const level = judge(samples, { camera, connected });
    if (words.dataset["level"] !== level) {
      words.dataset["level"] = level;
      fill(words, h("span", { class: `dot dot-${TONE[level]}` }), h("span", { t: `health.${level}` }));
    }
    const { line: points, top_kbps } = plot(samples, WIDTH, HEIGHT);
    line.setAttribute("points", points);
    top.textContent = `${number(top_kbps)} kbit/s`;
    const last = samples.at(-1);
    fill(
      figures,
      last
        ? [
            pair("health.rate", `${number(Math.round(last.kbps))} kbit/s`),
            pair("health.loss", percent(last.loss, 1)),
            pair("health.rtt", `${number(Math.round(last.rttMs))} ms`),
            pair("health.fps", number(last.fps)),
          ]
        : [],
    );
  }

  draw();
  return {
    element,
    /** @param {Sample} sample @param {boolean} cameraOn */
    add(sample, cameraOn) {
      camera = cameraOn;
      samples = kept(samples, sample);
      draw();
    },
    /** @param {boolean} live */
    state(live) {
      connected = live;
      draw();
    },
    /** @param {boolean} cameraOn */
    redraw(cameraOn) {
      camera = cameraOn;
      draw();
    },
  };
}

/** @param {string} key @param {string} value */
function pair(key, value) {
  return h("div", null, h("dt", { t: key }), h("dd", null, value));
}
