// Publishing a camera and a microphone, and staying published: whatever breaks is connected again until `close`.
import { asProblem, Problem } from "./api.js";
import { measured, sampled } from "./publish_stats.js";
import { partsOf, videoEncoding } from "./qualities.js";
import { backoff, negotiate, newPeer, release } from "./webrtc.js";

/** @typedef {"connecting"|"live"|"reconnecting"|"failed"|"closed"} PublishState `failed`: refused for a reason that waiting will not mend */
/** @typedef {import("./publish_stats.js").PublishStats} PublishStats measured over the last two seconds */
/** @typedef {{transceiver: RTCRtpTransceiver, kind: string, low: boolean}} Slot one m-line of ours */
/**
 * @typedef {object} Publisher
 * @property {() => void} close
 * @property {(media: MediaStream) => void} replace another camera, a screen, another microphone: without a new connection when the kinds are the same
 * @property {() => void} reconnect
 */

const AUDIO_BITRATE = 48_000;
const DISCONNECTED_MS = 2000;
const STATS_MS = 2000;
const HOPELESS = new Set([400, 401, 403, 406, 409, 410, 415]);

/**
 * A second video track in `media` is sent as a smaller picture beside the first, where the server takes one (qualities.js).
 * @param {{session: string, media: MediaStream, onState?: (state: PublishState, problem?: Problem) => void, onStats?: (stats: PublishStats) => void}} options
 * @returns {Publisher}
 */
