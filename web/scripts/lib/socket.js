// One Socket.IO namespace, with acknowledgements as promises and the connection's state in a word.
import { io } from "/static/vendor/socket.io-client/socket.io.esm.min.js";
import { Problem, offline } from "./api.js";
import { lang, onLang } from "./i18n.js";
import { askToSignIn } from "./sign_in.js";

/** @typedef {"connecting"|"connected"|"reconnecting"|"offline"|"crowded"|"signed_out"} Status `signed_out`: the server knows nobody here any more; it is not tried again; `crowded`: too many tabs are open, it is */
/**
 * @typedef {object} Connection
 * @property {(event: string, payload?: unknown, timeoutMs?: number) => Promise<any>} emit the acknowledgement; throws Problem on ok:false or when nobody answered
 * @property {(event: string, fn: (payload: any) => void) => () => void} on
 * @property {(fn: (status: Status) => void) => () => void} onStatus told at once, then on every change
 * @property {() => Status} status
 * @property {() => void} close
 */

const FAILURES_UNTIL_OFFLINE = 3;

/**
 * @param {string} namespace "/room" or "/desk"
 * @param {{relang?: boolean}} [options] `relang`: a change of language makes a new connection, which is told to `onStatus` as
 *   "connected" again; the old one goes only when the new one stands
 * @returns {Connection}
 */
export function connect(namespace, { relang = false } = {}) {
  /** @type {[string, (payload: any) => void][]} */
  let heard = [];
  /** @type {Set<(status: Status) => void>} */
  const listeners = new Set();
  /** @type {Status} */
  let status = "connecting";
  let failures = 0;
  let crowded = false;
  let before = false;
  let closed = false;
  /** @type {Problem | null} */
  let signedOut = null;
  /** @type {number | undefined} */
  let again;

  /** @param {Status} next */
  function tell(next) {
    if (next === status) return;
    status = next;
    for (const fn of listeners) fn(status);
  }

  function dropped() {
    if (closed || signedOut) return;
    const away = !navigator.onLine || failures >= FAILURES_UNTIL_OFFLINE;
    tell(crowded ? "crowded" : away ? "offline" : before ? "reconnecting" : "connecting");
    // A connection that the server ended or refused is not retried by the client library: we do.
    if (!socket.active && again === undefined)
      again = window.setTimeout(retry, Math.min(10_000, 500 * 2 ** Math.min(failures, 5)));
  }

  function retry() {
    clearTimeout(again);
    again = undefined;
    if (!closed && !signedOut && !socket.connected) socket.connect();
  }

  /** @param {{data?: import("./api.js").ProblemBody}} error */
  function failed({ data }) {
    failures += 1;
    crowded = data?.code === "too_many_open";
    if (data?.code !== "not_signed_in") return dropped();
    signedOut = new Problem(data);
    tell("signed_out");
    askToSignIn(signedOut);
  }

  /** A connection that says in which language events shall come. */
  function open() {
    const made = io(namespace, {
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: 400,
      reconnectionDelayMax: 5000,
      timeout: 8000,
      auth: (/** @type {(data: object) => void} */ give) => give({ lang: lang() }),
    });
    made.on("connect", () => made === socket && connected());
    made.on("connect_error", (/** @type {any} */ error) => made === socket && failed(error));
    made.on("disconnect", () => made === socket && dropped());
    return made;
  }

  function connected() {
    failures = 0;
    crowded = false;
    before = true;
    tell("connected");
  }

  // While it is away, its next handshake says the language.
  function speakAnew() {
    if (!socket.connected) return;
    const next = open();
    next.on("connect", () => {
      if (next === socket) return;
      if (closed) return void next.disconnect();
      const old = socket;
      socket = next;
      for (const [event, fn] of heard) next.on(event, fn);
      for (const fn of listeners) fn(status);
      old.disconnect();
    });
    next.on("connect_error", () => next !== socket && next.disconnect());
  }

  const online = () => {
    failures = 0;
    // A short break may leave the connection standing.
    if (socket.connected) tell("connected");
    else retry();
  };
  let socket = open();
  const stopLang = relang ? onLang(speakAnew) : () => {};
  window.addEventListener("offline", dropped);
  window.addEventListener("online", online);

  return {
    async emit(event, payload = {}, timeoutMs = 5000) {
      if (signedOut) throw signedOut;
      let answer;
      try {
        answer = await socket.timeout(timeoutMs).emitWithAck(event, payload);
      } catch {
        throw offline();
      }
      if (!answer || answer.ok === false) throw new Problem(answer?.error ?? {});
      return answer;
    },
    on(event, fn) {
      heard.push([event, fn]);
      socket.on(event, fn);
      return () => {
        heard = heard.filter((one) => one[0] !== event || one[1] !== fn);
        socket.off(event, fn);
      };
    },
    onStatus(fn) {
      listeners.add(fn);
      fn(status);
      return () => {
        listeners.delete(fn);
      };
    },
    status: () => status,
    close() {
      closed = true;
      clearTimeout(again);
      stopLang();
      window.removeEventListener("offline", dropped);
      window.removeEventListener("online", online);
      listeners.clear();
      socket.disconnect();
    },
  };
}
