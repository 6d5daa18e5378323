// What a publisher's RTCPeerConnection.getStats() tells, read once and made into rates (W3C webrtc-stats). Pure.

/** One video as it is sent. @typedef {{kbps: number, width: number, height: number, fps: number}} SentVideo */
/**
 * Between two readings. `loss` is 0 to 1; `sourceFps` what the camera or the screen itself gives, null where the browser does not say;
 * `availableKbps`: what the line would take by the browser's estimate, null where it has none; `acked`: the other end has confirmed something meanwhile; `low`: the second, smaller picture, null when none is sent.
 * @typedef {{kbps: number, loss: number, rttMs: number, fps: number, width: number, height: number, limited: string, sourceFps: number | null,
 *   availableKbps: number | null, acked: boolean, relayed: boolean, low: SentVideo | null}} PublishStats
 */
/** @typedef {{bytes: number, width: number, height: number, fps: number, limited: string}} Video */
/**
 * Sums since the connection stands; `at` in ms. Videos come in the order of their m-lines; `heard` is the time of the last report.
 * @typedef {{at: number, bytes: number, packets: number, lost: number, rttMs: number, heard: number, sourceFps: number | null,
 *   available: number | null, relayed: boolean, videos: Video[]}} Sample `available` in bit/s
 */

/** @param {{forEach: (fn: (row: any) => void) => void}} report an RTCStatsReport @param {number} at ms @returns {Sample} */
export function sampled(report, at) {
  /** @type {Sample} */
  const sample = {
    at,
    bytes: 0,
    packets: 0,
    lost: 0,
    rttMs: 0,
    heard: 0,
    sourceFps: null,
    available: null,
    relayed: false,
    videos: [],
  };
  /** @type {{mid: string, video: Video}[]} */ const videos = [];
  /** @type {Map<string, any>} */ const rows = new Map();
  report.forEach((row) => rows.set(row.id, row));
  for (const row of rows.values()) {
    if (row.type === "outbound-rtp") {
      sample.bytes += row.bytesSent ?? 0;
      sample.packets += row.packetsSent ?? 0;
      if (row.kind === "video" && row.active !== false) videos.push({ mid: String(row.mid ?? row.id), video: videoOf(row) });
    } else if (row.type === "remote-inbound-rtp") {
      sample.lost += Math.max(0, row.packetsLost ?? 0);
      sample.rttMs = Math.max(sample.rttMs, (row.roundTripTime ?? 0) * 1000);
      sample.heard = Math.max(sample.heard, row.timestamp ?? 0);
    } else if (row.type === "media-source" && row.kind === "video") {
      // Both pictures come from one source; a copy of a track has a row of its own.
      sample.sourceFps = Math.max(sample.sourceFps ?? 0, row.framesPerSecond ?? 0);
    } else if (row.type === "candidate-pair" && row.nominated && row.state === "succeeded") {
      sample.rttMs ||= (row.currentRoundTripTime ?? 0) * 1000;
      sample.available = row.availableOutgoingBitrate ?? sample.available;
      sample.relayed ||= rows.get(row.localCandidateId)?.candidateType === "relay";
    }
  }
  sample.videos = videos.sort((a, b) => a.mid.localeCompare(b.mid, "en", { numeric: true })).map(({ video }) => video);
  return sample;
}

/** @param {any} row @returns {Video} */
function videoOf(row) {
  return {
    bytes: row.bytesSent ?? 0,
    width: row.frameWidth ?? 0,
    height: row.frameHeight ?? 0,
    fps: row.framesPerSecond ?? 0,
    limited: row.qualityLimitationReason ?? "none",
  };
}

/** @param {Sample} before @param {Sample} now @returns {PublishStats} */
export function measured(before, now) {
  const seconds = Math.max(0.1, (now.at - before.at) / 1000);
  const sent = Math.max(1, now.packets - before.packets);
  const [high, low] = now.videos;
  return {
    kbps: rate(now.bytes - before.bytes, seconds),
    loss: Math.min(1, Math.max(0, (now.lost - before.lost) / sent)),
    rttMs: Math.round(now.rttMs),
    fps: Math.round(high?.fps ?? 0),
    width: high?.width ?? 0,
    height: high?.height ?? 0,
    limited: high?.limited ?? "none",
    sourceFps: now.sourceFps === null ? null : Math.round(now.sourceFps),
    availableKbps: now.available === null ? null : Math.round(now.available / 1000),
    acked: now.heard > before.heard,
    relayed: now.relayed,
    low: low
      ? {
          kbps: rate(low.bytes - (before.videos[1]?.bytes ?? 0), seconds),
          width: low.width,
          height: low.height,
          fps: Math.round(low.fps),
        }
      : null,
  };
}

/** @param {number} bytes @param {number} seconds @returns {number} kbit/s */
function rate(bytes, seconds) {
  return Math.max(0, Math.round((bytes * 8) / seconds / 1000));
}
