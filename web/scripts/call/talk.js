// The conversation: the adviser large, oneself small, proposals beside, and one clear tap to leave.
import { fill, h, icon, setLabel } from "../lib/dom.js";
import { duration } from "../lib/format.js";
import { subscribe } from "../lib/whep.js";
import { publish } from "../lib/whip.js";
import { openProposal } from "./call_model.js";

/** @typedef {import("./call_model.js").Call} Call */

export class Talk {
  remote = h("video", {
    class: "call-remote",
    testid: "remote-video",
    playsInline: true,
    autoplay: true,
    tLabel: "role.adviser",
  });
  self = h("video", {
    class: "call-self",
    testid: "self-video",
    muted: true,
    playsInline: true,
    autoplay: true,
    tLabel: "call.self",
  });
  over = h("div", { class: "state-card", role: "status", testid: "state-card" });
  ownState = h("p", { class: "call-own-state", role: "status", hidden: true });
  sound = h(
    "button",
    { class: "sound-pill", type: "button", hidden: true, onclick: () => this.#unmute() },
    icon("muted"),
    h("span", { t: "watch.sound" }),
  );
  clock = h("span", { class: "figures" }, "0:00");
  recorded = h(
    "span",
    { class: "watch-fact", testid: "recorded" },
    h("span", { class: "dot" }),
    h("span", { t: "call.state.waiting" }),
  );
  name = h("h1", { class: "watch-title" });
  proposals = h("div", { class: "call-proposals", "aria-live": "polite" });
  refusals = h("div", { class: "call-refusals" });
  closed = false;
  played = false;
  drawn = "";
  startedAt = Date.now();

  /**
   * @param {Call} call @param {MediaStream} media
   * @param {{hangUp: () => void, decide: (proposal: import("./call_model.js").Proposal) => void}} actions
   */
  constructor(call, media, actions) {
    this.call = call;
    this.media = media;
    this.actions = actions;
    const session = call.session ?? "";
    this.self.srcObject = media;
    this.self.hidden = media.getVideoTracks().length === 0;
    this.mic = this.#switch("mic", "audio", "call.mic");
    this.camera = this.#switch("camera", "video", "call.camera");
    this.element = h(
      "section",
      { class: "talk-room" },
      h(
        "div",
        { class: "talk-stage" },
        this.remote,
        this.over,
        this.sound,
        h("div", { class: "talk-self" }, this.self, this.ownState),
        h(
          "div",
          { class: "talk-head" },
          this.name,
          h("div", { class: "watch-facts" }, h("span", { class: "watch-fact" }, icon("clock"), this.clock), this.recorded),
        ),
        h(
          "div",
          { class: "talk-bar" },
          this.mic,
          this.camera,
          h(
            "button",
            { class: "hang-up", type: "button", testid: "hang-up", onclick: () => actions.hangUp() },
            icon("hang-up"),
            h("span", { t: "call.hang_up" }),
          ),
        ),
      ),
      h("aside", { class: "talk-side" }, this.refusals, this.proposals),
    );
    this.#overText("call.adviser.picture");
    this.publisher = publish({ session, media, onState: (state) => this.#ownState(state) });
    this.subscriber = subscribe({
      session,
      stream: "adviser",
      video: this.remote,
      onMuted: () => {
        this.sound.hidden = false;
      },
      onState: (state) => this.#remoteState(state),
    });
    this.timer = setInterval(() => {
      this.clock.textContent = duration(Date.now() - this.startedAt);
    }, 1000);
    this.update(call);
  }

  /** @param {"mic"|"camera"} name @param {"audio"|"video"} kind @param {string} key */
  #switch(name, kind, key) {
    const tracks = this.media.getTracks().filter((track) => track.kind === kind);
    const flip = () => {
      const on = !tracks[0]?.enabled;
      for (const track of tracks) track.enabled = on;
      show();
    };
    const button = h("button", { class: "talk-switch", type: "button", testid: name, onclick: flip });
    const show = () => {
      const on = tracks[0]?.enabled ?? false;
      button.setAttribute("aria-pressed", String(on));
      fill(button, icon(on ? name : `${name}-off`));
      setLabel(button, on ? key : `${key}.off`);
    };
    button.hidden = tracks.length === 0;
    show();
    return button;
  }

  /** @param {import("../lib/whip.js").PublishState} state */
  #ownState(state) {
    this.ownState.hidden = state !== "reconnecting";
    if (state === "reconnecting") fill(this.ownState, h("span", { t: "call.you.reconnecting" }));
  }

  /** @param {import("../lib/whep.js").WatchState} state */
  #remoteState(state) {
    if (state === "playing") this.played = true;
    this.over.hidden = state === "playing";
    this.over.classList.toggle("state-quiet", this.played);
    this.#overText(this.played ? "call.adviser.lost" : "call.adviser.picture");
  }

  /** @param {string} key */
  #overText(key) {
    fill(this.over, h("p", { class: "state-text", t: key }));
  }

  #unmute() {
    this.remote.muted = false;
    this.sound.hidden = true;
    this.remote.play().catch(() => {
      this.remote.muted = true;
    });
  }

  /** @param {Call} call */
  update(call) {
    this.call = call;
    this.name.textContent = call.adviser?.name ?? "";
    const next = JSON.stringify([call.proposal, call.adviser]);
    if (next === this.drawn) return;
    this.drawn = next;
    const proposal = openProposal(call);
    if (proposal) fill(this.proposals, this.#proposal(proposal));
    else if (call.proposal?.state === "confirmed")
      fill(
        this.proposals,
        h(
          "p",
          { class: "notice notice-good" },
          icon("check"),
          h("span", null, h("strong", { t: "call.proposal.done" }), " ", call.proposal.product_name),
        ),
      );
    else fill(this.proposals, h("p", { class: "talk-empty small muted", t: "call.proposal.none" }));
  }

  /** @param {import("./call_model.js").Proposal} proposal */
  #proposal(proposal) {
    return h(
      "article",
      { class: "card light proposal", testid: "proposal", data: { proposal: proposal.id } },
      h("p", { class: "pinned-flag", t: "call.proposal", tp: { name: this.call.adviser?.name ?? "" } }),
      h("h2", { class: "product-name" }, proposal.product_name),
      h("p", {
        class: "proposal-amount figures",
        t: "plain.money",
        tp: { amount: { money: [proposal.amount, proposal.currency] } },
      }),
      h("button", {
        class: "button button-accent button-wide",
        type: "button",
        testid: "proposal-open",
        t: "call.proposal.read",
        onclick: () => this.actions.decide(proposal),
      }),
      h("p", { class: "small muted", t: "call.proposal.note" }),
    );
  }

  /** @param {{recording: boolean, session?: import("../lib/session_model.js").SessionView | null}} snapshot */
  facts({ recording, session }) {
    fill(
      this.recorded,
      h("span", { class: `dot ${recording ? "dot-live" : ""}` }),
      h("span", { t: recording ? "call.state.recorded" : "call.state.waiting" }),
    );
    if (session?.started_at) this.startedAt = Date.parse(session.started_at);
  }

  /** The media process was restarted. */
  reconnect() {
    this.publisher.reconnect();
    this.subscriber.reconnect();
  }

  /** What could not be done, beside the picture; null when that is past. @param {Node | null} refusal */
  trouble(refusal) {
    fill(this.refusals, refusal);
  }

  /** Ends the connections. The devices stay open: after a transfer the next conversation goes on with them. */
  close() {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.timer);
    this.publisher.close();
    this.subscriber.close();
  }
}
