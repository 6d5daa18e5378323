// A show as its supervisor has it: the picture, what is said, and the moderator's panel. Nothing is sent from here but acts.
import { api, asProblem } from "../lib/api.js";
import { fill, h, on } from "../lib/dom.js";
import { joinSession } from "../lib/session_client.js";
import { refusal, skeleton } from "../lib/ui.js";
import { openAfter } from "./after.js";
import { createBar } from "./bar.js";
import { createComments } from "./comments.js";
import { createModeration } from "./moderation.js";
import { stageOf } from "./model.js";
import { createScreen } from "./screen.js";
import { createTalk } from "./talk.js";

/** @typedef {import("./model.js").Show} Show */

/** @param {HTMLElement} root @param {string} id of the show @param {() => void} onBack */
export function openSupervised(root, id, onBack) {
  let closed = false;
  let close = () => {};
  fill(root, h("div", { class: "page" }, skeleton(6)));
  void load();

  async function load() {
    try {
      stage(await api("GET", `/api/shows/${encodeURIComponent(id)}`));
    } catch (error) {
      if (!closed) fill(root, h("div", { class: "page" }, refusal(asProblem(error), { retry: () => void load() })));
    }
  }

  /** @param {Show} show */
  function stage(show) {
    if (closed) return;
    close();
    const over = ["after", "cancelled"].includes(stageOf(show.state));
    close = (over ? openAfter(root, show, onBack) : openRoom(root, show, () => void load())).close;
  }

  return {
    close() {
      closed = true;
      close();
    },
  };
}

/** @param {HTMLElement} root @param {Show} show @param {() => void} onOver */
function openRoom(root, show, onOver) {
  let over = false;
  const session = show.session ?? "";
  const client = joinSession(session);
  const screen = createScreen(session);
  const moderation = createModeration(session, { onWaiting: (n) => talk.waiting(n) });
  const comments = createComments(null, (wish) => void moderation.act(wish));
  const talk = createTalk(comments.element, moderation, matchMedia("(min-width: 1100px)"));
  const bar = createBar(show, null);
  const refused = h("div", { class: "live-refused", testid: "live-refused" });
  fill(
    root,
    h(
      "div",
      { class: "live supervised", testid: "supervised" },
      bar.element,
      h("div", { class: "live-told" }, refused),
      h("section", { class: "live-left", tLabel: "supervised.picture" }, screen.element),
      h("div", { class: "live-right" }, talk.element),
    ),
  );

  on(client, "snapshot", ({ detail }) => {
    fill(refused);
    comments.history(detail.comments, detail.removed);
    void moderation.refresh();
    changed();
  });
  on(client, "change", changed);
  on(client, "comments", ({ detail }) => comments.add(detail));
  on(client, "moderated", ({ detail }) => comments.moderated(detail));
  on(client, "moderation", () => void moderation.refresh());
  on(client, "media", () => screen.reconnect());
  on(client, "status", ({ detail }) => bar.connection(detail));
  on(client, "refused", ({ detail }) => fill(refused, refusal(detail, { compact: true, retry: () => void client.refresh() })));

  function changed() {
    const { session: view, viewers, recording } = client.snapshot;
    if (!view || over) return;
    const stage = stageOf(view.state);
    if (stage === "after" || stage === "cancelled") {
      over = true;
      return onOver();
    }
    screen.show(view);
    comments.pin(view.pinned_comment);
    const publisher = view.streams.some(({ name, status }) => name === "host" && status === "publishing")
      ? "live"
      : "connecting";
    bar.show({ viewers, recording, sale: view.sale, stage, publisher, started_at: view.started_at ?? show.started_at });
  }

  return {
    close() {
      over = true;
      screen.close();
      client.close();
      bar.close();
      talk.close();
      moderation.close();
    },
  };
}
