// A session over Socket.IO: joins, keeps the snapshot, and after a break joins again with the last sequence number, so
// that nothing but comments is missed.
import { asProblem, Problem } from "./api.js";
import { lang, onLang } from "./i18n.js";
import { connect } from "./socket.js";
import { changed, emptySnapshot, joined, stillRemoved, stillShown } from "./session_model.js";

const EVENTS = ["presence", "shelf", "pinned", "order", "state", "notice", "moderated", "reactions"];
/** What is told as it came. */
const PLAIN = new Set(["notice", "order", "moderated", "reactions"]);
const REJOIN_MS = 3000;
const SAME_RESTART_MS = 2000;

/**
 * Events (CustomEvent, `detail` as said):
 * `snapshot` after every join {snapshot, comments, removed: ids taken down since the last} · `change` after every other change {snapshot, event} · `comments` Comment[] ·
 * `notice` {kind, text_en, text_zh} · `order`, `moderated`, `reactions` the payload · `media` when the media process was restarted (reconnect WHIP/WHEP) ·
 * `moderation` when there is something new for moderators · `status` Status · `refused` Problem of a join.
 */
export class SessionClient extends EventTarget {
  /** @param {string} session */
  constructor(session) {
    super();
    this.id = session;
    this.snapshot = emptySnapshot();
    this.connection = connect("/room");
    this.closed = false;
    this.mediaTold = -SAME_RESTART_MS;
    /** of several joins under way the latest counts */
    this.joins = 0;
    /** what was told while a join was under way @type {[string, any][] | null} */
    this.meanwhile = null;
    /** what one's own comments carry @type {string | null} */
    this.authorTag = null;
    /** @type {number | undefined} */
    this.again = undefined;
    for (const event of EVENTS) this.connection.on(event, (payload) => this.#received(event, payload));
    this.connection.on("comments", (payload) => payload.session === session && this.#tell("comments", payload.comments));
    this.connection.on("moderation", (payload) => payload.session === session && this.#tell("moderation", payload));
    this.connection.on("banned", (payload) => payload.session === session && this.#banned(payload));
    this.connection.onStatus((status) => {
      this.#tell("status", status);
      if (status === "connected") void this.#join();
    });
    // Names and disclosures come in the language asked for.
    this.stopLang = onLang(() => void this.refresh());
  }

  /** The connection's state, a `Status` of socket.js. */
  get status() {
    return this.connection.status();
  }

  /** @param {string} event @param {any} detail */
  #tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }

  async #join() {
    clearTimeout(this.again);
    const mine = (this.joins += 1);
    this.meanwhile ??= [];
    try {
      const after = this.snapshot.seq || undefined;
      const ask = { session: this.id, lang: lang(), ...(after ? { after } : {}) };
      const ack = await this.connection.emit("join", ask, 8000);
      if (this.closed || mine !== this.joins) return;
      this.authorTag = ack.author_tag ?? this.authorTag;
      const boot = this.snapshot.mediaBoot;
      const removed = stillRemoved(ack.removed ?? [], this.meanwhile ?? []);
      const comments = stillShown(ack.comments ?? [], this.meanwhile ?? []);
      this.snapshot = joined(this.snapshot, ack, this.meanwhile ?? []);
      this.meanwhile = null;
      this.#tell("snapshot", { snapshot: this.snapshot, comments, removed });
      this.#compareBoot(boot);
    } catch (error) {
      if (this.closed || mine !== this.joins) return;
      this.meanwhile = null;
      const problem = asProblem(error);
      this.#tell("refused", problem);
      if (problem.code === "offline" || problem.status >= 500 || problem.status === 429)
        this.again = window.setTimeout(() => void this.#join(), REJOIN_MS);
    }
  }

  /** Reads the session anew, by joining it again; also after a change that another member made over HTTP. */
  async refresh() {
    if (this.status === "connected") await this.#join();
  }

  /** @param {string} event @param {any} payload */
  #received(event, payload) {
    if (payload.session !== this.id) return;
    this.meanwhile?.push([event, payload]);
    const boot = this.snapshot.mediaBoot;
    this.snapshot = changed(this.snapshot, event, payload);
    if (PLAIN.has(event)) this.#tell(event, payload);
    if (event === "notice" && payload.kind === "media_restarted") this.#mediaBack();
    if (event !== "notice" && event !== "reactions") this.#tell("change", { snapshot: this.snapshot, event });
    this.#compareBoot(boot);
  }

  /** Put out by a moderator: the server's sentence, and no way back in. @param {import("./api.js").ProblemBody} said */
  #banned(said) {
    this.#tell("refused", new Problem({ ...said, status: 403, door: "lobby" }));
  }

  /** @param {string | null} before */
  #compareBoot(before) {
    if (before && this.snapshot.mediaBoot && before !== this.snapshot.mediaBoot) this.#mediaBack();
  }

  // The restart is told twice, by the state and by the notice: once is enough.
  #mediaBack() {
    const now = performance.now();
    if (now - this.mediaTold < SAME_RESTART_MS) return;
    this.mediaTold = now;
    this.#tell("media", this.snapshot);
  }

  /** @param {string} event @param {Record<string, unknown>} [payload] the session is added @param {number} [timeoutMs] @returns {Promise<any>} */
  emit(event, payload = {}, timeoutMs) {
    return this.connection.emit(event, { session: this.id, ...payload }, timeoutMs);
  }

  close() {
    this.closed = true;
    clearTimeout(this.again);
    this.stopLang();
    if (this.status === "connected") this.emit("leave").catch((error) => error instanceof Problem || console.error(error));
    this.connection.close();
  }
}

/** @param {string} session @returns {SessionClient} */
export function joinSession(session) {
  return new SessionClient(session);
}
