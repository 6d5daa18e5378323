// The host's sound and picture: camera or screen, preview, level, the switches, and every way in which they may not come.
import { fill, h, icon, setText } from "../lib/dom.js";
import { DeviceProblem, devicePicker, deviceRefusal, deviceRequests, levelBar, listDevices } from "../lib/devices.js";
import { t } from "../lib/i18n.js";
import { dialog, toast } from "../lib/ui.js";
import { inTurn, nextUntried, openInstead } from "./opening.js";
import { createOutgoing } from "./outgoing.js";
import { canShareScreen, isMirrored, nextCamera, openScreen } from "./sources.js";
import { switchButton } from "./switch.js";

/**
 * @typedef {object} Camera
 * @property {HTMLElement} element preview with its buttons
 * @property {HTMLElement} meter
 * @property {HTMLElement} picker
 * @property {() => MediaStream | null} media
 * @property {() => import("./health_view.js").Sending} on what goes out
 * @property {() => Promise<void>} open
 * @property {(kind: "audio" | "video") => void} toggle
 * @property {() => Promise<void>} share the screen instead of the camera, or the camera again
 * @property {(held: boolean) => void} hold in a pause: black and silence go out, whatever is switched on
 * @property {() => void} close for good: a permission given afterwards opens nothing
 */

/**
 * `broadcast`: many will watch. Then the picture goes out in two sizes, and the screen may be shown; in a call neither.
 * @param {{ onMedia: (media: MediaStream | null) => void, onToggle: () => void, testid?: string, broadcast?: boolean }} does @returns {Camera}
 */
