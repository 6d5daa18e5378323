// The reactions: a button with four of them, and what floats up over the picture. Who wants no motion sees the numbers.
import { h } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { flyout } from "./flyout.js";
import { floating, GATHERED_MS, KINDS, REACTIONS, Taps } from "./reactions_model.js";

/** @typedef {import("../lib/session_client.js").SessionClient} SessionClient */
/** @typedef {import("./reactions_model.js").ReactionKind} ReactionKind */

const still = matchMedia("(prefers-reduced-motion: reduce)");
const FLOAT_MS = 2400;
const NODES_MAX = 24;

export class ReactionBar {
  taps = new Taps();
  /** @type {Map<ReactionKind, number>} since the page was opened */
  sums = new Map();
  counts = new Map(KINDS.map((kind) => [kind, h("span", { class: "reaction-count figures", testid: `reacted-${kind}` })]));
  layer = h("div", { class: "reaction-air", "aria-hidden": "true", testid: "reaction-air" });

  /** @param {SessionClient} client */
  constructor(client) {
    this.client = client;
    const button = h(
      "button",
      { class: "button-icon reaction-open", type: "button", tLabel: "talk.react", testid: "react" },
      h("span", { "aria-hidden": "true" }, REACTIONS.heart),
    );
    this.choice = flyout(
      button,
      "talk.react",
      KINDS.map((kind) => this.#button(kind)),
      { testid: "reactions" },
    );
    this.element = this.choice.element;
    this.element.classList.add("reaction-place");
  }

  /** @param {ReactionKind} kind */
  #button(kind) {
    return h(
      "button",
      {
        class: "emoji reaction",
        type: "button",
        tLabel: `talk.react.${kind}`,
        testid: `react-${kind}`,
        onclick: () => this.#tap(kind),
      },
      h("span", { "aria-hidden": "true" }, REACTIONS[kind]),
      this.counts.get(kind),
    );
  }

  /** @param {ReactionKind} kind */
  #tap(kind) {
    if (this.taps.tap(kind)) setTimeout(() => void this.#send(), GATHERED_MS);
  }

  async #send() {
    // A heart that is not told is no loss; what is wrong with the connection the page says elsewhere.
    for (const one of this.taps.take()) await this.client.emit("react", one).catch(() => undefined);
  }

  /** Everybody's taps of a second, one's own among them. @param {{counts: Partial<Record<ReactionKind, number>>}} told */
  told({ counts }) {
    for (const kind of KINDS) {
      const sum = (this.sums.get(kind) ?? 0) + (counts[kind] ?? 0);
      this.sums.set(kind, sum);
      const shown = this.counts.get(kind);
      if (shown) shown.textContent = sum ? count(sum) : "";
    }
    if (still.matches || document.hidden) return;
    floating(counts).forEach((kind, place) => this.#float(kind, place * 90));
  }

  /** @param {ReactionKind} kind @param {number} delay ms */
  #float(kind, delay) {
    if (this.layer.childElementCount >= NODES_MAX) return;
    const item = h("span", { class: "reaction-item" }, REACTIONS[kind]);
    const sway = (Math.random() - 0.5) * 48;
    this.layer.append(item);
    const flight = item.animate(
      [
        { transform: "translate(0, 0) scale(0.7)", opacity: 0 },
        { transform: `translate(${sway / 2}px, -40px) scale(1)`, opacity: 1, offset: 0.2 },
        { transform: `translate(${sway}px, -200px) scale(1)`, opacity: 0 },
      ],
      { duration: FLOAT_MS, delay, easing: "ease-out", fill: "both" },
    );
    flight.onfinish = () => item.remove();
  }

  /** @param {import("../lib/session_model.js").SessionView} session */
  update(session) {
    this.element.hidden = session.state !== "live" && session.state !== "paused";
  }
}
