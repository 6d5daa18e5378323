// A link for every moment: `/console?session=…&t=…&seq=…`. Pure.

/** @typedef {{ session: string | null, t: number | null, seq: number | null, view?: "fairness" | null }} Place `t` media ms; `view` beside the entries */

/** @param {string} query location.search @returns {Place} */
export function readPlace(query) {
  const q = new URLSearchParams(query);
  const number = (/** @type {string} */ name) => {
    const text = q.get(name);
    return text !== null && /^\d{1,12}$/.test(text) ? Number(text) : null;
  };
  return {
    session: q.get("session"),
    t: number("t"),
    seq: number("seq"),
    view: q.get("view") === "fairness" ? "fairness" : null,
  };
}

/** @param {Place} place @param {string} [path] */
export function placeLink(place, path = "/console") {
  const q = new URLSearchParams();
  if (place.session) q.set("session", place.session);
  if (place.t !== null) q.set("t", String(Math.round(place.t)));
  if (place.seq !== null) q.set("seq", String(place.seq));
  if (place.view) q.set("view", place.view);
  const text = q.toString();
  return text ? `${path}?${text}` : path;
}
