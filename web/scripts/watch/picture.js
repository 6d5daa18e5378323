// The picture and what lies over it: its state, the sound, the whole screen.
import { fill, h, icon, setLabel, setText } from "../lib/dom.js";
import { keep, kept } from "../lib/elder.js";
import { duration, when } from "../lib/format.js";
import { onLang } from "../lib/i18n.js";
import { subscribe } from "../lib/whep.js";
import { remember } from "../lobby/cards.js";
import { QualityChoice } from "./quality.js";
import { away, countdown, cutsTooMuch, showing, stateCard } from "./watch_state.js";

/** @typedef {import("../lib/session_model.js").SessionView} SessionView */
/** @typedef {{id: string, session: string, title: string, starts_at: string, host: {name: string}}} ShowFacts */

const WHOLE = "tellercast.whole";

export class Picture {
  video = h("video", { class: "stage-video", testid: "video", playsInline: true, autoplay: true, tabindex: "-1" });
  card = h("div", { class: "state-card", testid: "state-card", role: "status", hidden: true });
  sound = h(
    "button",
    { class: "sound-pill", type: "button", hidden: true, onclick: () => this.#unmute() },
    icon("muted"),
    h("span", { t: "watch.sound" }),
  );
  mute = h("button", { class: "button-icon watch-mute", type: "button", testid: "mute", onclick: () => this.#toggleSound() });
  full = h(
    "button",
    { class: "button-icon only-wide", type: "button", tLabel: "watch.fullscreen", onclick: () => this.#fullscreen() },
    icon("fullscreen"),
  );
  quality = new QualityChoice(this.video, () => this.#draw());
  element = h("section", { class: "stage", tLabel: "title.watch" }, this.video, this.card, this.sound);
  /** @type {import("../lib/whep.js").WatchState} */
  media = "connecting";
  seen = false;
  shown = "";
  /** @type {import("../lib/api.js").Problem | undefined} */
  problem = undefined;
  /** @type {SessionView | null} */
  session = null;
  /** @type {ShowFacts | null} */
  show = null;
  /** @type {import("../lib/whep.js").Subscriber | null} */
  subscriber = null;

  /** the show was on while this page was open: its end is said before it is shown again */
  followed = false;
  replaying = false;
  /** all of the picture, or a filled stage; null until chosen: then what suits the picture @type {boolean | null} */
  chosen = null;

  /** @param {string} id @param {() => void} onReplay the page turns into that of a replay */
  constructor(id, onReplay) {
    this.id = id;
    this.onReplay = onReplay;
    const choice = kept(WHOLE);
    this.chosen = choice === null ? null : choice === "1";
    this.video.addEventListener("resize", () => this.#fit());
    new ResizeObserver(() => this.#fit()).observe(this.video);
    this.video.addEventListener("error", () => this.#replayBroke());
    this.video.addEventListener("volumechange", () => this.#drawSound());
    this.#drawSound();
    this.timer = setInterval(() => this.#tick(), 1000);
    onLang(() => {
      this.shown = "";
      this.#draw();
    });
  }

  /** @param {SessionView} session */
  update(session) {
    this.session = session;
    if (showing(session) && !this.subscriber) this.#open();
    if (!showing(session) && this.subscriber) this.#shut();
    this.subscriber?.away(away(session));
    this.followed ||= showing(session);
    if (session.replay && !this.followed && !this.replaying) this.#replay();
    else this.#draw();
  }

  /** @param {ShowFacts} show */
  setShow(show) {
    this.show = show;
    this.shown = "";
    this.#draw();
  }

  #open() {
    this.subscriber = subscribe({
      session: this.id,
      video: this.video,
      onMuted: () => {
        this.sound.hidden = false;
      },
      onState: (state, problem) => {
        this.media = state;
        this.problem = problem;
        if (state === "playing") this.seen = true;
        this.#draw();
      },
      onAble: (able) => this.quality.allowed(able),
    });
    this.quality.follow(this.subscriber);
  }

  #shut() {
    const old = this.subscriber;
    this.subscriber = null;
    this.quality.follow(null);
    old?.close();
    this.media = "connecting";
    this.seen = false;
  }

  /** Nothing more is to be seen here; what is said in its place follows. */
  leave() {
    this.#shut();
    this.replaying = false;
    this.video.controls = false;
    this.video.removeAttribute("poster");
    this.video.removeAttribute("src");
    this.video.srcObject = null;
    this.element.classList.remove("is-playing", "is-away", "is-sound-only");
  }

  /** The media process was restarted, or the session went on after a pause. */
  reconnect() {
    this.subscriber?.reconnect();
  }

  #draw() {
    const { soundOnly } = this.quality;
    const state = this.replaying ? null : stateCard({ session: this.session, media: this.media, seen: this.seen, soundOnly });
    this.element.classList.toggle("is-away", state?.kind === "lost");
    this.element.classList.toggle("is-sound-only", soundOnly && !this.replaying);
    this.element.classList.toggle("is-playing", this.media === "playing" && this.seen);
    const name = state ? `${state.kind}${state.quiet}${Boolean(this.session?.replay)}` : "";
    if (name === this.shown) return;
    this.shown = name;
    this.card.hidden = !state;
    this.card.className = `state-card ${state?.quiet ? "state-quiet" : ""}`;
    this.card.dataset.kind = state?.kind ?? "";
    if (state) fill(this.card, ...this.#words(state.kind));
  }

  /** @param {import("./watch_state.js").CardKind} kind @returns {(Node | null)[]} */
  #words(kind) {
    const title = (/** @type {string} */ key) => h("h2", { class: "state-title", t: key });
    const text = (/** @type {string} */ key) => h("p", { class: "state-text", t: key });
    const ways = (/** @type {(Node | null)[]} */ ...links) => h("div", { class: "state-ways" }, links);
    const lobby = (/** @type {string} */ kindOfButton) =>
      h("a", { class: `button ${kindOfButton}`, href: "/", t: "watch.ended.lobby" });
    if (kind === "scheduled") return this.#scheduled();
    if (kind === "cancelled") return [title("watch.cancelled"), text("watch.cancelled.text"), ways(lobby("button-primary"))];
    if (kind === "ended")
      return [
        title("watch.ended"),
        text("watch.ended.text"),
        ways(this.#again(), h("a", { class: "button", href: "/orders", t: "watch.ended.orders" }), lobby("")),
      ];
    if (kind === "paused") return [icon("pause", "state-icon"), title("watch.paused.title"), text("watch.paused.text")];
    if (kind === "sound") return this.quality.card();
    if (kind === "lost") return [title("watch.lost"), text("watch.lost.text")];
    if (kind === "waiting") return [title("watch.waiting"), text("watch.waiting.text")];
    if (kind === "failed")
      return [
        title("watch.failed"),
        this.problem ? h("p", { class: "state-text" }, this.problem.title) : null,
        ways(h("button", { class: "button", type: "button", t: "try_again", onclick: () => this.reconnect() })),
      ];
    if (kind === "reconnecting") return [h("p", { class: "state-text", t: "watch.reconnecting" })];
    return [
      h("p", { class: "state-text", t: "watch.opening" }),
      h("span", { class: "skeleton state-skeleton", "aria-hidden": "true" }),
    ];
  }

  #again() {
    if (!this.session?.replay) return null;
    return h(
      "button",
      { class: "button button-primary", type: "button", testid: "replay", onclick: () => this.#replay() },
      icon("play"),
      h("span", { t: "watch.replay.again" }),
    );
  }

  /** The show is over and is seen again: its film, by the browser's own player. */
  #replay() {
    const replay = this.session?.replay;
    if (!replay) return;
    this.replaying = true;
    this.element.dataset.replay = "";
    this.video.tabIndex = 0;
    this.video.controls = true;
    this.video.poster = replay.poster ?? "";
    this.video.srcObject = null;
    this.video.src = replay.mp4;
    this.#fit();
    this.#draw();
    this.onReplay();
  }

  /** Says something in the card until there is something else to say. @param {string} kind @param {...Node} words */
  say(kind, ...words) {
    this.shown = kind;
    this.card.hidden = false;
    this.card.className = "state-card";
    this.card.dataset.kind = kind;
    fill(this.card, ...words);
  }

  #replayBroke() {
    if (!this.replaying) return;
    const retry = () => {
      this.shown = "";
      this.#replay();
    };
    this.say(
      "broken",
      h("h2", { class: "state-title", t: "watch.replay.broken" }),
      h("p", { class: "state-text", t: "watch.replay.broken.next" }),
      h(
        "div",
        { class: "state-ways" },
        h("button", { class: "button button-primary", type: "button", t: "try_again", onclick: retry }),
        h("a", { class: "button", href: "/", t: "watch.ended.lobby" }),
      ),
    );
  }

  #scheduled() {
    const { show } = this;
    if (!show) return [h("p", { class: "state-text", t: "state.scheduled" })];
    return [
      h("p", { class: "state-text", t: "lobby.with", tp: { name: show.host.name } }),
      h("h2", { class: "state-title" }, show.title),
      this.clock(),
      h("p", { class: "state-text", t: "watch.scheduled", tp: { when: when(show.starts_at) } }),
      h(
        "div",
        { class: "state-ways" },
        h(
          "button",
          { class: "button", type: "button", testid: "remind", onclick: () => remember(show) },
          icon("bell"),
          h("span", { t: "lobby.remind" }),
        ),
      ),
      h("p", { class: "state-note", t: "watch.scheduled.wait" }),
    ];
  }

  /** The countdown, telling from the first moment. */
  clock() {
    const clock = h("p", { class: "countdown figures", role: "timer", "aria-live": "off" });
    this.#tick(clock);
    return clock;
  }

  #tick(clock = this.card.querySelector(".countdown")) {
    if (!clock || !this.show) return;
    const left = countdown(this.show.starts_at, Date.now());
    if (!left) setText(clock, "watch.scheduled.soon");
    else if (left.days) setText(clock, "watch.scheduled.in", { left: { words: left.ms } });
    else clock.textContent = duration(Math.ceil(left.ms / 1000) * 1000);
  }

  #drawSound() {
    const { muted } = this.video;
    fill(this.mute, icon(muted ? "muted" : "sound"));
    setLabel(this.mute, muted ? "watch.unmute" : "watch.mute");
    if (!muted) this.sound.hidden = true;
  }

  #unmute() {
    this.video.muted = false;
    this.sound.hidden = true;
    this.video.play().catch(() => {
      this.video.muted = true;
    });
  }

  #toggleSound() {
    if (this.video.muted) this.#unmute();
    else this.video.muted = true;
  }

  #fullscreen() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else this.element.requestFullscreen?.().catch(() => undefined);
  }

  /** Whole picture (with bars) instead of a filled screen. @param {boolean} whole */
  fit(whole) {
    this.chosen = whole;
    keep(WHOLE, whole ? "1" : "0");
    this.#fit();
  }

  #fit() {
    const { videoWidth: width, videoHeight: height, clientWidth, clientHeight } = this.video;
    const cuts = cutsTooMuch({ width, height }, { width: clientWidth, height: clientHeight });
    this.element.toggleAttribute("data-wide", width > height);
    this.video.classList.toggle("is-whole", this.replaying || (this.chosen ?? cuts));
  }

  get whole() {
    return this.video.classList.contains("is-whole");
  }
}
