// A call with a customer: their picture large, one's own small, the script beneath, the proposal at hand.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon, on } from "../lib/dom.js";
import { money, timeSeconds } from "../lib/format.js";
import { lang } from "../lib/i18n.js";
import { tell } from "../lib/notices.js";
import { joinSession } from "../lib/session_client.js";
import { saleSentence } from "../lib/session_model.js";
import { confirm, refusal } from "../lib/ui.js";
import { subscribe } from "../lib/whep.js";
import { publish } from "../lib/whip.js";
import { calmly } from "../studio/calmly.js";
import { createCamera } from "../studio/camera.js";
import { script } from "./model.js";
import { createPicture } from "./picture.js";
import { openProposal } from "./proposal.js";

/** @typedef {import("./model.js").Call} Call */

/**
 * @param {Call} first @param {import("../lib/socket.js").Connection} desk @param {(call: Call) => void} onCall
 * @returns {import("./main.js").Open}
 */
export function openConversation(first, desk, onCall) {
  let call = first;
  let closed = false;
  /** @type {{ close: () => void } | null} */ let air = null;
  /** @type {Record<string, string | null>} */ const facts = {};
  const video = h("video", {
    class: "talk-video",
    testid: "remote-video",
    autoplay: true,
    playsInline: true,
    tLabel: "desk.customer_video",
  });
  const veil = h("div", { class: "talk-veil", role: "status" });
  const sale = h("p", { class: "talk-sale", testid: "sale-state", role: "status" });
  const camera = createCamera({ testid: "self-video", onMedia: (media) => media && connectMedia(media), onToggle: () => {} });
  const refused = h("div", { class: "talk-refused", testid: "talk-refused" });
  const steps = h("ol", { class: "script", tLabel: "desk.script" });
  const proposalState = h("p", { class: "talk-proposal", testid: "proposal-state", role: "status" });
  const picture = createPicture(call);
  const propose = h(
    "button",
    {
      class: "button button-accent",
      type: "button",
      testid: "propose-open",
      onclick: () => openProposal(picture.known(), send, explained),
    },
    icon("bag"),
    h("span", { t: "desk.propose" }),
  );
  const element = h(
    "div",
    { class: "talk" },
    h(
      "header",
      { class: "talk-head" },
      h("h1", { class: "talk-name" }, call.customer.name),
      h("p", { class: "talk-topic" }, call.topic),
      sale,
    ),
    h("div", { class: "talk-stage" }, video, veil, h("div", { class: "talk-self" }, camera.element)),
    h(
      "div",
      { class: "talk-do" },
      propose,
      proposalState,
      h("span", { class: "grow" }),
      h("button", { class: "button", type: "button", testid: "transfer", t: "desk.transfer", onclick: () => void transfer() }),
      h(
        "button",
        { class: "button button-danger", type: "button", testid: "hang-up", onclick: () => void act("hang_up") },
        icon("hang-up"),
        h("span", { t: "desk.hang_up" }),
      ),
    ),
    refused,
    steps,
  );

  void camera.open();
  update(call);

  /** @param {Call} next */
  function update(next) {
    const known = call.proposal;
    call = next;
    facts["consent_at"] = next.consent?.given_at ?? facts["consent_at"] ?? null;
    if (next.proposal) proposed(next.proposal);
    else if (known) fill(proposalState);
    propose.disabled = next.state !== "live";
    if (next.state !== "live") say("desk.waiting_consent");
    const media = camera.media();
    if (media) connectMedia(media);
    drawSteps();
  }

  /** @param {string | null} key */
  function say(key) {
    veil.hidden = key === null;
    if (key) fill(veil, h("span", { t: key }));
  }

  /** Both directions, once there is a recorded session to send into. @param {MediaStream} media */
  function connectMedia(media) {
    if (closed || call.state !== "live" || !call.session) return;
    if (air) return /** @type {any} */ (air).replace(media);
    air = goOnAir(call.session, media);
  }

  /** @param {string} session @param {MediaStream} media */
  function goOnAir(session, media) {
    const client = joinSession(session);
    const publisher = publish({
      session,
      media,
      onState: (state, problem) => {
        if (state === "failed" && problem)
          fill(refused, refusal(problem, { compact: true, retry: publisher.reconnect, doors: { "": publisher.reconnect } }));
      },
    });
    const subscriber = subscribe({
      session,
      stream: "customer",
      video,
      onState: (state) => say(state === "playing" ? null : `desk.video_${state}`),
    });
    const told = () => {
      const view = client.snapshot.session;
      if (!view) return;
      sale.dataset["open"] = String(view.sale.open);
      fill(
        sale,
        h("span", { class: `dot ${view.sale.open ? "dot-good" : "dot-warn"}` }),
        view.sale.open ? h("span", { t: "desk.recorded" }) : h("span", null, saleSentence(view.sale, lang())),
      );
    };
    on(client, "snapshot", told);
    on(client, "change", told);
    on(client, "notice", ({ detail }) => noticed(detail));
    on(
      client,
      "media",
      calmly(() => {
        publisher.reconnect();
        subscriber.reconnect();
      }),
    );
    return {
      replace: publisher.replace,
      close() {
        publisher.close();
        subscriber.close();
        client.close();
      },
    };
  }

  /** @param {{ kind: string, text_en: string, text_zh: string }} detail */
  function noticed(detail) {
    if (detail.kind === "disclosure_confirmed" || detail.kind === "risk_explained") {
      facts["risk_at"] = new Date().toISOString();
      return drawSteps();
    }
    tell(detail);
  }

  /** @param {any} proposal */
  function proposed(proposal) {
    facts["proposal_at"] = proposal.at;
    if (proposal.state === "confirmed") {
      facts["confirmed_at"] = facts["confirmed_at"] ?? new Date().toISOString();
      // No order without the disclosure: the gate has seen it confirmed.
      facts["risk_at"] = facts["risk_at"] ?? facts["confirmed_at"];
    } else if (proposal.state === "open") facts["confirmed_at"] = null;
    proposalState.dataset["state"] = proposal.state;
    const name = proposal.product_name ?? proposal.product?.name ?? proposal.product;
    fill(
      proposalState,
      h("span", { class: `tag ${proposal.state === "confirmed" ? "tag-good" : ""}`, t: `desk.proposal_${proposal.state}` }),
      h("span", null, `${name} · ${money(proposal.amount, proposal.currency ?? "CNY")}`),
    );
    drawSteps();
  }

  function drawSteps() {
    const list = script(facts);
    const next = list.find((s) => s.at === null);
    fill(
      steps,
      list.map((step) =>
        h(
          "li",
          {
            class: `step${step.at ? " step-done" : ""}${step === next ? " step-next" : ""}`,
            data: { step: step.id, done: String(step.at !== null) },
          },
          h("span", { class: "step-mark" }, step.at ? icon("check") : null),
          h(
            "span",
            { class: "step-words" },
            h("span", { t: `desk.step_${step.id}` }),
            step.at
              ? h("time", { class: "step-at", datetime: step.at }, timeSeconds(step.at))
              : h("span", { class: "step-at", t: step === next ? "desk.step_next" : "desk.step_open" }),
          ),
        ),
      ),
    );
  }

  /** @param {string} product @param {number} amount */
  async function send(product, amount) {
    const answer = await desk.emit("propose", { call: call.id, product, amount });
    if (answer.proposal) proposed(answer.proposal);
  }

  /** @param {string} product */
  async function explained(product) {
    await api("POST", `/api/sessions/${call.session}/explanations`, { customer: call.customer.id, product });
    facts["risk_at"] = new Date().toISOString();
    drawSteps();
  }

  async function transfer() {
    if (await confirm({ title: "desk.transfer_title", text: "desk.transfer_text", yes: "desk.transfer", no: "desk.stay" }))
      await act("transfer");
  }

  /** @param {string} event */
  async function act(event) {
    fill(refused);
    try {
      const answer = await desk.emit(event, { call: call.id }, 8000);
      onCall(answer.call);
    } catch (error) {
      fill(refused, refusal(asProblem(error), { compact: true, retry: () => void act(event) }));
    }
  }

  return {
    id: first.id,
    element,
    side: picture.element,
    update,
    proposal: proposed,
    close() {
      closed = true;
      air?.close();
      camera.close();
      picture.close();
    },
  };
}
