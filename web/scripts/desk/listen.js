// A supervisor listens in: both pictures, nothing sent, and it says so on the record.
import { asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { confirm, refusal } from "../lib/ui.js";
import { subscribe } from "../lib/whep.js";
import { createPicture } from "./picture.js";

/** @typedef {import("./model.js").Call} Call */

/**
 * @param {Call} call @param {import("../lib/socket.js").Connection} desk @param {() => void} onClose @returns {import("./main.js").Open}
 */
export function openListening(call, desk, onClose) {
  const session = call.session ?? "";
  const picture = createPicture(call);
  const screens = ["customer", "adviser"].map((stream) => screen(session, stream));
  const refused = h("div", { class: "talk-refused", testid: "talk-refused" });
  const element = h(
    "div",
    { class: "talk talk-listening" },
    h(
      "header",
      { class: "talk-head" },
      h("h1", { class: "talk-name" }, `${call.customer.name} · ${call.adviser?.name ?? ""}`),
      h("p", { class: "talk-topic" }, call.topic),
      h("p", { class: "talk-record", testid: "listening" }, icon("eye"), h("span", { t: "desk.listening" })),
    ),
    h(
      "div",
      { class: "talk-both" },
      screens.map((s) => s.element),
    ),
    h(
      "div",
      { class: "talk-do" },
      h("button", { class: "button", type: "button", testid: "stop-listening", t: "desk.stop_listening", onclick: onClose }),
      h("span", { class: "grow" }),
      h("button", {
        class: "button",
        type: "button",
        testid: "transfer",
        t: "desk.back_to_line",
        onclick: () => void act("transfer", "desk.transfer_title"),
      }),
      h("button", {
        class: "button button-danger",
        type: "button",
        testid: "hang-up",
        t: "desk.end_call",
        onclick: () => void act("hang_up", "desk.end_title"),
      }),
    ),
    refused,
  );

  /** @param {string} event @param {string} title */
  async function act(event, title) {
    if (!(await confirm({ title, text: `${title}_text`, yes: "desk.do_it", no: "cancel", danger: true }))) return;
    fill(refused);
    try {
      await desk.emit(event, { call: call.id }, 8000);
      onClose();
    } catch (error) {
      fill(refused, refusal(asProblem(error), { compact: true, retry: () => void act(event, title) }));
    }
  }

  return {
    id: call.id,
    element,
    side: picture.element,
    update: () => {},
    close() {
      for (const s of screens) s.close();
      picture.close();
    },
  };
}

/** @param {string} session @param {string} stream */
function screen(session, stream) {
  const video = h("video", {
    class: "talk-video",
    testid: `listen-${stream}`,
    autoplay: true,
    playsInline: true,
    tLabel: `stream.${stream}`,
  });
  const veil = h("div", { class: "talk-veil", role: "status" });
  const subscriber = subscribe({
    session,
    stream,
    video,
    onState: (state) => {
      veil.hidden = state === "playing";
      fill(veil, h("span", { t: `desk.video_${state}` }));
    },
  });
  return {
    element: h(
      "figure",
      { class: "talk-screen" },
      video,
      veil,
      h("figcaption", { class: "talk-caption", t: `stream.${stream}` }),
    ),
    close: subscriber.close,
  };
}
