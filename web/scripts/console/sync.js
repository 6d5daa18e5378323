// Two pictures, one clock. Pure: what each video should do next, given where it is and where it ought to be.

/** @typedef {{ offset_ms: number, duration_ms: number }} Span a playable copy's place on the session's axis */

/** Nobody sees 40 ms. A jump halts every picture and starts it again with a delay of its own, so it is for what pace can't mend soon. */
const UNSEEN_MS = 40;
const JUMP_MS = 600;
/** Up to this the other pace is hardly heard. */
const GENTLE_MS = 120;
const GENTLE_BEND = 0.1;
const FIRM_BEND = 0.25;

/** @param {Span} span @param {number} media_ms @returns {number} seconds into the copy */
export function positionOf(span, media_ms) {
  return Math.min(Math.max(0, (media_ms - span.offset_ms) / 1000), Math.max(0, span.duration_ms / 1000));
}

/** @param {Span} span @param {number} seconds @returns {number} media ms */
export function mediaOf(span, seconds) {
  return span.offset_ms + seconds * 1000;
}

/** @param {Span} span @param {number} media_ms whether the copy has a picture for that moment */
export function covers(span, media_ms) {
  return media_ms >= span.offset_ms - 1 && media_ms <= span.offset_ms + span.duration_ms;
}

/**
 * @param {number} drift_ms where the video is minus where it ought to be
 * @param {number} speed the chosen pace
 * @returns {{ rate: number, seek: boolean }}
 */
export function correction(drift_ms, speed) {
  const off = Math.abs(drift_ms);
  if (off <= UNSEEN_MS) return { rate: speed, seek: false };
  if (off > JUMP_MS) return { rate: speed, seek: true };
  const bend = off > GENTLE_MS ? FIRM_BEND : GENTLE_BEND;
  return { rate: speed * (drift_ms > 0 ? 1 - bend : 1 + bend), seek: false };
}

/**
 * The copy whose own clock all follow: the first that has a picture there. None: a hole in every picture, the wall clock leads.
 * @param {Span[]} list @param {number} media_ms @returns {number} its index, or -1
 */
export function leader(list, media_ms) {
  return list.findIndex((span) => covers(span, media_ms) && media_ms < span.offset_ms + span.duration_ms);
}
