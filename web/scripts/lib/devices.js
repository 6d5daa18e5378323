// Camera and microphone: asking for them, and every way in which they may not come, with what to do about it.
import { fill, h, icon } from "./dom.js";

/** @typedef {"denied"|"none"|"busy"|"insecure"|"unknown"} DeviceFailure */

/** Why there is no camera or microphone. */
export class DeviceProblem extends Error {
  /** @param {DeviceFailure} kind @param {"camera"|"microphone"|"both"} device */
  constructor(kind, device) {
    super(`${device}: ${kind}`);
    this.kind = kind;
    this.device = device;
  }
}

/** Name of a DOMException of getUserMedia → our word. @param {string} name @returns {DeviceFailure} */
export function failureOf(name) {
  if (name === "NotAllowedError" || name === "SecurityError" || name === "PermissionDeniedError") return "denied";
  if (name === "NotFoundError" || name === "DevicesNotFoundError" || name === "OverconstrainedError") return "none";
  if (name === "NotReadableError" || name === "TrackStartError" || name === "AbortError") return "busy";
  return "unknown";
}

/**
 * @param {{video?: boolean, audio?: boolean, camera?: string, microphone?: string, height?: number}} [want] ids of devices chosen before; both kinds by default
 * @returns {Promise<MediaStream>} throws DeviceProblem
 */
export async function openDevices({ video = true, audio = true, camera, microphone, height = 720 } = {}) {
  const device = video && audio ? "both" : video ? "camera" : "microphone";
  if (!navigator.mediaDevices?.getUserMedia) throw new DeviceProblem("insecure", device);
  /** @type {MediaStreamConstraints} */
  const constraints = {
    video: video && {
      height: { ideal: height },
      frameRate: { ideal: 30, max: 30 },
      facingMode: "user",
      ...(camera ? { deviceId: { exact: camera } } : {}),
    },
    audio: audio && {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      ...(microphone ? { deviceId: { exact: microphone } } : {}),
    },
  };
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    const name = /** @type {Error} */ (error).name;
    // A chosen device that was unplugged: any other will do.
    if (name === "OverconstrainedError" && (camera || microphone)) return openDevices({ video, audio, height });
    throw new DeviceProblem(failureOf(name), await missing(failureOf(name), device));
  }
}

/** @param {MediaStream | null} media */
export function stopTracks(media) {
  for (const track of media?.getTracks() ?? []) track.stop();
}

/** Whether anything can still be sent of it: what was stopped or pulled out never comes back. @param {{getTracks: () => {readyState: string}[]} | null} media */
export function isUsable(media) {
  return media?.getTracks().some((track) => track.readyState === "live") ?? false;
}

/**
 * Asks for devices while a person may change their mind: the permission prompt stands for as long as they like. Only the
 * latest request counts, and none after `close`; what comes for another one is stopped at once, before anybody could send it.
 * @param {typeof openDevices} [ask]
 */
export function deviceRequests(ask = openDevices) {
  let latest = 0;
  let closed = false;
  return {
    /** @param {Parameters<typeof openDevices>[0]} [want] @returns {Promise<MediaStream | null>} null when it no longer counts; throws DeviceProblem */
    async open(want) {
      const mine = (latest += 1);
      const stale = () => closed || mine !== latest;
      if (closed) return null;
      try {
        const media = await ask(want);
        if (!stale()) return media;
        stopTracks(media);
      } catch (error) {
        if (!stale()) throw error;
      }
      return null;
    },
    close() {
      closed = true;
    },
  };
}

/** Which of the two is missing. @param {DeviceFailure} failure @param {"camera"|"microphone"|"both"} asked @returns {Promise<"camera"|"microphone"|"both">} */
async function missing(failure, asked) {
  if (failure !== "none" || asked !== "both") return asked;
  const { cameras, microphones } = await listDevices();
  if (!cameras.length && microphones.length) return "camera";
  return cameras.length && !microphones.length ? "microphone" : "both";
}

/** @returns {Promise<{cameras: MediaDeviceInfo[], microphones: MediaDeviceInfo[]}>} with labels once permission was given */
export async function listDevices() {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return {
    cameras: all.filter((one) => one.kind === "videoinput"),
    microphones: all.filter((one) => one.kind === "audioinput"),
  };
}

