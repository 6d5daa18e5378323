// Watching a stream, and staying with it: it may not have begun, may break, may come back; `close` alone ends it.
import { asProblem, Problem } from "./api.js";
import { layerTeller } from "./layer.js";
import { backoff, negotiate, newPeer, release } from "./webrtc.js";

/** @typedef {"waiting"|"connecting"|"playing"|"reconnecting"|"ended"|"failed"} WatchState `waiting`: nobody publishes yet; `failed`: refused, asked again slowly */
/**
 * @typedef {object} Subscriber
 * @property {() => void} close
 * @property {() => void} reconnect
 * @property {() => WatchState} state
 * @property {(choice: import("./layer.js").Choice) => void} choose which picture, or the sound alone; holds for later connections too
 * @property {(away: boolean) => void} away the publisher is known to be gone: nothing comes, and the connection is kept for the return
 */

const DISCONNECTED_MS = 2000;
// Without a byte: said after the first, connected anew after the second.
const SILENT_MS = 2000;
const STALL_MS = 6000;
const CHECK_MS = 1000;
const WAIT_MS = 1500;
const REFUSED_MS = 15_000;

/**
 * @param {object} options
 * @param {string} options.session
 * @param {string} [options.stream] "host", "adviser", "customer"; the session's first when not given
 * @param {HTMLVideoElement} options.video
 * @param {(state: WatchState, problem?: Problem) => void} [options.onState]
 * @param {() => void} [options.onMuted] the browser would not play sound before a tap: the picture plays muted
 * @param {(able: boolean) => void} [options.onAble] whether the server lets viewers choose; told after `choose`
 * @returns {Subscriber}
 */
export function subscribe({ session, stream, video, onState = () => {}, onMuted = () => {}, onAble = () => {} }) {
  const url = `/api/sessions/${encodeURIComponent(session)}/whep${stream ? `?stream=${encodeURIComponent(stream)}` : ""}`;
  /** @type {RTCPeerConnection | null} */ let pc = null;
  /** @type {WatchState} */ let state = "connecting";
  let resource = "";
  let attempt = 0;
  let played = false;
  let closed = false;
  let bytes = 0;
  let movedAt = 0;
  let deserted = false;
  let pictured = true;
  /** @type {MediaStream} */ let media = new MediaStream();
  /** @type {MediaStreamTrack | null} */ let picture = null;
  const layer = layerTeller({ where: () => resource, onAble });
  /** @type {number | undefined} */ let retry;
  /** @type {number | undefined} */ let lost;

  /** @param {WatchState} next @param {Problem} [problem] */
  function tell(next, problem) {
    if (next === state && !problem) return;
    state = next;
    onState(next, problem);
  }

  async function start() {
    bytes = 0;
    movedAt = performance.now();
    /** @type {RTCPeerConnection | null} */ let mine = null;
    try {
      const peer = newPeer();
      mine = pc = peer;
      receive(peer);
      const got = await negotiate(peer, url);
      if (mine === pc && !closed) {
        resource = got;
        layer.connected();
      } else release(got);
    } catch (error) {
      if (mine === pc && !closed) refused(asProblem(error));
    }
  }

  /** @param {RTCPeerConnection} peer */
  function receive(peer) {
    const mine = new MediaStream();
    peer.addTransceiver("video", { direction: "recvonly" });
    peer.addTransceiver("audio", { direction: "recvonly" });
    peer.addEventListener("track", (event) => {
      if (peer !== pc) return;
      if (media !== mine) picture = null;
      media = mine;
      if (event.track.kind === "video") picture = event.track;
      else media.addTrack(event.track);
      showPicture();
      if (video.srcObject === media || !media.getTracks().length) return;
      // The last picture stays until the new connection has one.
      video.srcObject = media;
      void play();
    });
    peer.addEventListener("connectionstatechange", () => peer === pc && watch(peer.connectionState));
  }

  /** For the sound alone the picture's track is taken out: one that never comes would hold the sound up. */
  function showPicture() {
    if (!picture) return;
    if (pictured) media.addTrack(picture);
    else media.removeTrack(picture);
  }

  async function play() {
    try {
      await video.play();
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "NotAllowedError" || video.muted) return;
      video.muted = true;
      onMuted();
      await video.play().catch(() => {
        // Nothing plays before a tap; the page's own button does then.
      });
    }
  }

  /** @param {RTCPeerConnectionState} connection */
  function watch(connection) {
    clearTimeout(lost);
    if (connection === "connected") attempt = 0;
    else if (connection === "disconnected") lost = window.setTimeout(reconnect, DISCONNECTED_MS);
    else if (connection === "failed") reconnect();
  }

  function playing() {
    if (closed || pc?.connectionState !== "connected") return;
    played = true;
    tell("playing");
  }

  /** @param {Problem} problem */
  function refused(problem) {
    if (problem.code === "stream_not_found" || problem.status === 404)
      later("waiting", problem.retryAfter * 1000 || WAIT_MS * (1 + Math.random() / 2));
    else if (problem.status === 409 || problem.status === 410) later("ended", REFUSED_MS / 3, problem);
    else if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) later("failed", REFUSED_MS, problem);
    else later(played ? "reconnecting" : "connecting", problem.retryAfter * 1000 || backoff(attempt));
  }

  /** @param {WatchState} next @param {number} delay ms @param {Problem} [problem] */
  function later(next, delay, problem) {
    tell(next, problem);
    clearTimeout(retry);
    retry = window.setTimeout(again, delay);
  }

  function again() {
    if (closed) return;
    clearTimeout(retry);
    clearTimeout(lost);
    attempt += 1;
    drop();
    void start();
  }

  function drop() {
    pc?.close();
    pc = null;
    release(resource);
    resource = "";
  }

  function reconnect() {
    if (closed) return;
    later(played ? "reconnecting" : "connecting", attempt ? backoff(attempt) : 0);
  }

  // A connection may stand while nothing comes through it; only the counted bytes tell.
  async function check() {
    const mine = pc;
    if (!mine || mine.connectionState !== "connected") return;
    let total = 0;
    (await mine.getStats()).forEach((/** @type {any} */ row) => {
      if (row.type === "inbound-rtp") total += row.bytesReceived ?? 0;
    });
    if (mine !== pc) return;
    if (total > bytes) {
      movedAt = performance.now();
      if (!video.paused && video.readyState >= 2) playing();
    } else if (!deserted && performance.now() - movedAt > STALL_MS) again();
    else if (performance.now() - movedAt > SILENT_MS && state === "playing") tell("reconnecting");
    bytes = total;
  }

  const meter = window.setInterval(() => void check(), CHECK_MS);
  const leaving = () => release(resource);
  video.addEventListener("playing", playing);
  window.addEventListener("pagehide", leaving);
  window.addEventListener("online", again);
  onState(state);
  void start();

  return {
    reconnect: again,
    state: () => state,
    choose(choice) {
      pictured = choice.quality !== "audio";
      showPicture();
      layer.choose(choice);
    },
    away(is) {
      if (deserted && !is) movedAt = performance.now();
      deserted = is;
    },
    close() {
      if (closed) return;
      closed = true;
      clearTimeout(retry);
      clearTimeout(lost);
      clearInterval(meter);
      video.removeEventListener("playing", playing);
      window.removeEventListener("pagehide", leaving);
      window.removeEventListener("online", again);
      drop();
      video.srcObject = null;
      tell("ended");
    },
  };
}
