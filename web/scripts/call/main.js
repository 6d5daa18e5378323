// Talking to an adviser. The server holds where the call stands; this page shows that, also after a reload.
import "../../texts/customer.js";
import { api, asProblem } from "../lib/api.js";
import { isUsable, stopTracks } from "../lib/devices.js";
import { fill, h, setText } from "../lib/dom.js";
import { duration } from "../lib/format.js";
import { header } from "../lib/header.js";
import { lang, onLang, t } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { orderSheet } from "../lib/order_sheet.js";
import { beginAnewWhenRestored, guarded, setTitle } from "../lib/page.js";
import { tell } from "../lib/notices.js";
import { joinSession } from "../lib/session_client.js";
import { saleSentence } from "../lib/session_model.js";
import { connect } from "../lib/socket.js";
import { confirm, refusal, skeleton } from "../lib/ui.js";
import { aboutOf, openCall, openProposal, stepOf } from "./call_model.js";
import { checkStep, consentStep, leavingStep, lineStep, placeOf, progress, topicStep, topicText } from "./steps.js";
import { Talk } from "./talk.js";

/** @typedef {import("./call_model.js").Call} Call */
/** @typedef {import("./call_model.js").Proposal} Proposal */

setTitle("title.call");
const connection = h("p", { class: "connection", role: "status", testid: "connection", hidden: true });
const place = h("div", { class: "call-place" }, skeleton(4));
const main = h("main", { id: "main", class: "call-main", tabindex: "-1" }, connection, place);
document.body.prepend(header({ current: "call" }), main);

/** @type {Call | null} */ let call = null;
/** @type {MediaStream | null} */ let media = null;
/** @type {Talk | null} */ let talk = null;
/** @type {import("../lib/session_client.js").SessionClient | null} */ let room = null;
/** @type {ReturnType<typeof checkStep> | null} */ let check = null;
/** @type {{proposal: string, sheet: ReturnType<typeof orderSheet>} | null} */ let deciding = null;
/** @type {import("./call_model.js").Step | ""} */ let step = "";
/** @type {import("./steps.js").Subject | null} */ let about = null;
let offered = "";
let returning = false;
/** The call that was hung up here; until the server has said so it is not gone back to. @type {string | null} */
let leaving = null;
const unheard = h("div");

const desk = connect("/desk", { relang: true });
void start();

async function start() {
  await requireMe();
  await guarded(place, async () => {
    returning = true;
    about ??= await lookUp(aboutOf(location.search));
    await refresh();
    returning = false;
  });
  desk.on("call", ({ call: next }) => {
    if (!call || next.id === call.id) changed(next);
  });
  desk.on("proposal", ({ call: id, proposal }) => {
    if (call && id === call.id) changed({ ...call, proposal });
  });
  desk.onStatus((status) => {
    connection.hidden = status === "connected" || status === "connecting";
    if (!connection.hidden) setText(connection, `connection.${status}`);
    if (status !== "connected") return;
    if (leaving) void sayHungUp(leaving);
    else refresh().catch(() => undefined);
  });
  onLang(() => {
    draw(true);
    refresh().catch(() => undefined);
  });
  window.addEventListener("pagehide", () => {
    talk?.close();
    freeDevices();
  });
  beginAnewWhenRestored();
}

/** The call as the server has it: on start, after a break, after a change of language. */
async function refresh() {
  if (call && step !== "topic") {
    changed(await api("GET", `/api/calls/${encodeURIComponent(call.id)}`));
    return;
  }
  const { calls } = await api("GET", "/api/calls");
  changed(openCall(calls));
}

/** @param {Call | null} next */
function changed(next) {
  call = next;
  if (stepOf(call, false) === "over") leaving = null;
  draw();
}

