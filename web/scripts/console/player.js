// The pictures of a session on one clock. The first copy that has a picture at a moment leads; the others are steered to
// it by pace or jump; where no copy has one (a gap in all) the wall clock leads through the hole.
import { fill, h, on } from "../lib/dom.js";
import { correction, covers, leader, mediaOf, positionOf } from "./sync.js";

/** @typedef {{ name: string, offset_ms: number, duration_ms: number, ready: boolean, mp4: string | null }} Stream */
/** @typedef {{ stream: Stream, video: HTMLVideoElement, frame: HTMLElement, note: HTMLElement }} Screen */
/**
 * @typedef {object} Player
 * @property {HTMLElement} element
 * @property {() => void} play
 * @property {() => void} pause
 * @property {() => void} toggle
 * @property {(ms: number) => void} seek
 * @property {(speed: number) => void} setSpeed
 * @property {() => number} time media ms
 * @property {() => boolean} playing
 * @property {() => void} close
 */

const STEER_EVERY_MS = 100;

/** @param {Stream} stream @returns {Screen} */
function screenOf(stream) {
  const video = h("video", {
    class: "screen-video",
    testid: `player-${stream.name}`,
    preload: "auto",
    playsInline: true,
    tLabel: "console.picture_of",
    tp: { name: { t: `stream.${stream.name}` } },
  });
  if (stream.mp4) video.src = stream.mp4;
  const note = h("p", { class: "screen-note", hidden: true });
  const mute = h("button", {
    class: "screen-mute",
    type: "button",
    "aria-pressed": "false",
    tLabel: "console.mute",
    t: "console.mute",
  });
  mute.addEventListener("click", () => {
    video.muted = !video.muted;
    mute.setAttribute("aria-pressed", String(video.muted));
  });
  const label = h("span", { class: "screen-name", t: `stream.${stream.name}` });
  const frame = h("figure", { class: "screen" }, video, note, h("figcaption", { class: "screen-bar" }, label, mute));
  return { stream, video, frame, note };
}

/**
 * @param {Stream[]} streams those with a copy
 * @param {number} duration_ms of the session
 * @param {{ onTime: (ms: number) => void, onPlaying: (playing: boolean) => void }} listeners
 * @returns {Player}
 */
export function createPlayer(streams, duration_ms, { onTime, onPlaying }) {
  const screens = streams.map(screenOf);
  const element = h(
    "div",
    { class: `screens screens-${Math.min(2, screens.length)}` },
    screens.map((s) => s.frame),
  );
  let clock = 0;
  let speed = 1;
  let playing = false;
  let frame = 0;
  let stamp = 0;
  let steered = 0;

  for (const { video, note } of screens) {
    on(video, "error", () => say(note, "console.unplayable"));
    on(video, "loadedmetadata", () => settle());
    // A seek before the first frame is decoded may leave that first frame standing: ask once more.
    on(video, "loadeddata", () => {
      if (!playing) video.currentTime = video.currentTime;
    });
  }

  /** @param {HTMLElement} note @param {string | null} key */
  function say(note, key) {
    note.hidden = key === null;
    if (key === null) return;
    if (note.dataset["key"] !== key) fill(note, h("span", { t: key }));
    note.dataset["key"] = key;
  }

  /** @param {Screen} s */
  const usable = (s) => s.video.error === null && covers(s.stream, clock);

  /** Every picture to the clock, whatever it was doing. */
  function settle() {
    for (const s of screens) {
      const there = usable(s);
      if (s.video.error === null) say(s.note, there ? null : "console.no_picture");
      const wanted = positionOf(s.stream, clock);
      if (s.video.readyState > 0 && Math.abs(s.video.currentTime - wanted) > 0.001) s.video.currentTime = wanted;
    }
  }

  /** @param {HTMLVideoElement} video */
  function start(video) {
    // play() is refused while another seek is under way; the next turn of the loop asks again.
    if (video.paused) video.play().catch(() => undefined);
  }

  /** @param {number} now ms of performance.now */
  function turn(now) {
    const passed = now - stamp;
    stamp = now;
    const here = screens.filter(usable);
    const stalled = here.some((s) => (s.video.seeking || s.video.readyState < 3) && !s.video.ended);
    for (const s of screens) {
      const run = here.includes(s) && !(stalled && s.video.readyState >= 3 && !s.video.seeking);
      if (run && !s.video.ended) start(s.video);
      else if (!s.video.paused) s.video.pause();
      if (s.video.error === null) say(s.note, here.includes(s) ? null : "console.no_picture");
    }
    if (!stalled) advance(here, passed);
    if (now - steered > STEER_EVERY_MS) {
      steered = now;
      steer(here);
    }
    if (clock >= duration_ms) pause();
    onTime(clock);
    if (playing) frame = requestAnimationFrame(turn);
  }

  /** @param {Screen[]} here @param {number} passed ms */
  function advance(here, passed) {
    const first = leader(
      here.map((s) => s.stream),
      clock,
    );
    const lead = here[first];
    const led = lead && !lead.video.ended && !lead.video.paused ? mediaOf(lead.stream, lead.video.currentTime) : null;
    // A copy may end a little before it said: then the clock must go on without it.
    clock = led !== null && led >= clock - 1000 ? Math.max(led, clock - 250) : clock + passed * speed;
    clock = Math.min(clock, duration_ms);
  }

  /** @param {Screen[]} here */
  function steer(here) {
    const lead =
      here[
        leader(
          here.map((s) => s.stream),
          clock,
        )
      ];
    for (const s of here) {
      if (s === lead || s.video.seeking || s.video.ended) {
        if (s === lead) s.video.playbackRate = speed;
        continue;
      }
      const drift = mediaOf(s.stream, s.video.currentTime) - clock;
      const { rate, seek } = correction(drift, speed);
      s.video.playbackRate = rate;
      if (seek) s.video.currentTime = positionOf(s.stream, clock);
    }
  }

  function play() {
    if (playing) return;
    if (clock >= duration_ms - 50) clock = 0;
    playing = true;
    settle();
    stamp = performance.now();
    frame = requestAnimationFrame(turn);
    onPlaying(true);
  }

  function pause() {
    if (!playing) return;
    playing = false;
    cancelAnimationFrame(frame);
    for (const s of screens) s.video.pause();
    settle();
    onPlaying(false);
  }

  return {
    element,
    play,
    pause,
    toggle: () => (playing ? pause() : play()),
    seek(ms) {
      clock = Math.min(Math.max(0, ms), duration_ms);
      settle();
      onTime(clock);
    },
    setSpeed(next) {
      speed = next;
      for (const s of screens) s.video.playbackRate = next;
    },
    time: () => clock,
    playing: () => playing,
    close() {
      pause();
      for (const s of screens) {
        s.video.removeAttribute("src");
        s.video.load();
      }
    },
  };
}
