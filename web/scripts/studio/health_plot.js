// The last two minutes of the upload: the rate as a filled line, the loss as a dashed one.
import { h } from "../lib/dom.js";
import { number, percent } from "../lib/format.js";
import { onLang, t } from "../lib/i18n.js";
import { columns, KEPT, EVERY_S, niceTop, summary } from "./health.js";

/** @typedef {import("./health.js").Sample} Sample */

const HEIGHT = 84;
const SPAN_S = (KEPT - 1) * EVERY_S;

export function createPlot() {
  const room = h("div", { class: "health-plot", role: "img", testid: "health-plot" });
  const key = (/** @type {string} */ kind) =>
    h(
      "span",
      { class: "health-key" },
      h("span", { class: `health-key-line health-key-${kind}`, "aria-hidden": "true" }),
      h("span", { t: `health.plot_${kind}` }),
    );
  const element = h(
    "figure",
    { class: "health-chart" },
    room,
    h(
      "div",
      { class: "health-times", "aria-hidden": "true" },
      ["health.plot_from", "health.plot_middle", "health.plot_now"].map((name) => h("span", { t: name })),
    ),
    h("figcaption", { class: "health-keys" }, key("rate"), key("loss")),
  );
  /** @type {Sample[]} */ let samples = [];
  /** @type {import("/static/vendor/uplot/uPlot.esm.js").default | null} */ let drawn = null;
  /** @type {typeof import("/static/vendor/uplot/uPlot.esm.js").default | null} */ let Plot = null;
  let closed = false;

  // The figures are there at once; their drawing may come later, or on a broken line not at all.
  import("/static/vendor/uplot/uPlot.esm.js").then(
    (module) => {
      Plot = module.default;
      begin();
    },
    () => element.classList.add("is-without-plot"),
  );
  const sized = new ResizeObserver(() => {
    if (!drawn) begin();
    else if (room.clientWidth) drawn.setSize({ width: room.clientWidth, height: heightNow() });
  });
  sized.observe(room);
  // Letters and colours are drawn: elder mode and the language draw them anew.
  const dressed = new MutationObserver(begin);
  dressed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-elder", "data-theme"] });
  const stopLang = onLang(() => {
    begin();
    tell();
  });

  function begin() {
    if (closed || !Plot || !room.clientWidth) return;
    drawn?.destroy();
    drawn = new Plot(options(), columns(samples), room);
  }

  function heightNow() {
    return Math.max(HEIGHT, Math.round(letters() * 6));
  }

  /** px */
  function letters() {
    return parseFloat(getComputedStyle(room).fontSize) || 12;
  }

  /** @returns {import("/static/vendor/uplot/uPlot.esm.js").Options} */
  function options() {
    const style = getComputedStyle(room);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const size = letters();
    const axis = { font: `${size}px ${style.fontFamily}`, stroke: colour("--text-2"), ticks: { show: false }, gap: 4 };
    const grid = { stroke: colour("--line"), width: 1 };
    const top = () => niceTop(Math.max(0, ...samples.map((s) => s.kbps)));
    return {
      width: room.clientWidth,
      height: heightNow(),
      padding: [size / 2 + 2, 0, size / 2 + 2, 0],
      cursor: { show: false },
      legend: { show: false },
      select: { show: false },
      scales: {
        x: { time: false, range: [-SPAN_S, 0] },
        y: { range: () => [0, top()] },
        // A loss under this would look like nothing beside the line of the rate, and is nothing.
        loss: { range: () => [0, lossTop()] },
      },
      axes: [
        { show: false },
        { ...axis, size: size * 3.4, grid, splits: () => [0, top() / 2, top()], values: (_, at) => at.map((v) => number(v)) },
        {
          ...axis,
          scale: "loss",
          side: 1,
          size: size * 3,
          grid: { show: false },
          splits: () => [0, lossTop()],
          values: (_, at) => at.map((v) => percent(v / 100)),
        },
      ],
      series: [
        {},
        { stroke: colour("--plot-rate"), fill: colour("--plot-rate-fill"), width: 2, points: { show: false } },
        { scale: "loss", stroke: colour("--plot-loss"), width: 2, dash: [5, 4], points: { show: false } },
      ],
    };
  }

  function lossTop() {
    return Math.max(10, ...samples.map((s) => s.loss * 100));
  }

  function tell() {
    const sum = summary(samples);
    const words = sum
      ? t("health.plot_told", {
          seconds: sum.seconds,
          least: number(sum.least),
          most: number(sum.most),
          now: number(sum.now),
          loss: percent(sum.loss, 1),
        })
      : t("health.plot_empty");
    room.setAttribute("aria-label", words);
  }

  tell();
  return {
    element,
    /** @param {Sample[]} next oldest first */
    show(next) {
      samples = next;
      drawn?.setData(columns(samples));
      tell();
    },
    close() {
      closed = true;
      sized.disconnect();
      dressed.disconnect();
      stopLang();
      drawn?.destroy();
      drawn = null;
    },
  };
}
