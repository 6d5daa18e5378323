// Publishing a camera and a microphone, and staying published: whatever breaks is connected again until `close`.
import { asProblem, Problem } from "./api.js";
import { backoff, negotiate, newPeer, release } from "./webrtc.js";

/** @typedef {"connecting"|"live"|"reconnecting"|"failed"|"closed"} PublishState `failed`: refused for a reason that waiting will not mend */
/**
 * Measured over the last two seconds. `level` is the advice: "good", "weak" (picture will suffer), "bad" (sound will).
 * @typedef {{level: "good"|"weak"|"bad", kbps: number, loss: number, rttMs: number, fps: number, width: number, height: number, limited: string}} PublishStats
 */
/**
 * @typedef {object} Publisher
 * @property {() => void} close
 * @property {(media: MediaStream) => void} replace other camera or microphone, without a new connection when the kinds are the same
 * @property {() => void} reconnect
 */

const VIDEO_BITRATE = 1_500_000;
const AUDIO_BITRATE = 48_000;
const DISCONNECTED_MS = 2000;
const STATS_MS = 2000;
const HOPELESS = new Set([400, 401, 403, 406, 409, 410, 415]);

/**
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
  /** @type {Sample | null} */ let sample = null;

  async function start() {
    onState(attempt ? "reconnecting" : "connecting");
    /** @type {RTCPeerConnection | null} */ let mine = null;
    try {
      const peer = newPeer();
      mine = pc = peer;
      for (const track of media.getTracks()) addTrack(peer, track, media);
      peer.addEventListener("connectionstatechange", () => peer === pc && watch(peer.connectionState));
      const got = await negotiate(peer, `/api/sessions/${encodeURIComponent(session)}/whip`);
      if (mine === pc && !closed) resource = got;
      else release(got);
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
    sample = null;
    pc?.close();
    pc = null;
    release(resource);
    resource = "";
    void start();
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
    const next = read(await pc.getStats());
    if (sample) onStats(judge(sample, next));
    sample = next;
  }

  const meter = window.setInterval(() => void measure(), STATS_MS);
  const leaving = () => release(resource);
  window.addEventListener("pagehide", leaving);
  void start();

  return {
    reconnect,
    replace(next) {
      media = next;
      const kinds = next
        .getTracks()
        .map((track) => track.kind)
        .sort()
        .join();
      const senders = (pc?.getSenders() ?? []).filter((sender) => sender.track);
      if (
        kinds !==
        senders
          .map((sender) => sender.track?.kind)
          .sort()
          .join()
      )
        return again();
      for (const sender of senders) {
        const track = next.getTracks().find((one) => one.kind === sender.track?.kind);
        if (track) void sender.replaceTrack(track);
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

/** @param {RTCPeerConnection} pc @param {MediaStreamTrack} track @param {MediaStream} media */
function addTrack(pc, track, media) {
  const video = track.kind === "video";
  const transceiver = pc.addTransceiver(track, {
    direction: "sendonly",
    streams: [media],
    sendEncodings: [video ? { maxBitrate: VIDEO_BITRATE, maxFramerate: 30 } : { maxBitrate: AUDIO_BITRATE }],
  });
  const codecs = RTCRtpSender.getCapabilities(track.kind)?.codecs ?? [];
  if (codecs.length && "setCodecPreferences" in transceiver)
    transceiver.setCodecPreferences(preferred(codecs, video ? "video/h264" : "audio/opus"));
}

/** `codecs` with those of `wanted` first, the rest in their order. H.264 is what recordings and every player can hold. @template {{mimeType: string}} T @param {T[]} codecs @param {string} wanted @returns {T[]} */
export function preferred(codecs, wanted) {
  const first = (/** @type {T} */ codec) => codec.mimeType.toLowerCase() === wanted;
  return [...codecs.filter(first), ...codecs.filter((codec) => !first(codec))];
}

/** @typedef {{at: number, bytes: number, packets: number, lost: number, rttMs: number, fps: number, width: number, height: number, limited: string}} Sample */

/** @param {RTCStatsReport} report @returns {Sample} */
function read(report) {
  /** @type {Sample} */
  const sample = {
    at: performance.now(),
    bytes: 0,
    packets: 0,
    lost: 0,
    rttMs: 0,
    fps: 0,
    width: 0,
    height: 0,
    limited: "none",
  };
  report.forEach((/** @type {any} */ row) => {
    if (row.type === "outbound-rtp") {
      sample.bytes += row.bytesSent ?? 0;
      sample.packets += row.packetsSent ?? 0;
      if (row.kind === "video") {
        Object.assign(sample, {
          fps: row.framesPerSecond ?? 0,
          width: row.frameWidth ?? 0,
          height: row.frameHeight ?? 0,
          limited: row.qualityLimitationReason ?? "none",
        });
      }
    } else if (row.type === "remote-inbound-rtp") {
      sample.lost += Math.max(0, row.packetsLost ?? 0);
      sample.rttMs = Math.max(sample.rttMs, (row.roundTripTime ?? 0) * 1000);
    }
  });
  return sample;
}

/** Two samples as what a host can act on. @param {Sample} before @param {Sample} now @returns {PublishStats} */
export function judge(before, now) {
  const seconds = Math.max(0.1, (now.at - before.at) / 1000);
  const sent = Math.max(1, now.packets - before.packets);
  const loss = Math.min(1, Math.max(0, (now.lost - before.lost) / sent));
  const kbps = Math.round(((now.bytes - before.bytes) * 8) / seconds / 1000);
  const bad = loss > 0.1 || now.rttMs > 800 || kbps < 40;
  const weak = loss > 0.03 || now.rttMs > 300 || now.limited === "bandwidth";
  return {
    level: bad ? "bad" : weak ? "weak" : "good",
    kbps,
    loss,
    rttMs: Math.round(now.rttMs),
    fps: Math.round(now.fps),
    width: now.width,
    height: now.height,
    limited: now.limited,
  };
}
