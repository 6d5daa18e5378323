// One show from before it begins until its numbers: which part is on the page follows the show's state, and the camera
// is carried from the check onto the air.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { refusal, skeleton } from "../lib/ui.js";
import { openAfter } from "./after.js";
import { openBefore } from "./before.js";
import { createCamera } from "./camera.js";
import { openLive } from "./live.js";
import { stageOf } from "./model.js";

/** @typedef {import("./model.js").Show} Show */
/** @typedef {{ close: () => void, media?: (media: MediaStream | null) => void, toggled?: () => void }} Part */

/** @param {HTMLElement} root @param {string} id @param {() => void} onBack */
export function openShow(root, id, onBack) {
  let closed = false;
  /** @type {Part | null} */ let part = null;
  const camera = createCamera({
    onMedia: (media) => part?.media?.(media),
    onToggle: () => part?.toggled?.(),
    broadcast: true,
  });
  fill(root, h("div", { class: "page" }, skeleton(6)));
  void load();

  async function load() {
    try {
      const show = await api("GET", `/api/shows/${encodeURIComponent(id)}`);
      if (!closed) stage(show);
    } catch (error) {
      if (!closed) fill(root, h("div", { class: "page" }, refusal(asProblem(error), { retry: () => void load() })));
    }
  }

  /** @param {Show} show */
  function stage(show) {
    if (closed) return; // the host left while the server was answering
    part?.close();
    const now = stageOf(show.state);
    if (now === "before") part = openBefore(root, show, camera, { onStarted: stage, onBack });
    else if (now === "live" || now === "paused") part = openLive(root, show, camera, { onEnded: stage });
    else {
      camera.close();
      part = openAfter(root, show, onBack);
    }
    if (now !== "after" && now !== "cancelled" && !camera.media()) void camera.open();
  }

  return {
    close() {
      closed = true;
      part?.close();
      camera.close();
    },
  };
}
