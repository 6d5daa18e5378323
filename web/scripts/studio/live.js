// On air: one publisher, one membership of the room, and the panes that show what comes from both.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon, on } from "../lib/dom.js";
import { lang } from "../lib/i18n.js";
import { joinSession } from "../lib/session_client.js";
import { dialog, refusal, sheet } from "../lib/ui.js";
import { publish } from "../lib/whip.js";
import { createBar } from "./bar.js";
import { calmly } from "./calmly.js";
import { createComments } from "./comments.js";
import { createHealth } from "./health_view.js";
import { createModeration } from "./moderation.js";
import { stageOf } from "./model.js";
import { createOrders } from "./orders.js";
import { createShelfPicker } from "./picker.js";
import { createShelf } from "./shelf.js";
import { createTalk } from "./talk.js";

/** @typedef {import("./model.js").Show} Show */

const GOOD_NEWS = new Set(["publisher_back", "recording_recovered", "adviser_back"]);

/**
 * @param {HTMLElement} root @param {Show} first @param {import("./camera.js").Camera} camera @param {{ onEnded: (show: Show) => void }} does
 * @returns {import("./show.js").Part}
 */
export function openLive(root, first, camera, { onEnded }) {
  let show = first;
  let over = false;
  let published = "connecting";
  let moving = 0; // pauses and resumptions on their way: what the room said before them no longer holds
  const session = show.session ?? "";
  const path = `/api/shows/${encodeURIComponent(show.id)}`;
  /** @type {ReturnType<typeof publish> | null} */ let publisher = null;
  const client = joinSession(session);
  const health = createHealth(camera.on);
  const moderation = createModeration(session, { onWaiting: (n) => talk.waiting(n) });
  const comments = createComments(
    (text, answers) => client.emit("comment", { text, ...(answers ? { answers } : {}) }),
    (wish) => void moderation.act(wish),
  );
  const talk = createTalk(comments.element, moderation);
  const orders = createOrders();
  const shelf = createShelf({ onPin: (product) => void act("pin", { product }) });
  const bar = createBar(show, { onPause: () => void act("pause"), onResume: () => void act("resume"), onEnd: askEnd });
  const trouble = h("div");
  const notices = h("div", { class: "live-notices", role: "status", "aria-live": "polite" });
  const refused = h("div", { class: "live-refused", testid: "live-refused" });

  camera.hold(stageOf(show.state) === "paused");
  draw();
  wire();
  if (camera.media()) air(/** @type {MediaStream} */ (camera.media()));

  function draw() {
    const shelfPane = h(
      "section",
      { class: "pane pane-shelf", tLabel: "studio.shelf" },
      h(
        "div",
        { class: "pane-head" },
        h("h2", { class: "pane-title", t: "studio.shelf" }),
        h("button", {
          class: "button-quiet",
          type: "button",
          testid: "shelf-edit",
          t: "studio.shelf_edit",
          onclick: editShelf,
        }),
      ),
      shelf.element,
    );
    const orderPane = h("section", { class: "pane pane-orders", tLabel: "studio.orders" }, orders.element);
    const right = h("div", { class: "live-right" }, talk.element, orderPane);
    const live = h(
      "div",
      { class: "live", data: { pane: "shelf" } },
      bar.element,
      h("div", { class: "live-told" }, refused, notices),
      h("section", { class: "live-left", tLabel: "studio.preview" }, trouble, camera.element, health.element),
      paneChoice((name) => {
        live.dataset["pane"] = name;
      }),
      shelfPane,
      right,
    );
    fill(root, live);
  }

  function wire() {
    on(client, "snapshot", ({ detail }) => {
      comments.history(detail.comments, detail.removed);
      void moderation.refresh();
      changed();
      void soldSoFar();
    });
    on(client, "change", changed);
    on(client, "comments", ({ detail }) => comments.add(detail));
    on(client, "moderated", ({ detail }) => comments.moderated(detail));
    on(client, "moderation", () => void moderation.refresh());
    on(client, "order", ({ detail }) => orders.add(detail));
    on(client, "notice", ({ detail }) => notice(detail));
    on(
      client,
      "media",
      calmly(() => publisher?.reconnect()),
    );
    on(client, "status", ({ detail }) => bar.connection(detail));
    on(client, "refused", ({ detail }) => refuse(detail, () => void client.refresh()));
  }

  function changed() {
    const { session: view, viewers, recording, tally } = client.snapshot;
    if (!view || over) return;
    const stage = stageOf(view.state);
    if (stage === "after" || stage === "cancelled") return void finished();
    if (!moving) camera.hold(stage === "paused");
    shelf.show(view.shelf);
    comments.pin(view.pinned_comment);
    orders.tally(tally);
    bar.show({
      viewers,
      recording,
      sale: view.sale,
      stage,
      publisher: published,
      started_at: view.started_at ?? show.started_at,
    });
  }

  /** What was ordered before this page was opened: the room tells of changes alone. */
  async function soldSoFar() {
    const sum = await api("GET", `/api/sessions/${encodeURIComponent(session)}/summary`).catch(() => null);
    if (sum?.orders) orders.tally({ count: sum.orders, amount: sum.amount, currency: sum.currency });
  }

  /** @param {{ kind: string, text_en: string, text_zh: string }} detail */
  function notice(detail) {
    const good = GOOD_NEWS.has(detail.kind);
    const line = h(
      "p",
      { class: `notice ${good ? "notice-good" : "notice-warn"}` },
      icon(good ? "check" : "info"),
      h("span", null, lang() === "zh" ? detail.text_zh : detail.text_en),
    );
    notices.prepend(line);
    while (notices.children.length > 2) notices.lastElementChild?.remove();
    setTimeout(() => line.remove(), 8000);
  }

  /** @param {MediaStream} media */
  function air(media) {
    if (over) return;
    if (publisher) return publisher.replace(media);
    publisher = publish({
      session,
      media,
      onState: (state, problem) => {
        published = state;
        health.state(state);
        fill(
          trouble,
          state === "failed" && problem
            ? refusal(problem, { retry: () => publisher?.reconnect(), doors: { "": () => publisher?.reconnect() } })
            : null,
        );
        if (!over) changed();
      },
      onStats: health.add,
    });
  }

  /** @param {string} what @param {unknown} [body] */
  async function act(what, body) {
    fill(refused);
    // Nobody is seen or heard from the moment "pause" is pressed, however long the answer takes.
    if (what === "pause") camera.hold(true);
    const moves = what === "pause" || what === "resume";
    if (moves) moving += 1;
    try {
      const answer = await api("POST", `${path}/${what}`, body);
      if (what === "pin") return shelf.pinned(/** @type {any} */ (body).product);
      show = answer;
      if (moves) camera.hold(stageOf(answer.state) === "paused");
      if (what === "end") finish(answer);
      else await client.refresh();
    } catch (error) {
      if (moves) camera.hold(stageOf(client.snapshot.session?.state ?? show.state) === "paused");
      refuse(asProblem(error), () => void act(what, body));
    } finally {
      if (moves) moving -= 1;
    }
  }

  /** @param {import("../lib/api.js").Problem} problem @param {() => void} retry */
  function refuse(problem, retry) {
    fill(refused, refusal(problem, { compact: true, retry }));
  }

  /** What is on the shelf may change on air; everybody in the room hears of it. */
  function editShelf() {
    const picker = createShelfPicker(show);
    shelfSheet(picker, () => {
      // Comes back with the refusal in it; closed once more, the shelf stays as everybody sees it.
      if (!over) shelfSheet(picker, picker.close);
    });
  }

  /** @param {ReturnType<typeof createShelfPicker>} picker @param {() => void} onRefused */
  function shelfSheet(picker, onRefused) {
    sheet({
      title: "studio.shelf_edit",
      testid: "shelf-picker",
      content: picker.element,
      onClose: () => void picker.saved().then(picker.close, onRefused),
    });
  }

  function askEnd() {
    const yes = h("button", { class: "button button-accent", type: "button", testid: "confirm-end", t: "studio.end_yes" });
    const box = dialog({ title: "studio.end_title", content: h("p", { t: "studio.end_text" }) });
    yes.addEventListener("click", () => {
      box.close();
      void act("end");
    });
    fill(box.footer, h("button", { class: "button", type: "button", t: "studio.end_no", onclick: () => box.close() }), yes);
    yes.focus();
  }

  async function finished() {
    if (over) return;
    over = true;
    const ended = await api("GET", path).catch(() => ({ ...show, state: "ended" }));
    finish(ended);
  }

  /** @param {Show} ended */
  function finish(ended) {
    over = true;
    onEnded(ended);
  }

  // M, C and S work wherever nothing is being typed.
  const stopKeys = on(document, "keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    if (event.key.toLowerCase() === "m") camera.toggle("audio");
    else if (event.key.toLowerCase() === "c") camera.toggle("video");
    else if (event.key.toLowerCase() === "s") void camera.share();
  });

  return {
    media: (media) => {
      if (media) air(media);
      else health.state("failed");
    },
    toggled: health.redraw,
    close() {
      over = true;
      stopKeys();
      publisher?.close();
      client.close();
      bar.close();
      moderation.close();
      health.close();
    },
  };
}

/** On a phone one of the two panes shows; where there is room the stylesheet shows both and hides this. @param {(name: string) => void} onChoose */
function paneChoice(onChoose) {
  const group = h("div", { class: "live-panes", role: "group", tLabel: "studio.panes" });
  for (const [name, key] of [
    ["shelf", "studio.shelf"],
    ["talk", "studio.comments"],
  ]) {
    const button = h("button", { class: "live-pane", type: "button", "aria-pressed": String(name === "shelf"), t: key });
    button.addEventListener("click", () => {
      for (const other of group.children) other.setAttribute("aria-pressed", String(other === button));
      onChoose(/** @type {string} */ (name));
    });
    group.append(button);
  }
  return group;
}
