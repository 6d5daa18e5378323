// Who is told: the bank's core and the partners, each with what waits for it.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { confirm, dialog, empty, toast } from "../lib/ui.js";
import { openForm } from "./form.js";
import { CORE, COUNTED } from "./model.js";
import { named, nameOf } from "./names.js";

/** @typedef {import("./model.js").Receiver} Receiver */

/** @param {{chosen: () => string, onChoose: (id: string) => void, onChanged: () => void}} does */
export function createReceivers({ chosen, onChoose, onChanged }) {
  /** @type {Receiver[]} */ let shown = [];
  let drawn = "";
  const list = h("ul", { class: "receivers-list" });
  const hint = h("div");
  const element = h(
    "section",
    { class: "receivers", id: "receivers", tLabel: "receivers.title" },
    h(
      "div",
      { class: "spread" },
      h("h2", { class: "receivers-title", t: "receivers.title" }),
      h("button", { class: "button button-small", type: "button", testid: "receiver-add", t: "receivers.add", onclick: add }),
    ),
    list,
    hint,
  );

  function add() {
    openForm(null, { onDone: finish });
  }

  /** @param {{receiver: Receiver, secret?: string}} made */
  function finish(made) {
    onChanged();
    if (made.secret) showSecret(made.receiver, made.secret);
    else toast(t("receivers.saved"), { tone: "good" });
  }

  /** @param {Receiver} one */
  async function rotate(one) {
    const sure = await confirm({ title: "receivers.rotate", text: "receivers.rotate_text", yes: "receivers.rotate" });
    if (!sure) return;
    try {
      finish(await api("POST", `/api/receivers/${one.id}/rotate`));
    } catch (error) {
      toast(asProblem(error).title, { tone: "warn" });
    }
  }

  /** @param {Receiver} one */
  function card(one) {
    const name = nameOf(one.id, one.name);
    const age = one.oldest_at ? Math.max(0, Date.now() - Date.parse(one.oldest_at)) : 0;
    const partner = one.id !== CORE;
    return h(
      "li",
      { class: "receiver", testid: "receiver", data: { id: one.id }, "aria-current": one.id === chosen() ? "true" : null },
      h(
        "button",
        {
          class: "receiver-open",
          type: "button",
          testid: "receiver-open",
          data: { id: one.id },
          tTitle: "receivers.show",
          tp: { name },
          "aria-pressed": String(one.id === chosen()),
          onclick: () => onChoose(one.id === chosen() ? "" : one.id),
        },
        h("span", { class: "receiver-name one-line", ...named(one.id, one.name) }, one.name || null),
        h("span", { class: "receiver-url muted tiny one-line" }, one.url),
      ),
      h(
        "div",
        { class: "receiver-tags" },
        !one.active && h("span", { class: "tag", t: "receivers.off" }),
        one.dead > 0 && counted("dead", one.dead, "bad"),
        one.waiting > 0 && counted("waiting", one.waiting, "warn"),
        one.waiting > 0 &&
          age > 60_000 &&
          h("span", { class: "muted tiny", t: "receivers.oldest", tp: { age: { words: age } } }),
        h("span", {
          class: "muted tiny figures",
          ...(one.delivered >= COUNTED
            ? { t: "receivers.delivered_many" }
            : { t: "receivers.delivered", tp: { n: number(one.delivered) } }),
        }),
      ),
      partner &&
        one.overlap_until !== null &&
        Date.parse(one.overlap_until) > Date.now() &&
        h("p", { class: "muted tiny", t: "receivers.overlap", tp: { until: { dateTime: one.overlap_until } } }),
      partner &&
        h(
          "div",
          { class: "receiver-ways" },
          h("button", {
            class: "button-quiet",
            type: "button",
            testid: "receiver-edit",
            t: "receivers.edit",
            onclick: () => openForm(one, { onDone: finish }),
          }),
          h("button", {
            class: "button-quiet",
            type: "button",
            testid: "receiver-rotate",
            t: "receivers.rotate",
            onclick: () => void rotate(one),
          }),
        ),
    );
  }

  function draw() {
    const state = JSON.stringify([shown, chosen(), Math.floor(Date.now() / 60_000)]);
    if (state === drawn) return;
    drawn = state;
    const before =
      document.activeElement instanceof HTMLElement && list.contains(document.activeElement) ? document.activeElement : null;
    const place = before?.closest("[data-id]")?.getAttribute("data-id");
    fill(list, shown.map(card));
    fill(hint, shown.some((one) => one.id !== CORE) ? null : empty({ t: "receivers.none", next: "receivers.none_next" }));
    const again = list.querySelector(`.receiver[data-id="${place}"] [data-testid="${before?.dataset.testid}"]`);
    if (again instanceof HTMLElement) again.focus();
  }

  return {
    element,
    /** @param {Receiver[]} receivers */
    show(receivers) {
      shown = receivers;
      draw();
    },
    redraw() {
      drawn = "";
      draw();
    },
  };
}

/** @param {"dead"|"waiting"} state @param {number} n @param {string} tone */
function counted(state, n, tone) {
  const word = { t: `deliveries.state.${state}` };
  return h("span", { class: `tag tag-${tone}`, t: "deliveries.counted", tp: { word, n: number(n) } });
}

/** Once and never again; so it closes only by saying that it was passed on. @param {Receiver} one @param {string} secret */
function showSecret(one, secret) {
  let passedOn = false;
  const field = h("textarea", {
    class: "textarea secret",
    readonly: true,
    rows: "2",
    value: secret,
    testid: "secret",
    tLabel: "receivers.secret",
    tp: { name: one.name },
  });
  field.addEventListener("focus", () => field.select());
  const surface = dialog({
    title: "receivers.secret",
    titleParams: { name: one.name },
    testid: "secret-dialog",
    canClose: () => passedOn,
    content: [h("p", { t: "receivers.secret_text" }), field],
  });
  fill(
    surface.footer,
    h("button", {
      class: "button",
      type: "button",
      testid: "secret-copy",
      t: "receivers.secret_copy",
      onclick: () => void copy(),
    }),
    h("button", {
      class: "button button-accent",
      type: "button",
      testid: "secret-done",
      t: "receivers.secret_done",
      onclick: () => {
        passedOn = true;
        surface.close();
      },
    }),
  );

  async function copy() {
    try {
      await navigator.clipboard.writeText(secret);
      toast(t("receivers.secret_copied"), { tone: "good" });
    } catch {
      field.focus(); // no clipboard here: it is selected, and can be copied by hand
    }
  }
}
