// What a page knows of a session, and how each event of `/room` changes it. Pure: old snapshot in, new snapshot out.

/** @typedef {{id: string, revision: number, name: string, class: "deposit"|"wealth"|"fund"|"insurance", risk: string, risk_meaning: string, term_days: number | null, rate_text: string, currency: string, minimum: number, step: number, cap: number | null, left: number | null, sale_open: boolean, pinned?: boolean, disclosure: {version: number, text: string}}} Product */
/** @typedef {{id: string, session: string, product: {id: string, name: string, risk: string}, amount: number, currency: string, state: "placed"|"sent"|"confirmed"|"rejected"|"cancelled", reason?: string | null, placed_at: string, media_ms: number, trail_seq: number, receipt_url: string, cancellable_until: string | null, replay?: boolean}} Order */
/** @typedef {{id: string, at: string, media_ms: number, author: string, author_tag: string, text: string, host: boolean, kind?: "comment"|"question"|"answer", answers?: {id: string, author: string, text: string} | null, mentions?: string[]}} Comment */
/** @typedef {{slow_s: number, premoderated: boolean}} Rules of a room: one comment a person in so many seconds (0: any); each is seen by a moderator first */
/** @typedef {{mp4: string, poster: string | null, offset_ms: number, duration_ms: number}} Replay how an ended show is seen again */
/** @typedef {{open: boolean, reason: string | null, sentence?: string, sentence_en?: string, sentence_zh?: string}} Sale */
/** @typedef {{id: string, kind: "show"|"call", state: "scheduled"|"live"|"paused"|"ended"|"cancelled", title: string, started_at: string | null, ended_at: string | null, required: string[], streams: {name: string, status: string}[], sale: Sale, recording?: boolean, media_boot?: string | null, shelf: Product[], pinned: string | Product | null, me_role: string, show?: string | null, call?: string | null, host?: {id: string, name: string}, replay?: Replay | null, rules?: Rules, pinned_comment?: Comment | null}} SessionView */
/**
 * @typedef {object} Snapshot
 * @property {number} seq the sequence number up to which everything is known: that of the last join. Events don't raise it, as
 *   they come after their commits in any order
 * @property {Record<string, number>} applied the sequence number of what is shown, by kind of state and by order
 * @property {SessionView | null} session null until joined
 * @property {number} viewers
 * @property {boolean} recording
 * @property {string | null} mediaBoot changes when the media process was restarted
 * @property {Order[]} orders one's own, newest first
 * @property {{count: number, amount: number, currency: string} | null} tally for the host
 */

/** @returns {Snapshot} */
export function emptySnapshot() {
  return { seq: 0, applied: {}, session: null, viewers: 0, recording: false, mediaBoot: null, orders: [], tally: null };
}

/**
 * The acknowledgement of `join` over what was known, and over that what was told while it was under way: the server enters the
 * room before it reads the snapshot, so an event may be newer than the answer that follows it.
 * @param {Snapshot} before @param {any} ack @param {[event: string, payload: any][]} [meanwhile] @returns {Snapshot}
 */
export function joined(before, ack, meanwhile = []) {
  const session = /** @type {SessionView} */ (ack.session);
  const seq = ack.seq ?? 0;
  const applied = { ...before.applied };
  for (const kind of STATES) applied[kind] = seq;
  for (const { id } of ack.orders ?? []) applied[`order:${id}`] = seq;
  /** @type {Snapshot} */
  const now = {
    ...before,
    session,
    seq,
    applied,
    viewers: ack.viewers ?? before.viewers,
    recording: ack.recording ?? session.recording ?? recorded(session),
    mediaBoot: ack.media_boot ?? session.media_boot ?? before.mediaBoot,
    orders: (ack.orders ?? []).reduce(withOrder, before.orders),
  };
  return meanwhile.reduce((snapshot, [event, payload]) => changed(snapshot, event, payload), now);
}

/** Whether each comment was taken down by what was told last of it. @param {[event: string, payload: any][]} meanwhile */
function lastTold(meanwhile) {
  /** @type {Map<string, boolean>} */
  const taken = new Map();
  for (const [event, { removed, restored }] of meanwhile) {
    if (event !== "moderated") continue;
    for (const id of removed) taken.set(id, true);
    for (const { id } of restored) taken.set(id, false);
  }
  return taken;
}

/**
 * What had been taken down when a join was answered, without what was put back before the answer came.
 * @param {string[]} removed @param {[event: string, payload: any][]} meanwhile @returns {string[]}
 */
export function stillRemoved(removed, meanwhile) {
  const taken = lastTold(meanwhile);
  return removed.filter((id) => taken.get(id) !== false);
}

/**
 * The comments that a join was answered with, without what was taken down before the answer came.
 * @param {Comment[]} comments @param {[event: string, payload: any][]} meanwhile @returns {Comment[]}
 */
