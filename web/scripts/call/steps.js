// The steps before the conversation: topic, agreement, devices, line.
import { asProblem } from "../lib/api.js";
import { DeviceProblem, devicePicker, deviceRefusal, deviceRequests, levelBar, stopTracks } from "../lib/devices.js";
import { fill, h, icon } from "../lib/dom.js";
import { money } from "../lib/format.js";
import { lang, t } from "../lib/i18n.js";
import { refusal } from "../lib/ui.js";
import { waitOf } from "./call_model.js";

/** @typedef {import("./call_model.js").Call} Call */

const TOPICS = ["deposit", "wealth", "fund", "insurance", "order", "other"];

/** Which words to send as the topic: the server keeps one text. @param {string} topic @param {string} own @param {(key: string) => string} word */
export function topicText(topic, own, word) {
  return [word(`call.topic.${topic}`), own.trim()].filter(Boolean).join(": ").slice(0, 200);
}

/** @typedef {{product: import("../lib/session_model.js").Product, amount: number | null}} Subject what a refused order leaves to talk about */

/** @param {(topic: string, own: string) => Promise<void>} request throws Problem @param {Subject | null} [about] @returns {HTMLElement} */
export function topicStep(request, about = null) {
  let topic = "";
  const answer = h("div", { class: "first-answer", "aria-live": "polite" });
  const own = h("textarea", {
    class: "textarea",
    rows: "2",
    maxlength: "160",
    id: "topic-own",
    testid: "topic-own",
    tPlaceholder: "call.topic.placeholder",
  });
  const message = h("div");
  const button = h(
    "button",
    { class: "button button-accent button-wide", type: "submit", testid: "request-call", disabled: true },
    icon("phone"),
    h("span", { t: "call.request" }),
  );
  const choices = TOPICS.map((name) =>
    h(
      "label",
      { class: "choice topic-choice", testid: `topic-${name}` },
      h("input", {
        type: "radio",
        name: "topic",
        value: name,
        checked: about?.product.class === name,
        onchange: () => choose(name),
      }),
      h("span", { t: `call.topic.${name}` }),
    ),
  );

  /** @param {string} name */
  function choose(name) {
    topic = name;
    button.disabled = false;
    fill(
      answer,
      h("h3", { t: "call.answer" }),
      h("p", { t: `call.answer.${name}` }),
      name === "order" && h("a", { href: "/orders", t: "nav.orders" }),
      (name === "wealth" || name === "fund") && h("a", { href: "/assessment", t: "nav.assessment" }),
    );
  }

  async function send() {
    button.disabled = true;
    fill(message);
    try {
      await request(topic, own.value);
    } catch (error) {
      fill(message, refusal(asProblem(error), { retry: () => void send() }));
      button.disabled = false;
    }
  }

  if (about) {
    const { product, amount } = about;
    own.value =
      amount === null
        ? t("call.about", { product: product.name })
        : t("call.about.amount", { product: product.name, amount: money(amount, product.currency) });
    if (TOPICS.includes(product.class)) choose(product.class);
  }
  return h(
    "form",
    {
      class: "stack call-step",
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void send();
      },
    },
    h("h1", { t: "call.title" }),
    h("p", { class: "muted", t: "call.lead" }),
    h("fieldset", { class: "topics", testid: "topic" }, h("legend", { class: "visually-hidden", t: "call.topic" }), choices),
    answer,
    h("div", { class: "field" }, h("label", { class: "field-label", for: "topic-own", t: "call.topic.own" }), own),
    message,
    button,
    h("p", { class: "small muted", t: "call.request.note" }),
  );
}

/** One's place in the line, while the other steps are done. @param {Call} call */
export function placeOf(call) {
  if (call.state !== "waiting")
    return call.adviser
      ? h(
          "p",
          { class: "notice notice-good", role: "status" },
          icon("phone"),
          h("span", { t: "call.consent.adviser", tp: { name: call.adviser.name } }),
        )
      : null;
  const wait = waitOf(call);
  const key = call.position === 1 ? "call.position.next" : "call.position";
  return h(
    "p",
    { class: "place", role: "status" },
    icon("clock"),
    h("strong", { class: "figures", testid: "position", t: key, tp: { position: call.position ?? "–" } }),
    h("span", { class: "muted figures", t: wait.key, tp: wait.params }),
  );
}

/** The way through, for the eye and the ear. @param {"consent"|"check"|"line"} now */
export function progress(now) {
  const all = ["consent", "check", "line"];
  return h(
    "ol",
    { class: "call-progress", tLabel: "call.steps" },
    all.map((name) =>
      h(
        "li",
        { "aria-current": name === now ? "step" : null, class: all.indexOf(name) < all.indexOf(now) ? "is-done" : "" },
        all.indexOf(name) < all.indexOf(now) ? icon("check") : h("span", { class: "call-progress-dot", "aria-hidden": "true" }),
        h("span", { t: `call.step.${name}` }),
      ),
    ),
  );
}

