// Watching a show: the picture, what people say, what is on the shelf, and buying without leaving.
import "../../texts/customer.js";
import "../../texts/talk.js";
import { api } from "../lib/api.js";
import { createDanmaku } from "../lib/danmaku.js";
import { fill, h, icon, setText } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { header } from "../lib/header.js";
import { lang, onLang, t } from "../lib/i18n.js";
import { orderSheet } from "../lib/order_sheet.js";
import { beginAnewWhenRestored, setTitle } from "../lib/page.js";
import { tell } from "../lib/notices.js";
import { joinSession } from "../lib/session_client.js";
import { saleSentence } from "../lib/session_model.js";
import { refusal, sheet, tabs, toast } from "../lib/ui.js";
import { Comments } from "./comments.js";
import { danmakuBar } from "./danmaku_bar.js";
import { ReplayPlane } from "./replay.js";
import { ReactionBar } from "./reactions.js";
import { Picture } from "./picture.js";
import { Shelf } from "./shelf.js";

/** @typedef {import("../lib/session_model.js").Snapshot} Snapshot */
/** @typedef {import("../lib/session_model.js").Product} Product */

const id = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const wide = matchMedia("(min-width: 960px)");

setTitle("title.watch");
const client = joinSession(id);
const picture = new Picture(id, () => {
  if (client.snapshot.session) draw(client.snapshot);
});
const shelf = new Shelf(buy);
const danmaku = createDanmaku(picture.element);
const comments = new Comments(client, {
  fly: (comment) => danmaku.add(comment),
  ground: (ids) => danmaku.remove(ids),
  clear: () => danmaku.clear(),
});

const replay = new ReplayPlane(id, picture.video, comments, danmaku, () => {
  if (client.snapshot.session) draw(client.snapshot);
});
const reactions = new ReactionBar(client);
picture.element.append(reactions.layer);

const title = h("h1", { class: "watch-title" });
const host = h("p", { class: "watch-host" });
const stateTag = h("span", { class: "tag", testid: "live" });
const viewers = h("span", { class: "watch-fact figures", testid: "viewers" });
const recorded = h(
  "span",
  { class: "watch-fact", testid: "recorded", hidden: true },
  h("span", { class: "dot" }),
  h("span", { class: "recorded-word", t: "watch.recorded" }),
);
const facts = h("div", { class: "watch-facts" }, stateTag, viewers, recorded);
const tools = h("div", { class: "watch-tools" }, picture.quality.button, picture.mute, picture.full);
const head = h(
  "div",
  { class: "watch-head" },
  h("a", { class: "button-icon watch-back", href: "/", tLabel: "watch.back" }, icon("back")),
  h("div", { class: "watch-names" }, title, host),
  facts,
  tools,
);
const connection = h("p", { class: "connection", role: "status", testid: "connection", hidden: true });

const bagCount = h("span", { class: "bag-count figures", "aria-hidden": "true" });
const bag = h(
  "button",
  { class: "bag", type: "button", testid: "shelf-open", tLabel: "watch.shelf", onclick: openShelf },
  icon("bag"),
  bagCount,
);
const flyingBar = danmakuBar(danmaku, picture);
// In the place of what a supervisor may not do here: to speak.
const moderate = h(
  "a",
  { class: "button button-small moderate", testid: "moderate", hidden: true },
  icon("comment"),
  h("span", { t: "talk.moderate" }),
);
const dock = h("div", { class: "dock" }, flyingBar, moderate, comments.form, reactions.element, bag);
const shelfPanel = h("div", { class: "side-panel side-shelf" }, shelf.panel);
const commentPanel = h("div", { class: "side-panel" }, comments.panel);
const questionPanel = h("div", { class: "side-panel side-questions" }, comments.questions.panel);
const sideTabs = tabs(
  [
    { id: "comments", t: "watch.comments", panel: commentPanel, testid: "tab-comments" },
    { id: "questions", t: "talk.questions", panel: questionPanel, testid: "tab-questions" },
    { id: "shelf", t: "watch.shelf", panel: shelfPanel, testid: "tab-shelf" },
  ],
  "watch.tabs",
);
const side = h("aside", { class: "side" }, sideTabs.element, commentPanel, questionPanel, shelfPanel);
const main = h(
  "main",
  { id: "main", class: "watch-main", tabindex: "-1" },
  picture.element,
  head,
  connection,
  side,
  shelf.pinned,
  dock,
);
document.body.prepend(header({ current: "watch" }), main);

