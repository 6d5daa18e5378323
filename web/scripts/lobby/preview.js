// The moving picture on the live card: silent, and only where it costs nobody anything.
import { h } from "../lib/dom.js";
import { subscribe } from "../lib/whep.js";

/** @param {HTMLElement} card @param {string} session @returns {() => void} stops */
export function preview(card, session) {
  const saving = /** @type {any} */ (navigator).connection?.saveData === true;
  if (saving || matchMedia("(prefers-reduced-motion: reduce)").matches || typeof RTCPeerConnection === "undefined")
    return () => {};
  const video = h("video", {
    class: "live-preview",
    muted: true,
    playsInline: true,
    autoplay: true,
    "aria-hidden": "true",
    tabindex: "-1",
  });
  card.querySelector(".poster")?.append(video);
  /** @type {import("../lib/whep.js").Subscriber | null} */
  let subscriber = null;
  const seen = new IntersectionObserver(([entry]) => {
    if (entry.isIntersecting && !document.hidden) open();
    else shut();
  });

  function open() {
    if (subscriber) return;
    subscriber = subscribe({
      session,
      video,
      onState: (state) => {
        video.classList.toggle("is-playing", state === "playing");
        if (state === "failed" || state === "ended") shut();
      },
    });
    subscriber.choose({ quality: "low", height: 0 }); // a card shows no more than that
  }

  function shut() {
    const old = subscriber;
    subscriber = null;
    old?.close();
  }

  const hidden = () => {
    if (document.hidden) shut();
    else open();
  };
  document.addEventListener("visibilitychange", hidden);
  seen.observe(card);
  return () => {
    document.removeEventListener("visibilitychange", hidden);
    seen.disconnect();
    shut();
    video.remove();
  };
}
