// Choosing the picture: automatic, high, low, or the sound alone. Kept on the device; shown where the server lets one choose.
import { h, icon } from "../lib/dom.js";
import { keep, kept } from "../lib/elder.js";
import { sheet } from "../lib/ui.js";
import { ChosenQuality, paced, QUALITIES, shownHeight } from "./quality_model.js";

/** @typedef {import("../lib/layer.js").Quality} Quality */

export class QualityChoice {
  button = h(
    "button",
    {
      class: "button-icon",
      type: "button",
      tLabel: "quality.title",
      tTitle: "quality.title",
      testid: "quality",
      hidden: true,
      onclick: () => this.#open(),
    },
    icon("quality"),
  );
  chosen = new ChosenQuality(kept, keep);
  /** @type {import("../lib/whep.js").Subscriber | null} */
  subscriber = null;

  /** @param {HTMLVideoElement} video @param {() => void} onChange what is shown differs from before */
  constructor(video, onChange) {
    this.video = video;
    this.onChange = onChange;
    const resized = paced(() => this.chosen.quality === "auto" && this.#tell());
    new ResizeObserver(resized).observe(video);
    video.addEventListener("resize", resized);
    this.#draw();
  }

  /** The sound alone: there is no picture, and none is missing. */
  get soundOnly() {
    return this.chosen.soundOnly;
  }

  /** @param {import("../lib/whep.js").Subscriber | null} subscriber */
  follow(subscriber) {
    this.subscriber = subscriber;
    this.#draw();
    this.#tell();
  }

  /** What the server said. @param {boolean} able */
  allowed(able) {
    const before = this.chosen.able;
    if (this.chosen.allowed(able)) this.#tell();
    if (able === before) return;
    this.#draw();
    this.onChange();
  }

  /** @param {Quality} quality */
  choose(quality) {
    this.chosen.choose(quality);
    this.#tell();
    this.onChange();
  }

  #tell() {
    const { clientWidth, clientHeight, videoWidth, videoHeight } = this.video;
    const whole = getComputedStyle(this.video).objectFit === "contain";
    const height = shownHeight(
      { width: clientWidth, height: clientHeight },
      { width: videoWidth, height: videoHeight },
      { whole, ratio: devicePixelRatio || 1 },
    );
    this.subscriber?.choose({ quality: this.chosen.quality, height });
  }

  #draw() {
    this.button.hidden = !this.chosen.able || !this.subscriber;
  }

  #open() {
    const surface = sheet({
      title: "quality.title",
      testid: "quality-sheet",
      content: h(
        "fieldset",
        { class: "quality-list" },
        h("legend", { class: "visually-hidden", t: "quality.title" }),
        QUALITIES.map((quality) => this.#option(quality)),
        h("p", { class: "quality-note", t: "quality.kept" }),
      ),
    });
    surface.element.classList.add("light");
  }

  /** @param {Quality} quality */
  #option(quality) {
    return h(
      "label",
      { class: "choice" },
      h("input", {
        type: "radio",
        name: "quality",
        value: quality,
        checked: this.chosen.quality === quality,
        testid: `quality-${quality}`,
        onchange: () => this.choose(quality),
      }),
      h(
        "span",
        { class: "quality-option" },
        h("span", { class: "quality-name", t: `quality.${quality}` }),
        h("span", { class: "quality-hint", t: `quality.${quality}.hint` }),
      ),
    );
  }

  /** As it was before the sound alone. The button that was pressed goes with its card, so the keyboard's place is moved. */
  #showPicture() {
    this.choose(this.chosen.pictured);
    this.button.focus();
  }

  /** What stands in the picture's place while there is the sound alone. @returns {Node[]} */
  card() {
    const back = h(
      "button",
      { class: "button", type: "button", testid: "picture-back", onclick: () => this.#showPicture() },
      icon("eye"),
      h("span", { t: "quality.picture_back" }),
    );
    return [
      icon("headphones", "state-icon"),
      h("h2", { class: "state-title", t: "quality.sound_only" }),
      h("p", { class: "state-text", t: "quality.sound_only.text" }),
      h("div", { class: "state-ways" }, back),
    ];
  }
}
