// Which picture a viewer wants: what is kept of it, and how large the picture is shown. Pure.

/** @typedef {import("../lib/layer.js").Quality} Quality */

/** @type {Quality[]} */
export const QUALITIES = ["auto", "high", "low", "audio"];
const KEY = "tellercast.quality";
const PICTURE_KEY = "tellercast.quality.picture";
/** More is no screen's. */
const TALLEST = 4320;

/** What an earlier visit kept; anything else is automatic. @param {string | null} kept @returns {Quality} */
export function qualityOf(kept) {
  return QUALITIES.find((one) => one === kept) ?? "auto";
}

/** What the viewer chose, kept for the next visit, and what holds of it at this server. */
export class ChosenQuality {
  able = false;
  /** The server offers no choice, or can't be asked. */
  refused = false;

  /** @param {(key: string) => string | null} kept @param {(key: string, value: string) => void} keep */
  constructor(kept, keep) {
    this.keep = keep;
    /** @type {Quality} */
    this.chosen = qualityOf(kept(KEY));
    const pictured = this.chosen === "audio" ? qualityOf(kept(PICTURE_KEY)) : this.chosen;
    /** The last choice that had a picture. @type {Quality} */
    this.pictured = pictured === "audio" ? "auto" : pictured;
  }

  /** Where nothing can be chosen everything is sent: so everything is shown, for as long as that holds. @returns {Quality} */
  get quality() {
    return this.refused && this.chosen === "audio" ? "auto" : this.chosen;
  }

  get soundOnly() {
    return this.able && this.quality === "audio";
  }

  /** @param {Quality} quality */
  choose(quality) {
    this.chosen = quality;
    if (quality !== "audio") this.pictured = quality;
    this.keep(KEY, quality);
    this.keep(PICTURE_KEY, this.pictured);
  }

  /** What the server said of choosing. @param {boolean} able @returns {boolean} whether another quality holds now, which it must hear */
  allowed(able) {
    const before = this.quality;
    this.able = able;
    this.refused = !able;
    return this.quality !== before;
  }
}

/**
 * How high the picture stands on the screen, in device pixels: all of it inside its element (`whole`), or filling it.
 * @param {{width: number, height: number}} element CSS pixels @param {{width: number, height: number}} picture @param {{whole: boolean, ratio: number}} how
 * @returns {number} an integer from 1
 */
export function shownHeight(element, picture, { whole, ratio }) {
  const { width, height } = picture;
  const scale = width && height ? [element.width / width, element.height / height] : null;
  const shown = scale ? height * (whole ? Math.min(...scale) : Math.max(...scale)) : element.height;
  return Math.min(TALLEST, Math.max(1, Math.round(shown * ratio)));
}

/**
 * `fn` once things have been quiet for `calm` ms, and never more often than every `least` ms: somebody drags a window's edge.
 * @param {() => void} fn
 * @param {{calm?: number, least?: number, now?: () => number, after?: (fn: () => void, ms: number) => number, stop?: (timer: number) => void}} [how]
 */
export function paced(
  fn,
  {
    calm = 300,
    least = 2000,
    now = () => performance.now(),
    after = (run, ms) => window.setTimeout(run, ms),
    stop = (timer) => clearTimeout(timer),
  } = {},
) {
  let last = -Infinity;
  let timer = 0;
  return () => {
    stop(timer);
    timer = after(
      () => {
        last = now();
        fn();
      },
      Math.max(calm, last + least - now()),
    );
  };
}