/** @param {Call} call @param {(version: string) => Promise<void>} agree @param {() => void} leave */
export function consentStep(call, agree, leave) {
  const message = h("div");
  const check = h("input", {
    type: "checkbox",
    testid: "consent-check",
    onchange: () => {
      button.disabled = !check.checked;
    },
  });
  const button = h("button", {
    class: "button button-accent button-wide",
    type: "button",
    testid: "consent-continue",
    t: "call.consent.continue",
    disabled: true,
    onclick: () => void send(),
  });
  async function send() {
    button.disabled = true;
    try {
      await agree(call.consent.version);
    } catch (error) {
      fill(message, refusal(asProblem(error), { retry: () => void send(), doors: { call: () => location.reload() } }));
      button.disabled = false;
    }
  }
  return h(
    "section",
    { class: "stack call-step" },
    h("h1", { t: "call.consent", tabindex: "-1" }),
    h(
      "div",
      { class: "card consent-text" },
      h("p", null, consentText(call)),
      h("p", { class: "small muted", t: "call.consent.version", tp: { version: call.consent.version } }),
    ),
    h("label", { class: "choice" }, check, h("span", { t: "call.consent.check" })),
    message,
    button,
    h("button", { class: "button button-wide", type: "button", t: "call.leave", testid: "leave-line", onclick: leave }),
  );
}

/** @param {Call} call */
export function consentText(call) {
  const { text, text_en: en, text_zh: zh } = call.consent;
  return (lang() === "zh" ? zh : en) ?? text;
}

/**
 * @param {(media: MediaStream) => void} ready the media that may be sent; the step gives it away
 * @param {() => void} leave
 * @param {boolean} [straight] goes on by itself when the devices work
 * @returns {{element: HTMLElement, stop: () => void}} `stop` frees the devices when the step is left otherwise
 */
export function checkStep(ready, leave, straight = false) {
  const place = h("div", { class: "stack" }, h("div", { class: "self-check skeleton" }));
  /** @type {MediaStream | null} */ let media = null;
  const requests = deviceRequests();
  let stopMeter = () => {};
  let over = false;

  /** @param {{camera?: string, microphone?: string, video?: boolean}} [want] */
  async function open(want = {}) {
    free();
    try {
      const got = await requests.open(want);
      if (!got) return;
      media = got;
    } catch (error) {
      if (error instanceof DeviceProblem)
        fill(
          place,
          deviceRefusal(
            error,
            () => void open(),
            want.video === false
              ? null
              : h("button", {
                  class: "button",
                  type: "button",
                  testid: "audio-only",
                  t: "call.check.audio",
                  onclick: () => void open({ video: false }),
                }),
          ),
        );
      return;
    }
    if (straight) go(media);
    else show(media);
  }

  /** @param {MediaStream} got */
  function show(got) {
    const level = levelBar(got);
    stopMeter = level.stop;
    const picture =
      got.getVideoTracks().length > 0 &&
      h("video", { class: "self-check", srcObject: got, muted: true, playsInline: true, autoplay: true, tLabel: "call.self" });
    fill(
      place,
      picture,
      h("div", { class: "stack-2" }, level.element, h("p", { class: "small muted", t: "call.check.hint" })),
      devicePicker(got, (ids) => void open(ids)),
      h("button", {
        class: "button button-accent button-wide",
        type: "button",
        testid: "devices-ok",
        t: "call.check.ok",
        onclick: () => go(got),
      }),
    );
  }

  /** @param {MediaStream} got */
  function go(got) {
    over = true;
    requests.close();
    stopMeter();
    ready(got);
  }

  function free() {
    stopMeter();
    stopMeter = () => {};
    stopTracks(media);
    media = null;
  }

  void open();
  return {
    element: h(
      "section",
      { class: "stack call-step" },
      h("h1", { t: "call.check", tabindex: "-1" }),
      place,
      h("button", { class: "button button-wide", type: "button", t: "call.leave", testid: "leave-line", onclick: leave }),
    ),
    stop: () => {
      if (!over) {
        over = true;
        requests.close();
        free();
      }
    },
  };
}

/** Hung up here, not yet at the server. @param {Node} refusals why not, if that is known */
export function leavingStep(refusals) {
  return h(
    "section",
    { class: "stack call-step", testid: "call-leaving" },
    h("h1", { role: "status", t: "call.leaving", tabindex: "-1" }),
    h("p", { class: "muted", t: "call.leaving.text" }),
    refusals,
  );
}

/** @param {Call} call @param {() => void} leave */
export function lineStep(call, leave) {
  const wait = waitOf(call);
  const waiting = call.state === "waiting";
  return h(
    "section",
    { class: "stack call-step line-step" },
    h(
      "div",
      { class: "line-mark", "aria-hidden": "true" },
      waiting ? h("span", { class: "line-number figures" }, String(call.position ?? "–")) : icon("phone"),
    ),
    waiting
      ? h("h1", {
          class: "figures",
          role: "status",
          testid: "position",
          t: call.position === 1 ? "call.position.next" : "call.position",
          tp: { position: call.position ?? "–" },
        })
      : h("h1", { role: "status", t: "call.connecting", tp: { name: call.adviser?.name ?? "" } }),
    waiting && h("p", { class: "line-eta figures", t: wait.key, tp: wait.params }),
    h("p", { class: "muted", t: "call.line.text" }),
    h("p", { class: "small muted figures", t: "call.line.since", tp: { time: { time: call.waiting_since } } }),
    h("button", { class: "button", type: "button", t: "call.leave", testid: "leave-line", onclick: leave }),
  );
}