export function stillShown(comments, meanwhile) {
  const taken = lastTold(meanwhile);
  return comments.filter(({ id }) => !taken.get(id));
}

/** Whether every required stream is being recorded, from its status. @param {SessionView} session */
function recorded(session) {
  const status = new Map(session.streams.map((stream) => [stream.name, stream.status]));
  return session.state === "live" && session.required.every((name) => status.get(name) === "publishing");
}

/** @param {Order[]} orders @param {Order} order @returns {Order[]} */
function withOrder(orders, order) {
  const rest = orders.filter((one) => one.id !== order.id);
  return [order, ...rest].sort((a, b) => b.placed_at.localeCompare(a.placed_at));
}

/** @param {string | Product | null | undefined} pinned @returns {string | null} */
export function pinnedId(pinned) {
  return typeof pinned === "string" ? pinned : (pinned?.id ?? null);
}

/** The product being explained now. @param {SessionView | null} session @returns {Product | null} */
export function pinnedProduct(session) {
  if (!session) return null;
  const id = pinnedId(session.pinned);
  const onShelf = session.shelf.find((product) => (id ? product.id === id : product.pinned));
  return onShelf ?? (session.pinned && typeof session.pinned === "object" ? session.pinned : null);
}

/** @type {Record<string, (snapshot: Snapshot, payload: any, session: SessionView) => Snapshot>} */
const CHANGES = {
  presence: (snapshot, { viewers }) => ({ ...snapshot, viewers }),
  shelf: (snapshot, { products, seq }, session) => {
    const pinnedSince = seq < (snapshot.applied["pinned"] ?? 0);
    const said = products.find((/** @type {Product} */ p) => p.pinned)?.id;
    const pinned = pinnedSince ? pinnedId(session.pinned) : (said ?? session.pinned);
    const shelf = products.map((/** @type {Product} */ p) => ({ ...p, pinned: p.id === pinnedId(pinned) }));
    return { ...snapshot, session: { ...session, shelf, pinned } };
  },
  pinned: (snapshot, { product }, session) => ({
    ...snapshot,
    session: {
      ...session,
      pinned: product?.id ?? null,
      shelf: session.shelf.map((one) => ({ ...one, pinned: one.id === product?.id })),
    },
  }),
  order: (snapshot, { order, tally }) => ({
    ...snapshot,
    tally: tally ?? snapshot.tally,
    orders: order ? withOrder(snapshot.orders, order) : snapshot.orders,
  }),
  moderated: (snapshot, { pinned_comment, rules }, session) => ({
    ...snapshot,
    session: { ...session, pinned_comment: pinned_comment ?? null, rules: rules ?? session.rules },
  }),
  state: (snapshot, payload, session) => ({
    ...snapshot,
    recording: payload.recording ?? snapshot.recording,
    mediaBoot: payload.media_boot ?? snapshot.mediaBoot,
    session: {
      ...session,
      state: payload.state ?? session.state,
      sale: payload.sale ?? session.sale,
      streams: payload.streams ?? session.streams,
      replay: payload.replay ?? session.replay,
    },
  }),
};

/** Events that say how something is, so that a later one makes an earlier one void. */
const STATES = ["state", "shelf", "pinned", "moderated"];

/** Under which name an event's sequence number is kept; null for what only adds. @param {string} event @param {any} payload */
function placeOf(event, payload) {
  if (event === "order" && payload.order) return `order:${payload.order.id}`;
  return STATES.includes(event) ? event : null;
}

/**
 * An event over what was known. One that was overtaken by a newer of its kind changes nothing; of two with the same number the
 * later holds, since not everything that is told has an entry of its own.
 * @param {Snapshot} snapshot @param {string} event @param {any} payload @returns {Snapshot}
 */
export function changed(snapshot, event, payload) {
  const change = CHANGES[event];
  if (!change || !snapshot.session) return snapshot;
  const place = placeOf(event, payload);
  if (!place) return change(snapshot, payload, snapshot.session);
  const { applied } = snapshot;
  // A shelf says what is pinned as well.
  const known = place === "pinned" ? Math.max(applied["pinned"] ?? 0, applied["shelf"] ?? 0) : (applied[place] ?? 0);
  if (payload.seq < known) return snapshot;
  const next = change(snapshot, payload, snapshot.session);
  return { ...next, applied: { ...applied, [place]: payload.seq } };
}

/** Why nothing can be bought, in the reader's language; "" when it can. @param {Sale} sale @param {"zh"|"en"} lang */
export function saleSentence(sale, lang) {
  if (sale.open) return "";
  return (lang === "zh" ? sale.sentence_zh : sale.sentence_en) ?? sale.sentence ?? "";
}