/** @type {{sheet: ReturnType<typeof orderSheet>, product: string} | null} */
let buying = null;
/** @type {import("../lib/ui.js").Surface | null} */
let shelfSheet = null;
/** @type {import("../lib/ui.js").Surface | null} */
let questionSheet = null;
/** @type {string | null} */
let askedShow = null;
/** put out by a moderator: what is known of the show stays out of sight until one is let in again */
let out = false;
/** what is there to see, to talk and to buy with */
const parts = [dock, side, facts, tools, shelf.pinned, bag];

client.addEventListener("snapshot", (event) => {
  const { snapshot, comments: some, removed } = /** @type {CustomEvent} */ (event).detail;
  out = false;
  draw(snapshot);
  // The last that was said belongs to the end of a film, and the film tells itself what was said.
  if (picture.replaying) comments.moderated({ removed, restored: [] });
  else comments.history(some, removed);
});
client.addEventListener("change", (event) => draw(/** @type {CustomEvent} */ (event).detail.snapshot));
client.addEventListener("comments", (event) => comments.received(/** @type {CustomEvent} */ (event).detail));
client.addEventListener("moderated", (event) => {
  const { detail } = /** @type {CustomEvent} */ (event);
  comments.moderated(picture.replaying ? replay.known(detail) : detail);
});
client.addEventListener("reactions", (event) => reactions.told(/** @type {CustomEvent} */ (event).detail));
client.addEventListener("notice", (event) => tell(/** @type {CustomEvent} */ (event).detail));
client.addEventListener("order", (event) => orderMoved(/** @type {CustomEvent} */ (event).detail.order));
client.addEventListener("media", () => picture.reconnect());
client.addEventListener("refused", (event) => refused(/** @type {CustomEvent} */ (event).detail));
client.addEventListener("status", (event) => drawConnection(/** @type {CustomEvent} */ (event).detail));
onLang(() => {
  if (client.snapshot.session) draw(client.snapshot);
});
wide.addEventListener("change", () => {
  shelfSheet?.close();
  questionSheet?.close();
});
comments.questions.opener.addEventListener("click", openQuestions);
window.addEventListener("pagehide", () => client.close());
beginAnewWhenRestored();

/** @param {Snapshot} snapshot */
function draw(snapshot) {
  const { session } = snapshot;
  if (!session || out) return;
  setTitle("plain.title", { title: session.title });
  title.textContent = session.title;
  host.textContent = session.host?.name ?? "";
  const live = session.state === "live";
  stateTag.className = live ? "tag tag-live" : "tag";
  setText(stateTag, picture.replaying ? "watch.replay" : `state.${session.state}`);
  fill(
    viewers,
    icon("eye"),
    h("span", null, count(snapshot.viewers)),
    h("span", { class: "visually-hidden", t: "watch.viewers", tp: { n: snapshot.viewers } }),
  );
  viewers.hidden = session.state !== "live" && session.state !== "paused";
  for (const part of parts) part.hidden = false;
  dock.hidden = session.state === "ended" || session.state === "cancelled";
  recorded.hidden = !live && session.state !== "paused";
  drawRecorded(snapshot.recording);
  main.dataset.state = session.state;
  picture.update(session);
  reactions.update(session);
  if (session.me_role === "supervisor") drawSupervisor(session);
  if (picture.replaying && session.replay) {
    if (!replay.began) {
      // The dock, which is to talk with, is gone; its settings and its bag are not.
      tools.prepend(flyingBar);
      shelf.pinned.after(bag);
    }
    replay.begin(session.replay);
  }
  const shown = picture.replaying ? replay.as(session) : session;
  bagCount.textContent = shown.shelf.length ? String(shown.shelf.length) : "";
  comments.update(shown);
  shelf.update(shown, picture.replaying);
  drawBuying(shown);
  if (session.state === "scheduled" && session.show && askedShow !== session.show) void askShow(session.show);
}

