// The waiting line, the switch that says whether one takes calls, and for supervisors the calls under way.
import { asProblem } from "../lib/api.js";
import { fill, h, icon, setText } from "../lib/dom.js";
import { duration, number } from "../lib/format.js";
import { empty, refusal } from "../lib/ui.js";
import { isInCall, waited, waitingLine } from "./model.js";

/** @typedef {import("./model.js").Call} Call */

const AVAILABLE = "tellercast.available";

/**
 * @param {{ supervisor: boolean, onAvailable: (on: boolean) => Promise<void>, onAccept: (call: Call) => Promise<void>, onDecline: (call: Call) => Promise<void>,
 *   onListen: (call: Call) => void }} does
 */
export function createQueue({ supervisor, onAvailable, onAccept, onDecline, onListen }) {
  /** @type {Call[]} */ let calls = [];
  const toggle = h("input", { type: "checkbox", class: "switch", role: "switch", testid: "available", id: "available" });
  const word = h("span", { class: "queue-word", t: "desk.not_available" });
  const list = h("ol", { class: "queue-list", tLabel: "desk.line" });
  const count = h("span", { class: "queue-count", role: "status" });
  const staff = h("p", { class: "queue-staff muted small" });
  const underWay = h("div", { class: "queue-live", hidden: !supervisor });
  const refused = h("div", { class: "queue-refused", testid: "queue-refused" });
  const connection = h("div", { class: "connection", role: "status", hidden: true });
  const element = h(
    "section",
    { class: "queue", tLabel: "desk.line" },
    connection,
    supervisor
      ? null
      : h(
          "label",
          { class: "queue-switch", for: "available" },
          h("span", { class: "queue-words" }, h("strong", { t: "desk.take_calls" }), word),
          toggle,
        ),
    h("div", { class: "queue-head" }, h("h1", { class: "queue-title", t: "desk.line" }), count),
    staff,
    refused,
    list,
    underWay,
  );

  toggle.addEventListener("change", async () => {
    fill(refused);
    try {
      await onAvailable(toggle.checked);
    } catch (error) {
      toggle.checked = !toggle.checked;
      fill(refused, refusal(asProblem(error), { compact: true }));
    }
    said();
  });

  // Whoever took calls before the page was loaded again takes them still.
  toggle.checked = sessionStorage.getItem(AVAILABLE) === "1";
  said();

  function said() {
    sessionStorage.setItem(AVAILABLE, toggle.checked ? "1" : "0");
    setText(word, toggle.checked ? "desk.available" : "desk.not_available");
  }

  /** @param {Call} call */
  function row(call) {
    const wait = waited(call, Date.now());
    return h(
      "li",
      { class: `waiting${call.offered_to ? " waiting-offered" : ""}`, testid: "waiting-call", data: { call: call.id } },
      h(
        "div",
        { class: "waiting-top" },
        h("strong", { class: "waiting-name" }, call.customer.name),
        call.customer.grade
          ? h("span", { class: "tag" }, call.customer.grade)
          : h("span", { class: "tag tag-warn", t: "desk.no_grade" }),
        call.customer.age_65 ? h("span", { class: "tag", t: "desk.elder" }) : null,
        h(
          "span",
          { class: `waiting-time${wait.long ? " waiting-long" : ""}`, data: { since: call.waiting_since } },
          duration(wait.seconds * 1000),
        ),
      ),
      h("p", { class: "waiting-topic" }, call.topic),
      call.offered_to ? h("p", { class: "waiting-note", t: "desk.offered" }) : null,
      supervisor
        ? null
        : h(
            "div",
            { class: "waiting-do" },
            button("desk.accept", "accept", "button-accent", () => onAccept(call)),
            call.offered_to ? button("desk.pass_on", "decline", "", () => onDecline(call)) : null,
          ),
    );
  }

  /** @param {string} key @param {string} testid @param {string} look @param {() => Promise<void>} act */
  function button(key, testid, look, act) {
    const made = h("button", { class: `button button-small ${look}`, type: "button", testid, t: key });
    made.addEventListener("click", async () => {
      made.disabled = true;
      await act();
      made.disabled = false;
    });
    return made;
  }

  /** @param {Call} call */
  function liveRow(call) {
    return h(
      "li",
      { class: "waiting", testid: "live-call", data: { call: call.id } },
      h(
        "div",
        { class: "waiting-top" },
        h("strong", null, call.customer.name),
        icon("forward", "waiting-arrow"),
        h("span", null, call.adviser?.name ?? "–"),
      ),
      h("p", { class: "waiting-topic" }, call.topic),
      h(
        "div",
        { class: "waiting-do" },
        h("button", {
          class: "button button-small",
          type: "button",
          testid: "listen",
          disabled: call.state !== "live",
          t: "desk.listen",
          onclick: () => onListen(call),
        }),
      ),
    );
  }

  function draw() {
    const line = waitingLine(calls);
    fill(count, number(line.length));
    const focused = document.activeElement?.closest("[data-call]")?.getAttribute("data-call");
    fill(
      list,
      line.length
        ? line.map(row)
        : h("li", null, empty({ t: "desk.line_empty", next: supervisor ? undefined : "desk.line_empty_next", icon: "check" })),
    );
    if (focused) {
      const again = list.querySelector(`[data-call="${CSS.escape(focused)}"] button`);
      if (again instanceof HTMLElement) again.focus();
    }
    if (!supervisor) return;
    const live = calls.filter(isInCall);
    fill(
      underWay,
      h("h2", { class: "queue-title", t: "desk.under_way" }),
      live.length
        ? h("ul", { class: "queue-list" }, live.map(liveRow))
        : h("p", { class: "muted small", t: "desk.none_under_way" }),
    );
  }

  setInterval(() => {
    for (const time of list.querySelectorAll("[data-since]")) {
      const wait = waited(
        /** @type {any} */ ({ waiting_since: /** @type {HTMLElement} */ (time).dataset["since"] }),
        Date.now(),
      );
      time.textContent = duration(wait.seconds * 1000);
      time.classList.toggle("waiting-long", wait.long);
    }
  }, 1000);
  draw();

  return {
    element,
    wanted: () => toggle.checked,
    /** What was tried in the line and could not be done; null when that is past. @param {Node | null} refusal */
    refused: (refusal) => fill(refused, refusal),
    /** @param {Call[]} next @param {number} [available] advisers who take calls now */
    show(next, available) {
      // The line's event carries those who wait alone; calls under way are known from the list.
      const rest = next.some((c) => !isWaitingState(c)) || available === undefined ? [] : calls.filter(isInCall);
      calls = [...next, ...rest];
      if (available !== undefined) fill(staff, h("span", { t: "desk.n_available", tp: { n: available } }));
      draw();
    },
    /** @param {string} status */
    connection(status) {
      connection.hidden = status === "connected" || status === "connecting";
      fill(connection, icon("offline"), h("span", { t: `connection.${status}` }));
    },
  };
}

/** @param {Call} call */
const isWaitingState = (call) => call.state === "waiting";
