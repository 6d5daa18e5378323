// The list: filters, rows newest first, and sending again.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { number, when } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { confirm, empty, refusal, skeleton, toast } from "../lib/ui.js";
import { openDetail } from "./detail.js";
import { nothing, queryOf, reason, shortId, STATES, subject, totals } from "./model.js";
import { named, nameOf } from "./names.js";

/** @typedef {import("./model.js").Delivery} Delivery */
/** @typedef {import("./model.js").Filter} Filter */
/** @typedef {import("./model.js").Receiver} Receiver */

const TONES = { dead: "bad", waiting: "warn", delivered: "good" };
const ORDER_AFTER_MS = 300;

/** @param {{filter: Filter, receivers: () => Receiver[], onFilter: () => void, onSent: () => void}} does */
export function createList({ filter, receivers, onFilter, onSent }) {
  /** @type {Delivery[]} */ let shown = [];
  /** @type {string | null} */ let next = null;
  let drawn = "";
  let asked = 0;
  let deep = false;

  const chips = h("div", { class: "deliveries-states", role: "group", tLabel: "deliveries.state" });
  const order = h("input", {
    class: "input deliveries-order",
    type: "search",
    testid: "filter-order",
    value: filter.order,
    tPlaceholder: "deliveries.order",
    tLabel: "deliveries.order",
    maxlength: "40",
  });
  const scope = h("div", { class: "deliveries-scope" });
  const body = h("div", { class: "deliveries-rows", "aria-live": "off" });
  const element = h(
    "section",
    { class: "deliveries-list", tLabel: "deliveries.list" },
    h("h1", { class: "visually-hidden", t: "deliveries.title" }),
    h("div", { class: "deliveries-filters" }, chips, order),
    scope,
    body,
  );
  let typing = 0;
  order.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      filter.order = order.value.trim();
      onFilter();
    }, ORDER_AFTER_MS);
  });

  /** @param {import("./model.js").State} state */
  function chip(state) {
    const sum = totals(receivers(), filter.receiver);
    const word = { t: `deliveries.state.${state || "all"}` };
    const counted = state && state !== "delivered" ? { t: "deliveries.counted", tp: { word, n: number(sum[state]) } } : word;
    return h("button", {
      class: `chip ${state === "dead" && sum.dead ? "chip-bad" : ""}`,
      type: "button",
      testid: `state-${state || "all"}`,
      "aria-pressed": String(filter.state === state),
      ...counted,
      onclick: () => {
        filter.state = state;
        onFilter();
      },
    });
  }

  function drawHead() {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.testid : "";
    fill(chips, STATES.map(chip));
    const one = receivers().find((receiver) => receiver.id === filter.receiver);
    const name = one ? nameOf(one.id, one.name) : null;
    fill(
      scope,
      h("span", { class: "muted", ...(name ? { t: "deliveries.for", tp: { name } } : { t: "deliveries.for_all" }) }),
      one &&
        h("button", { class: "button-quiet", type: "button", testid: "show-all", t: "deliveries.show_all", onclick: showAll }),
      h("a", { class: "deliveries-jump", href: "#receivers", t: "receivers.title" }),
      one && one.dead > 0 ? againAll(one) : null,
    );
    if (focused && (focused.startsWith("state-") || focused === "again-all"))
      /** @type {HTMLElement | null} */ (element.querySelector(`[data-testid="${focused}"]`))?.focus();
  }

  function showAll() {
    filter.receiver = "";
    onFilter();
  }

  /** @param {Receiver} one */
  function againAll(one) {
    const name = nameOf(one.id, one.name);
    return h("button", {
      class: "button button-small",
      type: "button",
      testid: "again-all",
      t: "deliveries.again_all",
      tp: { name },
      onclick: async () => {
        const sure = await confirm({
          title: "deliveries.again_all",
          text: "deliveries.again_all_text",
          params: { name },
          yes: "deliveries.again",
        });
        if (!sure) return;
        try {
          const sent = await api("POST", "/api/deliveries/again", { receiver: one.id });
          toast(t("deliveries.again_all_done", { n: number(sent.again), left: number(sent.left) }), { tone: "good" });
        } catch (error) {
          toast(asProblem(error).title, { tone: "warn" });
        }
        onSent();
      },
    });
  }

  /** @param {Delivery} one */
  function row(one) {
    const why = one.state === "delivered" ? null : reason(one.error);
    const tries = one.attempts === 1 ? "deliveries.try_one" : one.attempts ? "deliveries.tries" : "deliveries.not_tried";
    const open = h(
      "button",
      {
        class: "delivery-open",
        type: "button",
        testid: "delivery-open",
        data: { id: one.id },
        tLabel: "deliveries.details",
        tp: { kind: { t: `deliveries.kind.${one.kind}` }, order: shortId(subject(one)) },
        onclick: () => show(one.id),
      },
      h("span", { class: "delivery-kind", t: `deliveries.kind.${one.kind}` }),
    );
    return h(
      "li",
      { class: `delivery delivery-${one.state}`, testid: "delivery", data: { id: one.id, state: one.state } },
      h("span", { class: `dot dot-${TONES[one.state]}`, "aria-hidden": "true" }),
      h(
        "div",
        { class: "delivery-what" },
        open,
        h("span", { class: "delivery-order figures", title: subject(one) }, shortId(subject(one))),
      ),
      h("span", { class: "delivery-who one-line", ...named(one.receiver, one.receiver_name) }, one.receiver_name || null),
      h(
        "div",
        { class: "delivery-how" },
        h("span", { class: `tag tag-${TONES[one.state]}`, t: `deliveries.state.${one.state}` }),
        why && h("span", { class: "delivery-why", ...why }),
      ),
      h(
        "div",
        { class: "delivery-when figures" },
        h("time", { datetime: one.created_at, title: one.created_at }, when(one.created_at)),
        h("span", { class: "muted tiny", t: tries, tp: { n: number(one.attempts) } }),
      ),
      one.state === "dead"
        ? h(
            "button",
            {
              class: "button button-small delivery-again",
              type: "button",
              testid: "again",
              data: { id: one.id },
              onclick: () => void again(one.id),
            },
            icon("send"),
            h("span", { t: "deliveries.again" }),
          )
        : h("span", { class: "delivery-again" }),
    );
  }

  /** @param {string} id */
  async function again(id) {
    try {
      await api("POST", `/api/deliveries/${id}/again`);
      toast(t("deliveries.again_done"), { tone: "good", topic: "again" });
    } catch (error) {
      toast(asProblem(error).title, { tone: "warn", topic: "again" });
    }
    onSent();
  }

  /** @param {string} id */
  function show(id) {
    openDetail(id, { onSent, onOpen: show });
  }

  function draw() {
    const state = JSON.stringify([filter, shown, next]);
    if (state === drawn) return;
    drawn = state;
    const before =
      document.activeElement instanceof HTMLElement && body.contains(document.activeElement) ? document.activeElement : null;
    if (shown.length === 0) fill(body, empty(nothing(filter, receivers())));
    else
      fill(
        body,
        h("ol", { class: "delivery-rows" }, shown.map(row)),
        next &&
          h("button", {
            class: "button button-small deliveries-more",
            type: "button",
            testid: "more",
            t: "deliveries.more",
            onclick: () => void more(),
          }),
      );
    if (before) keepFocus(before.dataset.id ?? "", before.dataset.testid ?? "");
  }

  /** Where it was, or on the row if the button there is gone. @param {string} id @param {string} testid */
  function keepFocus(id, testid) {
    const same =
      body.querySelector(`[data-testid="${testid}"][data-id="${id}"]`) ?? body.querySelector(`button[data-id="${id}"]`);
    const target = same ?? body.querySelector(".delivery-open");
    if (target instanceof HTMLElement) target.focus();
  }

  async function more() {
    const page = await api("GET", `/api/deliveries${queryOf(filter, { after: next ?? "" })}`);
    const first = page.deliveries[0]?.id ?? "";
    shown = [...shown, ...page.deliveries];
    next = page.next;
    deep = true;
    draw();
    keepFocus(first, "delivery-open");
  }

  return {
    element,
    /** Reads the first page anew; where earlier ones were asked for too, only when the filter changed. @param {boolean} [fresh] */
    async load(fresh = false) {
      drawHead();
      if (fresh) {
        deep = false;
        drawn = "";
        if (shown.length === 0) fill(body, skeleton(6, "row"));
      }
      if (deep) return;
      const mine = ++asked;
      try {
        const page = await api("GET", `/api/deliveries${queryOf(filter)}`);
        if (mine !== asked) return;
        shown = page.deliveries;
        next = page.next;
        draw();
      } catch (error) {
        if (mine !== asked) return;
        drawn = "";
        fill(body, refusal(asProblem(error), { retry: () => void this.load(true) }));
      }
    },
    /** After the language changed: dates and figures are written anew. */
    redraw() {
      drawn = "";
      drawHead();
      draw();
    },
  };
}