/** @param {boolean} [anew] */
function draw(anew = false) {
  const now = stepOf(call, isUsable(media), leaving);
  const moved = now !== step;
  step = now;
  if (now !== "check") {
    check?.stop();
    check = null;
  }
  if (now !== "talk") stopTalk();
  if (now === "topic" || now === "leaving" || now === "over") {
    freeDevices();
    deciding?.sheet.close();
  }
  main.dataset.step = now;
  if (now === "talk") document.documentElement.dataset.theme = "dark";
  else delete document.documentElement.dataset.theme;
  if (now === "talk" && call) return drawTalk(call);
  if (now === "topic") {
    if (moved || anew) fill(place, topicStep(request, about));
    return;
  }
  if (!call) return;
  if (now === "over") void drawOver(call);
  else if (now !== "leaving") drawBefore(call, now, moved, anew);
  else if (moved || anew) fill(place, leavingStep(unheard));
}

/** The steps before the conversation. @param {Call} call @param {"consent"|"check"|"line"|"talk"} now @param {boolean} moved @param {boolean} anew */
function drawBefore(call, now, moved, anew) {
  if (now === "talk") return;
  const leaving = document.activeElement?.getAttribute("data-testid") === "leave-line";
  // A step in which something is being read or chosen is not drawn again for a new place in the line.
  const held = !moved && !anew && now !== "line" ? place.querySelector(".call-step") : null;
  if (held) place.querySelector(".call-where")?.replaceWith(where(call));
  else
    fill(
      place,
      progress(now),
      where(call),
      now === "consent" ? consentStep(call, agree, leave) : now === "line" ? lineStep(call, leave) : checking(),
    );
  const focus = moved ? "h1" : leaving ? "[data-testid=leave-line]" : "";
  if (focus) /** @type {HTMLElement | null} */ (place.querySelector(focus))?.focus();
}

/** @param {Call} of */
function where(of) {
  return h("div", { class: "call-where" }, step === "line" ? null : placeOf(of));
}

function checking() {
  // Who comes back into a running call was heard and seen a moment ago: no second check.
  check ??= checkStep(
    (got) => {
      media = got;
      draw();
    },
    leave,
    call?.state === "live" && returning,
  );
  returning = false;
  return check.element;
}

/** What a refused order left to talk about; one that can't be looked up is no reason not to call. @param {import("./call_model.js").About | null} of */
async function lookUp(of) {
  if (!of) return null;
  try {
    return { product: await api("GET", `/api/products/${encodeURIComponent(of.product)}`), amount: of.amount };
  } catch {
    return null;
  }
}

/** @param {string} topic @param {string} own */
async function request(topic, own) {
  changed(await api("POST", "/api/calls", { topic: topicText(topic, own, t) }));
}

/** @param {string} version */
async function agree(version) {
  changed(await api("POST", `/api/calls/${encodeURIComponent(call?.id ?? "")}/consent`, { version }));
}

async function leave() {
  if (!(await confirm({ title: "call.leave.ask", text: "call.leave.text", yes: "call.leave.yes", no: "call.leave.no" })))
    return;
  hangUp();
}

function hangUp() {
  if (!call) return;
  leaving = call.id;
  fill(unheard);
  draw(); // the camera goes dark at once; the server hears of it as soon as it can
  void sayHungUp(call.id);
}

/** Also after a break: the server may have heard it before, or have ended the call itself. @param {string} id */
async function sayHungUp(id) {
  try {
    const answer = await desk.emit("hang_up", { call: id });
    if (leaving === id) changed(answer.call);
  } catch (error) {
    const problem = asProblem(error);
    if (leaving === id && problem.code !== "offline") await refresh().catch(() => undefined);
    if (leaving === id) fill(unheard, refusal(problem, { retry: () => void sayHungUp(id) }));
  }
}

/** @param {Call} now */
function drawTalk(now) {
  if (!talk || talk.closed || talk.call.session !== now.session) {
    stopTalk();
    if (!media || !now.session) return;
    talk = new Talk(now, media, { hangUp, decide: (proposal) => void decide(proposal) });
    enterRoom(now.session);
    fill(place, talk.element);
  }
  talk.update(now);
  const proposal = openProposal(now);
  // The proposal comes to the customer, once; after closing it stays beside the picture.
  if (proposal && proposal.id !== offered) {
    offered = proposal.id;
    void decide(proposal);
  }
  if (deciding && deciding.proposal !== proposal?.id && now.proposal?.state !== "confirmed") deciding.sheet.close();
}

