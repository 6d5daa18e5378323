// The bar over the show: clock, viewers, recording, sale with its reason, pause, and the one button that ends it.
import { fill, h, icon } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { lang, onLang } from "../lib/i18n.js";
import { saleSentence } from "../lib/session_model.js";
import { airtime, recordingWord } from "./model.js";

/** @typedef {{ viewers: number, recording: boolean, sale: any, stage: import("./model.js").Stage, publisher: string, started_at: string | null }} Now */

const REC_DOT = { recording: "dot-live", starting: "dot-warn", paused: "dot-warn", failed: "dot-bad", off: "" };

/**
 * @param {import("./model.js").Show} show
 * @param {{ onPause: () => void, onResume: () => void, onEnd: () => void } | null} does null for who is not its host
 */
export function createBar(show, does) {
  /** @type {Now} */
  let now = {
    viewers: show.viewers,
    recording: false,
    sale: { open: false, reason: null },
    stage: "live",
    publisher: "connecting",
    started_at: show.started_at,
  };
  const clock = h("span", { class: "bar-clock", testid: "clock", role: "timer", tLabel: "studio.on_air" }, "0:00:00");
  const viewers = h("span", { testid: "viewers" }, "0");
  const recording = h("span", { class: "bar-state", testid: "rec-state", role: "status" });
  const sale = h("span", { class: "bar-state bar-sale", testid: "sale-state", role: "status" });
  const pause = h("button", { class: "button button-small", type: "button", testid: "pause-show" });
  const end = h("button", {
    class: "button button-small button-accent",
    type: "button",
    testid: "end-show",
    t: "studio.end",
    onclick: () => does?.onEnd(),
  });
  const connection = h("div", { class: "connection", role: "status", hidden: true });
  pause.addEventListener("click", () => (now.stage === "paused" ? does?.onResume() : does?.onPause()));

  const element = h(
    "div",
    { class: "bar-wrap" },
    h(
      "div",
      { class: "bar" },
      h("h1", { class: "bar-title" }, show.title),
      h("span", { class: "bar-state" }, clock),
      h(
        "span",
        { class: "bar-state", tTitle: "studio.viewers" },
        icon("eye"),
        viewers,
        h("span", { class: "visually-hidden", t: "studio.viewers" }),
      ),
      recording,
      sale,
      does ? h("span", { class: "bar-buttons" }, pause, end) : null,
    ),
    connection,
  );

  function tick() {
    const text = airtime(now.started_at, Date.now());
    if (clock.textContent !== text) clock.textContent = text;
  }

  function draw() {
    const word = recordingWord(now);
    recording.dataset["state"] = word;
    fill(recording, h("span", { class: `dot ${REC_DOT[word]}` }), h("span", { t: `studio.rec_${word}` }));
    sale.dataset["open"] = String(now.sale.open);
    fill(
      sale,
      h("span", { class: `dot ${now.sale.open ? "dot-good" : "dot-warn"}` }),
      now.sale.open
        ? h("span", { t: "studio.sale_open" })
        : h("span", null, saleSentence(now.sale, lang()) || h("span", { t: "studio.sale_closed" })),
    );
    viewers.textContent = number(now.viewers);
    fill(
      pause,
      icon(now.stage === "paused" ? "play" : "pause"),
      h("span", { t: now.stage === "paused" ? "studio.resume" : "studio.pause" }),
    );
  }

  const timer = setInterval(tick, 500);
  const stopLang = onLang(draw);
  tick();
  draw();

  return {
    element,
    /** @param {Now} next */
    show(next) {
      now = next;
      tick();
      draw();
    },
    /** @param {string} status */
    connection(status) {
      connection.hidden = status === "connected" || status === "connecting";
      fill(connection, icon("offline"), h("span", { t: `connection.${status}` }));
    },
    close() {
      clearInterval(timer);
      stopLang();
    },
  };
}
