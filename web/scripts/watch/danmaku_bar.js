// The switch and the settings of the flying comments.
import { fill, h, icon, setLabel } from "../lib/dom.js";
import { sheet } from "../lib/ui.js";

/** @typedef {import("../lib/danmaku.js").DanmakuLayer} DanmakuLayer */

/** @param {DanmakuLayer} layer @param {{whole: boolean, fit: (whole: boolean) => void}} picture */
export function danmakuBar(layer, picture) {
  const toggle = h("button", {
    // On a phone the switch stands among the settings: what is wanted at once there is that it holds still.
    class: "button-icon only-wide",
    type: "button",
    testid: "danmaku-toggle",
    onclick: () => layer.set({ on: !layer.settings.on }),
  });
  const pause = h("button", {
    class: "button-icon danmaku-pause",
    type: "button",
    testid: "danmaku-pause",
    onclick: () => (layer.paused ? layer.resume() : layer.pause()),
  });
  const settings = h(
    "button",
    {
      class: "button-icon",
      type: "button",
      tLabel: "danmaku.settings",
      testid: "danmaku-settings",
      onclick: () => openSettings(layer, picture),
    },
    icon("sliders"),
  );
  const draw = () => {
    const { on } = layer.settings;
    fill(toggle, icon(on ? "danmaku" : "danmaku-off"));
    setLabel(toggle, on ? "danmaku.off" : "danmaku.on");
    toggle.setAttribute("aria-pressed", String(on));
    fill(pause, icon(layer.paused ? "play" : "pause"));
    setLabel(pause, layer.paused ? "danmaku.resume" : "danmaku.pause");
    pause.hidden = !on;
  };
  layer.addEventListener("change", draw);
  draw();
  return h("div", { class: "danmaku-bar", role: "group", tLabel: "danmaku.settings" }, toggle, pause, settings);
}

/** @param {DanmakuLayer} layer @param {{whole: boolean, fit: (whole: boolean) => void}} picture */
function openSettings(layer, picture) {
  const { settings } = layer;
  /** @param {"density"|"size"|"area"|"speed"} name @param {string[]} values @param {string} title @param {Record<string, string>} [keys] */
  const choice = (name, values, title, keys = {}) =>
    h(
      "fieldset",
      { class: "segments" },
      h("legend", { class: "field-label", t: title }),
      h(
        "div",
        { class: "segment-row" },
        values.map((value) =>
          h(
            "label",
            { class: "segment" },
            h("input", {
              type: "radio",
              name: `danmaku-${name}`,
              value,
              checked: settings[name] === value,
              onchange: () => layer.set({ [name]: value }),
            }),
            h("span", { t: keys[value] ?? `danmaku.${value}` }),
          ),
        ),
      ),
    );
  const row = (/** @type {string} */ key, /** @type {boolean} */ on, /** @type {(on: boolean) => void} */ change) => {
    const input = h("input", {
      type: "checkbox",
      role: "switch",
      class: "switch",
      checked: on,
      onchange: () => change(input.checked),
    });
    return h("label", { class: "spread setting" }, h("span", { t: key }), input);
  };
  const surface = sheet({
    title: "danmaku.settings",
    content: [
      row("danmaku.show", settings.on, (on) => layer.set({ on })),
      row("danmaku.pause", layer.paused, (on) => (on ? layer.pause() : layer.resume())),
      choice("density", ["low", "medium", "high"], "danmaku.density"),
      choice("size", ["small", "medium", "large"], "danmaku.size", { medium: "danmaku.normal" }),
      choice("area", ["quarter", "half", "full"], "danmaku.area"),
      choice("speed", ["slow", "normal", "fast"], "danmaku.speed"),
      h(
        "label",
        { class: "field" },
        h("span", { class: "field-label", t: "danmaku.opacity" }),
        h("input", {
          type: "range",
          class: "range",
          min: "0.2",
          max: "1",
          step: "0.1",
          value: String(settings.opacity),
          oninput: (/** @type {any} */ event) => layer.set({ opacity: Number(event.target.value) }),
        }),
      ),
      row("watch.fit", picture.whole, (whole) => picture.fit(whole)),
    ],
  });
  surface.element.classList.add("light");
}
