// Where a picture can come from, beside the camera that is on: another camera, the screen.
import { DeviceProblem } from "../lib/devices.js";

/** The most of a screen that is sent: letters stay legible, and a page that stands still costs next to nothing. */
const SCREEN = { width: { max: 1920 }, height: { max: 1080 }, frameRate: { max: 15 } };

/** @returns {boolean} phones have no way to show their screen from a page */
export function canShareScreen() {
  return typeof navigator !== "undefined" && typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

/**
 * Asks which screen, window or tab to show. Sound stays that of the microphone.
 * @returns {Promise<MediaStream>} throws DeviceProblem; "denied" also when the host closed the choice
 */
export async function openScreen() {
  try {
    const media = await navigator.mediaDevices.getDisplayMedia(
      /** @type {DisplayMediaStreamOptions} */ ({
        video: SCREEN,
        audio: false,
        // Not this page: it would show itself in itself, comments and all.
        selfBrowserSurface: "exclude",
        surfaceSwitching: "include",
      }),
    );
    for (const track of media.getVideoTracks()) track.contentHint = "detail";
    return media;
  } catch (error) {
    throw new DeviceProblem(/** @type {Error} */ (error).name === "NotAllowedError" ? "denied" : "busy", "camera");
  }
}

const BACK = /back|rear|environment|后置|後置/i;
const FRONT = /front|user|facetime|selfie|前置/i;

/**
 * The camera that "switch" goes to: on a phone the first that looks the other way, as it names each lens apart; else the next in
 * the list. null when there is no other.
 * @template {{deviceId: string, label: string}} C @param {C[]} cameras @param {string | undefined} now id @returns {C | null}
 */
export function nextCamera(cameras, now) {
  const at = cameras.findIndex((one) => one.deviceId === now);
  const others = [...cameras.slice(at + 1), ...cameras.slice(0, Math.max(0, at))];
  const label = cameras[at]?.label ?? "";
  const wanted = BACK.test(label) ? FRONT : FRONT.test(label) ? BACK : null;
  return others.find((one) => wanted?.test(one.label)) ?? others[0] ?? null;
}

/** Whether the host sees himself as in a mirror: his own face yes, what a back camera or the screen shows no. @param {MediaStreamTrack} track */
export function isMirrored(track) {
  return !track.contentHint && track.getSettings().facingMode !== "environment";
}
