// The desk: the line at the left, the conversation in the middle, the customer's picture at the right.
import "../../texts/staff.js";
import { api, asProblem } from "../lib/api.js";
import { fill, h, on, qs } from "../lib/dom.js";
import { header } from "../lib/header.js";
import { onLang, t } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { beginAnewWhenRestored } from "../lib/page.js";
import { connect } from "../lib/socket.js";
import { empty, refusal } from "../lib/ui.js";
import { openConversation } from "./conversation.js";
import { openListening } from "./listen.js";
import { isInCall } from "./model.js";
import { createQueue } from "./queue.js";
import { createShows } from "./shows.js";

/** @typedef {import("./model.js").Call} Call */
/** @typedef {{ id: string, close: () => void, update: (call: Call) => void, proposal?: (proposal: any) => void, element: HTMLElement, side: HTMLElement }} Open */

const person = await requireMe();
const supervisor = person.role === "supervisor";
const main = qs("#main");
const middle = h("section", { class: "desk-middle", tLabel: "desk.conversation" });
const right = h("aside", { class: "desk-right", tLabel: "desk.picture" });
const connection = connect("/desk", { relang: true });
/** @type {Open | null} */
let open = null;
/** @type {string | null} */
let over = null;

const queue = createQueue({ supervisor, onAvailable: setAvailable, onAccept: accept, onDecline: decline, onListen: listen });
document.body.prepend(header({ current: "desk" }));
if (supervisor) queue.element.append(createShows().element);
fill(main, queue.element, middle, right);
idle();

function idle() {
  open?.close();
  open = null;
  main.classList.remove("desk-in-call");
  fill(
    middle,
    empty({
      t: over ?? (supervisor ? "desk.choose_call" : "desk.idle"),
      next: supervisor ? "desk.choose_call_next" : over ? "desk.over_next" : "desk.idle_next",
      icon: "phone",
    }),
  );
  fill(right, h("div", { class: "desk-right-empty" }, empty({ t: "desk.no_customer", icon: "person" })));
}

/** @param {Open} next */
function take(next) {
  open?.close();
  open = next;
  over = null;
  main.classList.add("desk-in-call");
  fill(middle, next.element);
  fill(right, next.side);
}

/** @param {Call} call */
function show(call) {
  if (open?.id === call.id) {
    if (isInCall(call)) return open.update(call);
    over = call.state === "waiting" ? "desk.transferred" : "desk.call_over";
    return idle();
  }
  if (!supervisor && isInCall(call) && call.adviser?.id === person.id) take(openConversation(call, connection, show));
}

/** @param {boolean} wanted */
async function setAvailable(wanted) {
  const answer = await connection.emit("available", { on: wanted });
  queue.show(answer.queue.waiting, answer.queue.available);
}

/** @param {Call} call */
async function accept(call) {
  const answer = await attempt("accept", call, () => void accept(call));
  if (answer) show(answer.call);
}

/** @param {Call} call */
async function decline(call) {
  await attempt("decline", call, () => void decline(call));
}

/** @param {Call} call */
function listen(call) {
  take(openListening(call, connection, idle));
}

/** @param {string} event @param {Call} call @param {() => void} retry */
async function attempt(event, call, retry) {
  queue.refused(null);
  try {
    return await connection.emit(event, { call: call.id }, 8000);
  } catch (error) {
    queue.refused(refusal(asProblem(error), { compact: true, retry }));
    await load();
    return null;
  }
}

async function load() {
  try {
    const { calls } = await api("GET", "/api/calls");
    queue.show(calls);
    for (const call of calls) if (isInCall(call)) show(call);
    const id = open?.id;
    if (id && !calls.some((/** @type {Call} */ c) => c.id === id)) {
      over = "desk.call_over";
      idle();
    }
  } catch (error) {
    if (!open) fill(middle, refusal(asProblem(error), { retry: () => void load() }));
  }
}

/** @param {string} call @param {any} proposal */
function proposed(call, proposal) {
  if (open?.id === call) open?.proposal?.(proposal);
}

connection.on("queue", (/** @type {any} */ payload) => {
  queue.show(payload.waiting, payload.available);
  if (supervisor) void load();
});
connection.on("call", ({ call }) => show(call));
connection.on("proposal", ({ call, proposal }) => proposed(call, proposal));
connection.onStatus((status) => {
  queue.connection(status);
  if (status !== "connected") return;
  if (queue.wanted()) void setAvailable(true).catch((error) => queue.refused(refusal(asProblem(error), { compact: true })));
  void load();
});
const title = () => {
  document.title = `${t("desk.title")} · Tellercast`;
};
onLang(() => {
  title();
  void load();
});
on(window, "pagehide", () => open?.close());
beginAnewWhenRestored();
title();
