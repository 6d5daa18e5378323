// How a picture is sent: one m-line for the whole of it, and beside it, when there are two, a smaller one for thin lines. Pure.

/** Sound, the picture, the same picture smaller: the order of the m-lines. @typedef {{kind: string, track: MediaStreamTrack, low: boolean}} Part */

const ONE_BITRATE = 1_500_000;
const HIGH_BITRATE = 2_500_000;
const LOW_BITRATE = 300_000;

/**
 * A stream's tracks as what is offered; a second video track is the smaller picture.
 * @param {Pick<MediaStream, "getAudioTracks" | "getVideoTracks">} media @returns {Part[]}
 */
export function partsOf(media) {
  const [sound] = media.getAudioTracks();
  const [picture, smaller] = media.getVideoTracks();
  /** @type {Part[]} */ const parts = [];
  if (sound) parts.push({ kind: "audio", track: sound, low: false });
  if (picture) parts.push({ kind: "video", track: picture, low: false });
  if (smaller) parts.push({ kind: "video", track: smaller, low: true });
  return parts;
}

/**
 * A screen (a track whose hint asks for detail) keeps its letters sharp and gives up frames instead. On a line that is too thin for
 * both pictures the larger one has four times the smaller one's share.
 * @param {{contentHint?: string}} track @param {{low: boolean, paired: boolean}} place @returns {RTCRtpEncodingParameters}
 */
export function videoEncoding(track, { low, paired }) {
  const screen = track.contentHint === "detail" || track.contentHint === "text";
  if (low)
    return {
      maxBitrate: LOW_BITRATE,
      maxFramerate: screen ? 5 : 15,
      scaleResolutionDownBy: screen ? 1.5 : 2,
      priority: "low",
    };
  return {
    maxBitrate: paired ? HIGH_BITRATE : ONE_BITRATE,
    maxFramerate: screen ? 15 : 30,
    scaleResolutionDownBy: 1,
    priority: paired ? "high" : "low",
  };
}
