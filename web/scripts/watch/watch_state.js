// What stands over the picture, decided from what is known. Pure.

/** @typedef {import("../lib/session_model.js").SessionView} SessionView */
/** @typedef {"scheduled"|"cancelled"|"ended"|"paused"|"lost"|"waiting"|"reconnecting"|"opening"|"failed"|"sound"} CardKind */

/**
 * The card over the picture, null while it plays. `quiet` ones are a line at the head, as the last picture is still there.
 * @param {{session: SessionView | null, media: import("../lib/whep.js").WatchState, seen: boolean, soundOnly?: boolean}} known
 *   `seen`: a picture has been shown before; `soundOnly`: none is wanted
 * @returns {{kind: CardKind, quiet: boolean} | null}
 */
export function stateCard({ session, media, seen, soundOnly = false }) {
  if (!session) return { kind: "opening", quiet: false };
  if (session.state === "scheduled" || session.state === "cancelled" || session.state === "ended" || session.state === "paused")
    return { kind: session.state, quiet: false };
  if (media === "playing") return soundOnly ? { kind: "sound", quiet: false } : null;
  if (away(session) || required(session, ["failed"])) return { kind: "lost", quiet: false };
  if (media === "waiting") return { kind: seen ? "lost" : "waiting", quiet: false };
  if (media === "reconnecting") return { kind: "reconnecting", quiet: seen };
  if (media === "failed") return { kind: "failed", quiet: false };
  return { kind: seen ? "reconnecting" : "opening", quiet: seen };
}

/** @param {SessionView} session @param {string[]} statuses */
function required(session, statuses) {
  return session.streams.some((stream) => session.required.includes(stream.name) && statuses.includes(stream.status));
}

/** Whether who is to be seen has gone for now: the show is on, and nothing comes. @param {SessionView | null} session */
export function away(session) {
  return session !== null && showing(session) && required(session, ["lost", "left", "closed"]);
}

/** Filling the stage may cut off this much of a picture at most: more would be the slides, or the adviser. */
const MOST_CUT = 0.4;

/** Whether a picture that fills the stage would lose too much, so that all of it is shown instead. @param {{width: number, height: number}} picture @param {{width: number, height: number}} stage */
export function cutsTooMuch(picture, stage) {
  if (!picture.width || !picture.height || !stage.width || !stage.height) return false;
  const ratio = picture.width / picture.height / (stage.width / stage.height);
  return 1 - Math.min(ratio, 1 / ratio) > MOST_CUT;
}

/** Whether there is a picture to fetch. @param {SessionView | null} session */
export function showing(session) {
  return session?.state === "live" || session?.state === "paused";
}

/** Whether anything may be said. @param {SessionView | null} session @returns {"open"|"before"|"over"} */
export function talking(session) {
  if (!session || session.state === "scheduled") return "before";
  return session.state === "live" || session.state === "paused" ? "open" : "over";
}

/** Time left to the start as days, hours, minutes, seconds for a countdown; null when it has come. @param {string} startsAt @param {number} now ms */
export function countdown(startsAt, now) {
  const left = Date.parse(startsAt) - now;
  if (!(left > 0)) return null;
  const s = Math.ceil(left / 1000);
  return {
    days: Math.floor(s / 86_400),
    hours: Math.floor(s / 3600) % 24,
    minutes: Math.floor(s / 60) % 60,
    seconds: s % 60,
    ms: left,
  };
}
