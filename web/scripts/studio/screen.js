// The picture of a show as its supervisor has it: small, what stands in its place said in words, its sound, and the way to see it
// as viewers do.
import { fill, h, icon } from "../lib/dom.js";
import { subscribe } from "../lib/whep.js";
import { away, showing, stateCard } from "../watch/watch_state.js";

/** @typedef {import("../lib/session_model.js").SessionView} SessionView */

/** @param {string} id of the session */
export function createScreen(id) {
  /** @type {SessionView | null} */ let session = null;
  /** @type {import("../lib/whep.js").Subscriber | null} */ let subscriber = null;
  /** @type {import("../lib/whep.js").WatchState} */ let media = "connecting";
  let seen = false;
  const video = h("video", {
    class: "screen-video",
    testid: "video",
    autoplay: true,
    playsInline: true,
    tLabel: "stream.host",
  });
  const veil = h("div", { class: "camera-veil", role: "status", testid: "screen-veil" });
  const sound = h("button", { class: "button button-small", type: "button", testid: "sound" });
  const asViewers = h(
    "a",
    { class: "button button-small", href: `/watch/${encodeURIComponent(id)}`, testid: "as-viewers" },
    icon("eye"),
    h("span", { t: "supervised.as_viewers" }),
  );
  sound.addEventListener("click", () => {
    video.muted = !video.muted;
    if (!video.muted) void video.play().catch(() => (video.muted = true));
  });
  video.addEventListener("volumechange", drawSound);
  drawSound();
  draw();

  function drawSound() {
    fill(
      sound,
      icon(video.muted ? "muted" : "sound"),
      h("span", { t: video.muted ? "supervised.sound_on" : "supervised.sound_off" }),
    );
  }

  function draw() {
    const card = stateCard({ session, media, seen });
    veil.hidden = !card;
    sound.hidden = !subscriber;
    if (veil.dataset["kind"] === (card?.kind ?? "")) return;
    veil.dataset["kind"] = card?.kind ?? "";
    fill(veil, card ? h("span", { t: `supervised.picture_${card.kind}` }) : null);
  }

  function open() {
    subscriber = subscribe({
      session: id,
      video,
      onState: (state) => {
        media = state;
        seen ||= state === "playing";
        draw();
      },
    });
  }

  function shut() {
    subscriber?.close();
    subscriber = null;
    media = "connecting";
    seen = false;
  }

  return {
    element: h(
      "div",
      { class: "camera screen" },
      h("div", { class: "camera-frame" }, video, veil),
      h("div", { class: "camera-buttons" }, sound, asViewers),
    ),
    /** @param {SessionView} next */
    show(next) {
      session = next;
      if (showing(next) && !subscriber) open();
      if (!showing(next) && subscriber) shut();
      subscriber?.away(away(next));
      draw();
    },
    reconnect: () => subscriber?.reconnect(),
    close: shut,
  };
}