/** @param {import("../lib/session_model.js").SessionView} session */
function drawSupervisor(session) {
  comments.form.hidden = reactions.element.hidden = true;
  moderate.hidden = !session.show;
  moderate.href = `/studio?show=${encodeURIComponent(session.show ?? "")}`;
}

/** @param {boolean} on */
function drawRecorded(on) {
  const [dot, word] = recorded.children;
  dot.className = `dot ${on ? "dot-live" : ""}`;
  setText(word, on ? "watch.recorded" : "watch.unrecorded");
}

/** @param {string} show */
async function askShow(show) {
  askedShow = show;
  try {
    picture.setShow(await api("GET", `/api/shows/${encodeURIComponent(show)}`));
  } catch {
    askedShow = null; // asked again with the next change; the page says "scheduled" meanwhile
  }
}

/** @param {import("../lib/session_model.js").SessionView} session */
function drawBuying(session) {
  if (!buying) return;
  const product = session.shelf.find((one) => one.id === buying?.product);
  if (product) buying.sheet.update(product);
  const closed = product && !product.sale_open ? t("product.closed") : "";
  buying.sheet.sale(
    closed ? { open: false, reason: "product_sale_closed" } : session.sale,
    closed || (session.sale.reason === "replay_sales_off" ? t("replay.sales_off") : saleSentence(session.sale, lang())),
  );
}

/** @param {Product} product */
function buy(product) {
  shelfSheet?.close();
  const held = picture.replaying ? replay.hold() : null;
  const made = orderSheet({
    session: id,
    product,
    replay: held ? { media_ms: held.media_ms } : undefined,
    onClose: () => {
      buying = null;
      held?.resume();
    },
    place: async (body) => {
      if (held) return api("POST", "/api/orders", { session: id, ...body });
      return (await client.emit("order", body, 10_000)).order;
    },
    // No event tells of changes once a show is over: the terms may be others than those that were shown.
    onRefused: () => held && void client.refresh(),
  });
  buying = { sheet: made, product: product.id };
  if (client.snapshot.session) draw(client.snapshot);
}

function openShelf() {
  if (wide.matches) {
    sideTabs.select("shelf");
    sideTabs.button("shelf").focus();
    return;
  }
  shelfSheet = sheet({
    title: "watch.shelf",
    testid: "shelf-sheet",
    content: shelf.panel,
    onClose: () => {
      shelfPanel.append(shelf.panel);
      shelfSheet = null;
    },
  });
  shelfSheet.element.classList.add("light", "shelf-sheet");
}

function openQuestions() {
  questionSheet = sheet({
    title: "talk.questions",
    content: comments.questions.panel,
    onClose: () => {
      questionPanel.append(comments.questions.panel);
      questionSheet = null;
    },
  });
  questionSheet.element.classList.add("light");
}

/** @param {import("../lib/session_model.js").Order | undefined} order */
function orderMoved(order) {
  if (order) buying?.sheet.moved(order);
  // An open receipt says so itself.
  if (order?.state === "confirmed" && !buying?.sheet.shows(order))
    toast(t("watch.order.confirmed", { product: order.product.name }), { tone: "good" });
  if (order?.state === "rejected")
    toast(t("watch.order.rejected", { product: order.product.name }), { tone: "warn", ms: 10_000 });
}

/** @param {import("../lib/api.js").Problem} problem */
function refused(problem) {
  if (problem.code === "offline") return;
  out = problem.code === "banned";
  // Nothing to see, to talk or to buy in: what is wrong stands alone.
  if (out || !client.snapshot.session) for (const part of parts) part.hidden = true;
  if (out) leave();
  picture.say("refused", refusal(problem, { retry: () => void client.refresh() }));
}

/** The picture and what flies over it end, and what lies over them goes. */
function leave() {
  shelfSheet?.close();
  questionSheet?.close();
  danmaku.clear();
  picture.leave();
}

/** @param {import("../lib/socket.js").Status} status */
function drawConnection(status) {
  connection.hidden = status === "connected" || status === "connecting";
  // What was last heard is not what is: the facts fade until they are known again.
  facts.classList.toggle("is-stale", !connection.hidden);
  if (status === "connected") comments.online();
  else comments.lost();
  if (!connection.hidden) setText(connection, `connection.${status}`);
}
