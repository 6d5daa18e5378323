// The upload's health under the preview: what is so, what to do about it, the last two minutes, and the figures.
import { fill, h, icon, setText } from "../lib/dom.js";
import { number, percent } from "../lib/format.js";
import { onLang } from "../lib/i18n.js";
import { judge, kept, steady, TONE, UNDECIDED } from "./health.js";
import { createPlot } from "./health_plot.js";

/** @typedef {import("./health.js").Sample} Sample */
/** @typedef {Omit<import("./health.js").Now, "connected" | "refused">} Sending what the host has switched on */

/** A tone's sign beside its colour. */
const SIGN = { good: "check", plain: "info", warn: "warn", bad: "warn" };

/** @param {() => Sending} sending */
export function createHealth(sending) {
  /** @type {Sample[]} */ let samples = [];
  /** @type {Sample[]} */ let current = [];
  let connected = false;
  let refused = false;
  let verdict = UNDECIDED;
  const state = h("p", { class: "health-state" });
  const advice = h("p", { class: "health-advice" });
  const sign = h("span", { class: "health-sign", "aria-hidden": "true" });
  const words = h(
    "div",
    { class: "health-words", testid: "health", role: "status", "aria-atomic": "true" },
    sign,
    h("div", { class: "health-said" }, state, advice),
  );
  const plot = createPlot();
  const figures = h("dl", { class: "health-figures", tLabel: "health.figures" });
  const element = h(
    "section",
    { class: "health", tLabel: "health.title" },
    words,
    h("div", { class: "health-facts" }, plot.element, figures),
  );
  const stopLang = onLang(count);

  /** @param {boolean} reading */
  function draw(reading) {
    verdict = steady(verdict, judge(current, { ...sending(), connected, refused }), reading);
    say(verdict.shown);
    if (!reading) return;
    plot.show(samples);
    count();
  }

  /** Written when it changes alone, so that it is read out once. @param {import("./health.js").Level} level */
  function say(level) {
    if (words.dataset["level"] === level) return;
    words.dataset["level"] = level;
    words.dataset["tone"] = TONE[level];
    fill(sign, icon(SIGN[TONE[level]]));
    setText(state, `health.${level}`);
    setText(advice, `health.${level}.do`);
  }

  function count() {
    const last = samples.at(-1);
    if (!last) return fill(figures);
    fill(
      figures,
      pair("health.rate", `${number(last.kbps)} kbit/s`, "rate"),
      pair("health.loss", percent(last.loss, 1), "loss"),
      pair("health.rtt", `${number(last.rttMs)} ms`, "rtt"),
      pair("health.picture", sizeOf(last), "picture"),
      last.low && pair("health.small", sizeOf(last.low), "small"),
      pair("health.limited", h("span", { t: `health.limited_${limitOf(last)}` }), "limited"),
      last.relayed && pair("health.path", h("span", { t: "health.relayed" }), "path"),
    );
  }

  draw(false);
  return {
    element,
    /** @param {Sample} sample */
    add(sample) {
      samples = kept(samples, sample);
      current = kept(current, sample);
      draw(true);
    },
    /** A new connection is judged by its own readings; the plot goes on. @param {import("../lib/whip.js").PublishState} next `failed` also when there is nothing to send */
    state(next) {
      if (next === "live" && !connected) current = [];
      connected = next === "live";
      refused = next === "failed";
      draw(false);
    },
    /** The host has switched something. */
    redraw: () => draw(false),
    close() {
      stopLang();
      plot.close();
    },
  };
}

/** @param {{ width: number, height: number, fps: number }} video */
function sizeOf({ width, height, fps }) {
  return width ? `${width} × ${height} · ${number(fps)}/s` : "–";
}

/** @param {Sample} sample @returns {"none" | "cpu" | "bandwidth" | "other"} */
function limitOf({ limited }) {
  return limited === "none" || limited === "cpu" || limited === "bandwidth" ? limited : "other";
}

/** @param {string} key @param {string | Node} value @param {string} name */
function pair(key, value, name) {
  return h("div", { testid: `health-${name}` }, h("dt", { t: key }), h("dd", null, value));
}