export function createCamera({ onMedia, onToggle, testid = "preview", broadcast = false }) {
  /** @type {MediaStreamTrack | null} */ let sound = null;
  /** @type {MediaStreamTrack | null} */ let face = null;
  /** @type {MediaStreamTrack | null} */ let screen = null;
  const requests = deviceRequests();
  const queue = inTurn();
  /** Refused since a camera last opened. @type {Set<string>} */ const refused = new Set();
  /** What can't be had, over the preview. @type {Map<string, HTMLElement>} */ const troubles = new Map();
  /** @type {import("../lib/ui.js").Surface | null} */ let choice = null;
  const screens = deviceRequests(openScreen);
  const out = createOutgoing({ twice: broadcast });
  let stopMeter = () => {};
  const on = { camera: true, microphone: true };
  let held = false;
  let closed = false;
  const video = h("video", {
    class: "camera-video",
    testid,
    muted: true,
    autoplay: true,
    playsInline: true,
    tLabel: "studio.preview",
  });
  const why = h("span", { t: "studio.camera_is_off" });
  const veil = h("p", { class: "camera-veil", hidden: true }, icon("camera-off"), why);
  const showing = h("p", { class: "camera-showing", hidden: true }, icon("screen"), h("span", { t: "studio.screen_showing" }));
  const trouble = h("div", { class: "camera-trouble" });
  const told = h("p", { class: "camera-told", role: "status" });
  const microphone = switchButton("mic", "studio.mic_on", {
    testid: "toggle-audio",
    keys: "M",
    onclick: () => flip("microphone"),
  });
  const camera = switchButton("camera", "studio.camera_on", {
    testid: "toggle-video",
    keys: "C",
    onclick: () => flip("camera"),
  });
  const sharing = switchButton("screen", "studio.share", { testid: "share-screen", keys: "S", onclick: () => void share() });
  const turning = switchButton("flip", "studio.switch_camera", {
    testid: "switch-camera",
    signOnly: true,
    onclick: () => void turn(),
  });
  const choosing = switchButton("sliders", "studio.devices", { testid: "devices", signOnly: true, onclick: chooseDevices });
  choosing.element.classList.add("camera-devices");
  sharing.element.classList.add("camera-share");
  sharing.element.hidden = !broadcast || !canShareScreen();
  choosing.element.hidden = !broadcast;
  turning.element.hidden = true;
  const element = h(
    "div",
    { class: "camera" },
    h("div", { class: "camera-frame" }, video, veil, showing, trouble),
    h(
      "div",
      { class: "camera-buttons" },
      [microphone, camera, sharing, turning, choosing].map((one) => one.element),
    ),
    told,
  );
  const meter = h("div", { class: "camera-meter" });
  const picker = h("div", { class: "camera-picker" });
  const counted = () => void countCameras();
  navigator.mediaDevices?.addEventListener?.("devicechange", counted);

  /** @param {"camera" | "microphone"} name */
  function flip(name) {
    if (name === "camera" && screen) return;
    on[name] = !on[name];
    apply();
    onToggle();
  }

  function apply() {
    out.allow({ sound: on.microphone && !held, picture: (on.camera || screen !== null) && !held });
    if (face && screen) face.enabled = false; // it is not sent now; nor does it look
    const media = out.stream();
    veil.hidden = ((on.camera || screen !== null) && !held) || !media;
    setText(why, held ? "studio.held" : "studio.camera_is_off");
    showing.hidden = !screen || held;
    video.classList.toggle("is-screen", screen !== null);
    video.classList.toggle("is-straight", screen !== null || (face !== null && !isMirrored(face)));
    microphone.paint(on.microphone, on.microphone ? "studio.mic_on" : "studio.mic_off", on.microphone ? "mic" : "mic-off");
    camera.paint(on.camera, on.camera ? "studio.camera_on" : "studio.camera_off", on.camera ? "camera" : "camera-off");
    sharing.paint(screen !== null, screen ? "studio.share_stop" : "studio.share", screen ? "screen-off" : "screen");
    for (const one of [microphone, sharing, choosing]) one.element.disabled = !media;
    camera.element.disabled = turning.element.disabled = !media || screen !== null;
  }

  /** What is chosen now goes out, in the place of what went out before. */
  function send() {
    const picture = screen ?? face;
    const media = out.send(sound, picture);
    video.srcObject = picture ? new MediaStream([picture]) : null;
    apply();
    onMedia(media);
    onToggle();
  }

  /**
   * Asks for devices once whoever asked before has an answer; what they refuse is said over the preview until it is there.
   * @param {"both" | "camera" | "microphone"} what @param {() => Promise<void>} ask
   */
  const asking = (what, ask) =>
    queue(async () => {
      setTrouble(what, null);
      try {
        await ask();
      } catch (error) {
        if (!(error instanceof DeviceProblem)) throw error;
        if (closed) return;
        setTrouble(
          what,
          deviceRefusal(error, () => void asking(what, ask)),
        );
        if (!out.stream()) onMedia(null);
        onToggle();
      }
    });

  /** @param {string} what @param {HTMLElement | null} card */
  function setTrouble(what, card) {
    if (card) troubles.set(what, card);
    else troubles.delete(what);
    fill(trouble, [...troubles.values()]);
  }

  /** Both, as the page begins. */
  const open = () =>
    asking("both", async () => {
      if (out.stream()) return;
      const got = await requests.open();
      if (!got) return;
      const [voice, picture] = [got.getAudioTracks()[0] ?? null, got.getVideoTracks()[0] ?? null];
      hear(voice);
      look(picture);
      send();
      offerDevices();
      await countCameras();
    });

  /** Only what differs is opened anew, so that another camera does not interrupt the voice; "" is any that works. @param {{ camera?: string, microphone?: string }} ids */
  async function change({ camera, microphone }) {
    setTold(null);
    const asked = [];
    if (camera !== undefined) asked.push(asking("camera", () => changeCamera(camera)));
    if (microphone !== undefined) asked.push(asking("microphone", () => changeMicrophone(microphone)));
    await Promise.all(asked);
  }

  /** @param {MediaStreamTrack | null} track @param {string} id */
  const isOn = (track, id) => track?.readyState === "live" && (id === "" || track.getSettings().deviceId === id);

  /** @param {string} id */
  async function changeCamera(id) {
    if (isOn(face, id)) return;
    const { got, kept } = await openInstead((camera) => requests.open({ audio: false, camera }), id, onAir());
    if (closed || !got) return;
    if (kept) refused.add(id);
    else refused.clear();
    look(got.getVideoTracks()[0] ?? null);
    send();
    if (!kept) return;
    toast(t("studio.camera_busy"), { tone: "warn", topic: "camera" });
    offerDevices(); // it names the one that was asked for
  }

  /** @param {string} id */
  async function changeMicrophone(id) {
    if (isOn(sound, id)) return;
    const got = await requests.open({ video: false, microphone: id });
    if (closed || !got) return;
    hear(got.getAudioTracks()[0] ?? null);
    send();
  }

  /** The camera that is on, and how to let it go. */
  function onAir() {
    const now = face;
    if (now?.readyState !== "live") return null;
    const letGo = () => {
      now.stop();
      if (!screen) out.drop();
    };
    return { id: now.getSettings().deviceId ?? "", letGo };
  }

  /** @param {MediaStreamTrack | null} next */
  function look(next) {
    face?.stop();
    face = next;
    next?.addEventListener("ended", () => next === face && void change({ camera: "" }));
    for (const event of ["mute", "unmute"]) next?.addEventListener(event, onToggle);
  }

  /** @param {MediaStreamTrack | null} next */
  function hear(next) {
    sound?.stop();
    sound = next;
    next?.addEventListener("ended", () => next === sound && void change({ microphone: "" }));
    stopMeter();
    stopMeter = () => {};
    if (!next) return fill(meter);
    const level = levelBar(new MediaStream([next]));
    stopMeter = level.stop;
    fill(meter, level.element);
  }

  function offerDevices() {
    const now = [sound, face].filter((track) => track !== null);
    fill(
      picker,
      devicePicker(new MediaStream(now), (ids) => void change(ids)),
    );
  }

  /** With a second camera there is a button for it. */
  async function countCameras() {
    const { cameras } = await listDevices().catch(() => ({ cameras: [] }));
    turning.element.hidden = !broadcast || cameras.length < 2;
  }

  /** The next camera: on a phone the one that looks the other way. */
  async function turn() {
    const { cameras } = await listDevices();
    const next = nextUntried(nextCamera, cameras, face?.getSettings().deviceId, refused);
    if (!next) return;
    await change({ camera: next.deviceId });
    offerDevices();
  }

  async function share() {
    if (!broadcast || !canShareScreen() || !out.stream()) return;
    if (screen) return showCamera();
    setTold(null);
    try {
      const got = await screens.open();
      const track = got?.getVideoTracks()[0];
      if (!track) return;
      screen = track;
      // The browser's own bar has a button that ends it.
      track.addEventListener("ended", () => track === screen && showCamera());
      send();
    } catch (error) {
      if (!(error instanceof DeviceProblem)) throw error;
      setTold(error.kind === "denied" ? "studio.share_denied" : "studio.share_failed");
    }
  }

  function showCamera() {
    screen?.stop();
    screen = null;
    if (face?.readyState === "live") return send();
    apply();
    onToggle();
    void change({ camera: "" });
  }

  function chooseDevices() {
    offerDevices();
    const level = h("div", { class: "field" }, h("span", { class: "field-label", t: "studio.level" }), meter);
    const content = h("div", { class: "camera-choice" }, picker, level);
    choice = dialog({ title: "studio.check", testid: "device-dialog", content });
  }

  /** @param {string | null} key */
  function setTold(key) {
    if (key) fill(told, icon("info"), h("span", { t: key }));
    else fill(told);
  }

  return {
    element,
    meter,
    picker,
    open,
    media: () => out.stream(),
    on: () => ({
      camera: on.camera && !held,
      microphone: on.microphone && !held,
      held,
      screen: screen !== null,
      asleep: face !== null && (face.muted || face.readyState === "ended"),
    }),
    toggle: (kind) => flip(kind === "audio" ? "microphone" : "camera"),
    share,
    hold(next) {
      if (held === next) return;
      held = next;
      apply();
      onToggle();
    },
    close() {
      closed = true;
      choice?.close();
      requests.close();
      screens.close();
      navigator.mediaDevices?.removeEventListener?.("devicechange", counted);
      stopMeter();
      const all = [sound, face, screen];
      sound = face = screen = null;
      for (const track of all) track?.stop();
      out.close();
      video.srcObject = null;
    },
  };
}