/** Which browser's settings to explain. @param {string} agent @returns {"wechat"|"ios"|"firefox"|"safari"|"edge"|"chrome"} */
export function browserOf(agent) {
  if (/MicroMessenger/i.test(agent)) return "wechat";
  if (/iPhone|iPad/i.test(agent)) return "ios";
  if (/Firefox\//i.test(agent)) return "firefox";
  if (/Edg\//i.test(agent)) return "edge";
  return /Safari\//i.test(agent) && !/Chrom(e|ium)\//i.test(agent) ? "safari" : "chrome";
}

/** The failure as a card: what is wrong, how to mend it in this browser, try again. @param {DeviceProblem} problem @param {() => void} retry @param {Node | null} [other] another way on */
export function deviceRefusal(problem, retry, other = null) {
  const steps = problem.kind === "denied" ? `devices.denied.${browserOf(navigator.userAgent)}` : `devices.${problem.kind}.next`;
  return h(
    "div",
    { class: "refusal", role: "alert", testid: "device-problem", data: { kind: problem.kind } },
    icon("camera-off", "refusal-icon"),
    h(
      "div",
      { class: "refusal-words" },
      h("p", { class: "refusal-title", t: `devices.${problem.kind}`, tp: { device: { t: `devices.in.${problem.device}` } } }),
      h("p", { class: "refusal-next", t: steps }),
    ),
    h(
      "div",
      { class: "refusal-doors" },
      h("button", { class: "button refusal-door", type: "button", t: "try_again", onclick: retry }),
      other,
    ),
  );
}

/** Tells the loudness of the microphone about twenty times a second, 0..1. @param {MediaStream} media @param {(level: number) => void} onLevel @returns {() => void} stops */
export function levelMeter(media, onLevel) {
  if (!media.getAudioTracks().length) return () => {};
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(media).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    onLevel(loudness(samples));
  }, 50);
  return () => {
    clearInterval(timer);
    if (context.state !== "closed") void context.close(); // it may be stopped by who leaves and by what ends
  };
}

/** −50 dBFS … −10 dBFS as 0 … 1. @param {Float32Array} samples */
export function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibel = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-10);
  return Math.min(1, Math.max(0, (decibel + 50) / 40));
}

/** A bar that moves with the voice. @param {MediaStream} media @returns {{element: HTMLElement, stop: () => void}} */
export function levelBar(media) {
  const bar = h("span", { class: "level-bar" });
  const element = h(
    "div",
    {
      class: "level",
      role: "meter",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": "0",
      tLabel: "devices.level",
    },
    bar,
  );
  const stop = levelMeter(media, (level) => {
    bar.style.setProperty("transform", `scaleX(${level.toFixed(3)})`);
    element.setAttribute("aria-valuenow", String(Math.round(level * 100)));
  });
  return { element, stop };
}

/** Two lists of what there is; `onChange` with the ids chosen. @param {MediaStream} media @param {(ids: {camera?: string, microphone?: string}) => void} onChange */
export function devicePicker(media, onChange) {
  const element = h("div", { class: "device-picker" });
  listDevices().then(
    ({ cameras, microphones }) => {
      const now = new Map(media.getTracks().map((track) => [track.kind, track.getSettings().deviceId]));
      const camera = picker("devices.camera", cameras, now.get("video"));
      const microphone = picker("devices.microphone", microphones, now.get("audio"));
      element.addEventListener("change", () =>
        onChange({ camera: camera.select.value || undefined, microphone: microphone.select.value || undefined }),
      );
      fill(element, cameras.length > 0 && camera.label, microphones.length > 0 && microphone.label);
    },
    () => fill(element),
  );
  return element;
}

/** @param {string} key @param {MediaDeviceInfo[]} devices @param {string | undefined} chosen */
function picker(key, devices, chosen) {
  const select = h(
    "select",
    { class: "select" },
    devices.map((one, index) =>
      h("option", { value: one.deviceId, selected: one.deviceId === chosen }, one.label || `${index + 1}`),
    ),
  );
  return { select, label: h("label", { class: "field" }, h("span", { class: "field-label", t: key }), select) };
}
