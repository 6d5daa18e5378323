// The host's camera and microphone: preview, level, mute and camera off, and every way in which they may not come.
import { fill, h, icon, setText } from "../lib/dom.js";
import { DeviceProblem, devicePicker, deviceRefusal, deviceRequests, levelBar, stopTracks } from "../lib/devices.js";

/**
 * @typedef {object} Camera
 * @property {HTMLElement} element preview with its buttons
 * @property {HTMLElement} meter
 * @property {HTMLElement} picker
 * @property {() => MediaStream | null} media
 * @property {() => { camera: boolean, microphone: boolean }} on what goes out
 * @property {() => Promise<void>} open
 * @property {(kind: "audio" | "video") => void} toggle
 * @property {(held: boolean) => void} hold in a pause: black and silence go out, whatever is switched on
 * @property {() => void} close for good: a permission given afterwards opens nothing
 */

/** @param {{ onMedia: (media: MediaStream | null) => void, onToggle: () => void, testid?: string }} does @returns {Camera} */
export function createCamera({ onMedia, onToggle, testid = "preview" }) {
  /** @type {MediaStream | null} */ let media = null;
  const requests = deviceRequests();
  let stopMeter = () => {};
  const on = { camera: true, microphone: true };
  let held = false;
  const video = h("video", {
    class: "camera-video",
    testid,
    muted: true,
    autoplay: true,
    playsInline: true,
    tLabel: "studio.preview",
  });
  const why = h("span", { t: "studio.camera_is_off" });
  const veil = h("p", { class: "camera-veil", hidden: true }, icon("camera-off"), why);
  const trouble = h("div", { class: "camera-trouble" });
  const microphone = toggle("audio", "mic", "studio.mic", "M");
  const camera = toggle("video", "camera", "studio.camera", "C");
  const element = h(
    "div",
    { class: "camera" },
    h("div", { class: "camera-frame" }, video, veil, trouble),
    h("div", { class: "camera-buttons" }, microphone, camera),
  );
  const meter = h("div", { class: "camera-meter" });
  const picker = h("div", { class: "camera-picker" });

  /** @param {"audio" | "video"} kind @param {string} glyph @param {string} key @param {string} shortcut */
  function toggle(kind, glyph, key, shortcut) {
    return h(
      "button",
      {
        class: "button camera-toggle",
        type: "button",
        "aria-pressed": "true",
        "aria-keyshortcuts": shortcut,
        disabled: true,
        testid: `toggle-${kind}`,
        onclick: () => flip(kind),
      },
      icon(glyph),
      h("span", { t: `${key}_on` }),
    );
  }

  /** @param {"audio" | "video"} kind */
  function flip(kind) {
    const name = kind === "audio" ? "microphone" : "camera";
    on[name] = !on[name];
    apply();
    onToggle();
  }

  function apply() {
    for (const track of media?.getTracks() ?? []) track.enabled = !held && (track.kind === "audio" ? on.microphone : on.camera);
    veil.hidden = (on.camera && !held) || !media;
    setText(why, held ? "studio.held" : "studio.camera_is_off");
    paint(microphone, on.microphone, "studio.mic", on.microphone ? "mic" : "mic-off");
    paint(camera, on.camera, "studio.camera", on.camera ? "camera" : "camera-off");
  }

  /** @param {HTMLButtonElement} button @param {boolean} lit @param {string} key @param {string} glyph */
  function paint(button, lit, key, glyph) {
    button.setAttribute("aria-pressed", String(lit));
    button.firstElementChild?.replaceWith(icon(glyph));
    const word = button.lastElementChild;
    if (word) setText(word, `${key}_${lit ? "on" : "off"}`);
    button.disabled = !media;
  }

  /** @param {{ camera?: string, microphone?: string }} [ids] */
  async function open(ids = {}) {
    fill(trouble);
    try {
      const got = await requests.open(ids);
      if (got) use(got, !ids.camera && !ids.microphone);
    } catch (error) {
      if (!(error instanceof DeviceProblem)) throw error;
      fill(
        trouble,
        deviceRefusal(error, () => void open(ids)),
      );
      if (!media) onMedia(null);
    }
  }

  /** @param {MediaStream} next @param {boolean} first */
  function use(next, first) {
    stop();
    media = next;
    video.srcObject = next;
    const level = levelBar(next);
    stopMeter = level.stop;
    fill(meter, level.element);
    if (first)
      fill(
        picker,
        devicePicker(next, (ids) => void open(ids)),
      );
    apply();
    onMedia(next);
  }

  function stop() {
    stopMeter();
    stopMeter = () => {};
    stopTracks(media);
    media = null;
  }

  return {
    element,
    meter,
    picker,
    open,
    media: () => media,
    on: () => ({ camera: on.camera && !held, microphone: on.microphone && !held }),
    toggle: flip,
    hold(on) {
      if (held === on) return;
      held = on;
      apply();
    },
    close() {
      requests.close();
      stop();
      video.srcObject = null;
    },
  };
}