export function publish({ session, media, onState = () => {}, onStats = () => {} }) {
  /** @type {RTCPeerConnection | null} */ let pc = null;
  let resource = "";
  let attempt = 0;
  let closed = false;
  /** @type {number | undefined} */ let retry;
  /** @type {number | undefined} */ let lost;
  /** @type {import("./publish_stats.js").Sample | null} */ let sample = null;
  /** @type {Slot[]} */ let slots = [];
  /** @type {Promise<void>} */ let swapping = Promise.resolve();

  async function start() {
    onState(attempt ? "reconnecting" : "connecting");
    /** @type {RTCPeerConnection | null} */ let mine = null;
    try {
      const peer = newPeer();
      mine = pc = peer;
      slots = partsOf(media).map((part, _, all) => addPart(peer, part, all, media));
      peer.addEventListener("connectionstatechange", () => peer === pc && watch(peer.connectionState));
      const got = await negotiate(peer, `/api/sessions/${encodeURIComponent(session)}/whip`);
      if (mine === pc && !closed) {
        resource = got;
        dropRefused();
      } else release(got);
    } catch (error) {
      if (mine === pc && !closed) failed(asProblem(error));
    }
  }

  /** @param {RTCPeerConnectionState} state */
  function watch(state) {
    clearTimeout(lost);
    if (state === "connected") {
      attempt = 0;
      onState("live");
    } else if (state === "disconnected") {
      onState("reconnecting");
      lost = window.setTimeout(reconnect, DISCONNECTED_MS);
    } else if (state === "failed") reconnect();
  }

  /** @param {Problem} problem */
  function failed(problem) {
    if (HOPELESS.has(problem.status)) {
      drop();
      onState("failed", problem);
      return;
    }
    onState("reconnecting", problem);
    clearTimeout(retry);
    retry = window.setTimeout(again, problem.retryAfter * 1000 || backoff(attempt));
  }

  function again() {
    if (closed) return;
    clearTimeout(retry);
    clearTimeout(lost);
    attempt += 1;
    drop();
    void start();
  }

  /** Nothing of this connection is kept; its encoders stop. */
  function drop() {
    sample = null;
    pc?.close();
    pc = null;
    slots = [];
    release(resource);
    resource = "";
  }

  function reconnect() {
    if (closed) return;
    onState("reconnecting");
    clearTimeout(retry);
    clearTimeout(lost);
    retry = window.setTimeout(again, attempt ? backoff(attempt) : 0);
  }

  async function measure() {
    if (pc?.connectionState !== "connected") return;
    const mine = pc;
    const next = sampled(await mine.getStats(), performance.now());
    if (mine !== pc) return;
    if (sample) onStats(measured(sample, next));
    sample = next;
  }

  /** A server that takes one video refuses the second: its encoder goes, and the first has the limits of one that is alone. */
  function dropRefused() {
    const refused = slots.filter(({ transceiver, low }) => low && transceiver.currentDirection !== "sendonly");
    for (const { transceiver } of refused) transceiver.stop();
    slots = slots.filter((slot) => !refused.includes(slot));
    if (!refused.length) return;
    const left = slots.find((slot) => slot.kind === "video");
    // Higher limits than it should have are no reason to begin anew.
    if (left)
      swapping = swapping.then(() => limit(left)).catch((error) => console.warn("The picture keeps its limits.", error));
  }

  /** @param {Slot} slot of a video */
  async function limit({ transceiver: { sender }, low }) {
    if (!sender.track) return;
    const parameters = sender.getParameters();
    const paired = slots.some((one) => one.low);
    for (const encoding of parameters.encodings) Object.assign(encoding, videoEncoding(sender.track, { low, paired }));
    await sender.setParameters(parameters);
  }

  /** @param {Slot} slot @param {MediaStreamTrack | null} track */
  async function swap(slot, track) {
    if (closed || !slots.includes(slot)) return;
    try {
      await slot.transceiver.sender.replaceTrack(track);
      if (slot.kind === "video") await limit(slot);
    } catch {
      // What can't be changed in place goes out over a new connection.
      if (!closed && slots.includes(slot)) again();
    }
  }

  const meter = window.setInterval(() => void measure(), STATS_MS);
  const leaving = () => release(resource);
  window.addEventListener("pagehide", leaving);
  void start();

  return {
    reconnect,
    replace(next) {
      media = next;
      const parts = partsOf(next);
      const kinds = (/** @type {{kind: string}[]} */ some) => [...new Set(some.map((one) => one.kind))].sort().join();
      if (kinds(parts) !== kinds(slots)) return again();
      for (const slot of slots) {
        const part = parts.find((one) => one.kind === slot.kind && one.low === slot.low);
        swapping = swapping.then(() => swap(slot, part?.track ?? null));
      }
    },
    close() {
      if (closed) return;
      closed = true;
      clearTimeout(retry);
      clearTimeout(lost);
      clearInterval(meter);
      window.removeEventListener("pagehide", leaving);
      pc?.close();
      release(resource);
      onState("closed");
    },
  };
}

/** @param {RTCPeerConnection} pc @param {import("./qualities.js").Part} part @param {import("./qualities.js").Part[]} all @param {MediaStream} media @returns {Slot} */
function addPart(pc, { kind, track, low }, all, media) {
  const video = kind === "video";
  const paired = all.some((part) => part.low);
  const transceiver = pc.addTransceiver(track, {
    direction: "sendonly",
    streams: [media],
    sendEncodings: [video ? videoEncoding(track, { low, paired }) : { maxBitrate: AUDIO_BITRATE }],
  });
  const codecs = RTCRtpSender.getCapabilities(kind)?.codecs ?? [];
  if (codecs.length && "setCodecPreferences" in transceiver)
    transceiver.setCodecPreferences(preferred(codecs, video ? "video/h264" : "audio/opus"));
  return { transceiver, kind, low };
}

/** `codecs` with those of `wanted` first, the rest in their order. H.264 is what recordings and every player can hold. @template {{mimeType: string}} T @param {T[]} codecs @param {string} wanted @returns {T[]} */
export function preferred(codecs, wanted) {
  const first = (/** @type {T} */ codec) => codec.mimeType.toLowerCase() === wanted;
  return [...codecs.filter(first), ...codecs.filter((codec) => !first(codec))];
}