/** @param {string} session */
function enterRoom(session) {
  room = joinSession(session);
  const facts = () => {
    if (room && talk) {
      talk.facts(room.snapshot);
      drawSale();
    }
  };
  room.addEventListener("snapshot", facts);
  room.addEventListener("change", facts);
  room.addEventListener("media", () => talk?.reconnect());
  room.addEventListener("order", (event) => {
    const { order } = /** @type {CustomEvent} */ (event).detail;
    if (order) deciding?.sheet.moved(order);
  });
  room.addEventListener("notice", (event) => tell(/** @type {CustomEvent} */ (event).detail));
}

function stopTalk() {
  talk?.close();
  talk = null;
  room?.close();
  room = null;
}

function freeDevices() {
  stopTracks(media);
  media = null;
}

function drawSale() {
  const session = room?.snapshot.session;
  if (deciding && session) deciding.sheet.sale(session.sale, saleSentence(session.sale, lang()));
}

/** @param {Proposal} proposal */
async function decide(proposal) {
  if (deciding || !call?.session) return;
  talk?.trouble(null);
  try {
    const product = await api("GET", `/api/products/${encodeURIComponent(proposal.product)}`);
    if (deciding || !call?.session) return;
    const id = call.id;
    const sheet = orderSheet({
      session: call.session,
      product,
      amount: proposal.amount,
      proposal: proposal.id,
      onClose: () => {
        deciding = null;
      },
      doors: { call: () => sheet.close() },
      place: async (body) =>
        (
          await desk.emit(
            "confirm",
            { call: id, proposal: proposal.id, key: body.key, disclosure: body.disclosure, amount: body.amount },
            10_000,
          )
        ).order,
    });
    deciding = { proposal: proposal.id, sheet };
    drawSale();
  } catch (error) {
    talk?.trouble(refusal(asProblem(error), { compact: true, retry: () => void decide(proposal) }));
  }
}

/** @param {Call} over */
async function drawOver(over) {
  const again = h("button", {
    class: "button button-primary",
    type: "button",
    testid: "call-again",
    t: "call.again",
    onclick: () => {
      call = null;
      draw(true);
    },
  });
  const ways = h(
    "div",
    { class: "row row-wrap" },
    again,
    h("a", { class: "button", href: "/orders", t: "nav.orders" }),
    h("a", { class: "button", href: "/", t: "door.lobby" }),
  );
  const kind = over.state === "ended" && over.session ? "ended" : over.state === "declined" ? "declined" : "cancelled";
  const facts = h("dl", { class: "facts" });
  fill(
    place,
    h(
      "section",
      { class: "stack call-step", testid: "call-over", data: { state: over.state } },
      h("h1", { t: `call.${kind}`, tabindex: "-1" }),
      h("p", { class: "muted", t: `call.${kind}.text` }),
      kind === "ended" && facts,
      ways,
    ),
  );
  if (kind !== "ended" || !over.session) return;
  const [session, { orders }] = await Promise.all([
    api("GET", `/api/sessions/${over.session}`).catch(() => null),
    api("GET", "/api/orders").catch(() => ({ orders: [] })),
  ]);
  const bought = orders.filter((/** @type {{session: string}} */ order) => order.session === over.session);
  const row = (/** @type {string} */ key, /** @type {Node | string} */ value) => [h("dt", { t: key }), h("dd", null, value)];
  fill(
    facts,
    over.adviser ? row("role.adviser", over.adviser.name) : [],
    session?.started_at
      ? row(
          "call.ended.duration",
          duration(Date.parse(session.ended_at ?? new Date().toISOString()) - Date.parse(session.started_at)),
        )
      : [],
    row(
      "call.ended.orders",
      bought.length
        ? h(
            "span",
            null,
            bought.map((/** @type {import("../lib/session_model.js").Order} */ order) =>
              h("a", { href: `/receipt/${order.id}` }, `${order.product.name} `),
            ),
          )
        : h("span", { t: "call.ended.none" }),
    ),
  );
}
