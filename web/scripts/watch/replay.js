// The comments and the shelf of a show that is seen again: they follow the film, wherever it is moved to.
import { api } from "../lib/api.js";
import { againIn, markAt, MINUTE_MS, momentOf, ReplayTimeline, saleOf } from "./replay_model.js";

/** @typedef {import("../lib/session_model.js").SessionView} SessionView */
/** @typedef {import("./comments.js").Comments} Comments */
/** @typedef {{hold: (still: boolean) => void}} Flying */

export class ReplayPlane {
  timeline = new ReplayTimeline();
  /** @type {import("./replay_model.js").Mark[]} */
  marks = [];
  /** @type {import("./replay_model.js").Mark | null} */
  mark = null;
  film = { offset_ms: 0, duration_ms: 0 };
  began = false;
  /** null until it is known @type {boolean | null} */
  sells = null;
  /** how often in a row the marks could not be had */
  failures = 0;

  /** @param {string} session @param {HTMLVideoElement} video @param {Comments} comments @param {Flying} flying @param {() => void} onMark the shelf is another */
  constructor(session, video, comments, flying, onMark) {
    this.address = `/api/sessions/${encodeURIComponent(session)}/replay`;
    this.video = video;
    this.comments = comments;
    this.flying = flying;
    this.onMark = onMark;
  }

  /** Once the page has turned into that of a replay. @param {import("../lib/session_model.js").Replay} film */
  begin(film) {
    if (this.began) return;
    this.began = true;
    this.film = film;
    for (const event of ["timeupdate", "seeked", "loadedmetadata"]) this.video.addEventListener(event, () => this.#moved());
    this.video.addEventListener("pause", () => this.flying.hold(true));
    this.video.addEventListener("play", () => this.flying.hold(false));
    void this.#askMarks();
    this.comments.replayed([], true); // what was said while it was on
    this.#moved();
  }

  get now() {
    return this.film.offset_ms + this.video.currentTime * 1000;
  }

  #moved() {
    for (const minute of this.timeline.wanted(this.now, performance.now())) void this.#ask(minute);
    const told = this.timeline.moved(this.now);
    if (told) this.comments.replayed(told.comments, told.jumped);
    const before = this.timeline.before(performance.now());
    if (before) void this.#askBefore(before);
    const mark = markAt(this.marks, this.now);
    if (mark === this.mark) return;
    this.mark = mark;
    this.onMark();
  }

  /** @param {number} minute */
  async #ask(minute) {
    const from = minute * MINUTE_MS;
    try {
      const { comments } = await api("GET", `${this.address}/comments?from=${from}&to=${from + MINUTE_MS}`);
      this.timeline.came(minute, comments, performance.now());
      this.#moved();
    } catch {
      // Asked again, ever more rarely, as the film goes on; that tells what is wrong with the network.
      this.timeline.came(minute, undefined, performance.now());
    }
  }

  /** What was said before a moment that was jumped to, where its own minute does not fill the list. @param {import("./replay_model.js").Before} before */
  async #askBefore(before) {
    const from = before.minute * MINUTE_MS;
    const said = await api("GET", `${this.address}/comments?from=${from}&to=${from + MINUTE_MS}`).catch(() => null);
    const some = this.timeline.cameBefore(before, said?.comments, performance.now());
    if (some.length) this.comments.history(some);
    this.#moved();
  }

  async #askMarks() {
    try {
      ({ marks: this.marks, sells: this.sells } = await api("GET", `${this.address}/marks`));
      this.#moved();
      this.onMark();
    } catch {
      // Until then the shelf is as it was at the end, and nobody knows whether it sells.
      this.failures += 1;
      setTimeout(() => void this.#askMarks(), againIn(this.failures));
    }
  }

  /** What moderators have changed: of what they put back that which was said by now. @param {import("./comments.js").Moderated} told */
  known({ removed, restored }) {
    return { removed, restored: restored.filter(({ media_ms }) => media_ms <= this.now) };
  }

  /** While somebody buys the film stands still: what is on screen is what the order is bound to. @returns {{media_ms: number, resume: () => void}} */
  hold() {
    const played = !this.video.paused;
    this.video.pause();
    return {
      media_ms: momentOf(this.film, this.video.currentTime),
      resume: () => {
        if (played) this.video.play().catch(() => undefined); // the browser wants a tap first: its controls are there
      },
    };
  }

  /** The session with the shelf of this moment of the film, as far as its products are still there. @param {SessionView} session @returns {SessionView} */
  as(session) {
    // Which comment was pinned last is known, not when.
    const replayed = { ...session, sale: saleOf(this.sells), pinned_comment: null };
    if (!this.mark) return replayed;
    const { products, pinned } = this.mark;
    const shelf = session.shelf.filter(({ id }) => products.includes(id)).map((one) => ({ ...one, pinned: one.id === pinned }));
    return { ...replayed, shelf, pinned };
  }
}
